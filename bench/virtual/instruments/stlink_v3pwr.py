"""A virtual STLINK-V3PWR (its power monitor; the debug probe on the same cable is the virtual board's own).

Ref: STMicroelectronics/x-cube-n6-ai-power-measurement, Utilities/pwr_scripts (commands, replies, frame sizes) and its firmware (a rise of the
trigger input starts a capture); data brief of STLINK-V3PWR (ranges). It sends no event: nothing at hand says that the real one does. Where
its four ranges switch, its accuracy and the words of its error replies are assumptions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from bench.virtual.instruments.frontend import DataSheet
from bench.virtual.instruments.powershield import ASCII, VirtualPowerShield
from bench.virtual.instruments.wiring import Board


class VirtualStlinkV3Pwr(VirtualPowerShield):
    """The device end. ``seed`` stands for the serial number: it decides the errors and the noise."""

    sheet = DataSheet(
        salt=0x563350,
        gain=0.02,
        offset_a=100e-9,
        clock=100e-6,
        vdd_set=0.01,
        vdd_read=0.01,
        range_tops_a=(150e-6, 2.5e-3, 40e-3, 550e-3),
        trip_a=560e-3,
        bandwidth_hz=50e3,
        noise_floor_a=1e-6,
        noise_of_reading=1e-3,
        glitch=0.1,
        settle_s=5e-6,
    )
    reply = "{}\r\n\r\n"
    defaults: ClassVar[Mapping[str, float | str]] = {
        "volt": 3.3,
        "freq": 100.0,
        "acqtime": 10.0,
        "format": ASCII,
        "trigsrc": "sw",
        "trigdelay": 0.0,
        "pwr": "off",
        "pwrend": "on",
    }
    choices: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "format": (ASCII, "bin_hex"),
        "trigsrc": ("sw", "hw"),
        "pwrend": ("on", "off"),
    }
    limits: ClassVar[Mapping[str, tuple[float, float]]] = {"volt": (1.6, 3.6), "trigdelay": (0.0, 30.0)}
    longest_s = 100.0
    binary_format = "bin_hex"
    overcurrent_bytes = 4
    needs_control = False

    def __init__(self, board: Board, seed: int = 0) -> None:
        super().__init__(board, seed)
        self.answers = {"powershield": f"{0x56335000 + seed:024X}", "version": "V1J1", "power_monitor": ""}

    def _acknowledged(self, line: str) -> str:
        return "STLINK-V3PWR" if line == "powershield" else line
