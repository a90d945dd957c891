"""Which process this is, so that daemons of one host notice at once when another of them died."""

from __future__ import annotations

import os
import platform
from pathlib import Path

_STARTTIME = 22  # field of /proc/PID/stat, counted from 1: clock ticks after boot (proc(5))


def host() -> str:
    """Return the name of this host."""
    return platform.node() or "localhost"


def space() -> str:
    """Return what names this host's process table: two processes with the same one see each other's process ids.

    Containers may share a host name but not the ids; the boot id changes when the host restarts. Empty where the system does not tell.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def started(pid: int) -> str:
    """Return when process ``pid`` began, in the system's own units; empty where there is no such process, or it has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()  # from the third field on: the name may hold anything
    return "" if fields[0] in "ZX" else fields[_STARTTIME - 3]


def me() -> dict[str, str | int]:
    """Return what a daemon registers of its process."""
    return {"host": host(), "space": space() or f"{host()} {os.getpid()}", "pid": os.getpid()}
