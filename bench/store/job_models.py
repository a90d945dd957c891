"""The tables of the daemon: jobs, their units, the log, and the daemons and stations that do the work.

    job --- job_lane --- job_unit          rack_daemon      rack_station
     +--- job_event

They refer to runs only by number: what was measured stays when a job is deleted.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, Integer
from sqlalchemy.orm import Mapped, mapped_column

from bench.store.models import Base, Id


class JobRow(Base):
    """A submitted sweep; ``request`` is the sweep request as JSON."""

    __tablename__ = "job"
    __table_args__ = (
        CheckConstraint("state IN ('open', 'paused', 'cancelled', 'ended')", name="state"),
        Index(None, "state"),
    )

    id: Mapped[Id]
    name: Mapped[str]
    request: Mapped[dict[str, Any]] = mapped_column(JSON)
    priority: Mapped[int]
    start_at: Mapped[datetime | None]
    state: Mapped[str]
    submitted_at: Mapped[datetime]
    submitted_by: Mapped[str]
    ended_at: Mapped[datetime | None]
    notified_at: Mapped[datetime | None]
    stations: Mapped[list[str]] = mapped_column(JSON)


class LaneRow(Base):
    """Units of a job with the same stations to choose from."""

    __tablename__ = "job_lane"
    __table_args__ = (Index(None, "job_id"),)

    id: Mapped[Id]
    job_id: Mapped[int] = mapped_column(Integer, ForeignKey("job.id", ondelete="CASCADE"))
    stations: Mapped[list[str]] = mapped_column(JSON)
    peers: Mapped[int]


class UnitRow(Base):
    """One image of a job.

    ``generation`` counts how often the unit was given away: who holds an older one may not record any more. ``starts`` counts starts since
    the last recorded point (a unit that kills its daemon again and again is given up), ``tries`` the failures of a station with it.
    ``measured`` and ``refused`` are the clocks of the points that this job measured, accepted and rejected; ``done`` counts besides those
    that were there before.
    """

    __tablename__ = "job_unit"
    __table_args__ = (
        CheckConstraint(
            "state IN ('waiting', 'queued', 'running', 'done', 'failed', 'cancelled')",
            name="state",
        ),
        Index(
            None, "job_id", "state", "points", "done", "rejected"
        ),  # what is summed up every second, without the plans
        Index(None, "lane_id", "state", "tries", "position"),
        Index(None, "state", "station"),
    )

    id: Mapped[Id]
    job_id: Mapped[int] = mapped_column(Integer, ForeignKey("job.id", ondelete="CASCADE"))
    lane_id: Mapped[int] = mapped_column(Integer, ForeignKey("job_lane.id", ondelete="CASCADE"))
    position: Mapped[int]
    label: Mapped[str]
    plan: Mapped[dict[str, Any]] = mapped_column(JSON)
    state: Mapped[str]
    station: Mapped[str]
    daemon_id: Mapped[int | None] = mapped_column(Integer)
    generation: Mapped[int]
    starts: Mapped[int]
    tries: Mapped[int]
    points: Mapped[int]
    done: Mapped[int]
    rejected: Mapped[int]
    measured: Mapped[list[str]] = mapped_column(JSON)
    refused: Mapped[list[str]] = mapped_column(JSON)
    failure_class: Mapped[str]
    cause: Mapped[str]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


class EventRow(Base):
    """One entry of the log."""

    __tablename__ = "job_event"
    __table_args__ = (
        CheckConstraint("kind IN ('note', 'accepted', 'rejected', 'trouble')", name="kind"),
        Index(None, "job_id", "kind", "id"),
        Index(None, "job_id", "id"),
    )

    id: Mapped[Id]
    at: Mapped[datetime]
    job_id: Mapped[int | None] = mapped_column(Integer, ForeignKey("job.id", ondelete="CASCADE"))
    unit_id: Mapped[int | None] = mapped_column(Integer)
    station: Mapped[str]
    kind: Mapped[str]
    label: Mapped[str]
    text: Mapped[str]
    clock_id: Mapped[str]
    run_id: Mapped[int | None] = mapped_column(Integer)
    detail: Mapped[str]


class DaemonRow(Base):
    """A daemon. ``space`` names the host and its process table: within the same one, a process id says whether it lives."""

    __tablename__ = "rack_daemon"

    id: Mapped[Id]
    host: Mapped[str]
    space: Mapped[str]
    pid: Mapped[int]
    pid_started: Mapped[str]
    started_at: Mapped[datetime]
    heartbeat_at: Mapped[datetime]
    stopped_at: Mapped[datetime | None]
    stations: Mapped[list[str]] = mapped_column(JSON)


class RackStationRow(Base):
    """A station that a daemon serves or served, as it described itself last."""

    __tablename__ = "rack_station"

    name: Mapped[str] = mapped_column(primary_key=True)
    description: Mapped[dict[str, Any]] = mapped_column(JSON)
    last_seen_at: Mapped[datetime]
    paused: Mapped[bool]
    quarantined_at: Mapped[datetime | None]
    cause: Mapped[str]
    failures: Mapped[int]
    job_id: Mapped[int | None] = mapped_column(Integer)
    doing: Mapped[str]
    since: Mapped[datetime | None]
