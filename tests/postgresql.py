"""Fixtures: a PostgreSQL server of our own, and a new database on it for each test."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest

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
