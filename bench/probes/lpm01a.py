"""ST X-NUCLEO-LPM01A (PowerShield), dynamic mode.

Ref: UM2243 (board), UM2269 (firmware and its serial commands). USB CDC 0483:5740, 3686400 baud; a
command ends in LF and is answered by ``PowerShield > ack <command>`` or by ``PowerShield > error <command>`` with a
line ``Error detail: ...``. Wiring: VOUT to the target's IDD jumper, D7 to its trigger pin.
"""

from __future__ import annotations

from contextlib import suppress
from typing import ClassVar

from bench.errors import BenchError, ParameterError, ProbeDisconnected, ProbeProtocolError, ProbeTimeout
from bench.probes.base import Capture, CaptureRequest, CurrentProbe, ProbeSpec
from bench.probes.lpm01a_check import build_capture, refuse_errors
from bench.probes.lpm01a_stream import AsciiParser, BinaryParser, StreamParser
from bench.probes.serial_port import SerialLink, open_serial
from bench.units import format_si

BAUDRATE = 3_686_400
SAMPLE_RATES_HZ = (*(digit * 10**decade for decade in range(5) for digit in (1, 2, 5)), 100_000)
"""What ``freq`` takes, UM2269."""
_ASCII_LIMITS: tuple[tuple[float, float], ...] = ((5e3, 10.0), (10e3, 1.0), (20e3, 0.5))
"""Sample rate up to which, and for how long, the ASCII format keeps up."""
_ACQUISITION_S = (100e-6, 10.0)
_REPLY_TIMEOUT_S = 1.0
_STALL_TIMEOUT_S = 1.0
_SILENCE_S = 0.1
_REPLY_LINES = 32
_SETTLE_S = 1.5
"""Silence after ``volt`` and ``pwr on``: the instrument calibrates itself and says so late, and the target's supply rises and its
power-on reset ends (DS10693: 3 ms at most) in it."""


class Lpm01a(CurrentProbe):
    """The driver. ``url``: device file or pyserial URL; ``sample_format``: ``bin_hexa`` (any rate) or ``ascii_dec``."""

    spec: ClassVar[ProbeSpec] = ProbeSpec(
        model="X-NUCLEO-LPM01A",
        min_current_a=100e-9,
        max_current_a=50e-3,
        max_sample_rate_hz=100e3,
        bandwidth_hz=100e3,
        gain_error=0.02,
        offset_error_a=100e-9,
        vdd_error=0.01,
        timebase_error=100e-6,
        vdd_range_v=(1.8, 3.3),
        source="UM2243, dynamic mode: 100 nA to 50 mA, 2 %, 100 kHz; the offset limit is the lower end of the range; "
        "UM2243 gives no figure for output voltage and time base: 1 % and a crystal's 100 ppm are assumed",
    )

    def __init__(self, url: str, sample_format: str = "bin_hexa") -> None:
        if sample_format not in ("bin_hexa", "ascii_dec"):
            raise ParameterError(f"unknown sample format {sample_format!r}", hint="use bin_hexa or ascii_dec")
        self.url = url
        self.sample_format = sample_format
        self._link: SerialLink | None = None
        self._settings: dict[str, str] = {}
        self._vdd_v = 0.0
        self._temperature_degc: float | None = None
        self._armed: CaptureRequest | None = None

    def open(self) -> None:
        """Take control of the instrument and set what no capture changes: nine short commands."""
        self._link = SerialLink(open_serial(self.url, BAUDRATE), f"{self.spec.model} at {self.url}")
        self._settings = {}
        try:
            self._take_control()
            self._set("format", self.sample_format)
            self._set("acqmode", "dyn")
            self._set("funcmode", "optim")
            self._set("output", "current")
            self._set("trigsrc", "d7")
            self._set("trigdelay", "0")
            self._set("eventsrc", "d7 fal")
            self._set("pwrend", "on")
        except BaseException:
            self.close()
            raise

    def power_on(self, vdd_v: float) -> None:
        """Supply the target with ``vdd_v`` (1.8 to 3.3 V, whole millivolts). Raises as the base says."""
        low_v, high_v = self.spec.vdd_range_v
        if not low_v - 5e-4 < vdd_v < high_v + 5e-4:
            raise ParameterError(
                f"VDD of {vdd_v} V is outside {low_v} to {high_v} V of {self.spec.model}",
                hint="choose a VDD in this range",
            )
        self._set("volt", f"{round(vdd_v * 1e3)}m")
        self._command("pwr on nostatus")
        self._open_link().drain(_SETTLE_S, 1 << 16)
        self._vdd_v = round(vdd_v * 1e3) / 1e3
        answer = self._command("temp degc").split()
        try:
            self._temperature_degc = float(answer[0]) if answer else None
        except ValueError:
            self._temperature_degc = None

    def power_off(self) -> None:
        """Cut the target's supply."""
        self._command("pwr off")
        self._vdd_v = 0.0

    def arm(self, request: CaptureRequest) -> None:
        """Wait for the rising edge of D7; one to three commands. Raises ParameterError, and as the base says."""
        self._check(request)
        link = self._open_link()
        link.drain(0.0, 1 << 20)
        rate_hz = int(request.sample_rate_hz)
        self._set("freq", f"{rate_hz // 1000}k" if rate_hz % 1000 == 0 else str(rate_hz))
        duration_us = round(request.duration_s * 1e6)
        self._set("acqtime", f"{duration_us}u" if duration_us % 1000 else f"{duration_us // 1000}m")
        self._command("start")
        self._armed = request

    def collect(self) -> Capture:
        """Wait for the armed acquisition to end and return it. Raises as the base says."""
        request, self._armed = self._armed, None
        if request is None:
            raise ParameterError("collect without arm", hint="call arm first")
        link = self._open_link()
        stream: StreamParser = BinaryParser() if self.sample_format == "bin_hexa" else AsciiParser()
        expected = round(round(request.duration_s * 1e6) * request.sample_rate_hz / 1e6)
        try:
            self._receive(link, stream, request, expected)
            return build_capture(
                stream,
                self.spec,
                sample_rate_hz=request.sample_rate_hz,
                expected_samples=expected,
                vdd_set_v=self._vdd_v,
                temperature_degc=self._temperature_degc,
            )
        except ProbeDisconnected:
            raise
        except BenchError:
            if not stream.completed:
                self._abort(link)
            raise

    def close(self) -> None:
        """Give control back and close the port; the supply stays as it is. Never raises."""
        link, armed = self._link, self._armed is not None
        self._link = self._armed = None
        if link is not None:
            if armed:
                self._abort(link)
            with suppress(BenchError):
                link.send("hrc")
            link.close()

    def _receive(self, link: SerialLink, stream: StreamParser, request: CaptureRequest, expected: int) -> None:
        """Feed ``stream`` until the instrument says that it is done."""
        period_s = 1.0 / request.sample_rate_hz
        # Ten bytes a sample cover the longer format; the rest is for time stamps and text.
        budget = 12 * expected + 65536
        while not stream.completed:
            # Metadata may come before the trigger does; samples may not.
            started = stream.sample_count > 0 or stream.ended
            timeout_s = (_STALL_TIMEOUT_S if started else request.trigger_timeout_s) + 2 * period_s
            data = link.chunk(timeout_s)
            if not data:
                if stream.ended:
                    return  # every sample is here; only the closing words are missing
                if started:
                    raise ProbeTimeout(
                        f"{link.name} stopped sending after {stream.sample_count} of {expected} samples",
                        hint="re-plug the probe, then measure again",
                    )
                raise ProbeTimeout(
                    f"{link.name} saw no rising edge on D7 within {format_si(request.trigger_timeout_s, 's')}",
                    hint="check the trigger wire from the board's trigger pin to D7, and that the target runs",
                )
            known = len(stream.marks)
            stream.feed(data)
            refuse_errors(stream.marks[known:], self.spec)
            budget -= len(data)
            if budget < 0:
                raise ProbeProtocolError(
                    f"{link.name} sends without end: {stream.sample_count} samples, {expected} asked for",
                    hint="re-plug the probe, then measure again",
                )

    def _check(self, request: CaptureRequest) -> None:
        if request.sample_rate_hz not in SAMPLE_RATES_HZ:
            raise ParameterError(
                f"{self.spec.model} does not sample at {format_si(request.sample_rate_hz, 'Hz')}",
                hint="use 1, 2 or 5 times a power of ten, up to 100 kHz",
            )
        low_s, high_s = _ACQUISITION_S
        if not low_s <= request.duration_s <= high_s:
            raise ParameterError(
                f"{self.spec.model} acquires for 100 us to 10 s, not {format_si(request.duration_s, 's')}",
                hint="choose a length in between",
            )
        if round(request.duration_s * request.sample_rate_hz) < 1:
            raise ParameterError(
                f"no sample at {format_si(request.sample_rate_hz, 'Hz')} in {format_si(request.duration_s, 's')}",
                hint="sample faster or for longer",
            )
        if self.sample_format == "ascii_dec":
            longest_s = next((limit_s for rate_hz, limit_s in _ASCII_LIMITS if request.sample_rate_hz <= rate_hz), 0.0)
            if request.duration_s > longest_s:
                raise ParameterError(
                    f"the ASCII format cannot keep up with {format_si(request.sample_rate_hz, 'Hz')} "
                    f"for {format_si(request.duration_s, 's')}",
                    hint="use bin_hexa, or 5 kHz (10 kHz up to 1 s, 20 kHz up to 0.5 s)",
                )

    def _open_link(self) -> SerialLink:
        if self._link is None:
            raise ProbeDisconnected(f"{self.spec.model} at {self.url} is not open", hint="open it first")
        return self._link

    def _take_control(self) -> None:
        try:
            self._command("htc")
        except (ProbeTimeout, ProbeProtocolError):
            # Perhaps an acquisition of an earlier run still streams; if not, the second try says what is wrong.
            self._abort(self._open_link())
            self._command("htc")

    def _abort(self, link: SerialLink) -> None:
        """Best effort: end a running acquisition, discard the rest; the error under way is the one to report."""
        with suppress(BenchError):
            link.send("stop")
            link.drain(_SILENCE_S, 1 << 20)

    def _set(self, name: str, value: str) -> None:
        """Send a setting, unless the instrument has it already."""
        if self._settings.get(name) != value:
            self._settings.pop(name, None)
            self._command(f"{name} {value}")
            self._settings[name] = value

    def _command(self, command: str) -> str:
        """Send ``command``, return what follows its acknowledgement. Raises as the link does, ProbeProtocolError."""
        link = self._open_link()
        link.send(command)
        for _ in range(_REPLY_LINES):
            line = link.line(_REPLY_TIMEOUT_S).removeprefix("PowerShield >").strip()
            verdict, _, rest = line.partition(" ")
            if verdict == "ack":
                if rest != command and not rest.startswith(command + " "):
                    raise ProbeProtocolError(
                        f"{link.name} acknowledged {rest!r} when sent {command!r}",
                        hint="re-plug the probe, then run again",
                    )
                return rest[len(command) :].strip()
            if verdict.lower().rstrip(":") in ("error", "err"):
                detail = rest if "detail" in rest.lower() else self._error_detail(link)
                raise ProbeProtocolError(
                    f"{link.name} refused {command!r}: {detail or 'no reason given'}",
                    hint="check its firmware version (UM2269)",
                )
        raise ProbeProtocolError(
            f"{link.name} does not acknowledge {command!r}",
            hint="check that the port is the probe's; re-plug the probe",
        )

    def _error_detail(self, link: SerialLink) -> str:
        try:
            line = link.line(_SILENCE_S)
        except (ProbeTimeout, ProbeProtocolError):
            return ""
        return line.partition(":")[2].strip() if line.lower().startswith("error detail") else ""
