"""A current trace in the terminal."""

from __future__ import annotations

import numpy as np
import plotext
from numpy.typing import NDArray

from bench.domain.measurement import EnergyRun, Trace

HEIGHT = 14
MIN_WIDTH, MAX_WIDTH = 40, 120


def trace_plot(run: EnergyRun, trace: Trace, width: int) -> str:
    """Return current over time as text, ``width`` columns wide: the mean, lowest and highest of what a column spans, and the windows' edges.

    Empty for a trace without samples.
    """
    samples = np.asarray(trace.samples_a, dtype=np.float64)
    if not samples.size:
        return ""
    columns = max(MIN_WIDTH, min(width, MAX_WIDTH))
    low, middle, high = _envelope(samples, 2 * columns)
    times_ms = (np.arange(middle.size) + 0.5) * samples.size / middle.size / trace.sample_rate_hz * 1e3
    scale, unit = (1e3, "mA") if float(high.max()) >= 1e-3 else (1e6, "uA")
    plotext.clear_figure()
    plotext.theme("clear")
    plotext.plot_size(columns, HEIGHT)
    for values, marker in ((low, "."), (high, "."), (middle, "braille")):
        plotext.plot(times_ms.tolist(), (values * scale).tolist(), marker=marker)
    for edge_s in (run.active.start_s, run.active.end_s, run.idle.start_s, run.idle.end_s):
        plotext.vline(edge_s * 1e3)
    plotext.ylim(min(0.0, float(low.min()) * scale), float(high.max()) * scale * 1.05)
    plotext.title(f"current [{unit}] over time [ms]; vertical: edges of window and idle window")
    return "\n".join(line.rstrip() for line in plotext.uncolorize(plotext.build()).splitlines())


def _envelope(
    samples: NDArray[np.float64], parts: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return lowest, mean and highest of up to ``parts`` equal parts."""
    starts = np.unique(np.linspace(0, samples.size, min(parts, samples.size), endpoint=False).astype(np.int64))
    sizes = np.diff([*starts, samples.size])
    mean: NDArray[np.float64] = np.add.reduceat(samples, starts) / sizes
    return np.minimum.reduceat(samples, starts), mean, np.maximum.reduceat(samples, starts)
