"""Plots over the core clock: a group of curves at one place, once for each quantity."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

from bench.report.palette import MAX_CURVES
from bench.report.plot import Axis, Curve, Plot, StepKind, Zone
from bench.report.series import Collection, Place, Sample, Series, labels, varying
from bench.report.text import file_stem, regulator

T = TypeVar("T")

MAX_POINTS = 64
"""Points of a curve; of a longer one, evenly spaced ones and the least energy are drawn."""
LOG_RATIO = 12.0
"""From this ratio of largest to smallest on, an axis is logarithmic."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """Something to plot: its value of one point and the expanded uncertainty of that, SI units."""

    name: str
    title: str
    unit: str
    value: Callable[[Sample], float]
    u95: Callable[[Sample], float]


QUANTITIES: tuple[Quantity, ...] = (
    Quantity("latency", "latency of a call", "s", lambda s: s.latency_s, lambda s: s.latency_u95_s),
    Quantity(
        "current", "supply current", "A", lambda s: s.current_a, lambda s: s.current_a * s.power_u95_relative
    ),  # at most: power's holds the supply voltage's too
    Quantity("power", "power", "W", lambda s: s.power_w, lambda s: s.power_w * s.power_u95_relative),
    Quantity("energy", "energy of a call", "J", lambda s: s.energy_j, lambda s: s.energy_u95_j),
)
CYCLES = Quantity("cycles", "cycles of a call", "", lambda s: s.cycles, lambda _: 0.0)


@dataclass(frozen=True, slots=True)
class Group:
    """Series that are drawn together, with what they have in common and how many of their like are not drawn."""

    place: Place
    primitive: str
    variant: str
    series: tuple[Series, ...]
    labels: tuple[str, ...]
    left_out: int = 0

    @property
    def common(self) -> str:
        """The parameters that all its series share."""
        different = varying(self.series)
        return ", ".join(f"{name}={value}" for name, value in self.series[0].params if name not in different)


def groups(found: Collection) -> list[Group]:
    """Return what is drawn together: all series of a primitive at a place, by variant where they are too many for one plot."""
    made: list[Group] = []
    for primitive in found.primitives:
        for place in found.places:
            series = found.of(place, primitive)
            if len(series) <= MAX_CURVES:
                made.extend([_group(place, primitive, series)] if series else [])
                continue
            for variant in dict.fromkeys(
                (v.dtype, v.flavor) for v in sorted({s.variant for s in series}, key=lambda v: v.order)
            ):
                same = [s for s in series if (s.variant.dtype, s.variant.flavor) == variant]
                made.append(_group(place, primitive, same, " ".join(variant)))
    return made


def _group(place: Place, primitive: str, series: list[Series], variant: str = "") -> Group:
    chosen = spread(series, MAX_CURVES)
    if not variant and len({s.variant.label for s in chosen}) == 1:
        variant = chosen[0].variant.label
    return Group(place, primitive, variant, tuple(chosen), tuple(labels(chosen)), len(series) - len(chosen))


def spread(items: Sequence[T], most: int) -> list[T]:
    """Return at most ``most`` of ``items``, evenly spaced, the first and the last among them."""
    if len(items) <= most:
        return list(items)
    return [items[round(index * (len(items) - 1) / (most - 1))] for index in range(most)]


def plots(group: Group) -> list[Plot]:
    """Return latency, current, power and energy of ``group`` over the core clock; what was not measured is left out."""
    samples = [thinned(series) for series in group.series]
    made = (plot(group, samples, quantity) for quantity in QUANTITIES)
    return [found for found in made if found is not None]


def plot(group: Group, samples: Sequence[Sequence[Sample]], quantity: Quantity) -> Plot | None:
    """Return ``quantity`` of ``group`` over the core clock, None where it was not measured."""
    curves = []
    for index, (label, points) in enumerate(zip(group.labels, samples, strict=True)):
        measured = [point for point in points if not math.isnan(quantity.value(point))]
        if not measured:
            continue
        values = tuple(quantity.value(point) for point in measured)
        least = values.index(min(values)) if quantity.name == "energy" and len(values) > 1 else None
        curves.append(
            Curve(
                label,
                tuple(point.clock_hz for point in measured),
                values,
                tuple(quantity.u95(point) for point in measured),
                index,
                least,
            )
        )
    if not curves:
        return None
    everything = [point for points in samples for point in points]
    together = len({series.place for series in group.series}) == 1
    return Plot(
        name=file_stem(
            f"{quantity.name}-over-clock", group.primitive, group.variant, group.place.station, group.place.source
        ),
        title=f"{group.primitive} {group.variant}".rstrip() + (f" on {group.place.label}" if together else ""),
        source=group.place.source,
        x=Axis("core clock", "Hz", is_wide(point.clock_hz for point in everything)),
        y=Axis(quantity.title, quantity.unit, is_wide(y for curve in curves for y in curve.y)),
        curves=tuple(curves),
        zones=zones(everything) if together else (),
    )


def is_wide(values: Iterable[float]) -> bool:
    """Tell whether ``values`` are all positive and span so much that an axis of them should be logarithmic."""
    found = list(values)
    return bool(found) and min(found) > 0 and max(found) >= LOG_RATIO * min(found)


def thinned(series: Series) -> list[Sample]:
    """Return the points of ``series`` by rising clock, at most ``MAX_POINTS``, the least energy among them."""
    points = series.samples()
    if len(points) <= MAX_POINTS:
        return points
    best = series.least_energy()
    kept = spread(points, MAX_POINTS - 1)
    return kept if best is None or best in kept else sorted([*kept, best])


def zones(samples: Sequence[Sample]) -> tuple[Zone, ...]:
    """Return where regulator level and wait states stay the same over the clock; nothing where one frequency has several of them."""
    return (
        *_zones(StepKind.REGULATOR, {(s.clock_hz, s.regulator and regulator(s.regulator)) for s in samples}),
        *_zones(
            StepKind.WAIT_STATES, {(s.clock_hz, None if s.wait_states is None else str(s.wait_states)) for s in samples}
        ),
    )


def _zones(kind: StepKind, values: set[tuple[float, str | None]]) -> list[Zone]:
    ordered = sorted((hz, value) for hz, value in values if value is not None)
    if len(ordered) != len(values) or len({hz for hz, _ in ordered}) != len(ordered) or not ordered:
        return []
    edges = [ordered[0][0], *((a[0] * b[0]) ** 0.5 for a, b in pairwise(ordered) if a[1] != b[1]), ordered[-1][0]]
    names = [ordered[0][1], *(b[1] for a, b in pairwise(ordered) if a[1] != b[1])]
    return [Zone(kind, start, end, name) for (start, end), name in zip(pairwise(edges), names, strict=True)]
