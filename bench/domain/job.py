"""Jobs: sweeps that somebody submitted, their images as units of work, and the stations and daemons that do the work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from bench.domain.station import Station


class JobState(StrEnum):
    """What is decided about a job. What it is doing (scheduled, running, done ...) follows from this and its units: ``Job.status``."""

    OPEN = "open"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    ENDED = "ended"


class UnitState(StrEnum):
    """Where one image of a job is. ``QUEUED`` and ``RUNNING`` units belong to a station; the last three are final."""

    WAITING = "waiting"
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Status(StrEnum):
    """What a job shows to people."""

    SCHEDULED = "scheduled"
    WAITING = "waiting"
    RUNNING = "running"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    DONE = "done"
    INCOMPLETE = "incomplete"


class EventKind(StrEnum):
    """What an entry of the log is: a remark, a point that was accepted or rejected, or trouble with a unit or a station."""

    NOTE = "note"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    TROUBLE = "trouble"


@dataclass(frozen=True, slots=True)
class Counts:
    """Points of a job: ``done`` are in the database and accepted, ``rejected`` were measured and refused, ``running`` belong to an image that
    is on a station now, ``missing`` are the rest.
    """

    points: int = 0
    done: int = 0
    rejected: int = 0
    running: int = 0

    @property
    def missing(self) -> int:
        """Points that nobody has measured, and nobody is measuring."""
        return self.points - self.done - self.rejected - self.running


@dataclass(frozen=True, slots=True)
class Job:
    """One submitted sweep. ``request`` is the sweep request as plain data; a higher ``priority`` goes first."""

    id: int
    name: str
    request: Mapping[str, object]
    priority: int
    start_at: datetime | None
    state: JobState
    submitted_at: datetime
    submitted_by: str
    ended_at: datetime | None
    stations: tuple[str, ...]
    counts: Counts
    busy_units: int = 0
    failed_units: int = 0

    def status(self, now: datetime) -> Status:
        """Return what the job shows to people at ``now``."""
        if self.state is JobState.ENDED:
            complete = self.counts.done == self.counts.points and not self.failed_units
            return Status.DONE if complete else Status.INCOMPLETE
        if self.state is JobState.CANCELLED:
            return Status.CANCELLED
        if self.state is JobState.PAUSED:
            return Status.PAUSED
        if self.busy_units:
            return Status.RUNNING
        if self.start_at is not None and self.start_at > now:
            return Status.SCHEDULED
        return Status.WAITING


@dataclass(frozen=True, slots=True)
class UnitPlan:
    """One image to measure, as it is kept: names and ids from which the plan is made again on the host that measures."""

    label: str
    primitive: str
    params: tuple[tuple[str, int | str], ...]
    dtype: str
    flavor: str
    opt_level: str
    clock_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LanePlan:
    """The units of a job that have the same stations to choose from, in the order of preference.

    The first ``peers`` of them (at least one) divide the units among them; the others step in when all before them are quarantined or gone.
    """

    stations: tuple[str, ...]
    peers: int
    units: tuple[UnitPlan, ...]


@dataclass(frozen=True, slots=True)
class Lane:
    """A lane that has waiting units, as the choice of the next unit sees it. ``due_at`` is since when its job may run."""

    id: int
    job_id: int
    priority: int
    stations: tuple[str, ...]
    peers: int
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to measure one unit. A unit that was given to somebody else meanwhile has another ``generation``, and the lease is void."""

    unit_id: int
    generation: int
    job_id: int
    station: str


@dataclass(frozen=True, slots=True)
class Work:
    """A unit that is being measured. ``measured`` and ``refused`` are the clocks that this job measured already: accepted, and rejected."""

    lease: Lease
    plan: UnitPlan
    request: Mapping[str, object]
    submitted_at: datetime
    measured: tuple[str, ...]
    refused: tuple[str, ...]
    starts: int
    tries: int


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit as it is shown: where it is, how many of its points are done, and why it failed."""

    id: int
    job_id: int
    position: int
    label: str
    state: UnitState
    station: str
    counts: Counts
    failure_class: str
    cause: str
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class DaemonStatus:
    """A daemon, alive or not: ``gone`` when it did not stop properly and its heartbeat has stopped."""

    id: int
    host: str
    pid: int
    started_at: datetime
    heartbeat_at: datetime
    stopped_at: datetime | None
    stations: tuple[str, ...]
    silent_s: float
    gone: bool

    @property
    def alive(self) -> bool:
        """Whether it runs and its heart beats."""
        return self.stopped_at is None and not self.gone

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"


@dataclass(frozen=True, slots=True)
class StationStatus:
    """A station that some daemon serves or served. ``served_by`` are the daemons alive; ``since`` is when ``doing`` began.

    ``last_seen_at`` is the last heartbeat of any daemon that served it. A quarantined station keeps the first ``cause``.
    """

    station: Station
    served_by: tuple[str, ...]
    last_seen_at: datetime
    paused: bool
    quarantined_at: datetime | None
    cause: str
    failures: int
    job_id: int | None
    doing: str
    since: datetime | None

    @property
    def name(self) -> str:
        """The station's name."""
        return self.station.name

    @property
    def state(self) -> str:
        """One word: quarantined, paused, gone, busy or idle."""
        if self.quarantined_at is not None:
            return "quarantined"
        if self.paused:
            return "paused"
        if not self.served_by:
            return "gone"
        return "busy" if self.job_id is not None else "idle"


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of a job's log. ``run_id`` is the recorded run where the entry is a point's."""

    id: int
    at: datetime
    job_id: int | None
    unit_id: int | None
    station: str
    kind: EventKind
    label: str
    text: str
    clock_id: str = ""
    run_id: int | None = None
    detail: str = field(default="")
