"""``bench submit``, ``status``, ``logs``, ``cancel``, ``pause``, ``resume``: what users do with jobs."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.console import err, out, print_json
from bench.cli.options import DEFAULT_DB, DEFAULT_STATIONS, Db, Json, StationsFile, known_stations
from bench.cli.sweep_options import (
    Accelerators,
    Again,
    Clocks,
    CmsisNn,
    DataTypes,
    Flavors,
    KernelSizes,
    OptLevels,
    Parameters,
    PlanFile,
    Primitives,
    Repeats,
    Seed,
    StationNames,
    Window,
    request_of,
)
from bench.domain.primitives.base import CMSIS_NN
from bench.errors import ParameterError

if TYPE_CHECKING:
    from bench.daemon.service import Service
    from bench.domain.job import Event

WATCH_S = 1.0
LOOK_S = 0.25

JobNumber = Annotated[int, typer.Argument(help="Number of the job; `bench status` lists them.", metavar="JOB")]
OptionalJob = Annotated[int | None, typer.Argument(help="Number of the job.", metavar="JOB")]
StationName = Annotated[str | None, typer.Option("--station", help="The station, instead of a job.", metavar="STATION")]


def submit(  # noqa: PLR0917 (as many options as a sweep, and some more)
    plan: PlanFile = None,
    station: StationNames = None,
    primitive: Primitives = None,
    k: KernelSizes = None,
    param: Parameters = None,
    dtype: DataTypes = None,
    flavor: Flavors = None,
    cmsis_nn: CmsisNn = None,
    opt: OptLevels = None,
    freq: Clocks = None,
    accelerators: Accelerators = None,
    repeats: Repeats = None,
    window: Window = None,
    seed: Seed = None,
    again: Again = False,
    name: Annotated[str, typer.Option(help="What the job is called. [default: from its primitives]")] = "",
    priority: Annotated[int, typer.Option(help="-100 to 100; a higher one goes first.")] = 0,
    at: Annotated[
        str | None,
        typer.Option("--at", help="Start time: 22:00 (tomorrow if that is past) or 2026-03-01 06:30.", metavar="TIME"),
    ] = None,
    spare: Annotated[
        list[str] | None,
        typer.Option(
            help="Station that steps in for an equal one that is quarantined or gone; may be repeated.",
            metavar="STATION",
        ),
    ] = None,
    share: Annotated[
        bool,
        typer.Option("--share", help="Equal stations divide the points among them, instead of each measuring all."),
    ] = False,
    as_json: Json = False,
    db: Db = DEFAULT_DB,
    stations: StationsFile = DEFAULT_STATIONS,
) -> int:
    """Submit a sweep to the daemon, and print the number of the job.

    The plan is checked here and now; the daemon need not run. It measures what is missing when its turn comes.

    Example: bench submit --primitive conv2d --k 3,5 --station desk --at 22:00
    """
    request = request_of(
        plan, station, primitive, k, param, dtype, flavor, opt, freq, accelerators, repeats, window, seed, again=again
    )
    with _service(db, stations, cmsis_nn, create=True) as service:
        taken = service.submit(
            request, name=name, priority=priority, start_at=at, spares=tuple(spare or ()), shared=share
        )
        job = service.job(taken.job_id)
        if as_json:
            print_json([_job_row(service, job.id)])
            return 0
        console = err()
        for reason in dict.fromkeys(f"{entry.what}: {entry.reason}" for entry in taken.skipped):
            console.print(f"left out: {reason}", markup=False)
        for unserved in taken.unserved:
            console.print(
                f"no daemon serves {unserved} now; start one with: bench daemon --serve {unserved}", markup=False
            )
        when = "" if job.start_at is None else f", from {job.start_at.astimezone():%Y-%m-%d %H:%M} on"
        out().print(
            f"job {job.id}: {taken.points} points, {taken.images} images on {', '.join(job.stations)}{when}",
            markup=False,
        )
        out().print(f"next: bench status {job.id}", markup=False)
    return 0


def status(
    job: OptionalJob = None,
    watch: Annotated[bool, typer.Option("--watch", help="Show it anew every second, until the job is over.")] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Return when the job is over: 0 if all its points are there, else 1.")
    ] = False,
    all_jobs: Annotated[bool, typer.Option("--all", help="All jobs, not only the newest twenty.")] = False,
    as_json: Json = False,
    db: Db = DEFAULT_DB,
    stations: StationsFile = DEFAULT_STATIONS,
) -> int:
    """Show jobs and stations, or one job with the causes of what is missing.

    Example: bench status 3 --watch
    """
    from bench.cli.job_tables import job_text, overview

    if job is None and wait:
        raise ParameterError("--wait needs the number of a job", hint="bench status JOB --wait")
    with _service(db, stations) as service:
        if job is not None:
            service.job(job)
        if wait and job is not None:
            while not _over(service, job):
                time.sleep(LOOK_S)
        if watch and not as_json:
            _watch(service, job)
        elif as_json:
            numbers = [job] if job is not None else [one.id for one in service.jobs(limit=None if all_jobs else 20)]
            print_json([_job_row(service, number) for number in numbers])
        else:
            text = overview(service, limit=None if all_jobs else 20) if job is None else job_text(service, job)
            out().print(text)
        if job is not None and (wait or watch):
            return 0 if str(service.status(service.job(job))) == "done" else 1
    return 0


def logs(
    job: OptionalJob = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job is over.")] = False,
    as_json: Json = False,
    db: Db = DEFAULT_DB,
    stations: StationsFile = DEFAULT_STATIONS,
) -> int:
    """Print the log of a job, or of all: one line for each point, and for what else happened.

    Example: bench logs 3 --follow
    """
    with _service(db, stations) as service:
        events = service.log(job)
        if as_json:
            print_json([_event_row(event) for event in events])
            return 0
        console = out()
        last = 0
        while True:
            for event in events:
                last = event.id
                console.print(_line(event), markup=False, soft_wrap=True)
            if not follow or (job is not None and not events and _over(service, job)):
                return 0
            if not events:
                time.sleep(LOOK_S)
            events = service.log(job, after=last)


def cancel(job: JobNumber, db: Db = DEFAULT_DB, stations: StationsFile = DEFAULT_STATIONS) -> int:
    """Cancel a job after the point at hand; what was measured stays."""
    with _service(db, stations) as service:
        if service.cancel(job):
            counts = service.job(job).counts
            text = f"job {job} is cancelled with {counts.done} of {counts.points} points"
        else:
            text = f"job {job} was over already"
        out().print(text, markup=False)
    return 0


def pause(
    job: OptionalJob = None, station: StationName = None, db: Db = DEFAULT_DB, stations: StationsFile = DEFAULT_STATIONS
) -> int:
    """Pause a job, or a station, after the point at hand.

    Example: bench pause --station desk
    """
    _one_of(job, station)
    with _service(db, stations) as service:
        if job is not None:
            service.pause(job)
            out().print(f"job {job} is paused; go on with: bench resume {job}", markup=False)
        if station is not None:
            service.pause_station(station)
            out().print(f"station {station} is paused; go on with: bench resume --station {station}", markup=False)
    return 0


def resume(
    job: OptionalJob = None, station: StationName = None, db: Db = DEFAULT_DB, stations: StationsFile = DEFAULT_STATIONS
) -> int:
    """Go on with a paused job, open a job that is over again for what it lacks, or give a paused or quarantined station work again.

    Example: bench resume --station desk
    """
    _one_of(job, station)
    with _service(db, stations) as service:
        if job is not None:
            service.resume(job)
            out().print(f"job {job} goes on", markup=False)
        if station is not None:
            held = service.resume_station(station)
            out().print(f"station {station} {'is in service again' if held else 'was in service'}", markup=False)
    return 0


@contextmanager
def _service(db: str, stations: Path, cmsis_nn: Path | None = None, *, create: bool = False) -> Iterator[Service]:
    known = known_stations(stations)
    from bench.daemon.service import open_service  # late: SQLAlchemy takes its time

    libraries: Mapping[str, Path | None] = {CMSIS_NN: cmsis_nn}
    with open_service(db, known, libraries, create=create) as service:
        yield service


def _one_of(job: int | None, station: str | None) -> None:
    if (job is None) == (station is None):
        raise ParameterError("name either a job or a --station", hint="bench status lists both")


def _over(service: Service, job_id: int) -> bool:
    job = service.job(job_id)
    return job.ended_at is not None and not job.busy_units


def _watch(service: Service, job_id: int | None) -> None:
    from rich.live import Live

    from bench.cli.job_tables import job_text, overview

    with Live(console=out(), auto_refresh=False) as live:
        while True:
            live.update(overview(service, limit=20) if job_id is None else job_text(service, job_id), refresh=True)
            if job_id is not None and _over(service, job_id):
                return
            time.sleep(WATCH_S)


def _job_row(service: Service, job_id: int) -> dict[str, object]:
    job = service.job(job_id)
    counts = job.counts
    return {
        "job": job.id,
        "name": job.name,
        "status": str(service.status(job)),
        "priority": job.priority,
        "stations": list(job.stations),
        "points": counts.points,
        "done": counts.done,
        "rejected": counts.rejected,
        "running": counts.running,
        "missing": counts.missing,
        "start_at": _iso(job.start_at),
        "submitted_at": _iso(job.submitted_at),
        "submitted_by": job.submitted_by,
        "ended_at": _iso(job.ended_at),
        "failures": [_event_row(event) for event in service.failures(job_id)],
    }


def _event_row(event: Event) -> dict[str, object]:
    return {
        "at": _iso(event.at),
        "job": event.job_id,
        "station": event.station,
        "kind": str(event.kind),
        "what": event.label,
        "text": event.text,
        "clock_id": event.clock_id,
        "run": event.run_id,
    }


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _line(event: Event) -> str:
    parts = (f"{event.at.astimezone():%Y-%m-%d %H:%M:%S}", event.station, event.label, str(event.kind), event.text)
    return "  ".join(part for part in parts if part)
