"""The newest points as they arrive, and curves over the clock for plots."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from bench.api.problems import responses
from bench.api.values import MAX_ID, Selected, TheService
from bench.store.live import Curve, LivePoint

router = APIRouter(tags=["points"])


class PointView(BaseModel):
    """A run. Derived values are null where it was rejected or has none; ``u95`` is the expanded uncertainty, 95 % coverage."""

    run: int
    measured_at: datetime
    verdict: str
    source: str
    station: str
    board: str
    workload: str
    primitive: str
    params: str
    dtype: str
    flavor: str
    opt_level: str
    clock_id: str
    sysclk_hz: float
    cycles: float | None
    latency_s: float | None
    latency_u95_s: float | None
    current_a: float | None
    energy_j: float | None
    energy_u95_j: float | None
    failure_class: str
    reason: str
    trace: bool


class Points(BaseModel):
    """Runs by number, and the number to ask for what follows."""

    points: list[PointView]
    cursor: int


class CurvePoint(BaseModel):
    """The latest accepted run at one clock configuration."""

    run: int
    clock_id: str
    sysclk_hz: float
    latency_s: float | None
    latency_u95_s: float | None
    energy_j: float | None
    energy_u95_j: float | None


class CurveView(BaseModel):
    """One workload on one station, with the same accelerators on, over the core clock."""

    source: str
    station: str
    board: str
    workload: str
    primitive: str
    dtype: str
    accelerators: str
    points: list[CurvePoint]


@router.get("/points", responses=responses())
def list_points(
    service: TheService,
    since: Annotated[int | None, Query(ge=0, le=MAX_ID)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
) -> Points:
    """Return the runs that follow number ``since``, or without it the newest ones; accepted and rejected, oldest first.

    Ask again with the answer's ``cursor``. On PostgreSQL with several hosts a run may appear under a number a little below the cursor; who
    must not miss one asks again from some numbers before it.
    """
    found = service.store.live.points(since=since, limit=limit)
    return Points(points=[point_view(point) for point in found], cursor=found[-1].run_id if found else since or 0)


@router.get("/series", responses=responses())
def list_series(
    service: TheService,
    selection: Selected,
    job: Annotated[int | None, Query(ge=1, le=MAX_ID, description="Only what this job measured.")] = None,
    limit: Annotated[int, Query(ge=1, le=24, description="Workloads, each on one station.")] = 8,
) -> list[CurveView]:
    """Return latency and energy over the core clock of the workloads of a selection that were measured last."""
    if job is not None:
        service.job(job)
    return [_curve_view(curve) for curve in service.store.live.curves(selection, job_id=job, limit=limit)]


def point_view(point: LivePoint) -> PointView:
    """Return ``point``."""
    work = point.workload
    return PointView(
        run=point.run_id,
        measured_at=point.measured_at,
        verdict=point.verdict,
        source=point.source,
        station=point.station,
        board=point.board,
        workload=str(work),
        primitive=work.primitive,
        params=work.params_text,
        dtype=work.dtype,
        flavor=work.flavor,
        opt_level=work.opt_level,
        clock_id=point.clock_id,
        sysclk_hz=point.sysclk_hz,
        cycles=point.cycles,
        latency_s=point.latency_s,
        latency_u95_s=point.latency_u95_s,
        current_a=point.current_a,
        energy_j=point.energy_j,
        energy_u95_j=point.energy_u95_j,
        failure_class=point.failure_class,
        reason=point.reason,
        trace=point.has_trace,
    )


def _curve_view(curve: Curve) -> CurveView:
    return CurveView(
        source=curve.source,
        station=curve.station,
        board=curve.board,
        workload=str(curve.workload),
        primitive=curve.workload.primitive,
        dtype=curve.workload.dtype,
        accelerators=curve.accelerators,
        points=[
            CurvePoint(
                run=point.run_id,
                clock_id=point.clock_id,
                sysclk_hz=point.sysclk_hz,
                latency_s=point.latency_s,
                latency_u95_s=point.latency_u95_s,
                energy_j=point.energy_j,
                energy_u95_j=point.energy_u95_j,
            )
            for point in curve.points
        ],
    )
