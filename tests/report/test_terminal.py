"""The table of results: numbers are never cut, and the least energy is marked."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from bench.domain.measurement import Run
from bench.report.terminal import LEAST_ENERGY_MARK, energy_plot, least_energy, results_table, with_uncertainty
from tests.store.store_samples import a_run


def runs() -> list[Run]:
    """Three runs; the second one takes the least energy."""
    base = a_run()
    assert base.result is not None
    return [replace(base, result=replace(base.result, energy_j=energy_j)) for energy_j in (3e-6, 1e-6, 2e-6)]


def printed(width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, highlight=False)
    console.print(results_table(runs(), width))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 160])
def test_no_number_is_cut_at_any_width(width: int) -> None:
    lines = printed(width)
    assert "…" not in "".join(lines)
    assert [LEAST_ENERGY_MARK in line for line in lines[1:4]] == [False, True, False]
    assert lines[0].split()[0] == "clock"


def test_columns_left_out_are_named() -> None:
    assert "left out" in "\n".join(printed(80))
    assert "left out" not in "\n".join(printed(160))


def test_uncertainty_is_relative_and_a_missing_value_a_dash() -> None:
    assert with_uncertainty(2e-3, 1e-5, "s") == "2 ms ±0.5 %"
    assert with_uncertainty(None, None, "J") == "-"


def test_the_plot_marks_the_least_energy_and_fits_its_width() -> None:
    base = runs()
    clocks = [replace(run.point.clock, ahb_div=divider) for run, divider in zip(base, (4, 2, 1), strict=True)]
    over_clock = [replace(r, point=replace(r.point, clock=c)) for r, c in zip(base, clocks, strict=True)]
    best = least_energy(over_clock)
    assert best is over_clock[1]
    plot = energy_plot(over_clock, 60).splitlines()
    assert max(map(len, plot)) <= 60
    assert "\x1b" not in "".join(plot)
    assert sum(line.count("O") for line in plot if "┤" in line or "│" in line) == 1


def test_without_energy_there_is_no_plot() -> None:
    base = a_run()
    assert base.result is not None
    assert energy_plot([replace(base, result=replace(base.result, energy_j=None, energy_u95_j=None))], 80) == ""
