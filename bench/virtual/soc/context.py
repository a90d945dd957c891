"""What peripherals share: time, the log of diagnoses, and how a misuse becomes a fault of the core."""

from __future__ import annotations

import logging
from typing import NoReturn, Protocol

from bench.virtual.cpu.interface import AccessFault

LOG = logging.getLogger("bench.virtual")


class Time(Protocol):
    """Virtual time as peripherals see it; ``VirtualClock`` is one."""

    @property
    def now_s(self) -> float:
        """Virtual seconds."""
        ...

    def skip(self, seconds: float) -> None:
        """Let time pass without core cycles."""
        ...


class Diagnoses:
    """The mistakes a virtual board noticed, oldest first, each citing the manual; also logged on ``bench.virtual``."""

    def __init__(self, board: str) -> None:
        self.texts: list[str] = []
        self.muted = False
        self._board = board

    def note(self, text: str) -> None:
        """Record a mistake that has no immediate consequence; not while ``muted`` (a debugger is trying addresses)."""
        if self.muted:
            return
        if text not in self.texts:
            self.texts.append(text)
        LOG.warning("%s: %s", self._board, text)

    def refuse(self, text: str) -> NoReturn:
        """Record a mistake and fault the access that made it. Raises AccessFault."""
        self.note(text)
        raise AccessFault(text)
