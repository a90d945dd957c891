"""Rows of look-up tables that came from files: kept as they came, beside what was measured here."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Engine, exists, func, or_, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from bench.domain.lut import LutRow
from bench.domain.measurement import Verdict
from bench.domain.station import Source
from bench.store.engine import WRITE
from bench.store.failures import database_errors
from bench.store.models import ClockRow, ImportedRow, PointRow, RunRow, StationRow, WorkloadRow
from bench.store.selection import SAME_CLOCK, Selection

_KEY = ("source", "station", "board", "primitive", "params", "dtype", "flavor", "opt_level", "clock_id")
_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did: ``new`` points, and points of an earlier import that were ``replaced``."""

    new: int
    replaced: int


class ImportedPoints:
    """The imported rows of one database."""

    def __init__(self, engine: Engine, database: str) -> None:
        self._engine = engine
        self._database = database

    def record(self, rows: Iterable[LutRow], *, file_name: str, file_sha256: str, imported_at: datetime) -> Imported:
        """Write ``rows`` in one transaction: all of the file, or nothing. A point that an earlier import brought is replaced."""
        insert = sqlite_insert if self._engine.dialect.name == "sqlite" else postgresql_insert
        origin = {"file_name": file_name, "file_sha256": file_sha256, "imported_at": imported_at}
        written = 0
        remaining = iter(rows)
        with (
            database_errors(self._database),
            Session(self._engine.execution_options(**WRITE)) as session,
            session.begin(),
        ):
            before = self._count(session)
            while chunk := list(islice(remaining, _CHUNK)):
                for row in chunk:
                    columns = {**_columns(row), **origin}
                    session.execute(
                        insert(ImportedRow)
                        .values(**columns)
                        .on_conflict_do_update(
                            index_elements=_KEY,
                            set_={name: value for name, value in columns.items() if name not in _KEY},
                        )
                    )
                written += len(chunk)
            new = self._count(session) - before
        return Imported(new, written - new)

    def rows(self, selection: Selection) -> Iterator[LutRow]:
        """Yield the imported rows of ``selection`` for points that were not measured here: what was has raw values behind it, and stands."""
        statement = (
            select(ImportedRow.content)
            .where(*_conditions(selection), ~_measured_here())
            .order_by(ImportedRow.source, ImportedRow.station, ImportedRow.primitive, ImportedRow.id)
            .execution_options(yield_per=_CHUNK)
        )
        with database_errors(self._database), Session(self._engine) as session:
            for content in session.scalars(statement):
                yield LutRow(**{**content, "measured_at": datetime.fromisoformat(content["measured_at"])})

    def sources(self, selection: Selection) -> tuple[Source, ...]:
        """Return the sources of the imported rows in ``selection``."""
        statement = select(ImportedRow.source).distinct().where(*_conditions(selection))
        with database_errors(self._database), Session(self._engine) as session:
            found = set(session.scalars(statement))
        return tuple(source for source in Source if source in found)

    def names(self, column: str) -> set[str]:
        """Return the values of ``column`` (station, board, primitive, dtype, flavor, opt_level) that occur."""
        with database_errors(self._database), Session(self._engine) as session:
            return set(session.scalars(select(getattr(ImportedRow, column)).distinct()))

    @staticmethod
    def _count(session: Session) -> int:
        return session.scalar(select(func.count()).select_from(ImportedRow)) or 0


def _columns(row: LutRow) -> dict[str, Any]:
    content = asdict(row) | {"measured_at": row.measured_at.isoformat()}
    found = {name: getattr(row, name) for name in _KEY}
    return {**found, "params": _workload_params(row.params), "sysclk_hz": row.sysclk_hz, "content": content}


def _workload_params(text: str) -> str:
    """Return ``k=5;in_h=32`` as the JSON text that a measured workload is kept under, so that the two are found to be the same point."""
    pairs = (part.partition("=") for part in text.split(";") if part)
    values = {name: int(value) if value.lstrip("-").isdecimal() else value for name, _, value in pairs}
    return json.dumps(values, separators=(",", ":"))


def _conditions(selection: Selection) -> list[ColumnElement[bool]]:
    wanted: tuple[tuple[Any, tuple[str, ...]], ...] = (
        (ImportedRow.station, selection.stations),
        (ImportedRow.board, selection.boards),
        (ImportedRow.primitive, selection.primitives),
        (ImportedRow.dtype, selection.dtypes),
        (ImportedRow.source, tuple(map(str, selection.sources))),
        (ImportedRow.flavor, selection.flavors),
        (ImportedRow.opt_level, selection.opt_levels),
    )
    found = [column.in_(values) for column, values in wanted if values]
    clocks: list[ColumnElement[bool]] = []
    if selection.clock_ids:
        clocks.append(ImportedRow.clock_id.in_(selection.clock_ids))
    clocks += [
        ImportedRow.sysclk_hz.between(hz * (1 - SAME_CLOCK), hz * (1 + SAME_CLOCK)) for hz in selection.sysclks_hz
    ]
    return [*found, or_(*clocks)] if clocks else found


def _measured_here() -> ColumnElement[bool]:
    return exists(
        select(RunRow.id)
        .join(PointRow, PointRow.id == RunRow.point_id)
        .join(StationRow, StationRow.id == PointRow.station_id)
        .join(WorkloadRow, WorkloadRow.id == PointRow.workload_id)
        .join(ClockRow, ClockRow.id == PointRow.clock_id)
        .where(
            RunRow.verdict == str(Verdict.ACCEPTED),
            StationRow.source == ImportedRow.source,
            StationRow.name == ImportedRow.station,
            StationRow.board == ImportedRow.board,
            WorkloadRow.primitive == ImportedRow.primitive,
            WorkloadRow.params == ImportedRow.params,
            WorkloadRow.dtype == ImportedRow.dtype,
            WorkloadRow.flavor == ImportedRow.flavor,
            WorkloadRow.opt_level == ImportedRow.opt_level,
            ClockRow.clock_id == ImportedRow.clock_id,
        )
    )
