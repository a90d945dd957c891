"""Results in the terminal: one row a clock, and energy over frequency."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import plotext
from rich.table import Table

from bench.domain.lut import LutRow, row
from bench.domain.measurement import Run
from bench.units import format_si

PLOT_HEIGHT = 16
MIN_PLOT_WIDTH, MAX_PLOT_WIDTH = 40, 100
LEAST_ENERGY_MARK = "<- least energy"


def least_energy(runs: Sequence[Run]) -> Run | None:
    """Return the run of least energy, None where no energy was measured."""
    measured = [run for run in runs if run.result is not None and run.result.energy_j is not None]
    return min(measured, key=_energy_j, default=None)


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of the table; the higher ``rank`` is, the sooner it is left out of a narrow terminal."""

    heading: str
    rank: int
    cell: Callable[[LutRow], str]


def _optional(value: float | None, unit: str) -> str:
    return "-" if value is None else format_si(value, unit)


_COLUMNS = (
    _Column("clock", 0, lambda line: format_si(line.sysclk_hz, "Hz")),
    _Column("wait states", 6, lambda line: str(line.flash_wait_states)),
    _Column("cycles", 3, lambda line: f"{line.cycles:,.0f}"),
    _Column("latency", 2, lambda line: with_uncertainty(line.latency_s, line.latency_u95_s, "s")),
    _Column("current", 4, lambda line: _optional(line.current_a, "A")),
    _Column("asleep", 8, lambda line: _optional(line.idle_current_a, "A")),
    _Column("energy", 1, lambda line: with_uncertainty(line.energy_j, line.energy_u95_j, "J")),
    _Column("cycles/appl.", 7, lambda line: f"{line.cycles_per_application:.2f}"),
    _Column("energy/appl.", 5, lambda line: _optional(line.energy_per_application_j, "J")),
)
_GAP = 2


def results_table(runs: Sequence[Run], width: int) -> Table:
    """Return one row for each of ``runs``, all accepted and of one workload: what one call costs, net, with its expanded uncertainty.

    No number is cut: columns that do not fit into ``width`` are left out and named below the table.
    """
    lines = [row(run) for run in runs]
    best = least_energy(runs)
    marks = [LEAST_ENERGY_MARK if run is best else "" for run in runs]
    cells = {column: [column.cell(line) for line in lines] for column in _COLUMNS}
    widths = {column: max(map(len, (column.heading, *cells[column]))) + _GAP for column in _COLUMNS}
    shown = list(_COLUMNS)
    while sum(widths[column] for column in shown) + max(map(len, marks), default=0) > width and len(shown) > 1:
        shown.remove(max(shown, key=lambda column: column.rank))
    left_out = [column.heading for column in _COLUMNS if column not in shown]
    caption = f"left out for lack of width: {', '.join(left_out)}" if left_out else None
    table = Table(box=None, pad_edge=False, header_style="bold", caption=caption, caption_justify="left")
    for column in shown:
        table.add_column(column.heading, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for index, mark in enumerate(marks):
        table.add_row(*(cells[column][index] for column in shown), f"[bold green]{mark}[/]" if mark else "")
    return table


def with_uncertainty(value: float | None, u95: float | None, unit: str) -> str:
    """Return ``value`` with its relative expanded uncertainty, as in ``12.35 uJ ±2.1 %``; a dash for none."""
    if value is None or u95 is None:
        return "-"
    percent = 100 * u95 / abs(value) if value else float("inf")
    return f"{format_si(value, unit)} ±{percent:.2g} %"


def energy_plot(runs: Sequence[Run], width: int) -> str:
    """Return energy per call over core clock as text, ``width`` columns wide, the least marked; empty without energy."""
    measured = sorted(
        (run for run in runs if run.result is not None and run.result.energy_j is not None), key=_clock_mhz
    )
    best = least_energy(measured)
    if best is None:
        return ""
    scale, prefix = _scale(max(_energy_j(run) for run in measured))
    plotext.clear_figure()
    plotext.theme("clear")
    plotext.plot_size(max(MIN_PLOT_WIDTH, min(width, MAX_PLOT_WIDTH)), PLOT_HEIGHT)
    clocks_mhz, energies = [_clock_mhz(run) for run in measured], [_energy_j(run) * scale for run in measured]
    plotext.plot(clocks_mhz, energies, marker="·")
    plotext.scatter(clocks_mhz, energies, marker="●")
    plotext.scatter([_clock_mhz(best)], [_energy_j(best) * scale], marker="O")
    plotext.title(f"energy per call [{prefix}J] over core clock [MHz]; O: least, {_clock_mhz(best):g} MHz")
    return "\n".join(line.rstrip() for line in plotext.uncolorize(plotext.build()).splitlines())


def _clock_mhz(run: Run) -> float:
    return run.point.clock.hclk_hz / 1e6


def _energy_j(run: Run) -> float:
    assert run.result is not None
    assert run.result.energy_j is not None
    return run.result.energy_j


def _scale(largest: float) -> tuple[float, str]:
    """Return the factor and SI prefix that bring ``largest`` to 1 .. 1000."""
    for factor, prefix in ((1e9, "n"), (1e6, "u"), (1e3, "m")):
        if largest * factor < 1000:
            return factor, prefix
    return 1.0, ""
