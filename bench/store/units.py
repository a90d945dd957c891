"""The units of jobs: which wait, who may measure one, and what is recorded under that right."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import Enum, auto
from typing import Any

from sqlalchemy import Engine, ScalarSelect, exists, func, or_, select, update
from sqlalchemy.orm import Session

from bench.domain.job import EventKind, JobState, Lane, Lease, UnitPlan, UnitState, Work
from bench.domain.measurement import Run, Verdict
from bench.store.job_models import JobRow, LaneRow, RackStationRow, UnitRow
from bench.store.jobs import BUSY, Jobs
from bench.store.repository import Repository
from bench.store.session import Tables, changed
from bench.units import format_si


class Wish(Enum):
    """What is wanted of a unit that is being measured."""

    CONTINUE = auto()
    PAUSE = auto()
    CANCEL = auto()


class LeaseVoid(Exception):
    """The unit was given to somebody else: nothing more may be recorded for it. Not an error of a measurement, so no BenchError."""


class Units(Tables):
    """The units of all jobs of one database."""

    def __init__(self, engine: Engine, database: str, jobs: Jobs) -> None:
        super().__init__(engine, database)
        self._jobs = jobs

    def lanes(self) -> list[Lane]:
        """Return the lanes of open jobs that are due and have waiting units."""
        with self.reading() as session:
            waits = exists().where(UnitRow.lane_id == LaneRow.id, UnitRow.state == UnitState.WAITING)
            statement = (
                select(LaneRow, JobRow.priority, JobRow.start_at, JobRow.submitted_at)
                .join(JobRow, JobRow.id == LaneRow.job_id)
                .where(
                    JobRow.state == JobState.OPEN,
                    or_(JobRow.start_at.is_(None), JobRow.start_at <= self.now(session)),
                    waits,
                )
                .order_by(LaneRow.id)
            )
            return [
                Lane(lane.id, lane.job_id, priority, tuple(lane.stations), lane.peers, start_at or submitted_at)
                for lane, priority, start_at, submitted_at in session.execute(statement)
            ]

    def busy(self) -> dict[str, int]:
        """Return how many units each station has, queued or running."""
        statement = select(UnitRow.station, func.count()).where(UnitRow.state.in_(BUSY)).group_by(UnitRow.station)
        with self.reading() as session:
            return {row[0]: row[1] for row in session.execute(statement)}

    def assign(self, lane_id: int, station: str) -> Lease | None:
        """Queue the first waiting unit of a lane at ``station``; None where another daemon was quicker."""
        with self.writing() as session:
            first = (
                select(UnitRow)
                .where(UnitRow.lane_id == lane_id, UnitRow.state == UnitState.WAITING)
                .order_by(UnitRow.tries, UnitRow.position)
                .limit(1)
                .with_for_update(skip_locked=True)
            )
            unit = session.scalar(first)
            if unit is None:
                return None
            unit.state, unit.station, unit.daemon_id = UnitState.QUEUED, station, None
            unit.generation += 1
            return Lease(unit.id, unit.generation, unit.job_id, station)

    def queued(self, stations: Collection[str]) -> list[Lease]:
        """Return the units that are queued at ``stations``."""
        statement = select(UnitRow).where(UnitRow.state == UnitState.QUEUED, UnitRow.station.in_(stations))
        with self.reading() as session:
            return [Lease(row.id, row.generation, row.job_id, row.station) for row in session.scalars(statement)]

    def peek(self, lease: Lease) -> UnitPlan | None:
        """Return the plan of a queued unit, None where the lease is void."""
        statement = select(UnitRow).where(UnitRow.id == lease.unit_id, UnitRow.generation == lease.generation)
        with self.reading() as session:
            row = session.scalar(statement)
            return None if row is None else _plan(row.plan)

    def start(self, lease: Lease, daemon_id: int) -> Work | None:
        """Begin to measure; None where the unit is not to be measured any more, not now, or not by this lease."""
        with self.writing() as session:
            unit = session.scalar(
                select(UnitRow)
                .where(
                    UnitRow.id == lease.unit_id,
                    UnitRow.generation == lease.generation,
                    UnitRow.state == UnitState.QUEUED,
                )
                .with_for_update()
            )
            if unit is None:
                return None
            job = session.get_one(JobRow, unit.job_id)
            if self._wish(session, job.state, lease.station) is not Wish.CONTINUE:
                _give_back(unit)
                return None
            unit.state, unit.daemon_id, unit.started_at = UnitState.RUNNING, daemon_id, self.now(session)
            unit.starts += 1
            self._station(session, lease, job_id=job.id, doing=unit.label, since=self.now(session))
            return Work(
                lease=lease,
                plan=_plan(unit.plan),
                request=job.request,
                submitted_at=job.submitted_at,
                measured=tuple(unit.measured),
                refused=tuple(unit.refused),
                starts=unit.starts,
                tries=unit.tries,
            )

    def begin(self, lease: Lease, done: int) -> None:
        """Keep how many points of the unit are there already. Raises LeaseVoid."""
        with self.writing() as session:
            self._of(session, lease).done = done

    def count(self, session: Session, lease: Lease, run: Run, run_id: int, *, withdrawn: bool = False) -> Wish:
        """Count a run of the unit within the transaction that records it, and return what is wanted next. Raises LeaseVoid.

        ``withdrawn``: it was counted as accepted before, and is rejected now. A sentinel's run is not counted: its point was.
        """
        unit = self._of(session, lease)
        if run.sentinel:
            return self._wish(session, session.get_one(JobRow, unit.job_id).state, lease.station)
        clock = run.point.clock
        unit.starts = 0
        if withdrawn and clock.id in unit.measured:
            unit.measured = [measured for measured in unit.measured if measured != clock.id]
            unit.done -= 1
        if run.verdict is Verdict.ACCEPTED and run.result is not None:
            unit.measured = [*unit.measured, clock.id]
            unit.done += 1
            unit.refused = [refused for refused in unit.refused if refused != clock.id]
            unit.rejected = len(unit.refused)
            energy = "" if run.result.energy_j is None else f", {format_si(run.result.energy_j, 'J')}"
            kind, text = (
                EventKind.ACCEPTED,
                f"{run.result.cycles:.0f} cycles, {format_si(run.result.latency_s, 's')}{energy}",
            )
        else:
            unit.refused = [*unit.refused, clock.id]
            unit.rejected = len(unit.refused)
            kind, text = EventKind.REJECTED, f"{run.failure_class}: {run.reason}"
        self._station(session, lease, doing=f"{unit.label}, {unit.done + unit.rejected} of {unit.points}")
        self._jobs.write_event(
            session,
            job_id=unit.job_id,
            unit_id=unit.id,
            station=lease.station,
            kind=kind,
            label=f"{unit.label} {clock.hclk_hz / 1e6:g} MHz",
            text=text,
            clock_id=clock.id,
            run_id=run_id,
            detail=run.detail,
        )
        return self._wish(session, session.get_one(JobRow, unit.job_id).state, lease.station)

    def finish(self, lease: Lease) -> None:
        """Close a unit whose points were all measured, accepted or not. Raises LeaseVoid."""
        with self.writing() as session:
            unit = self._of(session, lease)
            unit.state, unit.ended_at = UnitState.DONE, self.now(session)
            self._idle(session, lease)

    def fail(self, lease: Lease, failure_class: str, cause: str) -> None:
        """Close a unit that cannot be measured, and keep the cause. Raises LeaseVoid."""
        with self.writing() as session:
            unit = self._of(session, lease)
            unit.state, unit.ended_at = UnitState.FAILED, self.now(session)
            unit.failure_class, unit.cause = failure_class, cause
            self._idle(session, lease)
            self._trouble(session, unit, cause)

    def cancel(self, lease: Lease) -> None:
        """Close a unit of a cancelled job; what it measured stays. Raises LeaseVoid."""
        with self.writing() as session:
            unit = self._of(session, lease)
            unit.state, unit.ended_at = UnitState.CANCELLED, self.now(session)
            self._idle(session, lease)

    def release(self, lease: Lease) -> None:
        """Give a unit back, to be continued by anybody. Raises LeaseVoid."""
        with self.writing() as session:
            unit = self._of(session, lease)
            _give_back(unit)
            unit.starts = 0
            self._idle(session, lease)

    def try_again(self, lease: Lease, failure_class: str, cause: str) -> None:
        """Give a unit back that its station failed with, behind those that did not fail; its refused points count as missing again."""
        with self.writing() as session:
            unit = self._of(session, lease)
            _give_back(unit)
            unit.tries += 1
            unit.starts = unit.rejected = 0
            unit.refused = []
            unit.failure_class, unit.cause = failure_class, cause
            self._idle(session, lease)
            self._trouble(session, unit, cause)

    def reclaim(self, daemon_ids: Collection[int], *, but: Collection[int] = ()) -> list[Lease]:
        """Take the running units of daemons back, ``but`` for these, and return the leases that are void by this."""
        taken = []
        with self.writing() as session:
            statement = (
                select(UnitRow)
                .where(UnitRow.state == UnitState.RUNNING, UnitRow.daemon_id.in_(daemon_ids), UnitRow.id.not_in(but))
                .with_for_update(skip_locked=True)
            )
            for unit in session.scalars(statement):
                lease = Lease(unit.id, unit.generation, unit.job_id, unit.station)
                self._idle(session, lease)
                text = f"lost by its daemon with {unit.done} of {unit.points} points; the rest is taken up again"
                self._trouble(session, unit, text)
                _give_back(unit)
                taken.append(lease)
        return taken

    def withdraw(self, leases: Sequence[Lease]) -> None:
        """Let queued units wait for any station again."""
        with self.writing() as session:
            for lease in leases:
                statement = select(UnitRow).where(
                    UnitRow.id == lease.unit_id,
                    UnitRow.generation == lease.generation,
                    UnitRow.state == UnitState.QUEUED,
                )
                unit = session.scalar(statement.with_for_update())
                if unit is not None:
                    _give_back(unit)

    def give_up(self, lane_id: int, failure_class: str, cause: str) -> int:
        """Close all waiting units of a lane that no station can measure; return how many."""
        with self.writing() as session:
            met = changed(
                session,
                update(UnitRow)
                .where(UnitRow.lane_id == lane_id, UnitRow.state == UnitState.WAITING)
                .values(state=UnitState.FAILED, failure_class=failure_class, cause=cause, ended_at=self.now(session)),
            )
            if met:
                lane = session.get_one(LaneRow, lane_id)
                text = f"{met} images given up: {cause}"
                self._jobs.write_event(session, job_id=lane.job_id, kind=EventKind.TROUBLE, text=text)
            return met

    def _of(self, session: Session, lease: Lease) -> UnitRow:
        """Return the running unit of ``lease``, locked. Raises LeaseVoid."""
        unit = session.scalar(
            select(UnitRow)
            .where(
                UnitRow.id == lease.unit_id,
                UnitRow.generation == lease.generation,
                UnitRow.state == UnitState.RUNNING,
            )
            .with_for_update()
        )
        if unit is None:
            raise LeaseVoid(f"unit {lease.unit_id} was given to somebody else")
        return unit

    def _wish(self, session: Session, job_state: str, station: str) -> Wish:
        if job_state == JobState.CANCELLED:
            return Wish.CANCEL
        held: ScalarSelect[bool] = (
            select(or_(RackStationRow.paused, RackStationRow.quarantined_at.is_not(None)))
            .where(RackStationRow.name == station)
            .scalar_subquery()
        )
        return Wish.PAUSE if job_state == JobState.PAUSED or session.scalar(select(held)) else Wish.CONTINUE

    def _idle(self, session: Session, lease: Lease) -> None:
        self._station(session, lease, job_id=None, doing="", since=self.now(session))

    def _station(self, session: Session, lease: Lease, **values: Any) -> None:
        session.execute(update(RackStationRow).where(RackStationRow.name == lease.station).values(**values))

    def _trouble(self, session: Session, unit: UnitRow, text: str) -> None:
        self._jobs.write_event(
            session,
            job_id=unit.job_id,
            unit_id=unit.id,
            station=unit.station,
            kind=EventKind.TROUBLE,
            label=unit.label,
            text=text,
        )


class LeasedRepository(Repository):
    """A repository that records the runs of one unit, each in one transaction with the check that the unit is still ours.

    ``wish`` is what was wanted when the last run was recorded. ``record`` raises LeaseVoid, and records nothing, when the unit was given to
    somebody else: a daemon that was thought dead does not measure twice.
    """

    def __init__(self, engine: Engine, database: str, units: Units, lease: Lease) -> None:
        super().__init__(engine, database)
        self._units = units
        self._lease = lease
        self.wish = Wish.CONTINUE

    def _write(self, session: Session, run: Run) -> int:
        number = super()._write(session, run)
        self.wish = self._units.count(session, self._lease, run, number)
        return number

    def _withdraw(self, session: Session, number: int, run: Run) -> None:
        super()._withdraw(session, number, run)
        self.wish = self._units.count(session, self._lease, run, number, withdrawn=True)


def _give_back(unit: UnitRow) -> None:
    unit.state, unit.station, unit.daemon_id = UnitState.WAITING, "", None
    unit.generation += 1


def _plan(columns: dict[str, Any]) -> UnitPlan:
    return UnitPlan(
        **{
            **columns,
            "params": tuple((name, value) for name, value in columns["params"]),
            "clock_ids": tuple(columns["clock_ids"]),
        }
    )
