"""Executes plans: build, open the station, measure, and record every run as soon as it is there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Protocol

from bench.build import BuildCache, find_toolchain
from bench.domain.measurement import Point, Run
from bench.errors import BenchError, StationQuarantined, StoreError, error_context
from bench.measure.campaign import Campaign
from bench.measure.image import Image, prepare
from bench.measure.procedure import Narrator, points, rejected
from bench.measure.settings import Settings
from bench.measure.station import OpenStation
from bench.store import Repository
from bench.sweep.journal import Journal
from bench.sweep.plan import ImagePlan
from bench.sweep.station_lock import station_lock

Builder = Callable[[ImagePlan], Image]
"""Returns the image of a plan. Raises what ``bench.measure.image.prepare`` raises."""


class Listener(Narrator, Protocol):
    """Hears what happens while a plan is executed, and of every run that is in the database."""

    def recorded(self, run: Run) -> None: ...

    def gave_up(self, points: int) -> None: ...


def execute(
    plan: ImagePlan,
    repository: Repository,
    settings: Settings,
    cache: BuildCache,
    listener: Listener,
    builder: Builder | None = None,
    place: OpenStation | None = None,
) -> Iterator[Run]:
    """Measure ``plan`` and yield each run after it was recorded. Nobody else measures on its station meanwhile (StationBusy: somebody does).

    ``builder`` gives the image, where it is built ahead; else it is built now. ``place`` is the plan's station where it stays open for further
    images; else it is opened and closed here. A run that drift invalidates later is yielded once more,
    rejected: the last run of a point counts. A failure that ends the image (it does not build, the station is quarantined ...) is recorded
    as a rejected run of every point that was not reached, and then raised; where the database fails, nothing more is recorded. An
    interruption leaves what was recorded.
    """
    opening = OpenStation(plan.station, plan.board, settings) if place is None else nullcontext(place)
    with station_lock(plan.station), opening as opened:
        yield from _execute(plan, repository, settings, listener, builder or build_with(cache), opened)


def build_with(cache: BuildCache) -> Builder:
    """Return the builder that builds with the installed compiler, or takes the image from ``cache``."""
    return lambda plan: prepare(plan.work, plan.board, plan.image_clocks, find_toolchain(), cache, plan.library)


def _execute(
    plan: ImagePlan,
    repository: Repository,
    settings: Settings,
    listener: Listener,
    builder: Builder,
    place: OpenStation,
) -> Iterator[Run]:
    journal = Journal(repository, listener)
    reached: set[str] = set()
    image: Image | None = None
    try:
        with error_context(plan.station.name):
            listener.event(f"building {plan.work}")
            image = builder(plan)
            listener.event("image from the cache" if image.built.from_cache else f"built with {image.built.compiler}")
            for run in Campaign(place, image, settings, listener, journal.event, plan.clocks).runs():
                reached.add(run.point.clock.id)
                journal.run(run)
                listener.recorded(run)
                yield run
    except BenchError as error:
        cause = error.cause if isinstance(error, StationQuarantined) else error
        left = [point for point in _points(plan) if point.clock.id not in reached]
        if not isinstance(error, StoreError):
            for point in left:
                journal.run(rejected(point, image, cause))
        listener.gave_up(len(left))
        raise


def _points(plan: ImagePlan) -> list[Point]:
    return points(plan.station, plan.board, plan.work, plan.clocks)
