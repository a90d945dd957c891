"""Executes plans: build, open the station, measure, and record every run as soon as it is there."""

from __future__ import annotations

from collections.abc import Iterator
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


class Listener(Narrator, Protocol):
    """Hears what happens while a plan is executed, and of every run that is in the database."""

    def recorded(self, run: Run) -> None: ...

    def gave_up(self, points: int) -> None: ...


def execute(
    plan: ImagePlan, repository: Repository, settings: Settings, cache: BuildCache, listener: Listener
) -> Iterator[Run]:
    """Measure ``plan`` and yield each run after it was recorded.

    A run that drift invalidates later is yielded once more, rejected: the last run of a point counts. A failure that ends the image (it does
    not build, the station is quarantined ...) is recorded as a rejected run of every point that was not reached, and then raised. An
    interruption leaves what was recorded.
    """
    journal = Journal(repository, listener)
    reached: set[str] = set()
    image: Image | None = None
    try:
        with error_context(plan.station.name):
            listener.event(f"building {plan.work}")
            image = prepare(plan.work, plan.board, plan.clocks, find_toolchain(), cache, plan.library)
            listener.event("image from the cache" if image.built.from_cache else f"built with {image.built.compiler}")
            with OpenStation(plan.station, plan.board, settings) as place:
                for run in Campaign(place, image, settings, listener, journal.event).runs():
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
