"""Look-up table rows gathered into curves: one series is one workload at one station, over its clocks.

A million rows fit into about 100 MB: a series keeps numbers in an array, and names once.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from bench.domain.clock import ClockConfiguration
from bench.domain.lut import LutRow
from bench.domain.primitives import PRIMITIVES
from bench.domain.primitives.base import NAIVE
from bench.errors import ParameterError

_NAN = float("nan")
DEFAULT_OPT_LEVEL = "O3"


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a series was measured. Two stations with the same board are two places."""

    source: str
    station: str
    board: str
    mcu: str

    @property
    def label(self) -> str:
        """The board, and the station where its name says more than the board's."""
        return (
            self.board
            if self.station in (self.board, f"{self.source}-{self.board}")
            else f"{self.board}, {self.station}"
        )


@dataclass(frozen=True, slots=True, order=True)
class Variant:
    """How a workload is implemented. ``extras`` are the parameters that only this data type or flavor has, where they are not the default."""

    dtype: str
    flavor: str
    extras: tuple[str, ...] = ()
    opt_level: str = DEFAULT_OPT_LEVEL
    accelerators: str = ""

    @property
    def order(self) -> tuple[object, ...]:
        """fp32 before int8, naive before other flavors."""
        return (self.dtype, self.flavor != NAIVE, self)

    @property
    def label(self) -> str:
        """For people, as in ``int8 dsp``; what is as always is not said. Accelerators are told apart by ``variant_labels``."""
        opt = () if self.opt_level == DEFAULT_OPT_LEVEL else (f"-{self.opt_level}",)
        return " ".join((self.dtype, self.flavor, *self.extras, *opt))


class Sample(NamedTuple):
    """One point. ``nan`` where something was not measured."""

    clock_hz: float
    clock_id: str
    cycles: float
    latency_s: float
    latency_u95_s: float
    current_a: float
    power_w: float
    energy_j: float
    energy_u95_j: float

    @property
    def wait_states(self) -> int | None:
        """Of the flash; None for a clock id that is not ours."""
        clock = clock_of(self.clock_id)
        return None if clock is None else clock.flash_wait_states

    @property
    def regulator(self) -> str | None:
        """Voltage scale or range, as in ``scale1od``; None for a clock id that is not ours."""
        clock = clock_of(self.clock_id)
        return None if clock is None else clock.regulator

    @property
    def power_u95_relative(self) -> float:
        """Relative expanded uncertainty of power: energy is power x latency, so it is energy's without latency's."""
        energy, latency = self.energy_u95_j / self.energy_j, self.latency_u95_s / self.latency_s
        return math.sqrt(max(energy * energy - latency * latency, 0.0))


_NUMBERS = len(Sample._fields) - 1  # all but the clock id


@lru_cache(maxsize=4096)
def clock_of(clock_id: str) -> ClockConfiguration | None:
    """Return the clock configuration, None for an id that the bench did not make (published tables have such)."""
    try:
        return ClockConfiguration.parse(clock_id)
    except ParameterError:
        return None


@dataclass(slots=True)
class Series:
    """All points of one workload at one place. ``params`` are those that every data type and flavor of the primitive has."""

    place: Place
    primitive: str
    params: tuple[tuple[str, str], ...]
    variant: Variant
    applications: int
    kernel: int | None
    firmware: str = ""
    compiler: str = ""
    _numbers: array[float] = field(default_factory=lambda: array("d"))
    _clock_ids: list[str] = field(default_factory=list)

    def add(self, row: LutRow) -> None:
        """Take up ``row``, which must be of this workload and place."""
        self._clock_ids.append(row.clock_id)
        self._numbers.extend(
            (
                row.sysclk_hz,
                row.cycles,
                row.latency_s,
                row.latency_u95_s,
                *(_NAN if n is None else n for n in (row.current_a, row.power_w, row.energy_j, row.energy_u95_j)),
            )
        )
        self.firmware, self.compiler = row.firmware_sha256, row.compiler

    def __len__(self) -> int:
        return len(self._clock_ids)

    def samples(self) -> list[Sample]:
        """Return the points by rising clock."""
        return sorted(self._each())

    def _each(self) -> Iterator[Sample]:
        for index, clock_id in enumerate(self._clock_ids):
            clock_hz, *rest = self._numbers[index * _NUMBERS : (index + 1) * _NUMBERS]
            yield Sample(clock_hz, clock_id, *rest)

    def least_energy(self) -> Sample | None:
        """Return the point of least energy, None where no energy was measured."""
        measured = [sample for sample in self._each() if not math.isnan(sample.energy_j)]
        return min(measured, key=lambda sample: sample.energy_j, default=None)

    @property
    def order(self) -> tuple[object, ...]:
        """What the series of a primitive are sorted by: small workloads first, fp32 before int8, naive before other flavors."""
        return (self.place, self.kernel or 0, self.applications, self.params, self.variant.order)


@dataclass(slots=True)
class Collection:
    """What a report is about."""

    series: list[Series] = field(default_factory=list)
    points: int = 0
    first: datetime | None = None
    last: datetime | None = None
    clocks_hz: tuple[float, float] = (float("inf"), 0.0)

    @property
    def places(self) -> list[Place]:
        """Sorted, each once."""
        return sorted({series.place for series in self.series})

    @property
    def primitives(self) -> list[str]:
        """Sorted, each once."""
        return sorted({series.primitive for series in self.series})

    @property
    def sources(self) -> list[str]:
        """Sorted, each once."""
        return sorted({series.place.source for series in self.series})

    def of(self, place: Place, primitive: str) -> list[Series]:
        """Return the series of ``primitive`` at ``place``, small workloads first."""
        found = [series for series in self.series if series.place == place and series.primitive == primitive]
        return sorted(found, key=lambda series: series.order)

    def ordered(self) -> list[Series]:
        """Return all series by primitive, place and size."""
        return sorted(self.series, key=lambda series: (series.primitive, series.order))


def collect(rows: Iterable[LutRow]) -> Collection:
    """Gather ``rows``, in any order, one pass."""
    found = Collection()
    by_key: dict[tuple[object, ...], Series] = {}
    for row in rows:
        accelerators = _accelerators(row.clock_id)
        key = (
            row.source,
            row.station,
            row.board,
            row.mcu,
            row.primitive,
            row.params,
            row.dtype,
            row.flavor,
            row.opt_level,
        )
        series = by_key.get((*key, accelerators))
        if series is None:
            series = by_key[*key, accelerators] = _new_series(row, accelerators)
            found.series.append(series)
        series.add(row)
        found.points += 1
        found.first = row.measured_at if found.first is None else min(found.first, row.measured_at)
        found.last = row.measured_at if found.last is None else max(found.last, row.measured_at)
        low, high = found.clocks_hz
        found.clocks_hz = (min(low, row.sysclk_hz), max(high, row.sysclk_hz))
    return found


def _accelerators(clock_id: str) -> str:
    clock = clock_of(clock_id)
    return "" if clock is None else ", ".join(sorted(clock.accelerators)) or "none"


def _new_series(row: LutRow, accelerators: str) -> Series:
    common, extras = _split(row.primitive, row.params)
    return Series(
        place=Place(row.source, row.station, row.board, row.mcu),
        primitive=row.primitive,
        params=common,
        variant=Variant(row.dtype, row.flavor, extras, row.opt_level, accelerators),
        applications=row.applications,
        kernel=row.kernel_w if row.kernel_h == row.kernel_w else None,
    )


@lru_cache(maxsize=4096)
def _split(primitive: str, params: str) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """Return the parameters that every variant has, and the others where they are not the default (as ``name=value``)."""
    known = {} if primitive not in PRIMITIVES else {p.name: p for p in PRIMITIVES[primitive].parameters}
    everywhere = 2  # data types
    common, extras = [], []
    for part in filter(None, params.split(";")):
        name, _, value = part.partition("=")
        parameter = known.get(name)
        if parameter is None or (len(parameter.dtypes) == everywhere and not parameter.flavors):
            common.append((name, value))
        elif value != str(parameter.default):
            extras.append(part)
    return tuple(common), tuple(extras)


def varying(series: Iterable[Series]) -> list[str]:
    """Return the names of the parameters in which ``series`` differ, in the primitive's order."""
    values: dict[str, set[str]] = {}
    for one in series:
        for name, value in one.params:
            values.setdefault(name, set()).add(value)
    return [name for name, found in values.items() if len(found) > 1]


def workload_label(series: Series, names: list[str]) -> str:
    """Return the parameters ``names`` of ``series``, as in ``k=5, stride=2``."""
    return ", ".join(f"{name}={value}" for name, value in series.params if name in names)


def labels(series: list[Series]) -> list[str]:
    """Return what tells each of ``series`` from the others; alone, how it is implemented."""
    names = varying(series)
    variants = {one.variant.label for one in series}
    accelerated = len({(one.place, one.variant.accelerators) for one in series}) > len({one.place for one in series})
    places = {one.place for one in series}
    made = []
    for one in series:
        caches = f"caches: {one.variant.accelerators}" if accelerated else ""
        where = one.place.label if len(places) > 1 else ""
        how = one.variant.label if len(variants) > 1 or not (names or where) else ""
        made.append(", ".join(filter(None, (where, workload_label(one, names), how, caches))))
    return made
