"""Jobs in the database: submitted, shown, paused, resumed, cancelled, ended; and their log."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import case, exists, func, select, update
from sqlalchemy.orm import Session

from bench.domain.job import Counts, Event, EventKind, Job, JobState, LanePlan, Unit, UnitPlan, UnitState
from bench.errors import UnknownName
from bench.store.job_models import EventRow, JobRow, LaneRow, UnitRow
from bench.store.session import Tables, changed

ACTIVE = (UnitState.WAITING, UnitState.QUEUED, UnitState.RUNNING)
BUSY = (UnitState.QUEUED, UnitState.RUNNING)


class Jobs(Tables):
    """The jobs of one database."""

    def submit(
        self,
        *,
        name: str,
        request: Mapping[str, object],
        priority: int,
        start_at: datetime | None,
        by: str,
        lanes: Sequence[LanePlan],
    ) -> int:
        """Write a job with all its units, in one transaction, and return its number."""
        stations = list(dict.fromkeys(station for lane in lanes for station in lane.stations))
        with self.writing() as session:
            job = JobRow(
                name=name,
                request=dict(request),
                priority=priority,
                start_at=start_at,
                state=JobState.OPEN,
                submitted_at=self.now(session),
                submitted_by=by,
                ended_at=None,
                notified_at=None,
                stations=stations,
            )
            session.add(job)
            session.flush()
            for lane in lanes:
                row = LaneRow(job_id=job.id, stations=list(lane.stations), peers=lane.peers)
                session.add(row)
                session.flush()
                session.add_all(_unit_row(job.id, row.id, at, plan) for at, plan in enumerate(lane.units))
            return job.id

    def job(self, job_id: int) -> Job:
        """Return job ``job_id``. Raises UnknownName."""
        with self.reading() as session:
            found = self._jobs(session, [job_id])
        if not found:
            raise UnknownName(f"there is no job {job_id} in {self._database}", hint="bench status lists the jobs")
        return found[0]

    def jobs(self, *, limit: int | None = None, active: bool = False) -> list[Job]:
        """Return jobs, newest first; ``active``: only those that are neither ended nor cancelled."""
        statement = select(JobRow.id).order_by(JobRow.id.desc()).limit(limit)
        if active:
            statement = statement.where(JobRow.state.in_((JobState.OPEN, JobState.PAUSED)))
        with self.reading() as session:
            return self._jobs(session, list(session.scalars(statement)))

    def units(
        self, job_id: int, states: Collection[UnitState] = (), *, limit: int | None = None, skip: int = 0
    ) -> list[Unit]:
        """Return the images of job ``job_id`` in their order, after the first ``skip``."""
        statement = select(UnitRow).where(UnitRow.job_id == job_id).order_by(UnitRow.lane_id, UnitRow.position)
        if limit is not None:
            statement = statement.limit(limit).offset(skip)
        if states:
            statement = statement.where(UnitRow.state.in_(states))
        with self.reading() as session:
            return [_unit(row) for row in session.scalars(statement)]

    def events(
        self, job_id: int | None = None, *, after: int = 0, kinds: Collection[EventKind] = (), limit: int | None = None
    ) -> list[Event]:
        """Return entries of the log, oldest first, with numbers above ``after``; with a ``limit`` the newest ones of them."""
        statement = select(EventRow).where(EventRow.id > after)
        if job_id is not None:
            statement = statement.where(EventRow.job_id == job_id)
        if kinds:
            statement = statement.where(EventRow.kind.in_(kinds))
        with self.reading() as session:
            rows = session.scalars(statement.order_by(EventRow.id.desc()).limit(limit)).all()
            return [_event(row) for row in reversed(rows)]

    def log(self, job_id: int | None, station: str, kind: EventKind, text: str, *, unit_id: int | None = None) -> None:
        """Add an entry to the log."""
        with self.writing() as session:
            self.write_event(session, job_id=job_id, station=station, kind=kind, text=text, unit_id=unit_id)

    def write_event(self, session: Session, *, kind: EventKind, text: str, **columns: Any) -> None:
        """Add an entry to the log within the transaction of ``session``."""
        given = {
            "job_id": None,
            "unit_id": None,
            "station": "",
            "label": "",
            "clock_id": "",
            "run_id": None,
            "detail": "",
        }
        session.add(EventRow(at=self.now(session), kind=kind, text=text, **given | columns))

    def cancel(self, job_id: int) -> bool:
        """Cancel a job; what is running ends after its point. Return whether anything was left to cancel."""
        with self.writing() as session:
            met = changed(
                session,
                update(JobRow)
                .where(JobRow.id == job_id, JobRow.state.in_((JobState.OPEN, JobState.PAUSED)))
                .values(state=JobState.CANCELLED, ended_at=self.now(session)),
            )
            if met:
                changed(
                    session,
                    update(UnitRow)
                    .where(UnitRow.job_id == job_id, UnitRow.state.in_((UnitState.WAITING, UnitState.QUEUED)))
                    .values(state=UnitState.CANCELLED, station="", generation=UnitRow.generation + 1),
                )
                self.write_event(session, job_id=job_id, kind=EventKind.NOTE, text="cancelled")
            return bool(met)

    def pause(self, job_id: int) -> bool:
        """Pause a job; what is running ends after its point. Return whether it was open."""
        with self.writing() as session:
            met = changed(
                session,
                update(JobRow).where(JobRow.id == job_id, JobRow.state == JobState.OPEN).values(state=JobState.PAUSED),
            )
            if met:
                changed(
                    session,
                    update(UnitRow)
                    .where(UnitRow.job_id == job_id, UnitRow.state == UnitState.QUEUED)
                    .values(state=UnitState.WAITING, station="", generation=UnitRow.generation + 1),
                )
                self.write_event(session, job_id=job_id, kind=EventKind.NOTE, text="paused")
            return bool(met)

    def resume(self, job_id: int) -> bool:
        """Continue a paused job, or open an ended or cancelled one again for what it lacks. Return whether there is anything to do."""
        with self.writing() as session:
            state = session.scalar(select(JobRow.state).where(JobRow.id == job_id).with_for_update())
            if state == JobState.PAUSED:
                session.execute(update(JobRow).where(JobRow.id == job_id).values(state=JobState.OPEN))
                self.write_event(session, job_id=job_id, kind=EventKind.NOTE, text="resumed")
                return True
            if state not in (JobState.ENDED, JobState.CANCELLED):
                return False
            lacking = (UnitRow.job_id == job_id, UnitRow.done < UnitRow.points, UnitRow.state.not_in(ACTIVE))
            met = changed(
                session,
                update(UnitRow)
                .where(*lacking)
                .values(
                    state=UnitState.WAITING,
                    station="",
                    generation=UnitRow.generation + 1,
                    starts=0,
                    tries=0,
                    rejected=0,
                    refused=[],
                    failure_class="",
                    cause="",
                    ended_at=None,
                ),
            )
            if met:
                session.execute(
                    update(JobRow)
                    .where(JobRow.id == job_id)
                    .values(state=JobState.OPEN, ended_at=None, notified_at=None)
                )
                self.write_event(session, job_id=job_id, kind=EventKind.NOTE, text=f"opened again for {met} images")
            return bool(met)

    def end(self) -> list[int]:
        """End the open jobs that have no unit left to do, and return their numbers; each is returned to one caller only."""
        left = exists().where(UnitRow.job_id == JobRow.id, UnitRow.state.in_(ACTIVE))
        with self.reading() as session:
            candidates = list(session.scalars(select(JobRow.id).where(JobRow.state == JobState.OPEN, ~left)))
        ended = []
        for job_id in candidates:
            with self.writing() as session:
                statement = (
                    update(JobRow)
                    .where(JobRow.id == job_id, JobRow.state == JobState.OPEN, ~left)
                    .values(state=JobState.ENDED, ended_at=self.now(session))
                )
                if changed(session, statement):
                    self.write_event(session, job_id=job_id, kind=EventKind.NOTE, text="ended")
                    ended.append(job_id)
        return ended

    def unannounced(self, max_age: timedelta) -> list[Job]:
        """Return the jobs that ended within ``max_age``, at rest, and of whose end nobody was told."""
        with self.reading() as session:
            busy = exists().where(UnitRow.job_id == JobRow.id, UnitRow.state.in_(BUSY))
            statement = select(JobRow.id).where(
                JobRow.state.in_((JobState.ENDED, JobState.CANCELLED)),
                JobRow.notified_at.is_(None),
                JobRow.ended_at >= self.now(session) - max_age,
                ~busy,
            )
            return self._jobs(session, list(session.scalars(statement)))

    def announced(self, job_id: int) -> None:
        """Keep that the end of job ``job_id`` was told."""
        with self.writing() as session:
            session.execute(update(JobRow).where(JobRow.id == job_id).values(notified_at=self.now(session)))

    def clock(self) -> datetime:
        """Return the database's time."""
        with self.reading() as session:
            return self.now(session)

    def _jobs(self, session: Session, job_ids: Sequence[int]) -> list[Job]:
        """Return the jobs, newest first."""
        if not job_ids:
            return []
        running = case((UnitRow.state == UnitState.RUNNING, UnitRow.points - UnitRow.done - UnitRow.rejected), else_=0)
        columns = (
            func.sum(UnitRow.points),
            func.sum(UnitRow.done),
            func.sum(UnitRow.rejected),
            func.sum(running),
            func.sum(case((UnitRow.state.in_(BUSY), 1), else_=0)),
            func.sum(case((UnitRow.state == UnitState.FAILED, 1), else_=0)),
        )
        summed = {
            job_id: tuple(map(int, sums))
            for job_id, *sums in session.execute(
                select(UnitRow.job_id, *columns).where(UnitRow.job_id.in_(job_ids)).group_by(UnitRow.job_id)
            )
        }
        rows = session.scalars(select(JobRow).where(JobRow.id.in_(job_ids)).order_by(JobRow.id.desc()))
        return [_job(row, summed.get(row.id, (0,) * len(columns))) for row in rows]


def _unit_row(job_id: int, lane_id: int, position: int, plan: UnitPlan) -> UnitRow:
    return UnitRow(
        job_id=job_id,
        lane_id=lane_id,
        position=position,
        label=plan.label,
        plan=asdict(plan),
        state=UnitState.WAITING,
        station="",
        daemon_id=None,
        generation=0,
        starts=0,
        tries=0,
        points=len(plan.clock_ids),
        done=0,
        rejected=0,
        measured=[],
        refused=[],
        failure_class="",
        cause="",
        started_at=None,
        ended_at=None,
    )


def _job(row: JobRow, sums: Sequence[int]) -> Job:
    points, done, rejected, running, busy, failed = sums
    return Job(
        id=row.id,
        name=row.name,
        request=row.request,
        priority=row.priority,
        start_at=row.start_at,
        state=JobState(row.state),
        submitted_at=row.submitted_at,
        submitted_by=row.submitted_by,
        ended_at=row.ended_at,
        stations=tuple(row.stations),
        counts=Counts(points, done, rejected, running),
        busy_units=busy,
        failed_units=failed,
    )


def _unit(row: UnitRow) -> Unit:
    running = row.points - row.done - row.rejected if row.state == UnitState.RUNNING else 0
    return Unit(
        id=row.id,
        job_id=row.job_id,
        position=row.position,
        label=row.label,
        state=UnitState(row.state),
        station=row.station,
        counts=Counts(row.points, row.done, row.rejected, running),
        failure_class=row.failure_class,
        cause=row.cause,
        started_at=row.started_at,
        ended_at=row.ended_at,
    )


def _event(row: EventRow) -> Event:
    return Event(
        id=row.id,
        at=row.at,
        job_id=row.job_id,
        unit_id=row.unit_id,
        station=row.station,
        kind=EventKind(row.kind),
        label=row.label,
        text=row.text,
        clock_id=row.clock_id,
        run_id=row.run_id,
        detail=row.detail,
    )
