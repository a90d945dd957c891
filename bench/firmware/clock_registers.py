"""Clock configurations as register values, by MCU family: one module a family, ``clock_FAMILY.py`` beside its template ``clock_FAMILY.c.j2``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from bench.domain.board import Board
from bench.domain.clock import ClockConfiguration
from bench.errors import ClockUnconfirmed, UnknownName
from bench.firmware import clock_stm32f4, clock_stm32f7, clock_stm32l4
from bench.firmware.clock_words import ReadBack


class ClockEntry(Protocol):
    """One entry of an image's clock table; its other fields are the family's, and its template's."""

    @property
    def id(self) -> str: ...

    def read_back(self) -> tuple[ReadBack, ...]: ...


_ENCODERS: Mapping[str, Callable[[ClockConfiguration, Board], ClockEntry]] = {
    "stm32f4": clock_stm32f4.encode,
    "stm32f7": clock_stm32f7.encode,
    "stm32l4": clock_stm32l4.encode,
}


def encode(clock: ClockConfiguration, board: Board) -> ClockEntry:
    """Return the register values of ``clock``. Raises UnknownName for an MCU family without an encoding, ParameterError for what the registers cannot hold."""
    if board.family not in _ENCODERS:
        raise UnknownName.among("MCU family", board.family, sorted(_ENCODERS))
    return _ENCODERS[board.family](clock, board)


def confirm(entry: ClockEntry, words: tuple[int, ...]) -> None:
    """Compare the ``words`` that the target read back with what was asked. Raises ClockUnconfirmed naming the register."""
    for (name, mask, want), got in zip(entry.read_back(), words, strict=True):
        if (want ^ got) & mask:
            raise ClockUnconfirmed(
                f"{entry.id}: {name} reads {got:#010x}, expected {want & mask:#010x} in the bits {mask:#010x}",
                hint="the target did not set the clock that was asked for; the point is rejected",
            )
