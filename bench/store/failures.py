"""The border where errors of SQLAlchemy, SQLite and PostgreSQL become errors of the bench."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from bench.errors import DatabaseUnusable, ForeignDatabase, StoreError

ANOTHER = "choose another database with BENCH_DB"

# Primary result codes of SQLite (sqlite.org/rescode.html), by name; extended codes begin with the primary one's name.
_SQLITE: tuple[tuple[str, type[StoreError], str, str], ...] = (
    ("SQLITE_NOTADB", ForeignDatabase, "is not an SQLite database", ANOTHER),
    ("SQLITE_BUSY", DatabaseUnusable, "is locked by another process", "wait until the other bench is done, or stop it"),
    (
        "SQLITE_LOCKED",
        DatabaseUnusable,
        "is locked by another connection",
        "wait until the other bench is done, or stop it",
    ),
    (
        "SQLITE_READONLY",
        DatabaseUnusable,
        "is read-only",
        "give yourself write permission for the file and its directory",
    ),
    ("SQLITE_CANTOPEN", DatabaseUnusable, "cannot be opened", "check that the directory exists and is writable"),
    ("SQLITE_PERM", DatabaseUnusable, "may not be accessed", "give yourself permission for the file and its directory"),
    (
        "SQLITE_FULL",
        DatabaseUnusable,
        "cannot grow: the disk is full",
        "free some space; what was recorded before is kept",
    ),
    (
        "SQLITE_CORRUPT",
        DatabaseUnusable,
        "is damaged",
        "restore a copy, or save what is readable with: sqlite3 FILE .recover",
    ),
    ("SQLITE_IOERR", DatabaseUnusable, "cannot be read or written", "check the disk and the kernel log"),
)

# SQLSTATE prefixes of PostgreSQL (PostgreSQL 15 manual, appendix A).
_POSTGRESQL: tuple[tuple[str, str, str], ...] = (
    ("28", "refuses the login", "check user and password in BENCH_DB"),
    ("3D", "does not exist", "create it with: createdb NAME"),
    ("42501", "does not allow this", "grant the user all rights on the database's schema"),
    ("25006", "is read-only", "connect to the primary server"),
    ("55P03", "is locked by another session", "wait until the other bench is done, or stop it"),
    ("53", "has run out of resources", "free some space or connections on the server"),
    ("57", "is shutting down or was interrupted", "start it again, then repeat the command"),
    ("08", "cannot be reached", "check host and port in BENCH_DB, and that the server runs"),
)


@contextmanager
def database_errors(database: str) -> Iterator[None]:
    """Turn errors of the database layer into StoreErrors that name ``database``. Errors of the bench pass unchanged."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise translate(error, database) from error


def translate(error: Exception, database: str) -> StoreError:
    """Return the StoreError for ``error``: what is wrong with ``database``, what the driver said, what to do."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    said = str(cause).strip() or type(cause).__name__
    if isinstance(cause, sqlite3.Error):
        code = getattr(cause, "sqlite_errorname", "")
        for prefix, kind, what, hint in _SQLITE:
            if code.startswith(prefix):
                return kind(f"{database} {what} ({said})", hint=hint)
    else:
        state = getattr(cause, "sqlstate", None) or ("08" if "connection" in said.lower() else "")
        # A failed connection attempt carries no SQLSTATE; the server's words are in the message.
        if not getattr(cause, "sqlstate", None) and "does not exist" in said:
            state = "28" if "role" in said else "3D"
        for prefix, what, hint in _POSTGRESQL:
            if state.startswith(prefix):
                return DatabaseUnusable(f"{database} {what}", hint=hint, detail=said)
    return DatabaseUnusable(f"{database}: {said}", hint="run: bench db check", detail=type(cause).__name__)
