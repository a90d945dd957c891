"""Results in the terminal: one row a clock, and energy over frequency."""

from __future__ import annotations

from collections.abc import Sequence

import plotext
from rich.table import Table

from bench.domain.lut import row
from bench.domain.measurement import Run
from bench.units import format_si

PLOT_HEIGHT = 16
MIN_PLOT_WIDTH, MAX_PLOT_WIDTH = 40, 100
LEAST_ENERGY_MARK = "<- least energy"


def least_energy(runs: Sequence[Run]) -> Run | None:
    """Return the run of least energy, None where no energy was measured."""
    measured = [run for run in runs if run.result is not None and run.result.energy_j is not None]
    return min(measured, key=lambda run: _energy_j(run), default=None)


def results_table(runs: Sequence[Run]) -> Table:
    """Return one row for each of ``runs``, all accepted and of one workload: what one call costs, net, with its expanded uncertainty."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("clock", "wait states", "cycles", "latency", "current", "idle", "energy", "per application", ""):
        table.add_column(heading, justify="left" if heading == "" else "right", no_wrap=True)
    best = least_energy(runs)
    for run in runs:
        line, result = row(run), run.result
        assert result is not None
        per_application = f"{line.cycles_per_application:.2f} cycles"
        if line.energy_per_application_j is not None:
            per_application += f", {format_si(line.energy_per_application_j, 'J')}"
        table.add_row(
            format_si(line.sysclk_hz, "Hz"),
            str(line.flash_wait_states),
            f"{result.cycles:,.0f}",
            with_uncertainty(result.latency_s, result.latency_u95_s, "s"),
            "-" if result.current_a is None else format_si(result.current_a, "A"),
            "-" if result.idle_current_a is None else format_si(result.idle_current_a, "A"),
            "-"
            if result.energy_j is None or result.energy_u95_j is None
            else with_uncertainty(result.energy_j, result.energy_u95_j, "J"),
            per_application,
            f"[bold green]{LEAST_ENERGY_MARK}[/]" if run is best else "",
        )
    return table


def with_uncertainty(value: float, u95: float, unit: str) -> str:
    """Return ``value`` with its relative expanded uncertainty, as in ``12.35 uJ ± 2.1 %``."""
    percent = 100 * u95 / abs(value) if value else float("inf")
    return f"{format_si(value, unit)} ± {percent:.2g} %"


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
    plotext.plot([_clock_mhz(run) for run in measured], [_energy_j(run) * scale for run in measured], marker="dot")
    plotext.scatter([_clock_mhz(best)], [_energy_j(best) * scale], marker="O")
    plotext.title(f"energy per call [{prefix}J] over core clock [MHz]; O: least, {_clock_mhz(best):g} MHz")
    return "\n".join(line.rstrip() for line in plotext.uncolorize(plotext.build()).splitlines())


def _clock_mhz(run: Run) -> float:
    return run.point.clock.hclk_hz / 1e6


def _energy_j(run: Run) -> float:
    assert run.result is not None and run.result.energy_j is not None
    return run.result.energy_j


def _scale(largest: float) -> tuple[float, str]:
    """Return the factor and SI prefix that bring ``largest`` to 1 .. 1000."""
    for factor, prefix in ((1e9, "n"), (1e6, "u"), (1e3, "m")):
        if largest * factor < 1000:
            return factor, prefix
    return 1.0, ""
