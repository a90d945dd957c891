"""Boards by name: finds the board file, checks it, returns the domain's ``Board``."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from bench.boards.paths import board_dirs
from bench.boards.schema import BoardFile
from bench.boards.yaml_file import read
from bench.clocktree import solve
from bench.domain.board import Board
from bench.errors import UnknownName, UnreachableClock


def board_files() -> dict[str, Path]:
    """Return name and file of every board, sorted. One in a BENCH_BOARDS folder hides the project's of that name."""
    found: dict[str, Path] = {}
    for folder in board_dirs():
        for path in folder.glob("*.yaml"):
            found.setdefault(path.stem, path)
    return dict(sorted(found.items()))


def board_names() -> list[str]:
    """Return the names of all boards, sorted."""
    return list(board_files())


def load_board(name: str) -> Board:
    """Return the board ``name``. Raises UnknownName, and ConfigurationError for a wrong board file."""
    files = board_files()
    if name not in files:
        raise UnknownName.among("board", name, list(files))
    return load_board_file(files[name])


def load_board_file(path: Path) -> Board:
    """Return the board described in ``path``, named like the file. Raises ConfigurationError (file, line, key)."""
    try:
        told = path.stat()
    except OSError:
        return _read_board(path, 0, 0)  # says what is wrong with it
    return _read_board(path, told.st_mtime_ns, told.st_size)


@lru_cache
def _read_board(path: Path, _changed_ns: int, _size: int) -> Board:
    """Read a board once, unless its file changes: parsing and solving its clocks takes tenths of a second."""
    file = read(path)
    board: Board = file.parse(BoardFile).build()
    if board.name != path.stem:
        raise file.error(
            ("name",), f"name is {board.name!r}, the file's name says {path.stem!r}", hint="make both the same"
        )
    for index, clock_hz in enumerate(board.clocks_hz):
        try:
            solve(board, clock_hz)
        except UnreachableClock as error:
            raise file.error(("clocks", index), f"clocks[{index}]: {error.message}", hint=error.hint) from None
    return board
