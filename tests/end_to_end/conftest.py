"""Runs the command line as a user would, in a folder of its own, with a build cache shared by the session."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

TIMEOUT_S = 300
QUICK = ("run", "--primitive", "conv2d", "--k", "3", "--size", "8x8", "--freq", "16MHz", "--window", "5ms")
"""The least that can be measured."""


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

    def command(self, arguments: Sequence[str]) -> list[str]:
        """Return the command line of ``bench`` with ``arguments``."""
        return [sys.executable, "-m", "bench.cli.main", *arguments]

    def bench(self, *arguments: str, **environment: str) -> Outcome:
        """Run ``bench`` with ``arguments``; ``environment`` comes on top."""
        return self.call(self.command(arguments), **environment)

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
def new_workplace(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Workplace]:
    """Return a maker of workplaces: own folder, own virtual boards, one build cache."""
    cache = tmp_path_factory.mktemp("cache")

    def make() -> Workplace:
        folder = tmp_path_factory.mktemp("workplace")
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("BENCH_")},
            "BENCH_CACHE": str(cache),
            "BENCH_VIRTUAL_STATE": str(folder / "virtual"),
            "COLUMNS": "160",
        }
        return Workplace(folder, environment)

    return make


@pytest.fixture
def workplace(new_workplace: Callable[[], Workplace]) -> Workplace:
    """Return an empty workplace."""
    return new_workplace()
