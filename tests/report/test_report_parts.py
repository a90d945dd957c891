"""The values behind the page: grouping, comparing, scaling."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.domain.primitives import workload
from bench.errors import ConfigurationError, UsageError
from bench.report import compare, draw, kernel_size, over_clock
from bench.report.figures import write_figures
from bench.report.page import Report
from bench.report.palette import CURVES, DARK_PAPER, PAPER
from bench.report.plot import Axis, Curve, Plot, StepKind
from bench.report.quick import Compare, Over, quick_plot
from bench.report.residuals import Residuals, read_validation, residuals_of, residuals_section
from bench.report.series import collect
from bench.report.text import file_stem, regulator, scale_of, si
from bench.report.text_plot import text_plot
from tests.report.report_samples import F446, HOSTILE, KERNELS, clocks, plausible, point, runs, table, workloads

FOUND = collect(table(runs()))


def test_a_series_holds_what_was_put_in() -> None:
    work = workload("conv2d", {"k": 5})
    found = table(plausible(point(work, clock)) for clock in reversed(clocks(F446)))
    (series,) = collect(found).series
    samples = series.samples()
    assert [sample.clock_id for sample in samples] == [clock.id for clock in clocks(F446)]
    for sample, line in zip(samples, reversed(found), strict=True):
        assert (sample.cycles, sample.latency_s, sample.energy_j) == (line.cycles, line.latency_s, line.energy_j)
        assert sample.wait_states == line.flash_wait_states
    least = series.least_energy()
    assert least is not None
    assert least.energy_j == min(line.energy_j or 0 for line in found)


def test_a_foreign_clock_id_is_drawn_without_steps() -> None:
    lines = [replace(line, clock_id=f"pll-{n}") for n, line in enumerate(table(runs((F446,)))[:3])]
    (group,) = over_clock.groups(collect(lines))
    assert all(plot.zones == () for plot in over_clock.plots(group))


def test_zones_tile_the_axis_and_follow_the_configuration() -> None:
    group = over_clock.groups(FOUND)[0]
    plot = over_clock.plots(group)[0]
    zones = {kind: [z for z in plot.zones if z.kind is kind] for kind in StepKind}
    assert [zone.label for zone in zones[StepKind.WAIT_STATES]] == ["0", "1", "2", "3", "4", "5"]
    assert [zone.label for zone in zones[StepKind.REGULATOR]] == ["scale 3", "scale 2", "scale 1", "scale 1 OD"]
    for tiles in zones.values():
        assert all(a.end == b.start for a, b in itertools.pairwise(tiles))
        assert (tiles[0].start, tiles[-1].end) == (16e6, 180e6)
    for clock in clocks(F446):
        (zone,) = [z for z in zones[StepKind.REGULATOR] if z.start <= clock.hclk_hz <= z.end]
        assert zone.label == regulator(clock.regulator)


def test_no_plot_has_more_curves_than_there_are_styles_and_none_is_lost() -> None:
    found = over_clock.groups(FOUND)
    drawn = [series for group in found for series in group.series]
    assert len(drawn) + sum(group.left_out for group in found) == len(FOUND.series)
    assert max(len(group.series) for group in found) <= len(CURVES)
    assert all(len(set(group.labels)) == len(group.labels) for group in found)


def test_comparisons_are_ratios_of_the_same_workload_at_the_same_clocks() -> None:
    pairs = compare.comparisons(FOUND)
    assert len(pairs) == 2 * (5 * 2 + 1 + 2)
    for pair in pairs:
        assert pair.base.params == pair.other.params
        assert pair.base.place == pair.other.place
        assert pair.latency.least <= pair.latency.middle <= pair.latency.greatest
        first, second = pair.base.samples()[0], pair.other.samples()[0]
        assert pair.latency.middle == pytest.approx(second.latency_s / first.latency_s)
    assert {p.change for p in pairs} == {"int8 naive instead of fp32 naive", "int8 dsp instead of int8 naive"}


def test_costs_over_kernel_size_are_per_application() -> None:
    (group,) = kernel_size.size_groups(FOUND)
    assert group.primitive == "conv2d"
    cycles = group.plots[0].curves[0]
    assert cycles.x == KERNELS
    waits = clocks(F446)[-1].flash_wait_states
    assert cycles.y == pytest.approx([(40 + 16 * k * k) * (1 + 0.002 * waits) for k in KERNELS], rel=1e-3)


def test_power_band_is_energys_without_latencys() -> None:
    sample = FOUND.series[0].samples()[0]
    assert sample.power_u95_relative == pytest.approx(math.sqrt(0.025**2 - 1e-4**2))


@given(st.floats(1e-15, 1e15), st.booleans())
def test_scales_bring_numbers_to_a_readable_size(value: float, log: bool) -> None:
    factor, unit = scale_of([value], "J", log=log)
    assert unit.endswith("J")
    if 1e-12 <= value < 1e12:
        assert 1 - 1e-9 <= value / factor < 1000 * (1 + 1e-9)


def test_micro_is_a_micro_sign() -> None:
    assert si(2.5e-6, "s") == "2.5 µs"
    assert si(None, "s") == si(float("nan"), "s") == "–"
    assert file_stem("energy", "../<x>", "a b") == "energy_x_a-b"


def _luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_curves_are_seen_on_paper_and_in_the_dark_and_differ_without_colour() -> None:
    for colours, ground in (([c.light for c in CURVES], PAPER), ([c.dark for c in CURVES], DARK_PAPER)):
        for colour in colours:
            dark, bright = sorted((_luminance(colour), _luminance(ground)))
            assert (bright + 0.05) / (dark + 0.05) >= 3.0  # WCAG 2.2, 1.4.11
    assert len({style.marker for style in CURVES}) == len({style.dash for style in CURVES}) == len(CURVES)


def test_residuals_are_relative_to_the_measurement() -> None:
    one = Residuals("latency", "s", (("a", 1.1, 1.0), ("b", 1.5, 2.0)), "virtual")
    assert one.relative() == pytest.approx([0.1, -0.25])
    assert one.mean_absolute == pytest.approx(0.175)
    assert one.bias == pytest.approx(-0.075)
    assert one.worst[0] == "b"
    assert one.worst[1] == pytest.approx(-0.25)
    assert residuals_section([replace(one, pairs=())]) == []
    with pytest.raises(ValueError, match="not positive"):
        Residuals("latency", "s", (("a", 1.0, 0.0),), "virtual")


VALIDATED = {
    "network": "lenet5", "board": F446, "source": "virtual", "dtype": "fp32", "reduce": "", "clock_id": "x", "sysclk_hz": 16e6,
    "latency_s_estimated": 1.1, "energy_j_estimated": 2.0, "current_a_estimated": None, "flash_bytes_estimated": 100, "ram_bytes_estimated": 10,
    "latency_s_measured": 1.0, "energy_j_measured": 2.5, "current_a_measured": None, "flash_bytes_measured": 90, "ram_bytes_measured": 10,
}  # fmt: skip


def test_what_validate_prints_becomes_residuals(tmp_path: Path) -> None:
    path = tmp_path / "validate.json"
    path.write_text(json.dumps([VALIDATED]))
    found = residuals_of(read_validation(path), str(path))
    assert [one.quantity for one in found] == ["latency", "energy", "flash", "RAM"]
    assert found[0].pairs == ((f"lenet5 {F446} fp32 16 MHz", 1.1, 1.0),)
    for content, words in (
        ("{}", "no array"),
        ("[", "not JSON"),
        ('[{"network": "x"}]', "misses"),
        (json.dumps([{**VALIDATED, "latency_s_measured": "fast"}]), "could not convert"),
        (json.dumps([{**VALIDATED, "energy_j_measured": 0}]), "not positive"),
    ):
        path.write_text(content)
        with pytest.raises(ConfigurationError, match=words):
            residuals_of(read_validation(path), str(path))
    with pytest.raises(ConfigurationError, match="cannot read"):
        read_validation(tmp_path / "none.json")


def test_figures_are_files_whose_names_say_what_they_are(report: Report, tmp_path: Path) -> None:
    plots = list(report.plots())
    kept = [plots[0], plots[-1], next(plot for plot in plots if plot.row_labels)]
    paths = list(write_figures(kept, tmp_path / "new" / "figures"))
    assert [path.suffix for path in paths] == [".svg", ".png"] * 3
    assert paths[0].name == "latency-over-clock_conv2d_fp32-naive_virtual-nucleo_f446ze_virtual.svg"
    for path in paths:
        assert path.read_bytes().startswith(b"<?xml" if path.suffix == ".svg" else b"\x89PNG")
    assert "[virtual]" in paths[0].read_text()
    assert len({plot.name for plot in plots}) == len(plots)
    with pytest.raises(UsageError, match="cannot write figures"):
        list(write_figures(kept, paths[0] / "below-a-file"))


def test_names_are_not_taken_for_mathematics(tmp_path: Path) -> None:
    curve = Curve(HOSTILE + "$\\frac{", (1.0, 2.0), (1.0, 2.0))
    plot = Plot("x", HOSTILE, "virtual", Axis("a $b"), Axis("c"), (curve,))
    draw.save(plot, tmp_path / "x.svg", "svg")
    assert "&lt;script&gt;" in (tmp_path / "x.svg").read_text()


@pytest.mark.parametrize("width", [40, 80, 100])
def test_quick_plots_fit_the_terminal(width: int) -> None:
    made = quick_plot(FOUND, "energy")
    lines = text_plot(made.plot, width).splitlines()
    assert max(map(len, lines)) <= width
    assert sum(line.startswith("  ") and "k=" in line for line in lines) == len(KERNELS)
    assert made.left_out == len(FOUND.series) - len(KERNELS)
    assert "virtual" in made.common


def test_quick_plots_compare_one_thing() -> None:
    dtypes = quick_plot(FOUND, "latency", compare=Compare.DTYPE)
    assert [curve.label for curve in dtypes.plot.curves] == ["fp32 naive", "int8 naive"]
    flavors = quick_plot(FOUND, "cycles", over=Over.KERNEL, compare=Compare.FLAVOR, clock_hz=16e6)
    assert [curve.label for curve in flavors.plot.curves] == ["int8 naive, 16 MHz", "int8 dsp, 16 MHz"]
    boards = quick_plot(FOUND, "energy", compare=Compare.BOARD)
    assert [curve.label for curve in boards.plot.curves] == ["nucleo_f446ze", "nucleo_l496zg"]
    assert boards.plot.zones == ()
    assert "nucleo" not in boards.plot.title


def test_quick_plots_that_cannot_be_drawn_say_why() -> None:
    alone = collect(table([plausible(point(workloads()[0], clocks(F446)[0]), energy=False)]))
    with pytest.raises(UsageError, match="no energy was measured"):
        quick_plot(alone, "energy")
    with pytest.raises(UsageError, match="differ in dtype alone"):
        quick_plot(alone, "latency", compare=Compare.DTYPE)
    with pytest.raises(UsageError, match="no two kernel sizes were measured alike at 1 MHz"):
        quick_plot(FOUND, "energy", over=Over.KERNEL, clock_hz=1e6 + 0.5)
    assert "▲" not in text_plot(quick_plot(alone, "latency").plot, 80)
