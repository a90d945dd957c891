"""Measures one unit: makes its plan again, finds what is missing, executes, and settles with the database what became of it.

It is the same execution as that of ``bench sweep``. Every run is recorded under the unit's lease, so that a daemon that was thought dead
cannot measure what another has taken over.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Mapping
from contextlib import closing
from pathlib import Path
from typing import cast

from bench.boards import load_board
from bench.boards.sweep_file import request_from_dict
from bench.build import BuildCache
from bench.daemon.stop import Abandoned, Stop
from bench.domain.clock import ClockConfiguration
from bench.domain.job import EventKind, Lease, UnitPlan, Work
from bench.domain.measurement import Run, Verdict
from bench.domain.primitives import workload
from bench.domain.station import Station
from bench.domain.sweep import SweepRequest
from bench.errors import BenchError, StationBusy, StoreError, UnknownName
from bench.firmware.library import choose_library
from bench.measure.settings import Settings
from bench.store import Store
from bench.store.units import LeasedRepository, LeaseVoid, Wish
from bench.sweep.execute import build_with, execute
from bench.sweep.matrix import SweepPlan
from bench.sweep.missing import missing
from bench.sweep.plan import ImagePlan, plan_image
from bench.sweep.station import FATAL_CLASSES, MAX_FAILED_IMAGES, STATION_CLASSES

MAX_STARTS = 20
"""So often may a unit be started without a point being recorded: one that kills its daemon every time is given up."""
MAX_TRIES = 3
"""So often may stations fail with one unit before it is given up."""

_log = logging.getLogger("bench.daemon")


class Worker:
    """Measures units on ``stations`` (by name); ``libraries`` are the folders of kernel libraries by flavor."""

    def __init__(
        self,
        store: Store,
        stations: Mapping[str, Station],
        libraries: Mapping[str, Path | None],
        cache: BuildCache,
        stop: Stop,
    ) -> None:
        self._store = store
        self._stations = stations
        self._libraries = libraries
        self._cache = cache
        self._stop = stop

    def measure(self, lease: Lease, daemon_id: int) -> str:
        """Measure the unit of ``lease`` and return in a word what became of it. Raises StoreError where the database fails."""
        work = None if self._stop.asked else self._store.units.start(lease, daemon_id)
        if work is None:
            return "void"
        try:
            return self._measure(work)
        except LeaseVoid:
            _log.warning(
                "%s: the unit was taken over by another daemon, what was measured since is dropped", lease.station
            )
            return "void"

    def prebuild(self, lease: Lease) -> None:
        """Build the image of a queued unit, so that it is in the cache when its turn comes; failures show then."""
        try:
            plan = self._store.units.peek(lease)
            if plan is not None:
                left = self._missing(self._image(plan, lease.station))
                if left is not None:
                    build_with(self._cache)(left)
        except BenchError:
            _log.debug("%s: building ahead failed", lease.station, exc_info=True)

    def _measure(self, work: Work) -> str:
        units, lease = self._store.units, work.lease
        if work.starts > MAX_STARTS:
            units.fail(lease, "bench", f"the daemon died {MAX_STARTS} times in this image")
            return "failed"
        try:
            request = request_from_dict(work.request)
            image = self._image(work.plan, lease.station)
            left = self._left(work, image, request)
        except StoreError:
            raise
        except BenchError as error:
            units.fail(lease, error.failure_class, _said(error))
            return "failed"
        if left is None:
            units.finish(lease)
            return "done"
        settings = Settings(repeats=request.repeats, window_s=request.window_s, seed=request.seed)
        return self._execute(work, left, settings)

    def _execute(self, work: Work, image: ImagePlan, settings: Settings) -> str:
        units, lease = self._store.units, work.lease
        repository = self._store.leased(lease)
        listener = _Listener(self._store, work, self._stop)
        classes: list[str] = []
        try:
            execution = execute(image, repository, settings, self._cache, listener)
            with closing(cast("Generator[Run]", execution)) as runs:
                for run in runs:
                    classes.append(run.failure_class)
                    if self._stop.asked or repository.wish is not Wish.CONTINUE:
                        break
        except StationBusy as error:
            units.release(lease)
            _log.warning("%s", error)
            return "busy"
        except Abandoned:
            units.release(lease)
            return "released"
        except (StoreError, LeaseVoid):
            raise
        except BenchError as error:
            return self._failed(work, error.failure_class, _said(error))
        except Exception as error:  # of pyOCD, a driver or our own: the night goes on, and says what it was
            _log.exception("%s: %s", lease.station, work.plan.label)
            return self._failed(work, "target", f"{type(error).__name__}: {error}")
        if classes and all(failure_class in STATION_CLASSES for failure_class in classes):
            return self._failed(work, classes[0], listener.reason)
        self._store.rack.worked(lease.station)
        return self._settle(work, repository, finished=len(classes) == len(image.clocks))

    def _settle(self, work: Work, repository: LeasedRepository, *, finished: bool) -> str:
        if finished:
            self._store.units.finish(work.lease)
            return "done"
        if repository.wish is Wish.CANCEL:
            self._store.units.cancel(work.lease)
            return "cancelled"
        self._store.units.release(work.lease)
        return "released"

    def _failed(self, work: Work, failure_class: str, cause: str) -> str:
        """Settle a unit that ended early: it is tried again where the station is to blame, and the station leaves the service if it fails on."""
        units, rack, lease = self._store.units, self._store.rack, work.lease
        if failure_class not in STATION_CLASSES | FATAL_CLASSES:
            units.fail(lease, failure_class, cause)
            return "failed"
        if failure_class in FATAL_CLASSES:
            left_out = rack.quarantine(lease.station, cause)
        else:
            left_out = rack.failed(lease.station, cause, limit=MAX_FAILED_IMAGES)
        if left_out:
            _log.warning("station %s is quarantined: %s", lease.station, cause)
        if work.tries + 1 >= MAX_TRIES and not left_out:
            units.fail(lease, failure_class, cause)
            return "failed"
        units.try_again(lease, failure_class, cause)
        return "again"

    def _left(self, work: Work, image: ImagePlan, request: SweepRequest) -> ImagePlan | None:
        """Return ``image`` with the clocks that are left, None where none is; keeps how many points are there."""
        lacking = image if request.again else self._missing(image)
        ids = {clock.id for clock in (lacking.clocks if lacking else ())}
        if request.again:
            ids -= set(work.measured)
        self._store.units.begin(work.lease, len(image.clocks) - len(ids))
        left = tuple(clock for clock in image.clocks if clock.id in ids and clock.id not in work.refused)
        return image.only(left) if left else None

    def _missing(self, image: ImagePlan) -> ImagePlan | None:
        left = missing(SweepPlan((image,)), self._store.repository).images
        return left[0] if left else None

    def _image(self, plan: UnitPlan, station: str) -> ImagePlan:
        if station not in self._stations:
            raise UnknownName.among("station", station, list(self._stations))
        place = self._stations[station]
        work = workload(plan.primitive, dict(plan.params), plan.dtype, plan.flavor, plan.opt_level)
        clocks = tuple(ClockConfiguration.parse(clock_id) for clock_id in plan.clock_ids)
        return plan_image(place, load_board(place.board), work, clocks, choose_library(work, self._libraries))


class _Listener:
    """Writes what happens into the job's log and the daemon's."""

    def __init__(self, store: Store, work: Work, stop: Stop) -> None:
        self._store = store
        self._work = work
        self._stop = stop
        self.reason = ""

    def event(self, text: str) -> None:
        """Keep what was done."""
        self._stop.check()
        lease = self._work.lease
        self._store.jobs.log(lease.job_id, lease.station, EventKind.NOTE, text, unit_id=lease.unit_id)

    def step(self, text: str) -> None:  # noqa: ARG002 (the daemon's log does without single motions)
        """A moment to abandon the point, if that is wanted."""
        self._stop.check()

    def recorded(self, run: Run) -> None:
        """Say that a run is in the database."""
        clock = f"{run.point.clock.hclk_hz / 1e6:g} MHz"
        if run.verdict is Verdict.ACCEPTED:
            _log.info("job %d: %s %s accepted", self._work.lease.job_id, run.point.workload, clock)
        else:
            self.reason = self.reason or run.reason
            _log.warning("job %d: %s %s rejected: %s", self._work.lease.job_id, run.point.workload, clock, run.reason)

    def gave_up(self, points: int) -> None:
        """Say that points were not reached; the error that ended them follows."""
        _log.warning("%s: %d points not measured, recorded as rejected", self._work.plan.label, points)


def _said(error: BenchError) -> str:
    return f"{error.message} ({error.hint})" if error.hint else error.message
