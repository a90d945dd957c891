"""One process at a time measures on a station: an advisory lock per debug probe on this host.

The lock is a file in ``BENCH_LOCKS``, else in ``bench-locks`` below the directory for temporary files, so that all users of the host meet there. The
kernel releases it when its holder ends, however it ends; the text in the file says who holds it and is of no meaning otherwise. A virtual
board lives in a folder (``BENCH_VIRTUAL_STATE``): in another folder it is another board.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bench.domain.station import Source, Station
from bench.errors import ConfigurationError, StationBusy

LOCKS_VARIABLE = "BENCH_LOCKS"
_VIRTUAL_STATE = ("BENCH_VIRTUAL_STATE", "XDG_STATE_HOME", "HOME")


@dataclass(slots=True)
class _Held:
    descriptor: int
    holders: int = 1


_held: dict[Path, _Held] = {}
_guard = threading.Lock()


@contextmanager
def station_lock(station: Station) -> Iterator[int]:
    """Hold ``station`` for this process, and yield the descriptor that does; within one process it may be held several times over.

    Raises StationBusy where another process measures there, ConfigurationError where the lock cannot be made.
    """
    path = lock_path(station)
    with _guard:
        held = _held.get(path)
        if held is None:
            held = _held[path] = _Held(_take(path, station))
        else:
            held.holders += 1
    try:
        yield held.descriptor
    finally:
        with _guard:
            held.holders -= 1
            if held.holders == 0:
                del _held[path]
                os.close(held.descriptor)  # releases the lock, unless a child process still holds it


def adopt(station: Station, descriptor: int) -> None:
    """Take over the lock that the parent process handed down as ``descriptor``, until this process ends."""
    with _guard:
        _held[lock_path(station)] = _Held(descriptor)


def lock_path(station: Station) -> Path:
    """Return the lock's file."""
    name = station.debug_probe
    if station.source is Source.VIRTUAL:
        folder = next((os.environ[variable] for variable in _VIRTUAL_STATE if os.environ.get(variable)), "")
        name += "-" + hashlib.sha256(os.path.realpath(folder).encode()).hexdigest()[:12]
    return _folder() / (re.sub(r"[^A-Za-z0-9_.-]", "_", name) + ".lock")


def _folder() -> Path:
    return Path(os.environ.get(LOCKS_VARIABLE) or Path(tempfile.gettempdir()) / "bench-locks")


def _take(path: Path, station: Station) -> int:
    try:
        if not path.parent.is_dir():
            path.parent.mkdir(parents=True, exist_ok=True)
            with suppress(PermissionError):  # somebody else made it at the same time
                path.parent.chmod(0o1777)
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))
            with suppress(PermissionError):
                path.chmod(0o666)  # whatever the umask: other users take turns
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise ConfigurationError(
            f"cannot lock station {station.name}: {path}: {error.strerror}",
            hint=f"mend the permissions, or set {LOCKS_VARIABLE} to a folder that everybody who measures on this host may write",
        ) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = _holder(descriptor)
        os.close(descriptor)
        raise StationBusy(
            f"station {station.name} is in use{holder}",
            hint="wait until that is done, stop it, or choose another station with --station",
        ) from None
    said = {"pid": os.getpid(), "command": " ".join(sys.argv)[:200], "since": datetime.now().astimezone().isoformat()}
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(said).encode(), 0)
    return descriptor


def _holder(descriptor: int) -> str:
    """Return who holds the lock, in words; empty where that process has not said so yet."""
    try:
        said = json.loads(os.pread(descriptor, 4096, 0))
        since = datetime.fromisoformat(said["since"]).strftime("%H:%M:%S")
        return f" by process {int(said['pid'])} ({said['command']}) since {since}"
    except (ValueError, KeyError, TypeError):
        return " by another process"
