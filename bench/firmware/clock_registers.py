"""Which register encoding belongs to which MCU family: one module a family, ``clock_FAMILY.py`` beside its template ``clock_FAMILY.c.j2``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, cast

from bench.domain.board import Board
from bench.domain.clock import ClockConfiguration
from bench.errors import UnknownName
from bench.firmware import clock_stm32f4, clock_stm32f7, clock_stm32l4


class ClockEntry(Protocol):
    """One entry of an image's clock table; its other fields are the family's, and its template's."""

    @property
    def id(self) -> str: ...


class ClockEncoding(Protocol):
    """``encode`` raises ParameterError for what the registers cannot hold; ``confirm`` ClockUnconfirmed where the target read back something else."""

    def encode(self, clock: ClockConfiguration, board: Board) -> ClockEntry: ...

    def confirm(self, registers: Any, read_back: tuple[int, ...]) -> None: ...


_FAMILIES: Mapping[str, ClockEncoding] = {
    "stm32f4": cast(ClockEncoding, clock_stm32f4),
    "stm32f7": cast(ClockEncoding, clock_stm32f7),
    "stm32l4": cast(ClockEncoding, clock_stm32l4),
}


def clock_encoding(family: str) -> ClockEncoding:
    """Return the encoding of MCU family ``family``. Raises UnknownName."""
    try:
        return _FAMILIES[family]
    except KeyError:
        raise UnknownName.among("MCU family", family, sorted(_FAMILIES)) from None
