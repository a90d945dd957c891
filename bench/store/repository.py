"""Domain values in, domain values out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from datetime import datetime
from itertools import groupby, islice
from typing import Any, TypeAlias

from sqlalchemy import Engine, Select, Subquery, delete, exists, func, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session, aliased

from bench.domain.clock import ClockConfiguration
from bench.domain.event import Event
from bench.domain.measurement import CycleRun, ImageInfo, Point, Result, Run, Trace, Verdict
from bench.domain.station import Source
from bench.domain.workload import Workload
from bench.errors import DatabaseUnusable, UnknownName
from bench.store import mapping
from bench.store.engine import WRITE
from bench.store.failures import database_errors
from bench.store.history import History
from bench.store.models import (
    Base,
    ClockRow,
    CycleRow,
    EnergyRow,
    EventRow,
    ImageRow,
    PointRow,
    ResultRow,
    RunRow,
    StationRow,
    TermRow,
    TraceRow,
    WindowRow,
    WorkloadRow,
)
from bench.store.overview import Overview, overview
from bench.store.selection import Selection

# Rows fetched at a time when streaming: large enough to hide the round trip, small enough for the memory.
_CHUNK = 500
_EVERYTHING = Selection()
_Statement: TypeAlias = "Select[*tuple[Any, ...]]"
_ACTIVE, _IDLE = aliased(WindowRow), aliased(WindowRow)
# Plain columns and the keys of what many runs share: a table of a million points is read several times faster than as objects.
_CYCLE_COLUMNS = tuple(getattr(CycleRow, entry.name) for entry in fields(CycleRun))
_RESULT_COLUMNS = tuple(getattr(ResultRow, entry.name) for entry in fields(Result) if entry.name != "budget")
_CYCLES = len(_CYCLE_COLUMNS)
_TABLE_COLUMNS = (
    RunRow.measured_at,
    RunRow.bench_version,
    PointRow.station_id,
    PointRow.workload_id,
    PointRow.clock_id,
    RunRow.image_id,
    *_CYCLE_COLUMNS,
    *_RESULT_COLUMNS,
)
_KEYS = {StationRow: 2, WorkloadRow: 3, ClockRow: 4, ImageRow: 5}
"""Where in ``_TABLE_COLUMNS`` the key of each table is."""


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run and the number it is recorded under."""

    id: int
    run: Run


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


class Repository:
    """All measurements of one database. Get it from ``bench.store.open_store``.

    Every method raises StoreError (``DatabaseUnusable`` ...) when the database fails. Iterators hold a read transaction while they run:
    they see the database as it was at their start, and do not block writers.
    """

    def __init__(self, engine: Engine, database: str) -> None:
        self._engine = engine
        self._database = database
        self.history = History(engine, database)

    def record(self, run: Run) -> int:
        """Write ``run`` with all its raw values, in one transaction, and return its number.

        Raises ValueError for numbers that are not finite and for an environment with a name twice.
        """
        with database_errors(self._database), self._writing() as session, session.begin():
            return self._write(session, run)

    def withdraw(self, number: int, run: Run) -> None:
        """Give run ``number`` the verdict, class, reason and detail of ``run``, a rejected one, in one transaction. Raw values stay; the
        result goes. Raises UnknownName.
        """
        with database_errors(self._database), self._writing() as session, session.begin():
            self._withdraw(session, number, run)

    def record_event(self, event: Event) -> None:
        """Write ``event``, in one transaction."""
        with database_errors(self._database), self._writing() as session, session.begin():
            session.add(
                EventRow(
                    point_id=self._point(session, event.point),
                    **{**mapping.columns_of(event, "point"), "action": str(event.action)},
                )
            )

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
        with database_errors(self._database), Session(self._engine) as session:
            yield from _Reader(session).events(statement)

    def runs(
        self,
        selection: Selection = _EVERYTHING,
        *,
        verdict: Verdict | None = None,
        since: datetime | None = None,
        limit: int | None = None,
    ) -> Iterator[StoredRun]:
        """Yield runs, newest first, complete but for the trace (see ``trace``): ``energy_run.trace`` is None."""
        statement = _complete().where(*selection.conditions()).order_by(RunRow.measured_at.desc(), RunRow.id.desc())
        if verdict is not None:
            statement = statement.where(RunRow.verdict == str(verdict))
        if since is not None:
            statement = statement.where(RunRow.measured_at >= since)
        if limit is not None:
            statement = statement.limit(limit)
        with database_errors(self._database), Session(self._engine) as session:
            yield from _Reader(session).complete(statement)

    def run(self, run_id: int, *, trace: bool = False) -> Run:
        """Return run ``run_id``, with its trace if asked for. Raises UnknownName."""
        with database_errors(self._database), Session(self._engine) as session:
            found = list(_Reader(session, traces=trace).complete(_complete().where(RunRow.id == run_id)))
        if not found:
            raise UnknownName(f"there is no run {run_id} in {self._database}")
        return found[0].run

    def trace(self, run_id: int) -> Trace | None:
        """Return the current trace of run ``run_id``, None if it has none. Raises UnknownName, DatabaseUnusable for a damaged trace."""
        with database_errors(self._database), Session(self._engine) as session:
            row = session.get(TraceRow, run_id)
            if row is None and session.get(RunRow, run_id) is None:
                raise UnknownName(f"there is no run {run_id} in {self._database}")
            return None if row is None else _trace(row)

    def latest_accepted(self, selection: Selection = _EVERYTHING) -> Iterator[Run]:
        """Yield the latest accepted run of every point, by source, station, workload and core clock; whole networks only where asked for.

        For look-up tables: the runs carry point, image, cycle counts and result, but neither energy run, budget nor environment. Streams; a
        million points do not have to fit into the memory.
        """
        ranked = _ranked(selection)
        statement = (
            _joined(select(*_TABLE_COLUMNS))
            .join(ranked, ranked.c.id == RunRow.id)
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
        with database_errors(self._database), Session(self._engine) as session:
            yield from _Reader(session).for_tables(statement)

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
        with database_errors(self._database), Session(self._engine) as session:
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
            .join(PointRow, PointRow.station_id == StationRow.id)
            .join(RunRow, RunRow.point_id == PointRow.id)
            .join(ranked, ranked.c.id == RunRow.id)
            .outerjoin(EnergyRow, EnergyRow.run_id == RunRow.id)
            .where(ranked.c.later.is_(None))
            .group_by(*columns)
        )
        with database_errors(self._database), Session(self._engine) as session:
            found = [(str(source), name, probe, count) for source, name, probe, count in session.execute(statement)]
        return tuple(sorted(found, key=lambda each: (each[0], each[1], each[2] or "")))

    def known(self) -> Known:
        """Return the names that occur in the database, for choices and error messages."""
        with database_errors(self._database), Session(self._engine) as session:

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
        with database_errors(self._database), Session(self._engine) as session:

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
        with database_errors(self._database), Session(self._engine) as session:
            return overview(session, selection)

    def _write(self, session: Session, run: Run) -> int:
        """Write ``run`` within the transaction of ``session``, and return its number."""
        row = RunRow(
            point_id=self._point(session, run.point),
            image_id=None if run.image is None else self._id(session, ImageRow, mapping.columns_of(run.image)),
            **mapping.run_columns(run),
        )
        session.add(row)
        session.flush()
        for child in mapping.children(run, row.id):
            session.add(child)
            # One by one: without relationships the session would not know that windows and traces follow their energy run.
            if isinstance(child, EnergyRow | ResultRow):
                session.flush()
        return row.id

    def _withdraw(self, session: Session, number: int, run: Run) -> None:
        """Reject run ``number`` within the transaction of ``session``."""
        row = session.get(RunRow, number)
        if row is None:
            raise UnknownName(f"there is no run {number} in {self._database}")
        row.verdict, row.failure_class = str(run.verdict), run.failure_class
        row.reason, row.detail = run.reason, run.detail
        session.execute(delete(ResultRow).where(ResultRow.run_id == number))

    def _writing(self) -> Session:
        return Session(self._engine.execution_options(**WRITE))

    def _point(self, session: Session, point: Point) -> int:
        keys = {
            "workload_id": self._id(session, WorkloadRow, mapping.workload_columns(point.workload)),
            "clock_id": self._id(session, ClockRow, mapping.clock_columns(point.clock)),
            "station_id": self._id(session, StationRow, mapping.station_columns(point)),
        }
        return self._id(session, PointRow, keys)

    def _id(self, session: Session, table: type[Any], columns: dict[str, Any]) -> int:
        """Return the id of the row of ``table`` with these columns, made if missing (by us, or by another process at the same time)."""
        lookup = select(table.id).filter_by(**columns)
        found: int | None = session.scalar(lookup)
        if found is None:
            insert = sqlite_insert if self._engine.dialect.name == "sqlite" else postgresql_insert
            session.execute(insert(table).values(**columns).on_conflict_do_nothing())
            found = session.scalars(lookup).one()
        return found


def _joined(statement: _Statement) -> _Statement:
    """Join what every run has, and outer-join what an accepted one has. Tables that are not selected are not fetched."""
    return (
        statement.select_from(RunRow)
        .join(PointRow, PointRow.id == RunRow.point_id)
        .join(StationRow, StationRow.id == PointRow.station_id)
        .join(WorkloadRow, WorkloadRow.id == PointRow.workload_id)
        .join(ClockRow, ClockRow.id == PointRow.clock_id)
        .outerjoin(ImageRow, ImageRow.id == RunRow.image_id)
        .outerjoin(CycleRow, CycleRow.run_id == RunRow.id)
        .outerjoin(ResultRow, ResultRow.run_id == RunRow.id)
    )


def _complete() -> _Statement:
    """Select runs with everything but trace and budget."""
    columns = (RunRow, StationRow, WorkloadRow, ClockRow, ImageRow, CycleRow, ResultRow, EnergyRow, _ACTIVE, _IDLE)
    return (
        _joined(select(*columns))
        .outerjoin(EnergyRow, EnergyRow.run_id == RunRow.id)
        .outerjoin(_ACTIVE, (_ACTIVE.run_id == RunRow.id) & (_ACTIVE.kind == "active"))
        .outerjoin(_IDLE, (_IDLE.run_id == RunRow.id) & (_IDLE.kind == "idle"))
    )


def _trace(row: TraceRow) -> Trace:
    try:
        return mapping.trace_of(row)
    except ValueError as error:
        raise DatabaseUnusable(str(error), hint="restore a copy of the database, or measure the point again") from None


class _Reader:
    """Builds runs from rows; workloads, clocks and images, which many runs share, are built once."""

    def __init__(self, session: Session, *, traces: bool = False) -> None:
        self._session = session
        self._traces = traces
        self._workloads: dict[int, Workload] = {}
        self._clocks: dict[int, ClockConfiguration] = {}
        self._images: dict[int, ImageInfo] = {}
        self._stations: dict[int, tuple[str, Source, str, str, str]] = {}

    def for_tables(self, statement: _Statement) -> Iterator[Run]:
        """Yield runs without energy run, budget and environment from rows of ``_TABLE_COLUMNS``."""
        rows = self._stream(statement)
        while chunk := list(islice(rows, _CHUNK)):
            for table, known, build in (
                (StationRow, self._stations, mapping.place_of),
                (WorkloadRow, self._workloads, mapping.workload_of),
                (ClockRow, self._clocks, mapping.clock_of),
                (ImageRow, self._images, mapping.image_of),
            ):
                self._load(table, known, build, {row[_KEYS[table]] for row in chunk})
            for measured_at, bench_version, station, work, clock, image, *values in chunk:
                kernel_cycles, empty_cycles, *cycles = values[:_CYCLES]
                yield Run(
                    point=Point(*self._stations[station], self._workloads[work], self._clocks[clock]),
                    measured_at=measured_at,
                    verdict=Verdict.ACCEPTED,
                    bench_version=bench_version,
                    image=self._images.get(image),
                    cycle_run=CycleRun(tuple(kernel_cycles), tuple(empty_cycles), *cycles),
                    result=Result(*values[_CYCLES:]),
                )

    def _load(self, table: Any, known: dict[int, Any], build: Callable[[Any], Any], ids: set[int | None]) -> None:
        """Bring what is not ``known`` yet of ``table``, all in one query: a thousand look-ups by key take a second."""
        missing = [row_id for row_id in ids if row_id is not None and row_id not in known]
        if missing:
            known |= {row.id: build(row) for row in self._session.scalars(select(table).where(table.id.in_(missing)))}

    def complete(self, statement: _Statement) -> Iterator[StoredRun]:
        """Yield runs with everything, with traces only if asked for."""
        rows = self._stream(statement)
        while chunk := list(islice(rows, _CHUNK)):
            budgets = self._budgets([row.id for row, *_ in chunk])
            for row, station, work, clock, image, cycles, result, energy, active, idle in chunk:
                trace = self._session.get(TraceRow, row.id) if self._traces else None
                yield StoredRun(
                    row.id,
                    mapping.run_of(
                        row,
                        mapping.point_of(station, self._workload(work), self._clock(clock)),
                        self._image(image),
                        None if cycles is None else mapping.cycles_of(cycles),
                        None
                        if energy is None
                        else mapping.energy_of(energy, active, idle, None if trace is None else _trace(trace)),
                        None if result is None else mapping.result_of(result, budgets.get(row.id, [])),
                    ),
                )

    def events(self, statement: _Statement) -> Iterator[Event]:
        """Yield events."""
        for row, station, work, clock in self._stream(statement):
            yield mapping.event_of(row, mapping.point_of(station, self._workload(work), self._clock(clock)))

    def _stream(self, statement: _Statement) -> Iterator[Any]:
        return iter(self._session.execute(statement.execution_options(yield_per=_CHUNK)))

    def _budgets(self, run_ids: list[int]) -> dict[int, list[TermRow]]:
        statement = select(TermRow).where(TermRow.run_id.in_(run_ids)).order_by(TermRow.run_id, TermRow.position)
        return {
            run_id: list(terms)
            for run_id, terms in groupby(self._session.scalars(statement), key=lambda term: term.run_id)
        }

    def _workload(self, row: WorkloadRow) -> Workload:
        if row.id not in self._workloads:
            self._workloads[row.id] = mapping.workload_of(row)
        return self._workloads[row.id]

    def _clock(self, row: ClockRow) -> ClockConfiguration:
        if row.id not in self._clocks:
            self._clocks[row.id] = mapping.clock_of(row)
        return self._clocks[row.id]

    def _image(self, row: ImageRow | None) -> ImageInfo | None:
        if row is None:
            return None
        if row.id not in self._images:
            self._images[row.id] = mapping.image_of(row)
        return self._images[row.id]


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
