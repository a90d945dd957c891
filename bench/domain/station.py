"""Stations: a board with its debug probe and its current probe."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Source(StrEnum):
    """Where a number comes from. Numbers of different sources are never mixed unasked."""

    HARDWARE = "hardware"
    VIRTUAL = "virtual"
    PUBLISHED = "published"


@dataclass(frozen=True, slots=True)
class CurrentProbeConfig:
    """A current probe: its driver's name in the probe registry and the serial port or URL where it is found."""

    driver: str
    url: str


@dataclass(frozen=True, slots=True)
class Station:
    """One place to measure.

    ``debug_probe`` is the unique id pyOCD lists the probe under; ``mcu_unique_id`` (24 hexadecimal digits), where given, binds the
    station to one chip, so that two identical boards are never confused. ``product``, ``serial`` and ``fixtures`` are for people: what is
    printed on the board, its virtual serial port, what else is at the place. ``vdd_v`` is the supply asked of the current probe.
    ``power_cycle`` is a command (its words) that takes the board's power away and gives it back, where the current probe cannot.
    """

    name: str
    board: str
    source: Source
    debug_probe: str
    current_probe: CurrentProbeConfig | None
    product: str = ""
    serial: str = ""
    fixtures: tuple[str, ...] = ()
    mcu_unique_id: str | None = None
    vdd_v: float = 3.3
    power_cycle: tuple[str, ...] = ()
