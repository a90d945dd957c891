"""Statements that select whole runs, and the runs that are built from their rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from itertools import groupby, islice
from typing import Any, TypeAlias, TypeVar

from sqlalchemy import Select, Subquery, func, select
from sqlalchemy.orm import Session, aliased

from bench.domain.clock import ClockConfiguration
from bench.domain.event import Event
from bench.domain.lut import ClockPart, LutRow, PlacePart, WorkloadPart, table_row
from bench.domain.measurement import CycleRun, ImageInfo, Point, Result, Run, Trace, Verdict
from bench.domain.station import Source
from bench.domain.workload import Workload
from bench.errors import DatabaseUnusable
from bench.store import mapping
from bench.store.models import (
    ClockRow,
    CycleRow,
    EnergyRow,
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

# Rows fetched at a time when streaming: large enough to hide the round trip, small enough for the memory.
_CHUNK = 500
Part = TypeVar("Part")
Statement: TypeAlias = "Select[*tuple[Any, ...]]"
_ACTIVE, _IDLE = aliased(WindowRow), aliased(WindowRow)
# Plain columns and the keys of what many runs share: a table of a million points is read several times faster than as objects.
_CYCLE_COLUMNS = tuple(getattr(CycleRow, entry.name) for entry in fields(CycleRun))
_RESULT_COLUMNS = tuple(getattr(ResultRow, entry.name) for entry in fields(Result) if entry.name != "budget")
_CYCLES = len(_CYCLE_COLUMNS)
_KEY_COLUMNS = (PointRow.station_id, PointRow.workload_id, PointRow.clock_id, RunRow.image_id, RunRow.measured_at)
_KEYS = {StationRow: 0, WorkloadRow: 1, ClockRow: 2, ImageRow: 3}
"""Where in the columns the key of each table is."""
RUN_COLUMNS = (*_KEY_COLUMNS, RunRow.bench_version, *_CYCLE_COLUMNS, *_RESULT_COLUMNS)
TABLE_COLUMNS = (
    *_KEY_COLUMNS,
    CycleRow.stack_bytes,
    func.json_array_length(CycleRow.kernel_cycles),
    *_RESULT_COLUMNS,
)


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run and the number it is recorded under."""

    id: int
    run: Run


def joined(statement: Statement, chosen: Subquery | None = None) -> Statement:
    """Join what every run has, and outer-join what an accepted one has. Tables that are not selected are not fetched.

    ``chosen`` has the ``id`` of the runs that are wanted. It comes first, because PostgreSQL's planner keeps the order of so many tables.
    """
    runs = (
        statement.select_from(RunRow)
        if chosen is None
        else statement.select_from(chosen).join(RunRow, RunRow.id == chosen.c.id)
    )
    return (
        runs.join(PointRow, PointRow.id == RunRow.point_id)
        .join(StationRow, StationRow.id == PointRow.station_id)
        .join(WorkloadRow, WorkloadRow.id == PointRow.workload_id)
        .join(ClockRow, ClockRow.id == PointRow.clock_id)
        .outerjoin(ImageRow, ImageRow.id == RunRow.image_id)
        .outerjoin(CycleRow, CycleRow.run_id == RunRow.id)
        .outerjoin(ResultRow, ResultRow.run_id == RunRow.id)
    )


def complete() -> Statement:
    """Select runs with everything but trace and budget."""
    columns = (RunRow, StationRow, WorkloadRow, ClockRow, ImageRow, CycleRow, ResultRow, EnergyRow, _ACTIVE, _IDLE)
    return (
        joined(select(*columns))
        .outerjoin(EnergyRow, EnergyRow.run_id == RunRow.id)
        .outerjoin(_ACTIVE, (_ACTIVE.run_id == RunRow.id) & (_ACTIVE.kind == "active"))
        .outerjoin(_IDLE, (_IDLE.run_id == RunRow.id) & (_IDLE.kind == "idle"))
    )


def trace_of(row: TraceRow) -> Trace:
    try:
        return mapping.trace_of(row)
    except ValueError as error:
        raise DatabaseUnusable(str(error), hint="restore a copy of the database, or measure the point again") from None


class _Parts(dict[int, Part]):
    """Parts of rows by key, each made when it is first asked for."""

    def __init__(self, make: Callable[[int], Part]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: int) -> Part:
        part = self[key] = self._make(key)
        return part


class Reader:
    """Builds runs from rows; workloads, clocks and images, which many runs share, are built once."""

    def __init__(self, session: Session, *, traces: bool = False) -> None:
        self._session = session
        self._traces = traces
        self._workloads: dict[int, Workload] = {}
        self._clocks: dict[int, ClockConfiguration] = {}
        self._images: dict[int, ImageInfo] = {}
        self._stations: dict[int, tuple[str, Source, str, str, str]] = {}

    def runs(self, statement: Statement) -> Iterator[Run]:
        """Yield runs without energy run, budget and environment from rows of ``RUN_COLUMNS``."""
        for station, work, clock, image, measured_at, bench_version, *values in self._keyed(statement):
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

    def table(self, statement: Statement) -> Iterator[LutRow]:
        """Yield rows of a look-up table from rows of ``TABLE_COLUMNS``."""
        places = _Parts(lambda key: PlacePart.of(*self._stations[key]))
        works = _Parts(lambda key: WorkloadPart.of(self._workloads[key]))
        clocks = _Parts(lambda key: ClockPart.of(self._clocks[key]))
        images = self._images
        for station, work, clock, image, measured_at, stack_bytes, repeats, *result in self._keyed(statement):
            yield table_row(
                places[station],
                works[work],
                clocks[clock],
                images[image],
                Result(*result),
                stack_bytes,
                repeats,
                measured_at,
            )

    def _keyed(self, statement: Statement) -> Iterator[Any]:
        """Yield rows that begin with ``_KEY_COLUMNS``, when what their keys stand for is known."""
        rows = self._stream(statement)
        while chunk := list(islice(rows, _CHUNK)):
            for table, known, build in (
                (StationRow, self._stations, mapping.place_of),
                (WorkloadRow, self._workloads, mapping.workload_of),
                (ClockRow, self._clocks, mapping.clock_of),
                (ImageRow, self._images, mapping.image_of),
            ):
                self._load(table, known, build, {row[_KEYS[table]] for row in chunk})
            yield from chunk

    def _load(self, table: Any, known: dict[int, Any], build: Callable[[Any], Any], ids: set[int | None]) -> None:
        """Bring what is not ``known`` yet of ``table``, all in one query: a thousand look-ups by key take a second."""
        missing = [row_id for row_id in ids if row_id is not None and row_id not in known]
        if missing:
            known |= {row.id: build(row) for row in self._session.scalars(select(table).where(table.id.in_(missing)))}

    def complete(self, statement: Statement) -> Iterator[StoredRun]:
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
                        else mapping.energy_of(energy, active, idle, None if trace is None else trace_of(trace)),
                        None if result is None else mapping.result_of(result, budgets.get(row.id, [])),
                    ),
                )

    def events(self, statement: Statement) -> Iterator[Event]:
        """Yield events."""
        for row, station, work, clock in self._stream(statement):
            yield mapping.event_of(row, mapping.point_of(station, self._workload(work), self._clock(clock)))

    def _stream(self, statement: Statement) -> Iterator[Any]:
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
