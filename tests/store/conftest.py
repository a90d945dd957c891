"""Databases to test on: SQLite in a temporary directory, and a PostgreSQL server of our own."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Engine, create_engine

from bench.store import Store, open_store
from bench.store.engine import parse_url

MISSING = "the PostgreSQL server is missing; install it with: apt-get install postgresql (make test does)"


def _server_binaries() -> Path:
    """Return the directory that holds initdb and pg_ctl."""
    candidates = [Path(found).parent for found in [shutil.which("initdb")] if found]
    if shutil.which("pg_config"):
        candidates.append(Path(subprocess.check_output(["pg_config", "--bindir"], text=True).strip()))
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for directory in candidates:
        if (directory / "initdb").exists() and (directory / "pg_ctl").exists():
            return directory
    pytest.fail(MISSING, pytrace=False)


def _as_user() -> list[str]:
    """Return the command prefix for the server's processes, which refuse to run as root."""
    if os.geteuid() != 0:
        return []
    try:
        pwd.getpwnam("postgres")
    except KeyError:
        pytest.fail(f"there is no user postgres: {MISSING}", pytrace=False)
    return ["runuser", "-u", "postgres", "--"]


def _call(command: list[str], cwd: Path) -> None:
    # Into a file and not a pipe: the server inherits the descriptor and would keep a pipe open.
    with tempfile.TemporaryFile("w+") as output:
        if subprocess.run(command, cwd=cwd, stdout=output, stderr=subprocess.STDOUT, check=False).returncode:
            output.seek(0)
            pytest.fail(f"{' '.join(command)} failed:\n{output.read()}", pytrace=False)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[Path]:
    """Start a server for this test process on a Unix socket; yield the socket's directory."""
    binaries, prefix = _server_binaries(), _as_user()
    root = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))  # short: the path of a Unix socket is at most 107 bytes
    try:
        if prefix:
            shutil.chown(root, "postgres", "postgres")
        data = root / "data"
        _call(
            [
                *prefix,
                str(binaries / "initdb"),
                "-D",
                str(data),
                "-U",
                "bench",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--no-locale",
                "--no-sync",
            ],
            root,
        )
        options = f"-k {root} -c listen_addresses='' -c fsync=off -c full_page_writes=off -c synchronous_commit=off"
        control = [*prefix, str(binaries / "pg_ctl"), "-D", str(data)]
        _call([*control, "-w", "-l", str(root / "log"), "-o", options, "start"], root)
        try:
            yield root
        finally:
            _call([*control, "-w", "-m", "immediate", "stop"], root)
    finally:
        shutil.rmtree(root, ignore_errors=True)


_number = count(1)


@pytest.fixture
def postgresql_url(postgresql_server: Path) -> Iterator[str]:
    """Yield the URL of a new, empty database on the server."""
    name = f"bench{next(_number)}"
    with psycopg.connect(f"host={postgresql_server} user=bench dbname=postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        yield f"postgresql://bench@/{name}?host={postgresql_server}"
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


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
