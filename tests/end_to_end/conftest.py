"""Runs the command line as a user would, in a folder of its own, with a build cache shared by the session."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bench.boards.stations import all_stations, find_station
from bench.build import BuildCache
from bench.target.board_under_test import BoardUnderTest
from bench.target.session import open_board
from tests.end_to_end.fork_server import ForkServer
from tests.end_to_end.kernels import BOARD

TIMEOUT_S = 300
QUICK = ("run", "--primitive", "conv2d", "--k", "3", "--size", "8x8", "--freq", "16MHz", "--window", "5ms")
"""The least that can be measured."""

STARTING = ("PYTHON", "LANG", "LC_", "BENCH_VIRTUAL")
"""Variables that are read when Python starts, or when the bench is imported."""


class Deaf:
    """A narrator's audience that hears nothing."""

    def event(self, text: str) -> None:
        """Ignore."""

    def step(self, text: str) -> None:
        """Ignore."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command left."""

    code: int
    out: str
    err: str

    def rows(self) -> list[dict[str, Any]]:
        """Return standard output as the JSON array it must be."""
        rows = json.loads(self.out)
        assert isinstance(rows, list)
        return rows


@dataclass(frozen=True, slots=True)
class Workplace:
    """A folder to run commands in, and their environment."""

    folder: Path
    environment: dict[str, str]
    server: ForkServer
    streams: Path

    def command(self, arguments: Sequence[str]) -> list[str]:
        """Return the command line of ``bench`` with ``arguments``."""
        return [sys.executable, "-m", "bench.cli.main", *arguments]

    def bench(self, *arguments: str, **environment: str) -> Outcome:
        """Run ``bench`` with ``arguments``; ``environment`` comes on top."""
        if any(name.startswith(STARTING) for name in environment):
            return self.call(self.command(arguments), **environment)
        return Outcome(
            *self.server.call(arguments, self.folder, self.environment | environment, self.streams, TIMEOUT_S)
        )

    def call(self, command: Sequence[str], **environment: str) -> Outcome:
        """Run any command in the folder."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def build_cache(tmp_path_factory: pytest.TempPathFactory) -> BuildCache:
    """Return the build cache of this run of the tests, the same for all workers."""
    base = tmp_path_factory.getbasetemp()
    return BuildCache((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "images")


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the environment of commands but for what is the bench's own."""
    bytecode = tmp_path_factory.getbasetemp().parent / "bytecode"  # one for all workers
    return {name: value for name, value in os.environ.items() if not name.startswith("BENCH_")} | {
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONPYCACHEPREFIX": str(bytecode),
        "COLUMNS": "160",
    }


@pytest.fixture(scope="session")
def fork_server(environment: dict[str, str]) -> Iterator[ForkServer]:
    """Return a process that forks commands."""
    with ForkServer(environment) as server:
        yield server


@pytest.fixture(scope="session")
def new_workplace(
    tmp_path_factory: pytest.TempPathFactory,
    build_cache: BuildCache,
    environment: dict[str, str],
    fork_server: ForkServer,
) -> Callable[[], Workplace]:
    """Return a maker of workplaces: own folder, own virtual boards, one build cache."""
    streams = tmp_path_factory.mktemp("streams")

    def make() -> Workplace:
        folder = tmp_path_factory.mktemp("workplace")
        own = environment | {
            "BENCH_CACHE": str(build_cache.root),
            "BENCH_VIRTUAL_STATE": str(folder / "virtual"),
        }
        return Workplace(folder, own, fork_server, streams)

    return make


@pytest.fixture
def workplace(new_workplace: Callable[[], Workplace]) -> Workplace:
    """Return an empty workplace."""
    return new_workplace()


@pytest.fixture(scope="module")
def virtual_board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoardUnderTest]:
    """Return a connected virtual NUCLEO-F446ZE."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_VIRTUAL_STATE", str(tmp_path_factory.mktemp("virtual")))
        with open_board(find_station(all_stations(None), f"virtual-{BOARD.name}"), BOARD) as connected:
            yield connected
