"""One implementation against another: fp32 and int8, and the flavors of one data type, as ratios over the clocks that both were measured at.

A ratio's uncertainty is smaller than its parts': what is systematic at one station (the probe's gain, the supply) cancels. The median
over the clocks is given with its range, which shows how far the answer depends on the clock.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from bench.domain.primitives.base import NAIVE
from bench.report.over_clock import is_wide, spread
from bench.report.plot import Axis, Curve, Plot
from bench.report.series import Collection, Place, Series, varying, workload_label
from bench.report.text import file_stem

MAX_ROWS = 24
"""Rows of the plot; the table has more."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """Median, least and greatest over the clocks that two series share."""

    middle: float
    least: float
    greatest: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """What ``better`` costs instead of ``base``: below 1 is less. ``energy`` is None where it was not measured."""

    kind: str
    base: Series
    other: Series
    workload: str
    clocks: int
    latency: Ratio
    energy: Ratio | None

    @property
    def change(self) -> str:
        """As in ``int8 naive instead of fp32 naive``."""
        return f"{self.other.variant.label} instead of {self.base.variant.label}"


DTYPE, FLAVOR = "data type", "flavor"


def comparisons(found: Collection) -> list[Comparison]:
    """Return every pair of series of one workload at one place in which one thing differs: fp32 naive and int8 naive, naive and another flavor."""
    by_workload: dict[tuple[object, ...], list[Series]] = {}
    for one in found.series:
        key = (one.place, one.primitive, one.params, one.variant.opt_level, one.variant.accelerators)
        by_workload.setdefault(key, []).append(one)
    different = {
        primitive: varying(s for s in found.series if s.primitive == primitive) for primitive in found.primitives
    }
    made: list[Comparison] = []
    for alike in by_workload.values():
        for kind, base, other in _pairs(sorted(alike, key=lambda one: one.variant)):
            label = workload_label(base, different[base.primitive])
            made.extend(_compare(kind, base, other, f"{base.primitive} {label}".rstrip()))
    return sorted(
        made, key=lambda c: (c.kind, c.base.place, c.base.primitive, c.base.kernel or 0, c.workload, c.change)
    )


def _pairs(alike: Sequence[Series]) -> Iterator[tuple[str, Series, Series]]:
    for base in alike:
        if base.variant.flavor != NAIVE:
            continue
        for other in alike:
            a, b = base.variant, other.variant
            if a.dtype == "fp32" and b.dtype != "fp32" and b.flavor == NAIVE:
                yield DTYPE, base, other
            elif a.dtype == b.dtype and b.flavor != NAIVE and not a.extras:
                yield FLAVOR, base, other


def _compare(kind: str, base: Series, other: Series, workload: str) -> Iterator[Comparison]:
    first, second = ({s.clock_id: s for s in one.samples()} for one in (base, other))
    shared = [(first[clock], second[clock]) for clock in first if clock in second]
    latency = _ratio([b.latency_s / a.latency_s for a, b in shared if a.latency_s > 0])
    energy = _ratio([b.energy_j / a.energy_j for a, b in shared if a.energy_j > 0 and not math.isnan(b.energy_j)])
    if latency is not None:
        yield Comparison(kind, base, other, workload, len(shared), latency, energy)


def _ratio(values: Sequence[float]) -> Ratio | None:
    return Ratio(median(values), min(values), max(values)) if values else None


def medians(found: Sequence[Comparison]) -> list[tuple[str, Place, int, float, float | None]]:
    """Return (change, place, workloads, median latency ratio, median energy ratio) over all workloads."""
    grouped: dict[tuple[str, Place], list[Comparison]] = {}
    for one in found:
        grouped.setdefault((one.change, one.base.place), []).append(one)
    made = []
    for (change, place), alike in grouped.items():
        energies = [c.energy.middle for c in alike if c.energy is not None]
        middle = median(energies) if energies else None
        made.append((change, place, len(alike), median(c.latency.middle for c in alike), middle))
    return made


def plots(found: Sequence[Comparison], place: Place, kind: str) -> list[Plot]:
    """Return the ratios of latency and energy of ``kind`` at ``place``, a row a workload; of many workloads some, evenly spaced."""
    mine = [c for c in found if c.base.place == place and c.kind == kind]
    rows = spread(list(dict.fromkeys(c.workload for c in mine)), MAX_ROWS)
    changes = list(dict.fromkeys(c.change for c in mine))[:4]
    made = []
    for what in ("latency", "energy"):
        curves = []
        for style, change in enumerate(changes):
            alike = [c for c in mine if c.change == change and c.workload in rows]
            ratios = [(rows.index(c.workload), c.latency if what == "latency" else c.energy) for c in alike]
            points = [(r.middle, float(row)) for row, r in ratios if r is not None]
            if points:
                x, y = zip(*points, strict=True)
                curves.append(Curve(change, x, y, style=style, joined=False))
        if curves:
            wide = is_wide(x for curve in curves for x in curve.x)
            made.append(
                Plot(
                    name=file_stem(f"{what}-ratio-by-{kind.replace(' ', '-')}", place.station, place.source),
                    title=f"{what}: {kind} compared on {place.label}",
                    source=place.source,
                    x=Axis(f"{what} ratio", "", wide),
                    y=Axis(""),
                    curves=tuple(curves),
                    row_labels=tuple(rows),
                )
            )
    return made
