"""One plot for a quick look: which curves are drawn when a selection holds many."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bench.errors import UsageError
from bench.report.kernel_size import SizeCurve, size_curves
from bench.report.over_clock import CYCLES, QUANTITIES, Group, Quantity, groups, is_wide, plot, spread, thinned
from bench.report.palette import MAX_CURVES
from bench.report.plot import Axis, Curve, Plot
from bench.report.series import Collection, Series, labels
from bench.report.text import file_stem, si
from bench.units import plural

BY_NAME = {quantity.name: quantity for quantity in (*QUANTITIES, CYCLES)}
_PER_APPLICATION = ("latency", "energy", "cycles")


class Over(StrEnum):
    """What a quick plot is drawn over."""

    CLOCK = "clock"
    KERNEL = "kernel"


class Compare(StrEnum):
    """In what alone the curves of a quick plot differ."""

    DTYPE = "dtype"
    FLAVOR = "flavor"
    BOARD = "board"


@dataclass(frozen=True, slots=True)
class QuickPlot:
    """The plot, and what is said beside it: what all curves have in common, and what was not drawn."""

    plot: Plot
    common: str
    left_out: int


def quick_plot(
    found: Collection,
    quantity: str,
    *,
    over: Over = Over.CLOCK,
    compare: Compare | None = None,
    clock_hz: float | None = None,
) -> QuickPlot:
    """Return ``quantity`` of ``found`` over the clock, or over the kernel's size at ``clock_hz`` (the fastest shared clock unless given).

    ``compare`` draws curves that differ in that alone. Where several such plots are possible, the one of most curves is drawn. Raises
    UsageError where nothing can be drawn.
    """
    chosen = BY_NAME[quantity]
    if over is Over.CLOCK:
        return _over_clock(found, chosen, compare)
    return _over_kernel(found, chosen, compare, clock_hz)


def _over_clock(found: Collection, quantity: Quantity, compare: Compare | None) -> QuickPlot:
    measured = [s for s in found.series if any(not math.isnan(quantity.value(p)) for p in s.samples())]
    if not measured:
        raise UsageError(
            f"no {quantity.name} was measured in this selection",
            hint="current, power and energy need a station with a current probe",
        )
    if compare is None:
        group = max(groups(Collection(series=measured)), key=lambda group: len(group.series))
        series, names = group.series, group.labels
    else:
        series = _alike(measured, compare, lambda s: (*_rest(s, compare), s.params))
        names = tuple(labels(list(series)))
    first = series[0]
    group = Group(first.place, first.primitive, "", series, names)
    made = plot(group, [thinned(one) for one in series], quantity)
    assert made is not None
    common = ", ".join(filter(None, (first.primitive, group.common, _how(series), _where(series))))
    return QuickPlot(made, common, len(measured) - len(series))


def _over_kernel(found: Collection, quantity: Quantity, compare: Compare | None, clock_hz: float | None) -> QuickPlot:
    by_primitive = [
        size_curves([s for s in found.series if s.primitive == primitive], clock_hz) for primitive in found.primitives
    ]
    every = [
        curve
        for curves in by_primitive
        for curve in curves
        if all(not math.isnan(quantity.value(sample)) for _, sample in curve.points)
    ]
    if not every:
        at = "" if clock_hz is None else f" at {si(clock_hz, 'Hz')}"
        raise UsageError(
            f"no two kernel sizes were measured alike{at}", hint="measure some: bench run --primitive conv2d --k 3"
        )
    if compare is None:
        sets = {c.points[0][0].primitive: [d for d in every if _primitive(d) == _primitive(c)] for c in every}
        curves = spread(max(sets.values(), key=len), MAX_CURVES)
    else:
        firsts = [curve.points[0][0] for curve in every]
        kept = _alike(firsts, compare, lambda s: (*_rest(s, compare), every[_index(firsts, s)].rest))
        curves = [every[_index(firsts, one)] for one in kept]
    made = _kernel_plot(curves, quantity)
    series = [curve.points[0][0] for curve in curves]
    rest = "" if len({c.rest for c in curves}) > 1 else ", ".join(f"{name}={value}" for name, value in curves[0].rest)
    common = ", ".join(filter(None, (series[0].primitive, rest, _how(series), _where(series))))
    return QuickPlot(made, common, len(every) - len(curves))


def _kernel_plot(curves: Sequence[SizeCurve], quantity: Quantity) -> Plot:
    per_application = quantity.name in _PER_APPLICATION
    firsts = [curve.points[0][0] for curve in curves]
    places, variants = {one.place for one in firsts}, {one.variant for one in firsts}
    drawn = []
    for index, curve in enumerate(curves):
        shares = [(one, sample, one.applications if per_application else 1) for one, sample in curve.points]
        where = curve.place.label if len(places) > 1 else ""
        how = curve.variant.label if len(variants) > 1 or not where else ""
        drawn.append(
            Curve(
                ", ".join(filter(None, (where, how, si(curve.clock_hz, "Hz")))),
                tuple(float(one.kernel or 0) for one, _, _ in shares),
                tuple(quantity.value(sample) / share for _, sample, share in shares),
                tuple(quantity.u95(sample) / share for _, sample, share in shares),
                index,
            )
        )
    what = f"{quantity.name} of an application" if per_application else quantity.title
    wide = is_wide(y for curve in drawn for y in curve.y)
    first = firsts[0]
    return Plot(
        name=file_stem(f"{quantity.name}-over-kernel-size", first.primitive, first.place.source),
        title=f"{first.primitive}: {what} over kernel size",
        source=" and ".join(sorted({one.place.source for one in firsts})),
        x=Axis("kernel height and width", "", wide, tuple(sorted({x for curve in drawn for x in curve.x}))),
        y=Axis(what, quantity.unit, wide),
        curves=tuple(drawn),
    )


def _primitive(curve: SizeCurve) -> str:
    return curve.points[0][0].primitive


def _index(series: Sequence[Series], wanted: Series) -> int:
    return next(index for index, one in enumerate(series) if one is wanted)


def _rest(series: Series, compare: Compare) -> tuple[Hashable, ...]:
    """Return what has to be equal when ``compare`` may differ."""
    variant = series.variant
    settings = (series.primitive, variant.opt_level)
    if compare is Compare.BOARD:  # each board has accelerators of its own
        return (*settings, variant.dtype, variant.flavor, variant.extras, series.place.source)
    same = (*settings, variant.accelerators, series.place)
    return (*same, variant.flavor) if compare is Compare.DTYPE else (*same, variant.dtype)


def _alike(series: Sequence[Series], compare: Compare, key: Callable[[Series], Hashable]) -> tuple[Series, ...]:
    """Return the largest set of ``series`` that differ in ``compare`` alone. Raises UsageError where no two do."""
    sets: dict[Hashable, list[Series]] = {}
    for one in sorted(series, key=lambda one: (one.primitive, one.order)):
        sets.setdefault(key(one), []).append(one)
    best = max(sets.values(), key=len)
    if len(best) < 2:
        raise UsageError(
            f"no two workloads of this selection differ in {compare} alone",
            hint="select more, or measure one more with bench run",
        )
    return tuple(best[:MAX_CURVES])


def _how(series: Sequence[Series]) -> str:
    return series[0].variant.label if len({one.variant.label for one in series}) == 1 else ""


def _where(series: Sequence[Series]) -> str:
    place = series[0].place
    where = place.label if len({one.place for one in series}) == 1 else plural(len({s.place for s in series}), "board")
    return f"{where} ({', '.join(sorted({one.place.source for one in series}))})"
