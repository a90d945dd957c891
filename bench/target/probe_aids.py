"""What a debug probe may offer beyond pyOCD's interface: a clock of its own to wait by, and its own view of what went wrong.

A virtual board's probe offers both; a real one neither.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol, cast


class TimeSource(Protocol):
    """A clock to wait by; ``monotonic`` in seconds from an arbitrary start."""

    def monotonic(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...


class WallClock:
    """The host's clock."""

    def monotonic(self) -> float:
        """Return seconds."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Let ``seconds`` pass."""
        time.sleep(seconds)


def has_own_time(probe: object) -> bool:
    """Tell whether the probe brings its own time source."""
    return hasattr(type(probe), "time_source")  # the class: an unopened probe cannot say what time it is


def time_source_of(probe: object) -> TimeSource:
    """Return the probe's own time source, else the wall clock."""
    return cast(TimeSource, getattr(probe, "time_source")) if has_own_time(probe) else WallClock()  # noqa: B009  not in the base class


def diagnoses_of(probe: object) -> Sequence[str]:
    """Return what the probe itself has to say about the target's mistakes, oldest first; a real one says nothing."""
    return cast(Sequence[str], getattr(probe, "diagnoses", ()))
