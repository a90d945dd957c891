"""A folder in which the commands of a page run, with nothing of the user's: own database, virtual boards, station locks, home."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import bench
from tests.docs.pages import ROOT

TIMEOUT_S = 300
WIDTH = "110"
"""Columns of the output that pages show."""


@dataclass(frozen=True, slots=True)
class Done:
    """What a command left."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A folder and the environment of its commands."""

    folder: Path
    environment: dict[str, str]

    def run(self, command: str) -> Done:
        """Run a line of shell; what it exports, and the folder it goes to, hold for the later ones, as in a terminal."""
        kept = self.folder.parent / f"{self.folder.name}.environment"
        script = (
            f'[ -e "{kept}" ] && . "{kept}"\n{command}\ncode=$?; (export -p; echo "cd \'$PWD\'") > "{kept}"; exit $code'
        )
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        return Done(done.returncode, done.stdout, done.stderr)


def boards_with(folder: Path, clocks: dict[str, str]) -> None:
    """Write into ``folder`` the project's board files with ``clocks`` in place of theirs: a page's commands at all clocks then take less time."""
    folder.mkdir()
    for name, some in clocks.items():
        head, _, rest = (ROOT / "boards" / f"{name}.yaml").read_text(encoding="utf-8").partition("\nclocks:")
        assert rest, f"{name} has no clocks"
        _, _, tail = rest.partition("]\n")
        (folder / f"{name}.yaml").write_text(f"{head}\nclocks: [{some}]\n{tail}", encoding="utf-8")


def environment(folder: Path, programs: Path, cache: Path, boards: Path) -> dict[str, str]:
    """Return the environment of commands in ``folder``; ``programs`` holds the fork server's client."""
    home = folder.parent / f"{folder.name}.home"
    home.mkdir(exist_ok=True)
    return {
        "PATH": os.pathsep.join((str(programs), str(Path(sys.executable).parent), os.environ["PATH"])),
        "PYTHONPATH": str(Path(bench.__file__).parents[1]),
        "HOME": str(home),
        "TERM": "dumb",
        "LANG": "C.UTF-8",
        "COLUMNS": WIDTH,
        "BENCH_CACHE": str(cache),
        "BENCH_BOARDS": str(boards),
        "BENCH_LOCKS": str(home / "locks"),
        "BENCH_VIRTUAL_STATE": str(home / "virtual"),
        "MPLCONFIGDIR": str(cache / "matplotlib"),
    }
