"""What a sweep will take: time from what measuring took before, and erase cycles of the flash.

The time of a point is that from its start to the start of the next one of the same image, by clock, because slow clocks take longer; what is
left between two images is building what was not built ahead, opening the station and flashing. Medians, so that a night's rest of the bench
or a point that was tried three times does not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from bench.measure.settings import Settings
from bench.store import Repository
from bench.store.history import Start
from bench.sweep.matrix import SweepPlan
from bench.sweep.plan import ImagePlan

BREAK_S = 600.0
"""No point takes longer: between two starts further apart, the bench did something else."""
ENDURANCE_CYCLES = 10_000
"""Least program/erase cycles of any sector (STM32F446 DS10693, F746 DocID027590, L496 DS11585 and L4R9 DS12023, table "flash memory endurance": 10 kcycles)."""
GUESSED_IMAGE_S = 5.0
GUESSED_POINT_S = 0.5
"""Without history: what a point takes besides its windows, and an image to be flashed, with an ST-LINK in round numbers."""


@dataclass(frozen=True, slots=True)
class Timing:
    """What measuring takes on one station: ``point_s`` by clock id, ``any_point_s`` for a clock not seen yet, ``image_s`` an image besides."""

    image_s: float
    any_point_s: float
    point_s: dict[str, float]
    guessed: bool

    def seconds(self, images: Sequence[ImagePlan]) -> float:
        """Return what ``images`` take."""
        return sum(
            self.image_s + sum(self.point_s.get(clock.id, self.any_point_s) for clock in image.clocks)
            for image in images
        )


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is ahead of one station. Every image is flashed once, and the first sector is part of every image: ``flashes`` is its wear, too.

    ``flashed_before`` is what the database knows of, which others may have added to.
    """

    station: str
    points: int
    images: int
    seconds: float
    guessed: bool
    flashes: int
    flashed_before: int

    @property
    def wear(self) -> float:
        """Share of the endurance that the first sector will have behind it, 0 to 1 and beyond."""
        return (self.flashes + self.flashed_before) / ENDURANCE_CYCLES


def forecast(plan: SweepPlan, repository: Repository | None, settings: Settings) -> tuple[Forecast, ...]:
    """Return the forecast of every station of ``plan``, in its order, from what ``repository`` (None: no database yet) tells. Raises StoreError."""
    found = []
    for station in plan.stations():
        part = plan.of_station(station.name)
        history = None if repository is None else repository.history
        timing = timing_of(history.starts(station.name) if history is not None else [], settings)
        found.append(
            Forecast(
                station=station.name,
                points=part.points,
                images=len(part.images),
                seconds=timing.seconds(part.images),
                guessed=timing.guessed,
                flashes=len(part.images),
                flashed_before=0 if history is None else history.flashes(station.name),
            )
        )
    return tuple(found)


def timing_of(starts: Sequence[Start], settings: Settings) -> Timing:
    """Return the timing that ``starts`` show, oldest first; a guess from ``settings`` where they show too little."""
    windows_s = settings.settle_s + settings.window_s + settings.idle_s
    steps = [
        (before, after, seconds)
        for before, after in pairwise(starts)
        if 0 <= (seconds := (after.measured_at - before.measured_at).total_seconds()) <= BREAK_S
    ]
    by_clock: dict[str, list[float]] = {}
    for before, after, seconds in steps:
        if before.image_id == after.image_id:
            by_clock.setdefault(before.clock_id, []).append(seconds)
    if not by_clock:
        return Timing(GUESSED_IMAGE_S, GUESSED_POINT_S + windows_s, {}, True)
    point_s = {clock_id: median(values) for clock_id, values in by_clock.items()}
    any_point_s = median(value for values in by_clock.values() for value in values)
    between = [
        max(0.0, seconds - point_s.get(before.clock_id, any_point_s))
        for before, after, seconds in steps
        if before.image_id != after.image_id
    ]
    return Timing(median(between) if between else GUESSED_IMAGE_S, any_point_s, point_s, False)
