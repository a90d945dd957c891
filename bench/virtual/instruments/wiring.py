"""What an instrument is wired to (a virtual board) and what a port is (bytes to and from an instrument)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Edge(Protocol):
    """A change of a pin's level."""

    @property
    def time_s(self) -> float: ...
    @property
    def rising(self) -> bool: ...


class Timeline(Protocol):
    """The board's record of its supply current and pins, in virtual seconds since power-on."""

    def current_samples(self, start_s: float, period_s: float, count: int) -> NDArray[np.float64]:
        """Mean current, in ampere, of each of ``count`` intervals of ``period_s`` from ``start_s`` on, (count,)."""

    def edges(self, pin: str, start_s: float, end_s: float) -> Sequence[Edge]:
        """The changes of ``pin`` in [start_s, end_s), in order of time."""


class Board(Protocol):
    """The part of a virtual board that instruments touch."""

    @property
    def trigger_pin(self) -> str: ...
    @property
    def time_s(self) -> float: ...
    @property
    def timeline(self) -> Timeline: ...
    def advance(self, seconds: float) -> None: ...
    def set_supply(self, volts: float | None) -> None: ...


class UnpluggedError(Exception):
    """The instrument left the bus (a fault that was asked for)."""


class Instrument(Protocol):
    """The device end of a virtual port."""

    def receive(self, data: bytes) -> None:
        """Take bytes from the host. Raises UnpluggedError."""

    def transmit(self) -> bytes:
        """Return the bytes for the host that are due at the board's present time. Raises UnpluggedError."""

    def set_faults(self, faults: frozenset[str]) -> None:
        """Misbehave from now on in these ways. Raises ValueError for one that the instrument does not know."""
