"""What plots say in a sentence."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.domain.station import Source
from bench.report import kernel_size, over_clock, reading
from bench.report.plot import Axis, Curve, Plot
from bench.report.series import collect
from bench.report.tables import workloads as workloads_table
from tests.report.report_samples import F446, clocks, plausible, point, table, workloads


@pytest.mark.parametrize(
    ("ratio", "words"),
    [
        (1.0, "the same time"),
        (1.004, "the same time"),
        (0.64, "36 % less time"),
        (1.28, "28 % more time"),
        (2.31, "2.3 times the time"),
        (14.2, "14 times the time"),
    ],
)
def test_a_ratio_in_words(ratio: float, words: str) -> None:
    assert reading.change(ratio, "time") == words


@pytest.mark.parametrize(
    ("ratios", "words"),
    [
        ([1.04, 1.06], "4 to 6 % more energy"),
        ([0.5, 0.6, 0.7], "30 to 50 % less energy"),
        ([1.041, 1.042], "4 % more energy"),
        ([0.8, 3.0], "0.8 to 3 times the energy"),
    ],
)
def test_ratios_in_words(ratios: list[float], words: str) -> None:
    assert reading.changes(ratios, "energy") == words


def test_over_the_clock_the_sentence_is_that_of_the_numbers() -> None:
    work = workloads()[0]
    lines = table(plausible(point(work, clock)) for clock in clocks(F446))
    (group,) = over_clock.groups(collect(lines))
    best, fastest = min(lines, key=lambda line: line.energy_j or 0), max(lines, key=lambda line: line.sysclk_hz)
    assert best.energy_j is not None
    assert fastest.energy_j is not None
    assert reading.over_clock(group) == (
        f"Least energy at {best.sysclk_hz / 1e6:g} MHz; at 180 MHz a call takes "
        f"{reading.change(fastest.latency_s / best.latency_s, 'time')} and "
        f"{reading.change(fastest.energy_j / best.energy_j, 'energy')} than there."
    )


def test_without_energy_or_with_one_clock_nothing_is_said() -> None:
    work = workloads()[0]
    lines = table(plausible(point(work, clock)) for clock in clocks(F446))
    assert reading.over_clock(over_clock.groups(collect(lines[:1]))[0]) == ""
    bare = [replace(line, energy_j=None, energy_u95_j=None, current_a=None, power_w=None) for line in lines]
    assert reading.over_clock(over_clock.groups(collect(bare))[0]) == ""


def test_the_fastest_clock_may_be_the_thriftiest() -> None:
    lines = table(plausible(point(workloads()[0], clock)) for clock in clocks(F446))
    falling = [replace(line, energy_j=1 / line.sysclk_hz, energy_u95_j=1e-12) for line in lines]
    assert reading.over_clock(over_clock.groups(collect(falling))[0]).startswith("The fastest clock takes the least")


def test_over_size_tells_growth_of_window_and_cycles() -> None:
    curves = tuple(Curve(name, (3.0, 7.0), (10.0, top)) for name, top in (("a", 20.0), ("b", 35.0)))
    drawn = Plot("name", "title", "virtual", Axis("kernel height and width"), Axis("cycles"), curves)
    said = "From k = 3 to 7 the window has 5.4 times as many elements, and takes 2 to 3.5 times the cycles."
    assert reading.over_size(drawn) == said
    assert kernel_size.size_groups(collect(table(plausible(point(workloads()[0], c)) for c in clocks(F446)))) == []


def test_a_table_of_one_source_says_it_once_and_of_two_in_every_row() -> None:
    found = collect(table(plausible(point(workloads()[0], clock)) for clock in clocks(F446)))
    one = workloads_table(found)
    assert one.source == "virtual"
    assert "source" not in one.headings
    assert all(len(row) == len(one.headings) for row in one.rows)
    both = [
        plausible(point(workloads()[0], clocks(F446)[0], source=source)) for source in (Source.VIRTUAL, Source.HARDWARE)
    ]
    two = workloads_table(collect(table(both)))
    at = two.headings.index("source")
    assert (two.source, {row[at].text for row in two.rows}) == ("", {"virtual", "hardware"})
