"""Plots drawn with Matplotlib. Not through pyplot: no display, no global state."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from bench.report.palette import CURVES, GRID, INK, MUTED, PAPER
from bench.report.plot import Axis, Curve, Plot, StepKind
from bench.report.text import scale_of

PANEL_INCHES = (4.1, 2.75)
ROW_INCHES = 0.19
LEGEND_LINE_INCHES = 0.2
FORMATS = ("svg", "png", "pdf")
PNG_DPI = 200
BAND_VISIBLE = 0.004
"""Least relative uncertainty that is drawn as a band; less is thinner than the line."""

# Text stays text (small, searchable, in the reader's font). A fixed salt: the same numbers give the same file.
_SETTINGS = {
    "svg.fonttype": "none",
    "svg.hashsalt": "bench",
    "pdf.fonttype": 42,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8.0,
    "axes.linewidth": 0.6,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.unicode_minus": True,
}


def svg(plot: Plot) -> str:
    """Return ``plot`` alone as SVG, without title and legend: the page has them."""
    buffer = io.BytesIO()
    with mpl.rc_context(_SETTINGS):
        figure = _figure(plot)
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return buffer.getvalue().decode("utf-8")


def save(plot: Plot, target: Path | BinaryIO, format: str) -> None:
    """Write ``plot`` with title, legend and source to ``target``; ``format`` is one of ``FORMATS``. Raises OSError."""
    dateless = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    with mpl.rc_context(_SETTINGS):
        figure = _figure(plot, alone=True)
        figure.savefig(target, format=format, dpi=PNG_DPI, facecolor=PAPER, metadata=dateless.get(format))


def _figure(plot: Plot, *, alone: bool = False) -> Figure:
    width, height = PANEL_INCHES
    if plot.row_labels:
        height = 0.9 + ROW_INCHES * max(4, len(plot.row_labels))
    legend_lines = len(plot.curves) if alone else 0
    extra = 0.45 + LEGEND_LINE_INCHES * legend_lines if alone else 0.0
    figure = Figure(figsize=(width * (1.25 if alone else 1.0), height + extra), layout="constrained")
    axes = figure.add_subplot()
    _draw(axes, plot)
    if alone:
        figure.suptitle(f"{_plain(plot.title)}  [{plot.source}]", fontsize=9.5, fontweight="bold")
        handles, labels = axes.get_legend_handles_labels()
        figure.legend(
            handles, map(_plain, labels), loc="outside lower left", frameon=False, fontsize=7.5, handlelength=3.5
        )
    return figure


def _plain(text: str) -> str:
    """Return ``text`` so that Matplotlib does not take it for mathematics."""
    return text.replace("$", r"\$")


def _draw(axes: Any, plot: Plot) -> None:
    x_scale, x_unit = scale_of((x for curve in plot.curves for x in curve.x), plot.x.unit, log=plot.x.log)
    y_scale, y_unit = scale_of((y for curve in plot.curves for y in curve.y), plot.y.unit, log=plot.y.log)
    for spine in ("top", "right"):
        axes.spines[spine].set_visible(False)
    axes.grid(visible=True, which="major", color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    if plot.x.log:
        axes.set_xscale("log")
    if plot.y.log:
        axes.set_yscale("log")
    for curve in plot.curves:
        _draw_curve(axes, curve, x_scale, y_scale)
    xs = [x / x_scale for curve in plot.curves for x in curve.x]
    ys = [y / y_scale for curve in plot.curves for y in curve.y]
    if plot.diagonal:
        ends = [min(*xs, *ys), max(*xs, *ys)]
        axes.plot(ends, ends, color=MUTED, linewidth=0.8, zorder=1)
    if plot.level is not None:
        axes.axhline(plot.level, color=MUTED, linewidth=0.8, zorder=1)
    _ticks(axes.xaxis, plot.x, xs)
    axes.set_xlabel(_axis_label(plot.x, x_unit))
    if plot.row_labels:
        _rows(axes, plot)
    else:
        _ticks(axes.yaxis, plot.y, ys)
        axes.set_ylabel(_axis_label(plot.y, y_unit))
        if not plot.y.log and plot.level is None and not plot.diagonal and min(ys) >= 0:
            axes.set_ylim(bottom=0)
    if plot.zones:
        _zones(axes, plot, x_scale)


def _axis_label(axis: Axis, unit: str) -> str:
    return f"{_plain(axis.quantity)} [{unit}]" if unit else _plain(axis.quantity)


def _draw_curve(axes: Any, curve: Curve, x_scale: float, y_scale: float) -> None:
    style = CURVES[curve.style % len(CURVES)]
    x = [value / x_scale for value in curve.x]
    y = [value / y_scale for value in curve.y]
    if curve.u95 and any(u > BAND_VISIBLE * abs(v) for u, v in zip(curve.u95, curve.y, strict=True)):
        low, high = ([v + sign * u / y_scale for v, u in zip(y, curve.u95, strict=True)] for sign in (-1, 1))
        if len(x) > 1:
            axes.fill_between(x, low, high, color=style.light, alpha=0.18, linewidth=0)
        else:
            axes.vlines(x, low, high, color=style.light, linewidth=1.2)
    axes.plot(
        x,
        y,
        label=curve.label,
        color=style.light,
        linewidth=1.3 if curve.joined else 0,
        dashes=style.dash or (None, None),
        marker=style.marker,
        markersize=3.2 if curve.joined else 4.4,
        markeredgewidth=0,
    )
    if curve.least is not None:
        axes.plot(
            [x[curve.least]],
            [y[curve.least]],
            marker="o",
            markersize=9,
            markerfacecolor="none",
            markeredgecolor=style.light,
            markeredgewidth=1.2,
            linewidth=0,
            label="_",
        )


def _ticks(axis: Any, spec: Axis, values: Sequence[float]) -> None:
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}".replace("-", "−")))
    axis.set_minor_formatter(NullFormatter())
    axis.set_minor_locator(NullLocator())
    if spec.ticks:
        axis.set_major_locator(FixedLocator(spec.ticks))
    elif spec.log:
        decades = math.log10(max(values) / min(values)) if values else 1.0
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if decades < 2.5 else (1.0,), numticks=12))
    else:
        axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))


def _rows(axes: Any, plot: Plot) -> None:
    axes.set_yticks(range(len(plot.row_labels)), [_plain(label) for label in plot.row_labels], fontsize=7.5)
    axes.set_ylim(len(plot.row_labels) - 0.4, -0.6)
    axes.axvline(1.0, color=MUTED, linewidth=1.0, zorder=1)
    if not plot.x.log:
        axes.set_xlim(left=0, right=max(1.1, axes.get_xlim()[1]))


def _zones(axes: Any, plot: Plot, x_scale: float) -> None:
    """Mark where the regulator changes (lines with the new level) and how many wait states there are (a row of digits above)."""
    axes.set_xlim(axes.get_xlim())
    regulators = [zone for zone in plot.zones if zone.kind is StepKind.REGULATOR]
    transform = axes.get_xaxis_transform()
    for before, after in pairwise(regulators):
        axes.axvline(after.start / x_scale, color=MUTED, linewidth=0.8, dashes=(2, 2), zorder=1)
        sides = [(after.label, 2, "left")] + ([(before.label, -2, "right")] if before is regulators[0] else [])
        for label, aside, alignment in sides:
            axes.annotate(
                _plain(label),
                (after.start / x_scale, 1.0),
                xycoords=transform,
                xytext=(aside, -1),
                textcoords="offset points",
                rotation=90,
                va="top",
                ha=alignment,
                fontsize=6,
                color=MUTED,
                zorder=1,
            )
    waits = [zone for zone in plot.zones if zone.kind is StepKind.WAIT_STATES]
    left, right = axes.get_xlim()
    for zone in waits:
        start = left if zone is waits[0] else zone.start / x_scale
        end = right if zone is waits[-1] else zone.end / x_scale
        middle = math.sqrt(start * end) if plot.x.log else (start + end) / 2
        axes.annotate(
            zone.label, (middle, 1.0), xycoords=transform, xytext=(0, 2), textcoords="offset points", ha="center", fontsize=6.5, color=MUTED
        )  # fmt: skip
        if zone is not waits[0]:
            axes.plot([start, start], [1.0, 1.035], transform=transform, color=MUTED, linewidth=0.6, clip_on=False)
    if waits:
        axes.annotate(
            "wait states", (0, 1.0), xycoords="axes fraction", xytext=(-3, 2), textcoords="offset points", ha="right", fontsize=6.5, color=MUTED
        )  # fmt: skip
