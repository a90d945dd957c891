"""Databases to test on: SQLite in a temporary directory, and a PostgreSQL server of our own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine

from bench.store import Store, open_store
from bench.store.engine import parse_url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """Return the URL of an SQLite file that does not exist yet."""
    return f"sqlite:///{tmp_path}/measurements.db"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """Return the URL of a new, empty database of either kind."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """Yield an open, empty store of either kind."""
    with open_store(url) as opened:
        yield opened


@pytest.fixture
def as_nobody() -> Callable[[Path], None]:
    """Return a function that enters a directory as somebody without rights there (tests often run as root, who may do anything)."""

    def enter(directory: Path) -> None:
        os.chdir(directory)
        if os.geteuid() == 0:
            os.seteuid(65534)

    return enter


@pytest.fixture(autouse=True)
def _restore_identity() -> Iterator[None]:
    """Undo ``as_nobody``."""
    here, user = Path.cwd(), os.geteuid()
    yield
    if os.geteuid() != user:
        os.seteuid(user)
    os.chdir(here)


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    """A plain engine, for what somebody else might do to the database."""
    plain = create_engine(parse_url(url))
    yield plain
    plain.dispose()
