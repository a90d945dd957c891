"""ST X-NUCLEO-LPM01A (PowerShield), dynamic mode.

Ref: UM2243 (board), UM2269 (firmware and its serial commands). USB CDC 0483:5740, 3686400 baud. Wiring: VOUT to the target's IDD
jumper, D7 to its trigger pin. The falling edge of D7 arrives as an event among the samples.

Static mode, to 200 mA, is a driver of its own (``lpm01a_static``): it answers with averages, not with samples.
"""

from __future__ import annotations

from typing import ClassVar

from bench.probes.base import CaptureRequest, PortInfo, ProbeSpec
from bench.probes.powershield import PowerShieldProbe
from bench.probes.powershield_check import WindowEnd, by_event
from bench.stats.accuracy import same_limits


class Lpm01a(PowerShieldProbe):
    """The driver. ``url``: device file or pyserial URL; ``sample_format``: ``bin_hexa`` (any rate) or ``ascii_dec``."""

    spec: ProbeSpec = ProbeSpec(
        model="X-NUCLEO-LPM01A",
        min_current_a=100e-9,
        max_current_a=50e-3,
        max_sample_rate_hz=100e3,
        bandwidth_hz=100e3,
        ranges=same_limits((50e-6, 500e-6, 5e-3, 50e-3), gain_error=0.02, offset_error_a=100e-9),
        vdd_error=0.01,
        timebase_error=100e-6,
        vdd_range_v=(1.8, 3.3),
        source="UM2243, dynamic mode: 100 nA to 50 mA, 2 %, 100 kHz; the offset limit is the lower end of the range; "
        "where it changes ranges is not documented: decades are assumed; "
        "UM2243 gives no figure for output voltage and time base: 1 % and a crystal's 100 ppm are assumed",
    )
    baudrate = 3_686_400
    binary_format = "bin_hexa"
    ascii_limits = ((5e3, 10.0), (10e3, 1.0), (20e3, 0.5))
    longest_s = 10.0
    endless_s = 86_400.0  # UM2269: acqtime inf; a day is longer than any window
    set_up: ClassVar[tuple[tuple[str, str], ...]] = (
        ("acqmode", "dyn"),
        ("funcmode", "optim"),
        ("output", "current"),
        ("trigsrc", "d7"),
        ("trigdelay", "0"),
        ("eventsrc", "d7 fal"),
        ("pwrend", "on"),
    )
    power_command = "pwr on nostatus"
    temperature_command = "temp degc"
    release_command = "hrc"
    trigger_input = "D7"

    @staticmethod
    def recognises(port: PortInfo) -> bool:
        """Whether ``port`` is a PowerShield: ST's virtual serial port under that name."""
        return (port.vid, port.pid) == (0x0483, 0x5740) and "powershield" in (port.description or "").lower()

    def _greet(self) -> None:
        self._command("htc")

    def _window_end(self, request: CaptureRequest) -> WindowEnd:  # noqa: ARG002
        return by_event
