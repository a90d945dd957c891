"""Where the project's data folders are: next to the package in a checkout, inside it in an installed wheel."""

from __future__ import annotations

import os
from pathlib import Path

import bench
from bench.errors import ConfigurationError

BOARDS_VARIABLE = "BENCH_BOARDS"


def data_dir(name: str) -> Path:
    """Return the data folder ``name`` ("boards", "firmware_templates"). Raises ConfigurationError."""
    package = Path(bench.__file__).resolve().parent
    for folder in (package / "_data" / name, package.parent / name):
        if folder.is_dir():
            return folder
    raise ConfigurationError(
        f"the data folder {name!r} is missing, neither in {package / '_data'} nor in {package.parent}",
        hint="the installation is incomplete: install mcu-bench again",
    )


def board_dirs() -> list[Path]:
    """Return the folders with board files: those in BENCH_BOARDS (separated as in PATH), then the project's.

    Raises ConfigurationError for a folder in BENCH_BOARDS that is not there.
    """
    extra = [Path(part) for part in os.environ.get(BOARDS_VARIABLE, "").split(os.pathsep) if part]
    for folder in extra:
        if not folder.is_dir():
            raise ConfigurationError(
                f"{BOARDS_VARIABLE} names {folder}, which is not a folder", hint=f"unset {BOARDS_VARIABLE}, or mend it"
            )
    return [*extra, data_dir("boards")]
