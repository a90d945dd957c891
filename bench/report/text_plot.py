"""Any plot in the terminal."""

from __future__ import annotations

import plotext

from bench.report.plot import Plot
from bench.report.terminal import MAX_PLOT_WIDTH, MIN_PLOT_WIDTH
from bench.report.text import scale_of

HEIGHT = 20
MARKERS = "●■▲◆▼✚"


def text_plot(plot: Plot, width: int) -> str:
    """Return ``plot`` as text, ``width`` columns wide, its legend below: a marker a curve, O for the least."""
    x_scale, x_unit = scale_of((x for curve in plot.curves for x in curve.x), plot.x.unit, log=plot.x.log)
    y_scale, y_unit = scale_of((y for curve in plot.curves for y in curve.y), plot.y.unit, log=plot.y.log)
    plotext.clear_figure()
    plotext.theme("clear")
    plotext.plot_size(max(MIN_PLOT_WIDTH, min(width, MAX_PLOT_WIDTH)), HEIGHT)
    if plot.x.log:
        plotext.xscale("log")
    if plot.y.log:
        plotext.yscale("log")
    for curve in plot.curves:
        x, y = [value / x_scale for value in curve.x], [value / y_scale for value in curve.y]
        plotext.plot(x, y, marker="·")
        plotext.scatter(x, y, marker=MARKERS[curve.style % len(MARKERS)])
    for curve in plot.curves:
        if curve.least is not None:
            plotext.scatter([curve.x[curve.least] / x_scale], [curve.y[curve.least] / y_scale], marker="O")
    plotext.title(f"{_with_unit(plot.y.quantity, y_unit)} over {_with_unit(plot.x.quantity, x_unit)}")
    lines = [line.rstrip() for line in plotext.uncolorize(plotext.build()).splitlines()]
    for curve in plot.curves:
        least = "" if curve.least is None else f"   O: least, {curve.x[curve.least] / x_scale:g} {x_unit}"
        lines.append(f"  {MARKERS[curve.style % len(MARKERS)]} {curve.label}{least}")
    return "\n".join(lines)


def _with_unit(quantity: str, unit: str) -> str:
    return f"{quantity} [{unit}]" if unit else quantity
