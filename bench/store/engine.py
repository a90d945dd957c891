"""Database URLs and connections."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from bench.errors import ConfigurationError, DatabaseUnusable

FORMS = "write sqlite:///FILE, a plain file name, or postgresql://USER@HOST/NAME"

# Execution option of a connection that is going to write.
WRITE = {"bench_write": True}


def parse_url(text: str) -> URL:
    """Return the SQLAlchemy URL for ``text``: ``sqlite:///FILE``, a plain file name, or ``postgresql://...``. Raises ConfigurationError."""
    if not text.strip():
        raise ConfigurationError("the database has no name", hint=FORMS)
    if "://" not in text:
        return URL.create("sqlite", database=str(Path(text).expanduser()))
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise ConfigurationError(f"{text.partition('://')[0]}://... is not a database URL", hint=FORMS) from None
    backend = url.drivername.partition("+")[0]
    if backend in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    if backend != "sqlite":
        raise ConfigurationError(f"databases of kind {backend!r} are not supported", hint=FORMS)
    if not url.database or url.database == ":memory:":
        raise ConfigurationError("an SQLite database needs a file, measurements in memory would be lost", hint=FORMS)
    return url.set(drivername="sqlite")


def database_name(url: URL) -> str:
    """Return what people call the database: the file, or the URL without its password."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    return url.set(drivername="postgresql").render_as_string(hide_password=True)


def sqlite_path(url: URL) -> Path | None:
    """Return the file of an SQLite URL; None for other databases and for SQLite's own ``file:`` URIs."""
    if url.get_backend_name() != "sqlite" or str(url.database).startswith("file:"):
        return None
    return Path(str(url.database))


def check_file(path: Path, *, create: bool) -> None:
    """Raise DatabaseUnusable when the SQLite file ``path`` cannot be opened or (``create``) made."""
    try:
        path.stat()
        exists = True
    except FileNotFoundError:
        exists = False
    except OSError as error:
        raise DatabaseUnusable(
            f"{path} cannot be reached: {error.strerror}",
            hint="check the path, and your permission for its directories",
        ) from None
    if path.is_dir():
        raise DatabaseUnusable(f"{path} is a directory, not a database", hint="name a file inside it")
    if exists:
        if not os.access(path, os.R_OK, effective_ids=True):
            raise DatabaseUnusable(f"{path} may not be read", hint="give yourself permission for the file")
        return
    if not create:
        raise DatabaseUnusable(
            f"there is no database {path}", hint="measure first (bench run), or name another with BENCH_DB"
        )
    if not path.parent.is_dir():
        raise DatabaseUnusable(
            f"cannot make {path}: there is no directory {path.parent}", hint=f"mkdir -p {path.parent}"
        )
    if not os.access(path.parent, os.W_OK | os.X_OK, effective_ids=True):
        raise DatabaseUnusable(
            f"cannot make {path}: the directory {path.parent.absolute()} is not writable",
            hint="name a database elsewhere with BENCH_DB, or give yourself write permission",
        )


def make_engine(url: URL, *, busy_timeout_s: float, for_migration: bool = False) -> Engine:
    """Return an engine for ``url`` whose connections wait ``busy_timeout_s`` for a lock.

    On SQLite a transaction is begun by us and not by the driver: ``BEGIN IMMEDIATE`` with the option ``WRITE``, so that two writers queue
    up instead of failing when a read turns into a write, and ``BEGIN`` otherwise. Foreign keys are enforced, except ``for_migration``:
    there a table is changed by copying it, and the keys are checked at the end (sqlite.org/lang_altertable.html, section 7).
    """
    if url.get_backend_name() == "sqlite":
        engine = create_engine(
            url,
            connect_args={"timeout": busy_timeout_s, "isolation_level": None},
            **({"poolclass": NullPool} if for_migration else {}),
        )
        foreign_keys = "OFF" if for_migration else "ON"

        @event.listens_for(engine, "connect")
        def _pragmas(connection: sqlite3.Connection, _record: object) -> None:
            # None of these changes the file, which may yet turn out to be somebody else's. With a write-ahead log, synchronous=NORMAL
            # keeps the database intact whatever happens; a power cut may cost the last runs, but never leaves half of one.
            connection.execute(f"PRAGMA foreign_keys={foreign_keys}")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute(
                "PRAGMA cache_size=-65536"
            )  # 64 MiB instead of 2: tables of a million points are read out of order

        @event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:
            connection.exec_driver_sql(
                "BEGIN IMMEDIATE" if connection.get_execution_options().get("bench_write") else "BEGIN"
            )

        return engine
    return create_engine(
        url,
        connect_args={"connect_timeout": 10, "options": f"-c lock_timeout={round(busy_timeout_s * 1000)}"},
        **({"poolclass": NullPool} if for_migration else {"pool_pre_ping": True}),
    )
