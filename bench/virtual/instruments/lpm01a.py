"""A virtual X-NUCLEO-LPM01A.

Ref: UM2269 (commands), UM2243 (ranges). Public measurement logs: dynamic acquisition stops above 59 mA; static acquisition answers with one
averaged value, refuses a current that is not constant (``current peak low``), and sends a number after the refusal. Where the auto-ranging
switches is not documented; decades are assumed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from bench.virtual.instruments.frontend import DataSheet, Errors
from bench.virtual.instruments.powershield import ASCII, VirtualPowerShield
from bench.virtual.instruments.wiring import Board

STATIC_SHEET = DataSheet(
    salt=0x4C5053,
    gain=0.02,
    offset_a=1e-9,
    clock=100e-6,
    vdd_set=0.01,
    vdd_read=0.01,
    range_tops_a=(2e-6, 20e-6, 200e-6, 2e-3, 20e-3, 200e-3),
    trip_a=200e-3,
    bandwidth_hz=100e3,
    noise_floor_a=10e-9,
    noise_of_reading=1e-4,
    glitch=0.0,
    settle_s=5e-6,
)
"""In static mode. Supply, voltmeter and crystal are those of the dynamic mode."""


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
        self._static_errors = Errors.of(STATIC_SHEET, seed)
        self.answers = {
            "lcd": "",
            "calib": "",
            "status": "ok",
            "version": "1.0.6",
            "powershield": f"{0x4C504D0000000000 + seed:016X}",
        }

    @property
    def _front(self) -> tuple[DataSheet, Errors]:
        return (STATIC_SHEET, self._static_errors) if self._static else super()._front
