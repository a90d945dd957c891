"""Domain values in, domain values out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, Subquery, exists, func, select

from bench.domain.event import Event
from bench.domain.lut import LutRow
from bench.domain.measurement import Run, Trace, Verdict
from bench.domain.station import Source
from bench.errors import UnknownName
from bench.store.history import History
from bench.store.models import (
    Base,
    ClockRow,
    EnergyRow,
    EventRow,
    ImageRow,
    PointRow,
    RunRow,
    StationRow,
    TraceRow,
    WorkloadRow,
)
from bench.store.overview import Overview, overview
from bench.store.reading import RUN_COLUMNS, TABLE_COLUMNS, Reader, Statement, StoredRun, complete, joined, trace_of
from bench.store.selection import Selection
from bench.store.writing import Recorder

_EVERYTHING = Selection()


@dataclass(frozen=True, slots=True)
class Known:
    """The names that occur in the database, sorted."""

    stations: tuple[str, ...]
    boards: tuple[str, ...]
    primitives: tuple[str, ...]
    dtypes: tuple[str, ...]
    flavors: tuple[str, ...]
    opt_levels: tuple[str, ...]
    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class Counts:
    """How much the database holds."""

    stations: int
    points: int
    images: int
    accepted: int
    rejected: int
    traces: int


class Repository(Recorder):
    """All measurements of one database. Get it from ``bench.store.open_store``.

    Every method raises StoreError (``DatabaseUnusable`` ...) when the database fails. Iterators hold a read transaction while they run:
    they see the database as it was at their start, and do not block writers.
    """

    def __init__(self, engine: Engine, database: str) -> None:
        super().__init__(engine, database)
        self._ids = {}
        self.history = History(engine, database)

    def events(self, selection: Selection = _EVERYTHING, *, since: datetime | None = None) -> Iterator[Event]:
        """Yield what went wrong and what was done about it, oldest first."""
        statement = (
            select(EventRow, StationRow, WorkloadRow, ClockRow)
            .join(PointRow, PointRow.id == EventRow.point_id)
            .join(StationRow, StationRow.id == PointRow.station_id)
            .join(WorkloadRow, WorkloadRow.id == PointRow.workload_id)
            .join(ClockRow, ClockRow.id == PointRow.clock_id)
            .where(*selection.conditions())
            .order_by(EventRow.at, EventRow.id)
        )
        if since is not None:
            statement = statement.where(EventRow.at >= since)
        with self.reading() as session:
            yield from Reader(session).events(statement)

    def runs(
        self,
        selection: Selection = _EVERYTHING,
        *,
        verdict: Verdict | None = None,
        since: datetime | None = None,
        limit: int | None = None,
    ) -> Iterator[StoredRun]:
        """Yield runs, newest first, complete but for the trace (see ``trace``): ``energy_run.trace`` is None."""
        statement = complete().where(*selection.conditions()).order_by(RunRow.measured_at.desc(), RunRow.id.desc())
        if verdict is not None:
            statement = statement.where(RunRow.verdict == str(verdict))
        if since is not None:
            statement = statement.where(RunRow.measured_at >= since)
        if limit is not None:
            statement = statement.limit(limit)
        with self.reading() as session:
            yield from Reader(session).complete(statement)

    def run(self, run_id: int, *, trace: bool = False) -> Run:
        """Return run ``run_id``, with its trace if asked for. Raises UnknownName."""
        with self.reading() as session:
            found = list(Reader(session, traces=trace).complete(complete().where(RunRow.id == run_id)))
        if not found:
            raise UnknownName(f"there is no run {run_id} in {self._database}", hint="`bench show` shows the latest")
        return found[0].run

    def trace(self, run_id: int) -> Trace | None:
        """Return the current trace of run ``run_id``, None if it has none. Raises UnknownName, DatabaseUnusable for a damaged trace."""
        with self.reading() as session:
            row = session.get(TraceRow, run_id)
            if row is None and session.get(RunRow, run_id) is None:
                raise UnknownName(f"there is no run {run_id} in {self._database}", hint="`bench show` shows the latest")
            return None if row is None else trace_of(row)

    def latest_accepted(self, selection: Selection = _EVERYTHING) -> Iterator[Run]:
        """Yield the latest accepted run of every point, by source, station, workload and core clock; whole networks only where asked for.

        The runs carry point, image, cycle counts and result, but neither energy run, budget nor environment. Streams; a million points do not
        have to fit into the memory.
        """
        with self.reading() as session:
            yield from Reader(session).runs(_latest(selection, RUN_COLUMNS))

    def table(self, selection: Selection = _EVERYTHING) -> Iterator[LutRow]:
        """Yield the rows of the look-up table: those of `latest_accepted`, in half the time."""
        with self.reading() as session:
            yield from Reader(session).table(_latest(selection, TABLE_COLUMNS))

    def sources(self, selection: Selection = _EVERYTHING) -> tuple[Source, ...]:
        """Return the sources of the accepted runs in ``selection``."""
        some = exists().where(RunRow.point_id == PointRow.id, RunRow.verdict == str(Verdict.ACCEPTED))
        statement = (
            select(StationRow.source)
            .distinct()
            .join(PointRow, PointRow.station_id == StationRow.id)
            .join(WorkloadRow, WorkloadRow.id == PointRow.workload_id)
            .join(ClockRow, ClockRow.id == PointRow.clock_id)
            .where(some, *selection.table_conditions())
        )
        with self.reading() as session:
            found = set(session.scalars(statement))
        return tuple(source for source in Source if source in found)

    def probes(self, selection: Selection = _EVERYTHING) -> tuple[tuple[str, str, str | None, int], ...]:
        """Return who gave the currents of the look-up table of ``selection``: (source, station, driver of the current probe, points), in order;
        a driver of None for points without a current.
        """
        ranked = _ranked(selection)
        columns = (StationRow.source, StationRow.name, EnergyRow.probe)
        statement = (
            select(*columns, func.count())
            .select_from(ranked)
            .join(RunRow, RunRow.id == ranked.c.id)
            .join(PointRow, PointRow.id == RunRow.point_id)
            .join(StationRow, StationRow.id == PointRow.station_id)
            .outerjoin(EnergyRow, EnergyRow.run_id == RunRow.id)
            .where(ranked.c.later.is_(None))
            .group_by(*columns)
        )
        with self.reading() as session:
            found = [(str(source), name, probe, count) for source, name, probe, count in session.execute(statement)]
        return tuple(sorted(found, key=lambda each: (each[0], each[1], each[2] or "")))

    def known(self) -> Known:
        """Return the names that occur in the database, for choices and error messages."""
        with self.reading() as session:

            def names(column: Any) -> tuple[str, ...]:
                return tuple(sorted(session.scalars(select(column).distinct())))

            sources = set(names(StationRow.source))
            return Known(
                stations=names(StationRow.name),
                boards=names(StationRow.board),
                primitives=names(WorkloadRow.primitive),
                dtypes=names(WorkloadRow.dtype),
                flavors=names(WorkloadRow.flavor),
                opt_levels=names(WorkloadRow.opt_level),
                sources=tuple(source for source in Source if source in sources),
            )

    def counts(self) -> Counts:
        """Count what the database holds."""
        with self.reading() as session:

            def count(table: type[Base]) -> int:
                return session.scalar(select(func.count()).select_from(table)) or 0

            grouped = session.execute(select(RunRow.verdict, func.count()).group_by(RunRow.verdict))
            verdicts = {row[0]: row[1] for row in grouped}
            return Counts(
                stations=count(StationRow),
                points=count(PointRow),
                images=count(ImageRow),
                accepted=verdicts.get(str(Verdict.ACCEPTED), 0),
                rejected=verdicts.get(str(Verdict.REJECTED), 0),
                traces=count(TraceRow),
            )

    def overview(self, selection: Selection = _EVERYTHING) -> Overview:
        """Return counts, conditions, failures and origins of the runs in ``selection``, for reports."""
        with self.reading() as session:
            return overview(session, selection)


def _latest(selection: Selection, columns: tuple[Any, ...]) -> Statement:
    """Select ``columns`` of the latest accepted run of every point."""
    ranked = _ranked(selection)
    return (
        joined(select(*columns), ranked)
        .where(ranked.c.later.is_(None))
        .order_by(
            StationRow.source,
            StationRow.name,
            StationRow.id,
            WorkloadRow.primitive,
            WorkloadRow.id,
            ClockRow.hclk_hz,
            ClockRow.clock_id,
        )
    )


def _ranked(selection: Selection) -> Subquery:
    """Return the accepted runs of ``selection``: ``id``, and ``later``, the next one of the same point; NULL for the latest."""
    later = func.lead(RunRow.id).over(partition_by=RunRow.point_id, order_by=(RunRow.measured_at, RunRow.id))
    return (
        select(RunRow.id.label("id"), later.label("later"))
        .join(PointRow, PointRow.id == RunRow.point_id)
        .join(StationRow, StationRow.id == PointRow.station_id)
        .join(WorkloadRow, WorkloadRow.id == PointRow.workload_id)
        .join(ClockRow, ClockRow.id == PointRow.clock_id)
        .where(RunRow.verdict == str(Verdict.ACCEPTED), *selection.table_conditions())
        .subquery()
    )
