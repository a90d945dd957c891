"""The daemons and the stations that they serve, as the database knows them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from bench.domain.job import DaemonStatus, EventKind, StationStatus
from bench.domain.station import CurrentProbeConfig, Source, Station
from bench.errors import UnknownName
from bench.store.job_models import DaemonRow, RackStationRow
from bench.store.jobs import Jobs
from bench.store.session import Tables

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class Rack(Tables):
    """All stations and daemons of one database."""

    def __init__(self, engine: Engine, database: str, jobs: Jobs) -> None:
        super().__init__(engine, database)
        self._jobs = jobs

    def enter(self, *, host: str, space: str, pid: int, pid_started: str, stations: Sequence[Station]) -> int:
        """Register a daemon that serves ``stations``, and return its number; the dead of the same host are buried."""
        with self.writing() as session:
            now = self.now(session)
            session.execute(
                update(DaemonRow)
                .where(DaemonRow.space == space, DaemonRow.stopped_at.is_(None), DaemonRow.heartbeat_at <= _LONG_AGO)
                .values(stopped_at=now)
            )
            row = DaemonRow(
                host=host,
                space=space,
                pid=pid,
                pid_started=pid_started,
                started_at=now,
                heartbeat_at=now,
                stopped_at=None,
                stations=[station.name for station in stations],
            )
            session.add(row)
            for station in stations:
                known = session.get(RackStationRow, station.name)
                if known is None:
                    session.add(_station_row(station, now))
                else:
                    known.description = asdict(station)
                    known.last_seen_at = now
            session.flush()
            return row.id

    def beat(self, daemon_id: int, stations: Collection[str]) -> None:
        """Say that the daemon lives."""
        with self.writing() as session:
            now = self.now(session)
            session.execute(update(DaemonRow).where(DaemonRow.id == daemon_id).values(heartbeat_at=now))
            session.execute(update(RackStationRow).where(RackStationRow.name.in_(stations)).values(last_seen_at=now))

    def leave(self, daemon_id: int) -> None:
        """Say that the daemon stopped properly."""
        with self.writing() as session:
            session.execute(update(DaemonRow).where(DaemonRow.id == daemon_id).values(stopped_at=self.now(session)))

    def declare_gone(self, daemon_id: int) -> None:
        """Keep that a daemon is known to be dead, whatever its last heartbeat."""
        with self.writing() as session:
            session.execute(
                update(DaemonRow)
                .where(DaemonRow.id == daemon_id, DaemonRow.stopped_at.is_(None))
                .values(heartbeat_at=_LONG_AGO)
            )

    def daemons(self, gone_after_s: float, *, all_of_them: bool = False) -> list[DaemonStatus]:
        """Return the daemons that did not stop properly, and with ``all_of_them`` the others, too; newest first."""
        statement = select(DaemonRow).order_by(DaemonRow.id.desc())
        if not all_of_them:
            statement = statement.where(DaemonRow.stopped_at.is_(None))
        with self.reading() as session:
            now = self.now(session)
            return [_daemon(row, now, gone_after_s) for row in session.scalars(statement)]

    def dead_processes(self, space: str, starts: dict[int, str]) -> list[int]:
        """Return the daemons of process table ``space`` that are not among the living: ``starts`` by process id."""
        statement = select(DaemonRow).where(
            DaemonRow.space == space, DaemonRow.stopped_at.is_(None), DaemonRow.heartbeat_at > _LONG_AGO
        )
        with self.reading() as session:
            return [row.id for row in session.scalars(statement) if starts.get(row.pid) != row.pid_started]

    def pids(self, space: str) -> list[int]:
        """Return the process ids of the daemons of process table ``space`` that did not stop properly."""
        statement = select(DaemonRow.pid).where(DaemonRow.space == space, DaemonRow.stopped_at.is_(None))
        with self.reading() as session:
            return list(session.scalars(statement))

    def stations(self, gone_after_s: float) -> list[StationStatus]:
        """Return all stations that are or were served, by name."""
        with self.reading() as session:
            now = self.now(session)
            alive = [
                found
                for row in session.scalars(select(DaemonRow).where(DaemonRow.stopped_at.is_(None)))
                if (found := _daemon(row, now, gone_after_s)).alive
            ]
            rows = session.scalars(select(RackStationRow).order_by(RackStationRow.name))
            return [_station(row, alive) for row in rows]

    def pause(self, name: str) -> bool:
        """Give station ``name`` no more work; return whether it was not paused before. Raises UnknownName."""
        with self.writing() as session:
            row = self._row(session, name)
            before, row.paused = row.paused, True
            return not before

    def resume(self, name: str) -> bool:
        """Give station ``name`` work again, whether it was paused or quarantined; return whether it was. Raises UnknownName."""
        with self.writing() as session:
            row = self._row(session, name)
            held = row.paused or row.quarantined_at is not None
            row.paused, row.quarantined_at, row.cause, row.failures = False, None, "", 0
            return held

    def quarantine(self, name: str, cause: str) -> bool:
        """Take station ``name`` out of service and keep the first cause; return whether it was in service. Raises UnknownName."""
        with self.writing() as session:
            return self._quarantine(session, self._row(session, name), cause)

    def failed(self, name: str, cause: str, *, limit: int) -> bool:
        """Count a failure of station ``name`` in a row; return whether it is quarantined by this, being the ``limit``-th.

        The cause that is kept is that of the first failure in the row.
        """
        with self.writing() as session:
            row = self._row(session, name)
            row.failures += 1
            if row.failures == 1 and row.quarantined_at is None:
                row.cause = cause
            return row.failures >= limit and self._quarantine(session, row, row.cause or cause)

    def worked(self, name: str) -> None:
        """End a row of failures of station ``name``."""
        with self.writing() as session:
            session.execute(
                update(RackStationRow)
                .where(
                    RackStationRow.name == name, RackStationRow.failures > 0, RackStationRow.quarantined_at.is_(None)
                )
                .values(failures=0, cause="")
            )

    def _quarantine(self, session: Session, row: RackStationRow, cause: str) -> bool:
        if row.quarantined_at is not None:
            return False
        row.quarantined_at, row.cause = self.now(session), cause
        self._jobs.write_event(
            session, station=row.name, job_id=row.job_id, kind=EventKind.TROUBLE, text=f"quarantined: {cause}"
        )
        return True

    def _row(self, session: Session, name: str) -> RackStationRow:
        row = session.scalar(select(RackStationRow).where(RackStationRow.name == name).with_for_update())
        if row is None:
            known = list(session.scalars(select(RackStationRow.name)))
            raise UnknownName.among("station of a daemon", name, known)
        return row


def _station_row(station: Station, now: datetime) -> RackStationRow:
    return RackStationRow(
        name=station.name,
        description=asdict(station),
        last_seen_at=now,
        paused=False,
        quarantined_at=None,
        cause="",
        failures=0,
        job_id=None,
        doing="",
        since=None,
    )


def _daemon(row: DaemonRow, now: datetime, gone_after_s: float) -> DaemonStatus:
    silent_s = max(0.0, (now - row.heartbeat_at).total_seconds())
    return DaemonStatus(
        id=row.id,
        host=row.host,
        pid=row.pid,
        started_at=row.started_at,
        heartbeat_at=row.heartbeat_at,
        stopped_at=row.stopped_at,
        stations=tuple(row.stations),
        silent_s=silent_s,
        gone=row.stopped_at is None and silent_s > gone_after_s,
    )


def _described(columns: dict[str, Any]) -> Station:
    probe = columns["current_probe"]
    lists = {name: tuple(value) for name, value in columns.items() if isinstance(value, list)}  # JSON knows no tuples
    return Station(
        **{
            **columns,
            **lists,
            "source": Source(columns["source"]),
            "current_probe": None if probe is None else CurrentProbeConfig(**probe),
        }
    )


def _station(row: RackStationRow, alive: Sequence[DaemonStatus]) -> StationStatus:
    return StationStatus(
        station=_described(row.description),
        served_by=tuple(str(daemon) for daemon in alive if row.name in daemon.stations),
        last_seen_at=row.last_seen_at,
        paused=row.paused,
        quarantined_at=row.quarantined_at,
        cause=row.cause,
        failures=row.failures,
        job_id=row.job_id,
        doing=row.doing,
        since=row.since,
    )
