"""Records runs and events: each in one transaction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, cast

from sqlalchemy import Select, Table, bindparam, delete, insert, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from bench.domain.event import Event
from bench.domain.measurement import Point, Run
from bench.errors import UnknownName
from bench.store import mapping
from bench.store.models import Base, ClockRow, EventRow, ImageRow, PointRow, ResultRow, RunRow, StationRow, WorkloadRow
from bench.store.session import Tables


class Recorder(Tables):
    """The writing half of a repository."""

    _ids: dict[tuple[Any, ...], int]

    def record(self, run: Run) -> int:
        """Write ``run`` with all its raw values, in one transaction, and return its number.

        Raises ValueError for numbers that are not finite and for an environment with a name twice.
        """
        with self._recording() as session:
            return self._write(session, run)

    def withdraw(self, number: int, run: Run) -> None:
        """Give run ``number`` the verdict, class, reason and detail of ``run``, a rejected one, in one transaction. Raw values stay; the
        result goes. Raises UnknownName.
        """
        with self._recording() as session:
            self._withdraw(session, number, run)

    def record_event(self, event: Event) -> None:
        """Write ``event``, in one transaction."""
        with self._recording() as session:
            columns = {**mapping.columns_of(event, "point"), "action": str(event.action)}
            session.execute(insert(_table(EventRow)), {"point_id": self._point(session, event.point), **columns})

    @contextmanager
    def _recording(self) -> Iterator[Session]:
        """Yield a session for writing. Ids that it looked up are remembered when it is committed: from then on their rows stay."""
        try:
            with self.writing() as session:
                yield session
        except BaseException:
            self._ids.clear()  # whatever happened to the database, the next one looks again
            raise
        self._ids |= session.info

    def _write(self, session: Session, run: Run) -> int:
        """Write ``run`` within the transaction of ``session``, and return its number."""
        columns = mapping.run_columns(run)
        columns["point_id"] = self._point(session, run.point)
        columns["image_id"] = None
        if run.image is not None:
            columns["image_id"] = self._shared_id(session, ImageRow, mapping.columns_of(run.image))
        number: int = session.execute(insert(_table(RunRow)).returning(RunRow.id), columns).scalar_one()
        for table, rows in mapping.children(run, number):
            session.execute(insert(_table(table)), rows)
        return number

    def _withdraw(self, session: Session, number: int, run: Run) -> None:
        """Reject run ``number`` within the transaction of ``session``."""
        row = session.get(RunRow, number)
        if row is None:
            raise UnknownName(f"there is no run {number} in {self._database}")
        row.verdict, row.failure_class = str(run.verdict), run.failure_class
        row.reason, row.detail = run.reason, run.detail
        session.execute(delete(ResultRow).where(ResultRow.run_id == number))

    def _point(self, session: Session, point: Point) -> int:
        keys = {
            "workload_id": self._shared_id(session, WorkloadRow, mapping.workload_columns(point.workload)),
            "clock_id": self._shared_id(session, ClockRow, mapping.clock_columns(point.clock)),
            "station_id": self._shared_id(session, StationRow, mapping.station_columns(point)),
        }
        return self._id(session, PointRow, keys)

    def _shared_id(self, session: Session, table: type[Any], columns: dict[str, Any]) -> int:
        """Return the id of a row that many points share: looked up once."""
        key = (table, *columns.values())
        if key not in self._ids:
            session.info[key] = self._id(session, table, columns)
            return int(session.info[key])
        return self._ids[key]

    def _id(self, session: Session, table: Any, columns: dict[str, Any]) -> int:
        """Return the id of the row of ``table`` with these columns, made if missing (by us, or by another process at the same time)."""
        lookup = _lookup(table, tuple(columns))
        found: int | None = session.scalar(lookup, columns)
        if found is None:
            add = sqlite_insert if self._engine.dialect.name == "sqlite" else postgresql_insert
            made = add(_table(table)).on_conflict_do_nothing().returning(table.id)
            found = session.scalar(made, columns)
        if found is None:
            found = session.scalars(lookup, columns).one()
        return found


@cache
def _lookup(table: Any, names: tuple[str, ...]) -> Select[Any]:
    return select(table.id).where(*(getattr(table, name) == bindparam(name) for name in names))


def _table(model: type[Base]) -> Table:
    """Return the table of ``model``: rows that nobody reads back need not be objects of the session."""
    return cast("Table", model.__table__)
