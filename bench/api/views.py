"""What leaves: the JSON of jobs, stations and their log. Names are those of ``bench status --json``; times are ISO 8601 in UTC."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel

from bench.api.progress import LOOK_BACK, seconds_left
from bench.daemon.service import Service
from bench.domain.job import Event, Job, StationStatus, Status, Unit, UnitState
from bench.domain.station import Station


class JobView(BaseModel):
    """A job with the counts of its points; ``seconds_left`` is null where nothing tells."""

    job: int
    name: str
    status: Status
    priority: int
    stations: list[str]
    points: int
    done: int
    rejected: int
    running: int
    missing: int
    failed_images: int
    seconds_left: float | None
    start_at: datetime | None
    submitted_at: datetime
    submitted_by: str
    ended_at: datetime | None


class FailureView(BaseModel):
    """Points that are missing, and why: an image that could not be measured, or one rejected run."""

    at: datetime | None
    station: str
    what: str
    points: int
    failure_class: str
    cause: str
    detail: str
    run: int | None


class JobDetail(JobView):
    """A job with its request, what holds it up, and why points are missing (the newest 200 causes)."""

    request: dict[str, Any]
    held: list[str]
    failures: list[FailureView]


class UnitView(BaseModel):
    """One image of a job."""

    unit: int
    label: str
    state: UnitState
    station: str
    points: int
    done: int
    rejected: int
    failure_class: str
    cause: str
    started_at: datetime | None
    ended_at: datetime | None


class EventView(BaseModel):
    """One entry of the log."""

    event: int
    at: datetime
    job: int | None
    station: str
    kind: str
    what: str
    text: str
    clock_id: str
    run: int | None


class StationView(BaseModel):
    """A station. ``state``: busy, idle, paused, quarantined, gone (its daemon is), or unserved: known here, but no daemon ever served it."""

    name: str
    board: str
    source: str
    vdd_v: float
    current_probe: str | None
    state: str
    served_by: list[str]
    job: int | None
    doing: str
    since: datetime | None
    cause: str
    last_seen_at: datetime | None


def job_view(service: Service, job: Job, now: datetime) -> JobView:
    """Return ``job`` as it is at ``now``."""
    counts = job.counts
    status = job.status(now)
    left = None
    if status is Status.RUNNING:
        arrivals = service.store.live.arrivals(job.id, LOOK_BACK)
        left = seconds_left(arrivals, counts.points - counts.done - counts.rejected)
    return JobView(
        job=job.id,
        name=job.name,
        status=status,
        priority=job.priority,
        stations=list(job.stations),
        points=counts.points,
        done=counts.done,
        rejected=counts.rejected,
        running=counts.running,
        missing=counts.missing,
        failed_images=job.failed_units,
        seconds_left=left,
        start_at=job.start_at,
        submitted_at=job.submitted_at,
        submitted_by=job.submitted_by,
        ended_at=job.ended_at,
    )


def unit_view(unit: Unit) -> UnitView:
    """Return ``unit``."""
    return UnitView(
        unit=unit.id,
        label=unit.label,
        state=unit.state,
        station=unit.station,
        points=unit.counts.points,
        done=unit.counts.done,
        rejected=unit.counts.rejected,
        failure_class=unit.failure_class,
        cause=unit.cause,
        started_at=unit.started_at,
        ended_at=unit.ended_at,
    )


def event_view(event: Event) -> EventView:
    """Return ``event``."""
    return EventView(
        event=event.id,
        at=event.at,
        job=event.job_id,
        station=event.station,
        kind=event.kind,
        what=event.label,
        text=event.text,
        clock_id=event.clock_id,
        run=event.run_id,
    )


def failure_of_unit(unit: Unit) -> FailureView:
    """Return why ``unit`` failed."""
    return FailureView(
        at=unit.ended_at,
        station=unit.station,
        what=unit.label,
        points=unit.counts.points - unit.counts.done,
        failure_class=unit.failure_class,
        cause=unit.cause,
        detail="",
        run=None,
    )


def failure_of_run(event: Event) -> FailureView:
    """Return why a point was rejected."""
    failure_class, _, cause = event.text.partition(": ")
    return FailureView(
        at=event.at,
        station=event.station,
        what=event.label,
        points=1,
        failure_class=failure_class,
        cause=cause,
        detail=event.detail,
        run=event.run_id,
    )


def station_view(place: StationStatus) -> StationView:
    """Return a station that a daemon serves or served."""
    return StationView(
        **_described(place.station),
        state=place.state,
        served_by=list(place.served_by),
        job=place.job_id,
        doing=place.doing,
        since=place.since,
        cause=place.cause,
        last_seen_at=place.last_seen_at,
    )


def unserved_view(station: Station) -> StationView:
    """Return a station that is known, but not served."""
    return StationView(
        **_described(station),
        state="unserved",
        served_by=[],
        job=None,
        doing="",
        since=None,
        cause="",
        last_seen_at=None,
    )


def _described(station: Station) -> dict[str, Any]:
    probe = station.current_probe
    return {
        "name": station.name,
        "board": station.board,
        "source": str(station.source),
        "vdd_v": station.vdd_v,
        "current_probe": None if probe is None else probe.driver,
    }
