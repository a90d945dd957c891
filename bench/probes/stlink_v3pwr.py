"""ST STLINK-V3PWR: supply, current probe and debug probe on one cable.

Ref: ST's public measurement scripts (STMicroelectronics/x-cube-n6-ai-power-measurement, Utilities/pwr_scripts, 2024) and the firmware
beside them; data brief of STLINK-V3PWR. The serial protocol is a dialect of the PowerShield's (UM2269): commands end in CR LF, the
baud rate means nothing.

The window. The scripts set ``trigsrc hw``, and that firmware raises a pin wired to the probe's trigger input (TGI) to start a
capture: the rise starts the acquisition. No document at hand says that the probe reports the fall of that input, so
the end of the window is taken from the current itself (bench.probes.window_end). How long the trigger takes is not documented, nor is the
accuracy. Not tried on hardware.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from bench.probes.base import CaptureRequest, PortInfo, ProbeSpec
from bench.probes.powershield import PowerShieldProbe
from bench.probes.powershield_check import WindowEnd
from bench.probes.powershield_stream import StreamParser
from bench.probes.window_end import fall_time
from bench.stats.accuracy import same_limits

_PORT_NAMES = ("stlink virtual com port pwr", "st-link vcp-pwr ctrl")


class StlinkV3Pwr(PowerShieldProbe):
    """The driver. ``url``: device file or pyserial URL; ``sample_format``: ``bin_hex`` (any rate) or ``ascii_dec`` (to 10 kHz)."""

    spec: ProbeSpec = ProbeSpec(
        model="STLINK-V3PWR",
        min_current_a=100e-9,
        max_current_a=550e-3,
        max_sample_rate_hz=100e3,
        bandwidth_hz=50e3,
        ranges=same_limits((150e-6, 2.5e-3, 40e-3, 550e-3), gain_error=0.02, offset_error_a=100e-9),
        vdd_error=0.01,
        timebase_error=100e-6,
        vdd_range_v=(1.6, 3.6),
        source="data brief of STLINK-V3PWR: 100 nA to 550 mA in four ranges, 50 kHz, 100 kS/s, 1.6 to 3.6 V; no accuracy was at hand: the 2 % of "
        "its family (UM2243), the lower end of the range as offset, 1 % of VDD and a crystal's 100 ppm are assumed, "
        "and where its four ranges end",
    )
    baudrate = 115_200
    line_end = b"\r\n"
    binary_format = "bin_hex"
    ascii_limits = ((10e3, 100.0),)
    longest_s = 100.0
    endless_s = 86_400.0  # stlinkpwr_cmd.py: acqtime 0 or inf, ended by stop; a day is longer than any window
    set_up = (("trigsrc", "hw"), ("trigdelay", "0m"))
    temperature_command = "temp refresh pcb"
    trigger_input = "TGI"
    stamp_every = None  # not documented; the stamps' times are checked against the samples between them

    @staticmethod
    def recognises(port: PortInfo) -> bool:
        """Whether ``port`` is the control port of an STLINK-V3PWR (0483:3757), not the one it passes through to the target."""
        names = f"{port.description or ''} {port.interface or ''}".lower()
        return any(name in names for name in _PORT_NAMES)

    def _greet(self) -> None:
        self._command("powershield", echo=self.spec.model)
        self._command("version")
        self._command("power_monitor")

    @staticmethod
    def _rate(rate_hz: int) -> str:
        return str(rate_hz)

    def _window_end(self, request: CaptureRequest) -> WindowEnd:
        return partial(_by_step, self.spec.bandwidth_hz, request.tail_s, between_s=request.fall_between_s)


def _by_step(
    bandwidth_hz: float,
    tail_s: float,
    stream: StreamParser,  # noqa: ARG001
    current_a: NDArray[np.float32],
    sample_rate_hz: float,
    between_s: tuple[float, float] | None = None,
) -> tuple[float, float]:
    return fall_time(current_a, sample_rate_hz, bandwidth_hz=bandwidth_hz, tail_s=tail_s, between_s=between_s)
