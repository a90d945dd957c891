"""What leaves: the JSON of jobs, stations and their log. Names are those of ``bench status --json``; times are ISO 8601 in UTC."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeVar

from pydantic import BaseModel

from bench.api.progress import LOOK_BACK, seconds_left
from bench.daemon.service import Service
from bench.domain.job import Event, Job, StationStatus, Status, Unit, UnitState
from bench.domain.station import Station

V = TypeVar("V", bound=BaseModel)


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
    return _view(JobView, job, counts, job=job.id, status=status, failed_images=job.failed_units, seconds_left=left)


def unit_view(unit: Unit) -> UnitView:
    """Return ``unit``."""
    return _view(UnitView, unit, unit.counts, unit=unit.id)


def event_view(event: Event) -> EventView:
    """Return ``event``."""
    return _view(EventView, event, event=event.id, job=event.job_id, what=event.label, run=event.run_id)


def failure_of_unit(unit: Unit) -> FailureView:
    """Return why ``unit`` failed."""
    points = unit.counts.points - unit.counts.done
    return _view(FailureView, unit, at=unit.ended_at, what=unit.label, points=points, detail="", run=None)


def failure_of_run(event: Event) -> FailureView:
    """Return why a point was rejected."""
    failure_class, _, cause = event.text.partition(": ")
    return _view(
        FailureView, event, what=event.label, points=1, failure_class=failure_class, cause=cause, run=event.run_id
    )


def station_view(place: StationStatus) -> StationView:
    """Return a station that a daemon serves or served."""
    return _view(StationView, place, place.station, job=place.job_id, current_probe=_probe(place.station))


def unserved_view(station: Station) -> StationView:
    """Return a station that is known, but not served."""
    return _view(
        StationView, station, current_probe=_probe(station), state="unserved", served_by=[],
        job=None, doing="", since=None, cause="", last_seen_at=None,
    )  # fmt: skip


def _probe(station: Station) -> str | None:
    return None if station.current_probe is None else station.current_probe.driver


def _view(model: type[V], *sources: object, **named: object) -> V:
    """Return a ``model`` of ``named``, its other fields those of the same name of the first of ``sources`` that has them."""
    others = {
        name: next(getattr(source, name) for source in sources if hasattr(source, name))
        for name in model.model_fields.keys() - named.keys()
    }
    return model(**named, **others)
