"""How the daemon is asked to stop: first after the point at hand, then at once."""

from __future__ import annotations

import threading


class Abandoned(Exception):
    """The point at hand was abandoned because the daemon has to stop at once. Not an error of a measurement, so no BenchError."""


class Stop:
    """Set by signals, looked at by workers. The first request lets the point at hand finish, the second one does not."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._now = threading.Event()

    def ask(self) -> None:
        """Ask to stop; asked again, at once."""
        if self._asked.is_set():
            self._now.set()
        self._asked.set()

    @property
    def asked(self) -> bool:
        """Whether to stop after the point at hand."""
        return self._asked.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait until asked, at most ``seconds``; return whether it was."""
        return self._asked.wait(seconds)

    def check(self) -> None:
        """Raise Abandoned if the point at hand is to be abandoned."""
        if self._now.is_set():
            raise Abandoned
