"""What the database tells a sweep: which points are there, how long measuring took, how often a flash was written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from bench.domain.measurement import Verdict
from bench.domain.workload import Workload
from bench.store import mapping
from bench.store.failures import database_errors
from bench.store.models import ClockRow, ImageRow, PointRow, ResultRow, RunRow, StationRow, WorkloadRow

_CHUNK = 500


@dataclass(frozen=True, slots=True)
class AcceptedPoint:
    """A point with an accepted run, and the conditions of the latest such run."""

    station: str
    source: str
    board: str
    mcu: str
    core: str
    workload: Workload
    clock_id: str
    compiler: str
    bench_version: str
    with_energy: bool


@dataclass(frozen=True, slots=True)
class Start:
    """When the measurement of a point began, at which clock, and of which image (None: it was never built)."""

    measured_at: datetime
    clock_id: str
    image_id: int | None


class History:
    """Reads what was done. Every method raises StoreError when the database fails."""

    def __init__(self, engine: Engine, database: str) -> None:
        self._engine = engine
        self._database = database

    def accepted(self, stations: Sequence[str], only: Workload | None = None) -> Iterator[AcceptedPoint]:
        """Yield the points of ``stations`` (names) that have an accepted run, of one workload or of all."""
        wanted = {} if only is None else mapping.workload_columns(only)
        later = func.lead(RunRow.id).over(partition_by=RunRow.point_id, order_by=(RunRow.measured_at, RunRow.id))
        ranked = (
            select(RunRow.id.label("id"), later.label("later"))
            .join(PointRow, PointRow.id == RunRow.point_id)
            .join(StationRow, StationRow.id == PointRow.station_id)
            .join(WorkloadRow, WorkloadRow.id == PointRow.workload_id)
            .where(
                RunRow.verdict == str(Verdict.ACCEPTED),
                StationRow.name.in_(stations),
                *(getattr(WorkloadRow, name) == value for name, value in wanted.items()),
            )
            .subquery()
        )
        statement = (
            select(
                StationRow,
                WorkloadRow,
                ClockRow.clock_id,
                ImageRow.compiler,
                RunRow.bench_version,
                ResultRow.energy_j.is_not(None),
            )
            .select_from(RunRow)
            .join(ranked, ranked.c.id == RunRow.id)
            .join(PointRow, PointRow.id == RunRow.point_id)
            .join(StationRow, StationRow.id == PointRow.station_id)
            .join(WorkloadRow, WorkloadRow.id == PointRow.workload_id)
            .join(ClockRow, ClockRow.id == PointRow.clock_id)
            .join(ImageRow, ImageRow.id == RunRow.image_id)
            .join(ResultRow, ResultRow.run_id == RunRow.id)
            .where(ranked.c.later.is_(None))
            .order_by(RunRow.id)
        )
        works: dict[int, Workload] = {}
        with database_errors(self._database), Session(self._engine) as session:
            rows = session.execute(statement.execution_options(yield_per=_CHUNK))
            for place, work, clock_id, compiler, version, with_energy in rows:
                if work.id not in works:
                    works[work.id] = mapping.workload_of(work)
                yield AcceptedPoint(
                    place.name, place.source, place.board, place.mcu, place.core,
                    works[work.id], clock_id, compiler, version, bool(with_energy),
                )  # fmt: skip

    def starts(self, station: str, limit: int = 2000) -> list[Start]:
        """Return the starts of the last ``limit`` accepted runs of ``station``, oldest first."""
        statement = (
            select(RunRow.measured_at, ClockRow.clock_id, RunRow.image_id)
            .join(PointRow, PointRow.id == RunRow.point_id)
            .join(StationRow, StationRow.id == PointRow.station_id)
            .join(ClockRow, ClockRow.id == PointRow.clock_id)
            .where(StationRow.name == station, RunRow.verdict == str(Verdict.ACCEPTED))
            .order_by(RunRow.id.desc())
            .limit(limit)
        )
        with database_errors(self._database), Session(self._engine) as session:
            return [Start(*row) for row in reversed(session.execute(statement).all())]

    def flashes(self, station: str) -> int:
        """Return how often the image of ``station`` changed from one run to the next: at least so often its flash was written."""
        before = func.lag(RunRow.image_id).over(order_by=RunRow.id)
        images = (
            select(RunRow.image_id.label("image"), before.label("before"))
            .join(PointRow, PointRow.id == RunRow.point_id)
            .join(StationRow, StationRow.id == PointRow.station_id)
            .where(StationRow.name == station, RunRow.image_id.is_not(None))
            .subquery()
        )
        statement = (
            select(func.count())
            .select_from(images)
            .where((images.c.before.is_(None)) | (images.c.before != images.c.image))
        )
        with database_errors(self._database), Session(self._engine) as session:
            return session.scalar(statement) or 0
