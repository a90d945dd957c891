"""What one application costs over the kernel's size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bench.report.over_clock import is_wide, spread
from bench.report.palette import MAX_CURVES
from bench.report.plot import Axis, Curve, Plot
from bench.report.series import Collection, Place, Sample, Series, Variant
from bench.report.text import file_stem, si

Rest = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class SizeCurve:
    """Series that differ in the kernel's size alone, with the point of each at one clock they share (the fastest)."""

    place: Place
    variant: Variant
    rest: Rest
    points: tuple[tuple[Series, Sample], ...]

    @property
    def clock_hz(self) -> float:
        """The clock."""
        return self.points[0][1].clock_hz


def size_curves(series: Sequence[Series], clock_hz: float | None = None) -> list[SizeCurve]:
    """Return the curves of ``series`` (one primitive) that have at least two kernel sizes at a common clock: the fastest, or ``clock_hz``."""
    alike: dict[tuple[Place, Variant, Rest], dict[int, Series]] = {}
    for one in series:
        if one.kernel is not None:
            rest = tuple((name, value) for name, value in one.params if name not in ("k", _tied_stride(one)))
            alike.setdefault((one.place, one.variant, rest), {}).setdefault(one.kernel, one)
    made = []
    for (place, variant, rest), by_size in sorted(
        alike.items(), key=lambda entry: (entry[0][0], entry[0][1].order, entry[0][2])
    ):
        ordered = [by_size[size] for size in sorted(by_size)]
        shared = set.intersection(*({sample.clock_hz for sample in one.samples()} for one in ordered))
        wanted = max(shared, default=None) if clock_hz is None else clock_hz if clock_hz in shared else None
        if len(ordered) > 1 and wanted is not None:
            points = tuple((one, next(s for s in one.samples() if s.clock_hz == wanted)) for one in ordered)
            made.append(SizeCurve(place, variant, rest, points))
    return made


def _tied_stride(series: Series) -> str:
    """Return ``stride`` where it follows the kernel, as that of poolings does."""
    return "stride" if ("stride", str(series.kernel)) in series.params and series.kernel != 1 else ""


@dataclass(frozen=True, slots=True)
class SizeGroup:
    """Plots of one primitive over kernel size, and how many curves there was no room for."""

    primitive: str
    plots: tuple[Plot, ...]
    labels: tuple[str, ...]
    left_out: int


def size_groups(found: Collection) -> list[SizeGroup]:
    """Return cycles and energy per application over kernel size, for every primitive that has several sizes; sources apart."""
    made = []
    for primitive in found.primitives:
        for source in found.sources:
            mine = [s for s in found.series if s.primitive == primitive and s.place.source == source]
            curves = size_curves(mine)
            chosen = spread(curves, MAX_CURVES)
            if chosen:
                labels = tuple(_labels(chosen))
                both = (cycles_plot(primitive, source, chosen, labels), energy_plot(primitive, source, chosen, labels))
                plots = tuple(plot for plot in both if plot is not None)
                made.append(SizeGroup(primitive, plots, labels, len(curves) - len(chosen)))
    return made


def _labels(curves: Sequence[SizeCurve]) -> list[str]:
    places, rests = {c.place for c in curves}, {c.rest for c in curves}
    made = []
    for curve in curves:
        where = curve.place.label if len(places) > 1 else ""
        rest = ", ".join(f"{name}={value}" for name, value in curve.rest) if len(rests) > 1 else ""
        made.append(", ".join(filter(None, (where, curve.variant.label, rest, si(curve.clock_hz, "Hz")))))
    return made


def cycles_plot(primitive: str, source: str, curves: Sequence[SizeCurve], labels: Sequence[str]) -> Plot:
    """Return cycles per application over kernel size."""
    drawn = tuple(
        Curve(label, _sizes(curve), tuple(s.cycles / one.applications for one, s in curve.points), style=index)
        for index, (curve, label) in enumerate(zip(curves, labels, strict=True))
    )
    return _plot("cycles", Axis("cycles per application", "", _is_wide(drawn)), primitive, source, drawn)


def energy_plot(primitive: str, source: str, curves: Sequence[SizeCurve], labels: Sequence[str]) -> Plot | None:
    """Return energy per application over kernel size, None where no energy was measured."""
    drawn = []
    for index, (curve, label) in enumerate(zip(curves, labels, strict=True)):
        points = [(one, s) for one, s in curve.points if not math.isnan(s.energy_j)]
        if len(points) > 1:
            sizes = tuple(float(one.kernel or 0) for one, _ in points)
            energies = tuple(s.energy_j / one.applications for one, s in points)
            drawn.append(
                Curve(label, sizes, energies, tuple(s.energy_u95_j / one.applications for one, s in points), index)
            )
    if not drawn:
        return None
    return _plot("energy", Axis("energy per application", "J", _is_wide(drawn)), primitive, source, tuple(drawn))


def _plot(what: str, y: Axis, primitive: str, source: str, curves: tuple[Curve, ...]) -> Plot:
    ticks = tuple(sorted({x for curve in curves for x in curve.x}))
    return Plot(
        name=file_stem(f"{what}-per-application-over-kernel-size", primitive, source),
        title=f"{primitive}: one application over kernel size",
        source=source,
        x=Axis("kernel height and width", "", log=min(ticks) > 0 and y.log, ticks=ticks),
        y=y,
        curves=curves,
    )


def _sizes(curve: SizeCurve) -> tuple[float, ...]:
    return tuple(float(one.kernel or 0) for one, _ in curve.points)


def _is_wide(curves: Sequence[Curve]) -> bool:
    return is_wide([y for curve in curves for y in curve.y])
