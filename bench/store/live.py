"""What a page shows while measuring goes on: the newest points, curves over the clock, and when a job's points came in.

Every query here looks at a bounded number of rows, however many the database holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from bench.domain.clock import ClockConfiguration
from bench.domain.job import EventKind
from bench.domain.measurement import Verdict
from bench.domain.workload import Workload
from bench.store import mapping
from bench.store.job_models import EventRow
from bench.store.models import ClockRow, PointRow, ResultRow, RunRow, StationRow, TraceRow, WorkloadRow
from bench.store.selection import Selection
from bench.store.session import Tables

_Statement: TypeAlias = "Select[*tuple[Any, ...]]"
_DERIVED = ("cycles", "latency_s", "latency_u95_s", "current_a", "energy_j", "energy_u95_j")

RECENT = 2000
"""So many of the newest runs are looked through for the curves that are shown."""


@dataclass(frozen=True, slots=True)
class LivePoint:
    """A run as a line of a list shows it; derived values are None where it was rejected, or has none."""

    run_id: int
    measured_at: datetime
    verdict: Verdict
    station: str
    source: str
    board: str
    workload: Workload
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
    has_trace: bool


@dataclass(frozen=True, slots=True)
class Curve:
    """The latest accepted runs of one workload on one station with the same accelerators on, by core clock."""

    station: str
    source: str
    board: str
    workload: Workload
    accelerators: str
    points: tuple[LivePoint, ...]


class Live(Tables):
    """Reads for live views. Every method raises StoreError when the database fails."""

    def cursor(self) -> int:
        """Return the number of the newest run, 0 where there is none."""
        with self.reading() as session:
            return session.scalar(select(func.max(RunRow.id))) or 0

    def points(self, *, since: int | None, limit: int) -> list[LivePoint]:
        """Return at most ``limit`` runs by number: those that follow ``since``, or (None) the newest ones.

        Numbers are given before a transaction ends: where several processes write to PostgreSQL, a run may appear under a lower number
        than one that is there already.
        """
        statement = _points().order_by(RunRow.id.desc() if since is None else RunRow.id).limit(limit)
        if since is not None:
            statement = statement.where(RunRow.id > since)
        with self.reading() as session:
            found = _read(session, statement)
        return found[::-1] if since is None else found

    def curves(self, selection: Selection, *, job_id: int | None = None, limit: int) -> list[Curve]:
        """Return the curves of the ``limit`` workloads (per station) in ``selection`` that were measured last, newest first.

        ``job_id``: only what that job measured.
        """
        found = []
        with self.reading() as session:
            for station_id, workload_id in self._newest(session, selection, job_id, limit):
                statement = (
                    _points()
                    .where(PointRow.station_id == station_id, PointRow.workload_id == workload_id)
                    .where(RunRow.verdict == str(Verdict.ACCEPTED), *selection.conditions())
                    .order_by(RunRow.measured_at, RunRow.id)
                )
                latest = {point.clock_id: point for point in _read(session, statement)}
                found += _curves(list(latest.values()))
        return found

    def arrivals(self, job_id: int, limit: int) -> list[datetime]:
        """Return when the last ``limit`` points of a job were recorded, oldest first."""
        statement = (
            select(EventRow.at)
            .where(EventRow.job_id == job_id, EventRow.kind.in_((EventKind.ACCEPTED, EventKind.REJECTED)))
            .order_by(EventRow.id.desc())
            .limit(limit)
        )
        with self.reading() as session:
            return list(session.scalars(statement))[::-1]

    def _newest(self, session: Session, selection: Selection, job_id: int | None, limit: int) -> list[tuple[int, int]]:
        """Return (station, workload) by key; first among the newest runs, and where these do not suffice, among all points."""
        if job_id is None:
            runs: Any = select(RunRow.id.label("id")).order_by(RunRow.id.desc())
        else:
            runs = (
                select(EventRow.run_id.label("id"))
                .where(EventRow.job_id == job_id, EventRow.kind == EventKind.ACCEPTED)
                .order_by(EventRow.id.desc())
            )
        recent = runs.limit(RECENT).subquery()
        pair = (PointRow.station_id, PointRow.workload_id)
        newest = func.max(RunRow.id)
        statement = (
            _named(select(*pair).join(RunRow, RunRow.point_id == PointRow.id).join(recent, recent.c.id == RunRow.id))
            .where(RunRow.verdict == str(Verdict.ACCEPTED), *selection.conditions())
            .group_by(*pair)
            .order_by(newest.desc())
            .limit(limit)
        )
        found = [(row[0], row[1]) for row in session.execute(statement)]
        conditions = selection.conditions()
        if len(found) < limit and conditions and job_id is None and self._more_than(session, RECENT):
            of_all = (
                _named(select(*pair).select_from(PointRow))
                .where(*conditions)
                .group_by(*pair)
                .order_by(func.max(PointRow.id).desc())
                .limit(limit)
            )
            found = list(dict.fromkeys([*found, *((row[0], row[1]) for row in session.execute(of_all))]))[:limit]
        return found

    @staticmethod
    def _more_than(session: Session, runs: int) -> bool:
        return (session.scalar(select(func.max(RunRow.id))) or 0) > runs


def _named(statement: _Statement) -> _Statement:
    return (
        statement.join(StationRow, StationRow.id == PointRow.station_id)
        .join(WorkloadRow, WorkloadRow.id == PointRow.workload_id)
        .join(ClockRow, ClockRow.id == PointRow.clock_id)
    )


def _points() -> _Statement:
    return (
        select(RunRow, StationRow, WorkloadRow, ClockRow, ResultRow, TraceRow.run_id)
        .select_from(RunRow)
        .join(PointRow, PointRow.id == RunRow.point_id)
        .join(StationRow, StationRow.id == PointRow.station_id)
        .join(WorkloadRow, WorkloadRow.id == PointRow.workload_id)
        .join(ClockRow, ClockRow.id == PointRow.clock_id)
        .outerjoin(ResultRow, ResultRow.run_id == RunRow.id)
        .outerjoin(TraceRow, TraceRow.run_id == RunRow.id)
    )


def _read(session: Session, statement: _Statement) -> list[LivePoint]:
    found = []
    for run, station, work, clock, result, trace in session.execute(statement):
        found.append(
            LivePoint(
                run_id=run.id,
                measured_at=run.measured_at,
                verdict=Verdict(run.verdict),
                station=station.name,
                source=station.source,
                board=station.board,
                workload=mapping.workload_of(work),
                clock_id=clock.clock_id,
                sysclk_hz=clock.hclk_hz,
                **{name: None if result is None else getattr(result, name) for name in _DERIVED},
                failure_class=run.failure_class,
                reason=run.reason,
                has_trace=trace is not None,
            )
        )
    return found


def _curves(points: Sequence[LivePoint]) -> list[Curve]:
    """Return the points of one workload on one station as one curve for each set of accelerators: two of them at one clock are two lines."""
    groups: dict[str, list[LivePoint]] = {}
    for point in points:
        switched_on = ClockConfiguration.parse(point.clock_id).accelerators
        groups.setdefault(", ".join(sorted(map(str, switched_on))), []).append(point)
    return [
        Curve(
            first.station,
            first.source,
            first.board,
            first.workload,
            name,
            tuple(sorted(group, key=lambda point: point.sysclk_hz)),
        )
        for name, group in groups.items()
        for first in group[:1]
    ]
