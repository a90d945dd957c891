"""Jobs: list, look, submit, cancel, pause, resume."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel

from bench.api.problems import refused_as, responses
from bench.api.values import Cursor, JobNumber, Submission, TheService
from bench.api.views import (
    EventView,
    FailureView,
    JobDetail,
    JobView,
    UnitView,
    event_view,
    failure_of_run,
    failure_of_unit,
    job_view,
    unit_view,
)
from bench.daemon.service import Service
from bench.domain.job import EventKind, UnitState

MOST_FAILURES = 200

router = APIRouter(prefix="/jobs", tags=["jobs"])


class Left(BaseModel):
    """What of a request cannot be measured, and why."""

    station: str
    what: str
    reason: str


class Taken(BaseModel):
    """A job that was taken. The points of ``unserved`` stations wait until a daemon serves them."""

    job: int
    images: int
    points: int
    left_out: list[Left]
    unserved: list[str]


@router.get("", responses=responses())
def list_jobs(
    service: TheService, limit: Annotated[int, Query(ge=1, le=200)] = 20, active: bool = False
) -> list[JobView]:
    """Return jobs, newest first; ``active``: only those that are neither over nor cancelled."""
    now = service.store.jobs.clock()
    return [job_view(service, job, now) for job in service.jobs(limit=limit, active=active)]


@router.post("", status_code=201, responses=responses())
def submit_job(submission: Submission, request: Request, service: TheService) -> Taken:
    """Submit a sweep. It is checked here and now, and measured when its turn comes."""
    with refused_as(422):
        taken = service.submit(
            submission.request(),
            name=submission.name,
            priority=submission.priority,
            start_at=submission.start_at,
            spares=submission.spares,
            shared=submission.shared,
            by=f"web, {request.client.host if request.client else 'unknown'}",
        )
    left_out = dict.fromkeys((entry.station, entry.what, entry.reason) for entry in taken.skipped)
    return Taken(
        job=taken.job_id,
        images=taken.images,
        points=taken.points,
        left_out=[Left(station=station, what=what, reason=reason) for station, what, reason in left_out],
        unserved=list(taken.unserved),
    )


@router.get("/{job}", responses=responses(404))
def get_job(job: JobNumber, service: TheService) -> JobDetail:
    """Return a job with its counts, and why what is missing is missing."""
    found = service.job(job)
    view = job_view(service, found, service.store.jobs.clock())
    return JobDetail(
        **view.model_dump(),
        request=dict(found.request),
        held=service.held(found),
        failures=_failures(service, job),
    )


@router.get("/{job}/units", responses=responses(404))
def list_units(
    job: JobNumber,
    service: TheService,
    state: Annotated[list[UnitState], Query(max_length=6)] = [],  # noqa: B006 (FastAPI copies it)
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    skip: Cursor = 0,
) -> list[UnitView]:
    """Return images of a job, in the order of its plan."""
    return [unit_view(unit) for unit in service.units(job, state, limit=limit, skip=skip)]


@router.get("/{job}/log", responses=responses(404))
def get_log(
    job: JobNumber, service: TheService, after: Cursor = 0, limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> list[EventView]:
    """Return the newest entries of a job's log with numbers above ``after``, oldest first."""
    return [event_view(event) for event in service.log(job, after=after, limit=limit)]


@router.post("/{job}/cancel", responses=responses(404, 409))
def cancel_job(job: JobNumber, service: TheService) -> JobView:
    """Cancel a job after the point at hand; what was measured stays. One that is over already stays as it is."""
    service.cancel(job)
    return _view(service, job)


@router.post("/{job}/pause", responses=responses(404, 409))
def pause_job(job: JobNumber, service: TheService) -> JobView:
    """Pause a job after the point at hand."""
    service.job(job)
    with refused_as(409):
        service.pause(job)
    return _view(service, job)


@router.post("/{job}/resume", responses=responses(404, 409))
def resume_job(job: JobNumber, service: TheService) -> JobView:
    """Go on with a paused job, or open one that is over again for what it lacks."""
    service.job(job)
    with refused_as(409):
        service.resume(job)
    return _view(service, job)


def _view(service: Service, job: int) -> JobView:
    return job_view(service, service.job(job), service.store.jobs.clock())


def _failures(service: Service, job: int) -> list[FailureView]:
    units = service.units(job, (UnitState.FAILED,), limit=MOST_FAILURES)
    rejected = service.store.jobs.events(job, kinds=(EventKind.REJECTED,), limit=MOST_FAILURES)
    return ([failure_of_unit(unit) for unit in units] + [failure_of_run(event) for event in rejected[::-1]])[
        :MOST_FAILURES
    ]
