"""What the repositories of the daemon's tables share: transactions, and the database's clock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import CursorResult, Engine, Executable, text
from sqlalchemy.orm import Session

from bench.store.engine import WRITE
from bench.store.failures import database_errors


class Tables:
    """Base of a repository over some tables of one database; every method raises StoreError when the database fails."""

    def __init__(self, engine: Engine, database: str) -> None:
        self._engine = engine
        self._database = database

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Yield a session for reading."""
        with database_errors(self._database), Session(self._engine) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Yield a session whose transaction is committed at the end."""
        engine = self._engine.execution_options(**WRITE)
        with database_errors(self._database), Session(engine) as session, session.begin():
            yield session

    def now(self, session: Session) -> datetime:
        """Return the time that all users of the database agree on: the server's on PostgreSQL, the host's on SQLite."""
        if self._engine.dialect.name == "sqlite":
            return datetime.now(UTC)
        found: datetime = session.execute(text("SELECT clock_timestamp()")).scalar_one()
        return found.astimezone(UTC)


def changed(session: Session, statement: Executable) -> int:
    """Execute an UPDATE or DELETE and return how many rows it met."""
    result: Any = session.execute(statement, execution_options={"synchronize_session": False})
    assert isinstance(result, CursorResult)
    return int(result.rowcount)
