"""Executes plans: build, open the station, measure, and record every run as soon as it is there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from bench.build import BuildCache, find_toolchain
from bench.domain.measurement import Point, Run
from bench.errors import BenchError, error_context
from bench.measure.image import Image, prepare
from bench.measure.procedure import Narrator, Procedure, points, rejected
from bench.measure.settings import Settings
from bench.measure.station import open_station
from bench.store import Repository
from bench.sweep.plan import ImagePlan

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
) -> Iterator[Run]:
    """Measure ``plan`` and yield each run after it was recorded.

    ``builder`` gives the image; else it is the one of the plan's workload. A failure that ends the image (build, probe, flash ...) is recorded as a rejected run of every point that was not reached, and then
    raised. An interruption leaves what was recorded.
    """
    reached: set[str] = set()
    image: Image | None = None
    try:
        with error_context(plan.station.name):
            listener.event(f"building {plan.work}")
            image = (builder or build_with(cache))(plan)
            listener.event("image from the cache" if image.built.from_cache else f"built with {image.built.compiler}")
            with open_station(plan.station, plan.board, settings) as (under_test, meter):
                for run in Procedure(plan.station, image, under_test, meter, settings, listener).runs():
                    reached.add(run.point.clock.id)
                    repository.record(run)
                    listener.recorded(run)
                    yield run
    except BenchError as error:
        left = [point for point in _points(plan) if point.clock.id not in reached]
        for point in left:
            repository.record(rejected(point, image, error))
        listener.gave_up(len(left))
        raise


def build_with(cache: BuildCache) -> Builder:
    """Return the builder that builds with the installed compiler, or takes the image from ``cache``."""
    return lambda plan: prepare(plan.work, plan.board, plan.clocks, find_toolchain(), cache, plan.library)


def _points(plan: ImagePlan) -> list[Point]:
    return points(plan.station, plan.board, plan.work, plan.clocks)
