"""What users do with jobs and stations: submit, look, pause, resume, cancel, release. Command line and HTTP API use this and nothing else.

The service needs the database and no running daemon: it writes what is wanted, and daemons act on it.

    with open_service("sqlite:///measurements.db", stations) as service:
        submitted = service.submit(SweepRequest(...), priority=1)
        service.job(submitted.job_id).counts
"""

from __future__ import annotations

import getpass
import os
import platform
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bench.boards.sweep_file import request_from_dict, request_to_dict
from bench.daemon.choice import equal
from bench.daemon.start_time import parse_start
from bench.domain.job import (
    DaemonStatus,
    Event,
    EventKind,
    Job,
    JobState,
    LanePlan,
    StationStatus,
    Status,
    Unit,
    UnitPlan,
    UnitState,
)
from bench.domain.station import Station
from bench.domain.sweep import SweepRequest
from bench.errors import ParameterError, UnknownName, UsageError
from bench.measure.settings import Settings
from bench.store import Store, open_store
from bench.sweep.matrix import NO_LIBRARIES, Skipped, SweepPlan, plan_sweep
from bench.sweep.plan import ImagePlan

GONE_AFTER_S = 15.0
"""So long may a daemon be silent before its work is given back."""
MAX_PRIORITY = 100
MAX_NAME = 80


@dataclass(frozen=True, slots=True)
class Submitted:
    """A job that was taken: its number, its size, and what of the request cannot be measured and why."""

    job_id: int
    images: int
    points: int
    skipped: tuple[Skipped, ...]
    unserved: tuple[str, ...]
    """Stations of the job that no daemon serves at present: their points wait until one does."""


class Service:
    """Jobs and stations of one database.

    ``stations`` are those that this host knows; what the daemons alive say about theirs goes before it. ``libraries`` are the folders of
    kernel libraries by flavor. Every method raises StoreError when the database fails.
    """

    def __init__(
        self,
        store: Store,
        stations: Mapping[str, Station],
        libraries: Mapping[str, Path | None] = NO_LIBRARIES,
        *,
        gone_after_s: float = GONE_AFTER_S,
    ) -> None:
        self.store = store
        self._local = dict(stations)
        self._libraries = libraries
        self._gone_after_s = gone_after_s

    def known_stations(self) -> dict[str, Station]:
        """Return every station that work can be submitted for, by name."""
        served = {found.name: found.station for found in self.stations() if found.served_by}
        return self._local | served

    def submit(
        self,
        request: SweepRequest | Mapping[str, object],
        *,
        name: str = "",
        priority: int = 0,
        start_at: datetime | str | None = None,
        spares: Sequence[str] = (),
        shared: bool = False,
        by: str = "",
    ) -> Submitted:
        """Take a sweep, after checking all of it, and return what became of it.

        ``request``: a value, or a dictionary with the keys of a plan file. A higher ``priority`` (-100 to 100) goes first. ``start_at``: a
        point in time, or text such as "22:00". ``spares`` are stations that step in for an equal one that is quarantined or gone.
        ``shared``: equal stations of the request divide the points among them, instead of measuring all points each. ``by``: who submits.

        Raises UsageError for whatever is wrong with the request: unknown names, clocks that a board cannot have, values out of range.
        """
        asked = request if isinstance(request, SweepRequest) else request_from_dict(request)
        if not -MAX_PRIORITY <= priority <= MAX_PRIORITY:
            raise ParameterError(f"priority {priority} is out of range", hint=f"-{MAX_PRIORITY} to {MAX_PRIORITY}")
        if len(name) > MAX_NAME:
            raise ParameterError(f"the name has {len(name)} characters", hint=f"at most {MAX_NAME}")
        starts = parse_start(start_at, self.store.jobs.clock()) if isinstance(start_at, str) else start_at
        Settings(repeats=asked.repeats, window_s=asked.window_s, seed=asked.seed)
        known = self.known_stations()
        plan = plan_sweep(asked, known, self._libraries)
        lanes = _lanes(plan, known, spares, shared=shared)
        job_id = self.store.jobs.submit(
            name=name or _name_of(asked),
            request=request_to_dict(asked),
            priority=priority,
            start_at=starts,
            by=by or who(),
            lanes=lanes,
        )
        served = {found.name for found in self.stations() if found.served_by}
        return Submitted(
            job_id=job_id,
            images=sum(len(lane.units) for lane in lanes),
            points=sum(len(unit.clock_ids) for lane in lanes for unit in lane.units),
            skipped=plan.skipped,
            unserved=tuple(sorted({name for lane in lanes for name in lane.stations[:1]} - served)),
        )

    def jobs(self, *, limit: int | None = None, active: bool = False) -> list[Job]:
        """Return jobs, newest first; ``active``: only those that are neither ended nor cancelled."""
        return self.store.jobs.jobs(limit=limit, active=active)

    def job(self, job_id: int) -> Job:
        """Return a job with its counts. Raises UnknownName."""
        return self.store.jobs.job(job_id)

    def status(self, job: Job) -> Status:
        """Return what ``job`` shows to people now."""
        return job.status(self.store.jobs.clock())

    def units(
        self, job_id: int, states: Collection[UnitState] = (), *, limit: int | None = None, skip: int = 0
    ) -> list[Unit]:
        """Return the images of a job, in the given states (none: all), ``limit`` of them after the first ``skip``. Raises UnknownName."""
        self.job(job_id)
        return self.store.jobs.units(job_id, states, limit=limit, skip=skip)

    def failures(self, job_id: int, limit: int | None = None) -> list[Event]:
        """Return what went wrong in a job, oldest first: rejected points with their cause, and trouble with images. Raises UnknownName."""
        self.job(job_id)
        return self.store.jobs.events(job_id, kinds=(EventKind.REJECTED, EventKind.TROUBLE), limit=limit)

    def log(self, job_id: int | None = None, *, after: int = 0, limit: int | None = None) -> list[Event]:
        """Return entries of the log of a job (None: of everything) with numbers above ``after``, oldest first. Raises UnknownName."""
        if job_id is not None:
            self.job(job_id)
        return self.store.jobs.events(job_id, after=after, limit=limit)

    def cancel(self, job_id: int) -> bool:
        """Cancel a job after the point at hand; what was measured stays. Return whether there was anything to cancel. Raises UnknownName."""
        self.job(job_id)
        return self.store.jobs.cancel(job_id)

    def pause(self, job_id: int) -> None:
        """Pause a job after the point at hand. Raises UnknownName, UsageError for a job that is over."""
        job = self.job(job_id)
        if not self.store.jobs.pause(job_id) and job.state is not JobState.PAUSED:
            raise UsageError(
                f"job {job_id} is {self.status(job)}, there is nothing to pause", hint="bench status lists the jobs"
            )

    def resume(self, job_id: int) -> None:
        """Continue a paused job, or open one again that is over, for the points it lacks. Raises UnknownName, UsageError: nothing is left."""
        job = self.job(job_id)
        if not self.store.jobs.resume(job_id) and job.state is not JobState.OPEN:
            raise UsageError(
                f"job {job_id} is {self.status(job)} and lacks nothing", hint="submit it anew with --again"
            )

    def stations(self) -> list[StationStatus]:
        """Return the stations that daemons serve or served: who serves them, what each is doing and since when."""
        return self.store.rack.stations(self._gone_after_s)

    def held(self, job: Job) -> list[str]:
        """Return what keeps stations of an unfinished job from working, a line for each such station."""
        if job.ended_at is not None:
            return []
        there = {place.name: place for place in self.stations()}
        found = []
        for name in job.stations:
            place = there.get(name)
            if place is None:
                found.append(f"no daemon serves {name}; start one with: bench daemon --serve {name}")
            elif place.state in ("quarantined", "paused", "gone"):
                found.append(f"station {name} is {place.state}{f': {place.cause}' if place.cause else ''}")
        return found

    def daemons(self, *, all_of_them: bool = False) -> list[DaemonStatus]:
        """Return the daemons that did not stop properly, alive or gone, and with ``all_of_them`` the stopped ones, too."""
        return self.store.rack.daemons(self._gone_after_s, all_of_them=all_of_them)

    def pause_station(self, name: str) -> bool:
        """Give a station no more work after the point at hand; return whether it had been free for work. Raises UnknownName."""
        return self.store.rack.pause(name)

    def resume_station(self, name: str) -> bool:
        """Give a paused or quarantined station work again; return whether it was either. Raises UnknownName."""
        return self.store.rack.resume(name)

    def quarantine(self, name: str, cause: str) -> bool:
        """Take a station out of service; return whether it was in service. Raises UnknownName."""
        return self.store.rack.quarantine(name, cause)


@contextmanager
def open_service(
    url: str,
    stations: Mapping[str, Station],
    libraries: Mapping[str, Path | None] = NO_LIBRARIES,
    *,
    create: bool = True,
    gone_after_s: float = GONE_AFTER_S,
) -> Iterator[Service]:
    """Yield the service of the database ``url``, see ``bench.store.open_store``."""
    with open_store(url, create=create) as store:
        yield Service(store, stations, libraries, gone_after_s=gone_after_s)


def unit_plan(image: ImagePlan) -> UnitPlan:
    """Return what is kept of ``image``, from which ``bench.daemon.worker`` makes it again."""
    work = image.work
    return UnitPlan(
        label=str(work),
        primitive=work.primitive,
        params=work.params,
        dtype=str(work.dtype),
        flavor=work.flavor,
        opt_level=str(work.opt_level),
        clock_ids=tuple(clock.id for clock in image.clocks),
    )


def _lanes(plan: SweepPlan, known: Mapping[str, Station], spares: Sequence[str], *, shared: bool) -> list[LanePlan]:
    """Return one lane for each station of ``plan``, or for each group of equal ones if ``shared``.

    Behind the lane's own stations stand the other equal ones of the plan, then the spares. Raises UsageError for a spare of no use.
    """
    asked = [station.name for station in plan.stations()]
    for name in spares:
        if name not in known:
            raise UnknownName.among("station", name, list(known))
        if name in asked:
            raise ParameterError(f"station {name} is asked for and a spare, too", hint="name it once")
        if not any(equal(known[name], station) for station in plan.stations()):
            raise ParameterError(
                f"{name} is no spare for any of {', '.join(asked)}",
                hint="a spare has the same board, source, supply voltage and current probe driver",
            )
    lanes: list[LanePlan] = []
    taken: set[str] = set()
    for station in plan.stations():
        if station.name in taken:
            continue
        others = [other.name for other in plan.stations() if other is not station and equal(other, station)]
        stand_ins = [name for name in spares if equal(known[name], station)]
        peers = 1 + len(others) if shared else 1
        stations = (station.name, *others, *stand_ins)
        taken.update(stations[:peers])
        units = tuple(unit_plan(image) for image in plan.of_station(station.name).images)
        lanes.append(LanePlan(stations, peers, units))
    return lanes


def _name_of(request: SweepRequest) -> str:
    what = ", ".join(asked.name for asked in request.primitives) or "all primitives"
    text = f"{what} ({', '.join(request.dtypes)})"
    return text if len(text) <= MAX_NAME else text[: MAX_NAME - 1] + "…"


def who() -> str:
    """Return user and host, as far as the system knows them."""
    user = os.environ.get("USER", "")
    with suppress(KeyError, OSError):
        user = getpass.getuser()
    return f"{user or 'somebody'}@{platform.node()}"
