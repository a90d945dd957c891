"""Plots drawn for the page, as SVG that takes its colours from the page's CSS.

Matplotlib draws the files (``draw``); on a page its SVG would be four times as large, and its colours fixed. Elements carry classes
instead of styles, and the points of a curve are markers of its line, so that a panel of five curves has about 4 kB.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape
from itertools import pairwise

from bench.report.draw import BAND_VISIBLE
from bench.report.palette import CURVES
from bench.report.plot import Axis, Curve, Plot, StepKind
from bench.report.text import scale_of

WIDTH, HEIGHT = 400.0, 262.0
LEFT, RIGHT, TOP, BOTTOM = 56.0, 16.0, 20.0, 42.0
ROW_HEIGHT = 19.0
_ROW_TEXT, _ROW_LONGEST = 6.2, 36  # width of a letter beside a row, and letters there is room for
_TICK_TEXT = 7.0
_MARGIN = 0.035  # of an axis, beyond the outermost values

_MARKERS = {
    "o": '<circle cx="5" cy="5" r="3.6"/>',
    "s": '<path d="M1.8 1.8h6.4v6.4h-6.4z"/>',
    "^": '<path d="M5 .8 9.2 8.6H.8z"/>',
    "D": '<path d="M5 .4 9.6 5 5 9.6 .4 5z"/>',
    "v": '<path d="M5 9.2.8 1.4h8.4z"/>',
    "P": '<path d="M3.5.8h3v2.7h2.7v3H6.5v2.7h-3V6.5H.8v-3h2.7z"/>',
}


def definitions() -> str:
    """Return the markers, once for a page."""
    made = "".join(
        f'<marker id="m{index}" viewBox="0 0 10 10" refX="5" refY="5" markerWidth="7" markerHeight="7" markerUnits="userSpaceOnUse"'
        f' fill="var(--c{index})">{_MARKERS[style.marker]}</marker>'
        for index, style in enumerate(CURVES)
    )
    return f'<svg class="definitions" width="0" height="0" aria-hidden="true"><defs>{made}</defs></svg>'


def css() -> str:
    """Return the rules that give each curve its colour, dash and marker."""
    return "".join(
        f".k{index}{{stroke:var(--c{index});stroke-dasharray:{' '.join(f'{d * 1.3:g}' for d in style.dash) or 'none'};"
        f"marker:url(#m{index})}}.b{index}{{fill:var(--c{index})}}.r{index}{{stroke:var(--c{index})}}"
        for index, style in enumerate(CURVES)
    )


def swatch(style: int, *, joined: bool = True) -> str:
    """Return the piece of line with its marker that stands in a legend."""
    path = f'<path class="k k{style}" d="M1 6H14H27"/>' if joined else f'<path class="k k{style} j" d="M14 6h0"/>'
    return f'<svg class="swatch" viewBox="0 0 28 12" aria-hidden="true">{path}</svg>'


class _Scale:
    """From values of an axis to places on it, and the ticks."""

    def __init__(
        self, axis: Axis, values: Sequence[float], start: float, end: float, *, from_zero: bool = False
    ) -> None:
        self._log = axis.log
        low, high = min(values), max(values)
        factor, self.unit = scale_of(values, axis.unit, log=axis.log)
        first, last = self._of(low), self._of(high)
        if from_zero and not axis.log and low >= 0:
            first = 0.0
        room = (last - first) * _MARGIN or abs(last) * 0.1 or 1.0
        first, last = (first if first == 0 and from_zero else first - room), last + room
        self._place = lambda value: start + (self._of(value) - first) / (last - first) * (end - start)
        ticks = axis.ticks or [
            t * factor for t in _ticks(self._back(first) / factor, self._back(last) / factor, log=axis.log)
        ]
        self.ticks = [(self._place(tick), f"{tick / factor:g}".replace("-", "−")) for tick in ticks]

    def _of(self, value: float) -> float:
        return math.log10(value) if self._log else value

    def _back(self, place: float) -> float:
        return 10**place if self._log else place

    def __call__(self, value: float) -> float:
        return self._place(value)

    _place: Callable[[float], float]


def _ticks(low: float, high: float, *, log: bool) -> list[float]:
    """Return round numbers in ``low``..``high``: about five, or those of 1, 2, 5 x 10^n that fit."""
    if log:
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        subs = (1, 2, 5) if math.log10(high / low) < 2.4 else (1,)
        return [float(f"{sub}e{decade}") for decade in decades for sub in subs if low <= sub * 10.0**decade <= high]
    raw = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(s * power for s in (1, 2, 2.5, 5, 10) if s * power >= raw * 0.999)
    return [n * step for n in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def page_svg(plot: Plot) -> str:
    """Return ``plot`` as an SVG element; title and legend stand beside it on the page."""
    rows = len(plot.row_labels)
    height = TOP + BOTTOM + ROW_HEIGHT * max(2, rows) if rows else HEIGHT
    xs = [v for curve in plot.curves for v in curve.x] + ([1.0] if rows else [])
    ys = [v for curve in plot.curves for v in curve.y] + ([] if plot.level is None else [plot.level])
    if plot.diagonal:
        xs = ys = [*xs, *ys]
    bottom = height - BOTTOM
    y = None if rows else _Scale(plot.y, ys, bottom, TOP, from_zero=plot.level is None and not plot.diagonal)
    if y is None:
        left = 12 + _ROW_TEXT * min(max(map(len, plot.row_labels)), _ROW_LONGEST)
    else:
        left = max(LEFT, 24 + _TICK_TEXT * max(len(text) for _, text in y.ticks))
    x = _Scale(plot.x, xs, left, WIDTH - RIGHT, from_zero=bool(rows))
    parts = [_x_axis(x, plot.x, left, bottom)]
    if y is None:
        place = _row_scale(rows, bottom)
        parts += [_row(label, place(index), left) for index, label in enumerate(plot.row_labels)]
        parts.append(f'<path class="level" d="M{x(1.0):.1f} {TOP}V{bottom:.1f}"/>')
    else:
        place = y
        parts.append(_y_axis(y, plot.y, left, bottom))
        if plot.level is not None:
            parts.append(f'<path class="level" d="M{left} {y(plot.level):.1f}H{WIDTH - RIGHT}"/>')
        if plot.diagonal:
            ends = min(xs), max(xs)
            parts.append(
                f'<path class="level" d="M{x(ends[0]):.1f} {y(ends[0]):.1f}L{x(ends[1]):.1f} {y(ends[1]):.1f}"/>'
            )
    rising = not rows and all(place(curve.y[-1]) < place(curve.y[0]) - (bottom - TOP) / 4 for curve in plot.curves)
    parts += _zones(plot, x, left, bottom, low=rising)
    parts += [_curve(curve, x, place) for curve in plot.curves]
    label = escape(
        f"{plot.title}: {plot.y.quantity or plot.x.quantity} over {plot.x.quantity}, {plot.source}", quote=True
    )
    return (
        f'<svg class="plot" viewBox="0 0 {WIDTH:g} {height:g}" role="img" aria-label="{label}">{"".join(parts)}</svg>'
    )


def _row_scale(rows: int, bottom: float) -> Callable[[float], float]:
    step = (bottom - TOP) / max(rows, 1)
    return lambda row: TOP + step * (row + 0.5)


def _row(label: str, y: float, left: float) -> str:
    shown = label if len(label) <= _ROW_LONGEST else label[: _ROW_LONGEST - 1] + "…"
    return f'<path class="grid" d="M{left} {y:.1f}H{WIDTH - RIGHT}"/><text class="e t" x="{left - 6:.1f}" y="{y + 4:.1f}">{escape(shown)}</text>'


def _title(axis: Axis, unit: str) -> str:
    return escape(f"{axis.quantity} [{unit}]" if unit else axis.quantity)


def _x_axis(x: _Scale, axis: Axis, left: float, bottom: float) -> str:
    lines = "".join(f"M{place:.1f} {TOP}V{bottom:.1f}" for place, _ in x.ticks)
    texts = "".join(f'<text class="m" x="{place:.1f}" y="{bottom + 14:.1f}">{text}</text>' for place, text in x.ticks)
    middle = (left + WIDTH - RIGHT) / 2
    return (
        f'<path class="grid" d="{lines}"/>{texts}<path class="axis" d="M{left} {bottom:.1f}H{WIDTH - RIGHT}"/>'
        f'<text class="m" x="{middle:.1f}" y="{bottom + 33:.1f}">{_title(axis, x.unit)}</text>'
    )


def _y_axis(y: _Scale, axis: Axis, left: float, bottom: float) -> str:
    lines = "".join(f"M{left} {place:.1f}H{WIDTH - RIGHT}" for place, _ in y.ticks)
    texts = "".join(f'<text class="e" x="{left - 5}" y="{place + 4:.1f}">{text}</text>' for place, text in y.ticks)
    middle = (TOP + bottom) / 2
    return (
        f'<path class="grid" d="{lines}"/>{texts}<path class="axis" d="M{left} {TOP}V{bottom:.1f}"/>'
        f'<text class="m" transform="translate(11 {middle:.1f})rotate(-90)">{_title(axis, y.unit)}</text>'
    )


def _curve(curve: Curve, x: Callable[[float], float], y: Callable[[float], float]) -> str:
    points = [(x(a), y(b)) for a, b in zip(curve.x, curve.y, strict=True)]
    style = curve.style % len(CURVES)
    parts = []
    if curve.u95 and any(u > BAND_VISIBLE * abs(v) for u, v in zip(curve.u95, curve.y, strict=True)):
        edges = [
            [(x(a), y(max(b + sign * u, b * 0.01))) for a, b, u in zip(curve.x, curve.y, curve.u95, strict=True)]
            for sign in (-1, 1)
        ]
        if len(points) > 1:
            parts.append(f'<path class="band b{style}" d="{_line([*edges[0], *reversed(edges[1])])}z"/>')
        else:
            (a, low), (_, high) = edges[0][0], edges[1][0]
            parts.append(f'<path class="ring r{style}" d="M{a:.1f} {low:.1f}V{high:.1f}"/>')
    drawn = _line(points) if curve.joined else "".join(f"M{a:.1f} {b:.1f}h0" for a, b in points)
    parts.append(f'<path class="k k{style}{"" if curve.joined else " j"}" d="{drawn}"/>')
    if curve.least is not None:
        a, b = points[curve.least]
        parts.append(f'<circle class="ring r{style}" cx="{a:.1f}" cy="{b:.1f}" r="7"/>')
    return "".join(parts)


def _line(points: Sequence[tuple[float, float]]) -> str:
    # A single point gets a stroke of no length, which carries the marker.
    return "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in points) + ("h0" if len(points) == 1 else "")


def _upright(text: str, x: float, low: float | None) -> str:
    """Return ``text`` that reads upwards, ending below the top, or beginning above ``low``."""
    kind, y = ("z", TOP + 3) if low is None else ("z l", low - 3)
    return f'<text class="{kind}" transform="translate({x:.1f} {y:.1f})rotate(-90)">{escape(text)}</text>'


def _zones(plot: Plot, x: _Scale, left: float, bottom: float, *, low: bool) -> list[str]:
    """Mark where the regulator changes (lines with the new level, ``low`` where curves rise to the top), and the wait states (digits above)."""
    parts = []
    foot = bottom if low else None
    for before, after in pairwise(zone for zone in plot.zones if zone.kind is StepKind.REGULATOR):
        at = x(after.start)
        parts.append(f'<path class="step" d="M{at:.1f} {TOP}V{bottom:.1f}"/>{_upright(after.label, at + 10, foot)}')
        if before is plot.zones[0]:
            parts.append(_upright(before.label, at - 3, foot))
    waits = [zone for zone in plot.zones if zone.kind is StepKind.WAIT_STATES]
    for index, zone in enumerate(waits):
        start = x(zone.start) if index else left
        middle = (start + (x(zone.end) if index < len(waits) - 1 else WIDTH - RIGHT)) / 2
        parts.append(f'<text class="w" x="{middle:.1f}" y="{TOP - 5}">{escape(zone.label)}</text>')
        if index:
            parts.append(f'<path class="axis" d="M{x(zone.start):.1f} {TOP - 12}v9"/>')
    if waits:
        parts.append(f'<text class="w s" x="0" y="{TOP - 5}">wait st.</text>')
    return parts
