"""A virtual X-NUCLEO-LPM01A.

Ref: UM2269 (commands), UM2243 (ranges). Public measurement logs: dynamic acquisition stops above 59 mA, static acquisition answers with one
averaged value. Where the auto-ranging switches is not documented; decades are assumed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from bench.virtual.instruments.frontend import DataSheet
from bench.virtual.instruments.powershield import ASCII, VirtualPowerShield
from bench.virtual.instruments.wiring import Board

_STATIC_A = 200e-3


class VirtualLpm01a(VirtualPowerShield):
    """The device end. ``seed`` stands for the serial number: it decides the errors and the noise."""

    sheet = DataSheet(
        salt=0x4C504D,
        gain=0.02,
        offset_a=100e-9,
        clock=100e-6,
        vdd_set=0.01,
        vdd_read=0.01,
        range_tops_a=(50e-6, 500e-6, 5e-3, 50e-3),
        trip_a=59e-3,
        bandwidth_hz=100e3,
        noise_floor_a=2e-6,
        noise_of_reading=1e-3,
        glitch=0.1,
        settle_s=5e-6,
    )
    reply = "\r\nPowerShield > {}\r\n\r\n"
    defaults: ClassVar[Mapping[str, float | str]] = {
        "volt": 3.3,
        "freq": 100.0,
        "acqtime": 10.0,
        "acqmode": "dyn",
        "funcmode": "optim",
        "output": "current",
        "format": ASCII,
        "trigsrc": "sw",
        "trigdelay": 1e-3,
        "eventsrc": "",
        "currthre": 1e-3,
        "pwr": "auto",
        "pwrend": "off",
    }
    choices: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "acqmode": ("dyn", "stat"),
        "funcmode": ("optim", "high"),
        "output": ("current",),
        "format": (ASCII, "bin_hexa"),
        "trigsrc": ("sw", "d7"),
        "eventsrc": ("", "d7 fal", "d7 ris", "d7 both"),
        "pwrend": ("on", "off"),
    }
    limits: ClassVar[Mapping[str, tuple[float, float]]] = {
        "volt": (1.8, 3.3),
        "trigdelay": (0.0, 30.0),
        "currthre": (0.0, 50e-3),
    }
    longest_s = 10.0
    binary_format = "bin_hexa"
    needs_control = True

    def __init__(self, board: Board, seed: int = 0) -> None:
        super().__init__(board, seed)
        self.answers = {
            "lcd": "",
            "calib": "",
            "status": "ok",
            "version": "1.0.6",
            "powershield": f"{0x4C504D0000000000 + seed:016X}",
        }

    @property
    def _trip_a(self) -> float:
        return _STATIC_A if self._settings["acqmode"] == "stat" else self.sheet.trip_a
