"""The virtual boards of this process by unique id. One process at a time holds a board, like a USB probe; its flash lives in a file.

The file is ``<unique id>.flash`` in ``$BENCH_VIRTUAL_STATE``, else in ``$XDG_STATE_HOME/bench/virtual`` (``~/.local/state/bench/virtual``).
A board is powered on by the first ``acquire`` and is gone, but for its flash, with the last ``release``.
This module imports no emulator: listing boards is cheap and works without one.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from bench.errors import DebugProbeError, UnknownName

if TYPE_CHECKING:
    from bench.virtual.board import VirtualBoard

KIB = 1024


@dataclass(frozen=True, slots=True)
class BoardModel:
    """A board that can be virtual: its name in ``boards/``, what its probe calls it, pyOCD's target type, and its MCU.

    ``mcu`` names an entry of ``bench.virtual.soc.mcus``; ``flash_bytes`` is the size of the flash file.
    """

    name: str
    product: str
    target_type: str
    mcu: str
    flash_bytes: int


MODELS = {
    model.name: model
    for model in (
        BoardModel("disco_l4r9i", "32L4R9IDISCOVERY", "stm32l4r9xi", "stm32l4r9", 2048 * KIB),
        BoardModel("nucleo_f446ze", "NUCLEO-F446ZE", "stm32f446xe", "stm32f446", 512 * KIB),
        BoardModel("nucleo_f746zg", "NUCLEO-F746ZG", "stm32f746xg", "stm32f746", 1024 * KIB),
        BoardModel("nucleo_l496zg", "NUCLEO-L496ZG", "stm32l496xg", "stm32l496", 1024 * KIB),
    )
}
_ID = re.compile(r"virtual-(?P<model>[a-z0-9_]+)(?:-(?P<instance>[a-z0-9]+))?")


@dataclass(slots=True)
class _Live:
    board: VirtualBoard
    file: IO[bytes]
    data: mmap.mmap
    users: int = 1


_live: dict[str, _Live] = {}
_lock = threading.RLock()


def default_ids() -> list[str]:
    """Return the unique ids of the boards that are always there, one per model."""
    return [f"virtual-{name}" for name in MODELS]


def model_of(unique_id: str) -> BoardModel | None:
    """Return the model of ``virtual-<model>`` or ``virtual-<model>-<instance>`` (instance: a-z, 0-9); None for any other text."""
    match = _ID.fullmatch(unique_id)
    return MODELS.get(match["model"]) if match else None


def state_dir() -> Path:
    """Return where flash files live."""
    if explicit := os.environ.get("BENCH_VIRTUAL_STATE"):
        return Path(explicit)
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "bench" / "virtual"


def acquire(unique_id: str) -> VirtualBoard:
    """Return the board ``unique_id``, powered on if nobody in this process held it; pair with ``release``.

    Raises UnknownName for no such board, DebugProbeError when another process holds it or its flash file is unusable.
    """
    model = model_of(unique_id)
    if model is None:
        raise UnknownName.among("virtual board", unique_id, default_ids())
    with _lock:
        live = _live.get(unique_id)
        if live is None:
            live = _live[unique_id] = _power_on(unique_id, model)
        else:
            live.users += 1
        return live.board


def release(unique_id: str) -> None:
    """Give the board back. Raises LookupError if it is not held."""
    with _lock:
        live = _live[unique_id]
        live.users -= 1
        if live.users == 0:
            del _live[unique_id]
            live.data.flush()
            fcntl.flock(live.file, fcntl.LOCK_UN)  # closing is not enough: the mapping keeps the file open
            live.file.close()


def peek(unique_id: str) -> VirtualBoard | None:
    """Return the board if somebody in this process holds it."""
    with _lock:
        live = _live.get(unique_id)
        return live.board if live else None


def _power_on(unique_id: str, model: BoardModel) -> _Live:
    # Late: these bring the emulator.
    from bench.boards import load_board  # noqa: PLC0415
    from bench.virtual.board import VirtualBoard  # noqa: PLC0415
    from bench.virtual.faults import faults_of  # noqa: PLC0415
    from bench.virtual.soc.mcus import MCUS  # noqa: PLC0415

    parts = MCUS[model.mcu]
    pin = load_board(model.name).trigger_pin
    faults = faults_of(unique_id, str(state_dir()))
    file = _open_flash(unique_id, model.flash_bytes)
    try:
        data = mmap.mmap(file.fileno(), model.flash_bytes)
        board = VirtualBoard(
            unique_id, data, parts.timing(), trigger_pin=f"P{pin.port}{pin.pin}", model=parts.current(), chip=parts.chip
        )
        board.inject(faults)
    except BaseException:
        file.close()
        raise
    return _Live(board, file, data)


def _open_flash(unique_id: str, flash_bytes: int) -> IO[bytes]:
    """Open and lock the flash file, erased if it is new."""
    path = state_dir() / f"{unique_id}.flash"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o644), "r+b", buffering=0)
    except OSError as error:
        raise DebugProbeError(
            f"cannot open the flash of {unique_id}: {error}",
            hint="set BENCH_VIRTUAL_STATE to a directory that can be written",
        ) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        size = os.fstat(file.fileno()).st_size
        if size == 0:
            file.write(b"\xff" * flash_bytes)
        elif size != flash_bytes:
            raise DebugProbeError(
                f"{path} has {size} bytes, a flash of {flash_bytes} bytes was expected",
                hint="delete the file; the board starts erased",
            )
    except BlockingIOError:
        file.close()
        raise DebugProbeError(
            f"virtual board {unique_id} is in use by another process",
            hint="wait for it, or use another instance (virtual-<board>-<name>), or another BENCH_VIRTUAL_STATE",
        ) from None
    except BaseException:
        file.close()
        raise
    return file
