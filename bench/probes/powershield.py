"""The driver of ST's PowerShield family, which X-NUCLEO-LPM01A and STLINK-V3PWR share: text commands, an acquisition that the
instrument starts itself at the trigger, a stream that it ends itself.

Ref: UM2269 (PowerShield firmware), commands and replies. A command is answered by ``ack <command>`` or by ``error <command>`` with a
line ``Error detail: ...``; a prompt ``PowerShield >`` may precede either. What differs between the instruments is a class variable or
one of two small methods of their drivers.
"""

from __future__ import annotations

from abc import abstractmethod
from contextlib import suppress
from typing import ClassVar

from bench.errors import (
    BenchError,
    ParameterError,
    ProbeDisconnected,
    ProbeProtocolError,
    ProbeTimeout,
    UnknownName,
)
from bench.probes.base import Capture, CaptureRequest, CurrentProbe, check_supply
from bench.probes.powershield_check import STAMP_EVERY, WindowEnd, build_capture, refuse_errors
from bench.probes.powershield_stream import AsciiParser, BinaryParser, StreamParser
from bench.probes.serial_port import SerialLink, open_serial
from bench.probes.url_options import take_option
from bench.units import format_si

SAMPLE_RATES_HZ = (*(digit * 10**decade for decade in range(5) for digit in (1, 2, 5)), 100_000)
"""What ``freq`` takes, UM2269."""
ASCII = "ascii_dec"
FORMATS = ("ascii", "binary")
"""What a user calls them."""
TRACE_SAMPLES = 2_000_000
"""A longer trace is sampled more slowly: its mean is as good, since whatever changes within seconds is seen all the same."""
SLOWEST_HZ = 1000
"""Below it the idle window would hold few samples."""
_REPLY_TIMEOUT_S = 1.0
_STALL_TIMEOUT_S = 1.0
_SILENCE_S = 0.1
_REPLY_LINES = 32
_SETTLE_S = 1.5
"""Silence after ``volt`` and ``pwr on``: the instrument calibrates itself and says so late, and the target's supply rises and its
power-on reset ends (DS10693: 3 ms at most) in it."""


class PowerShieldProbe(CurrentProbe):
    """What the family has in common. ``url``: device file or pyserial URL, with ``?format=ascii`` or ``?format=binary`` (any rate; the default).

    ``sample_format``, where it is given, is the instrument's own word for it.
    """

    baudrate: ClassVar[int]
    line_end: ClassVar[bytes] = b"\n"
    binary_format: ClassVar[str]
    ascii_limits: ClassVar[tuple[tuple[float, float], ...]]
    """Sample rate up to which, and for how long, the ASCII format keeps up."""
    longest_s: ClassVar[float]
    """The longest acquisition that the instrument ends itself."""
    endless_s: ClassVar[float] = 0.0
    """How long one may be that it is told to end (``acqtime inf`` and ``stop``); 0 where that is not documented."""
    set_up: ClassVar[tuple[tuple[str, str], ...]]
    """Settings that no capture changes."""
    power_command: ClassVar[str] = "pwr on"
    temperature_command: ClassVar[str]
    release_command: ClassVar[str | None] = None
    trigger_input: ClassVar[str]
    stamp_every: ClassVar[int | None] = STAMP_EVERY

    def __init__(self, url: str, sample_format: str = "") -> None:
        self.url, chosen = take_option(url, "format")
        if chosen is not None and chosen not in FORMATS:
            raise UnknownName.among("sample format", chosen, list(FORMATS))
        self.sample_format = sample_format or (ASCII if chosen == "ascii" else self.binary_format)
        if self.sample_format not in (self.binary_format, ASCII):
            raise ParameterError(
                f"unknown sample format {sample_format!r}", hint=f"use {self.binary_format} or {ASCII}"
            )
        self._link: SerialLink | None = None
        self._settings: dict[str, str] = {}
        self._vdd_v = 0.0
        self._temperature_degc: float | None = None
        self._armed: CaptureRequest | None = None

    def rate_for(self, wanted_hz: float, duration_s: float) -> float:
        """Return the highest rate up to ``wanted_hz`` that keeps the trace within ``TRACE_SAMPLES``, at least ``SLOWEST_HZ``; in ASCII
        one that the format keeps up with, where there is such.
        """
        wanted_hz = super().rate_for(wanted_hz, duration_s)
        if self.sample_format == ASCII:
            able = [rate_hz for rate_hz, limit_s in self.ascii_limits if duration_s <= limit_s]
            wanted_hz = min(wanted_hz, max(able, default=self.ascii_limits[0][0]))
        rates = [rate for rate in SAMPLE_RATES_HZ if SLOWEST_HZ <= rate <= wanted_hz]
        fitting = [rate for rate in rates if rate * duration_s <= TRACE_SAMPLES]
        return float(max(fitting, default=min(rates, default=wanted_hz)))

    @abstractmethod
    def _greet(self) -> None:
        """Say the first commands, after which the instrument takes settings from this host."""

    @abstractmethod
    def _window_end(self, request: CaptureRequest) -> WindowEnd:
        """Return how the falling edge of the trigger is found in a stream."""

    def open(self) -> None:
        """Take control of the instrument and set what no capture changes: some ten short commands."""
        name = f"{self.spec.model} at {self.url}"
        self._link = SerialLink(open_serial(self.url, self.baudrate), name, self.line_end)
        self._settings = {}
        try:
            try:
                self._greet()
            except (ProbeTimeout, ProbeProtocolError):
                # Perhaps an acquisition of an earlier run still streams; if not, the second try says what is wrong.
                self._abort(self._open_link())
                self._greet()
            self._set("format", self.sample_format)
            for setting, value in self.set_up:
                self._set(setting, value)
        except BaseException:
            self.close()
            raise

    def power_on(self, vdd_v: float) -> None:
        """Supply the target with ``vdd_v`` (whole millivolts). Raises as the base says."""
        millivolts = check_supply(self.spec, vdd_v)
        self._set("volt", f"{millivolts}m")
        self._command(self.power_command)
        self._open_link().drain(_SETTLE_S, 1 << 16)
        self._vdd_v = millivolts / 1e3
        self.look()

    def look(self) -> None:
        """Ask for the instrument's temperature. Raises as the base says."""
        answer = self._command(self.temperature_command).split()
        try:
            self._temperature_degc = float(answer[0]) if answer else None
        except ValueError:
            self._temperature_degc = None

    def power_off(self) -> None:
        """Cut the target's supply."""
        self._command("pwr off")
        self._vdd_v = 0.0

    def arm(self, request: CaptureRequest) -> None:
        """Wait for the rising edge of the trigger input; one to three commands. Raises ParameterError, and as the base says."""
        self._check(request)
        link = self._open_link()
        link.drain(0.0, 1 << 20)
        self._set("freq", self._rate(int(request.sample_rate_hz)))
        duration_us = round(request.duration_s * 1e6)
        length = f"{duration_us}u" if duration_us % 1000 else f"{duration_us // 1000}m"
        self._set("acqtime", "inf" if self._endless(request) else length)
        self._command("start")
        self._armed = request

    def collect(self) -> Capture:
        """Wait for the armed acquisition to end and return it. Raises as the base says."""
        request, self._armed = self._armed, None
        if request is None:
            raise ParameterError("collect without arm", hint="call arm first")
        link = self._open_link()
        stream: StreamParser = AsciiParser() if self.sample_format == ASCII else BinaryParser()
        expected = round(round(request.duration_s * 1e6) * request.sample_rate_hz / 1e6)
        try:
            self._receive(link, stream, request, expected)
            return build_capture(
                stream,
                self.spec,
                sample_rate_hz=request.sample_rate_hz,
                # An endless acquisition is stopped once it is long enough; what comes until then is welcome.
                expected_samples=max(expected, stream.sample_count) if self._endless(request) else expected,
                vdd_set_v=self._vdd_v,
                temperature_degc=self._temperature_degc,
                window_end=self._window_end(request),
                stamp_every=self.stamp_every,
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
            if self.release_command is not None:
                with suppress(BenchError):
                    link.send(self.release_command)
            link.close()

    def _receive(self, link: SerialLink, stream: StreamParser, request: CaptureRequest, expected: int) -> None:
        """Feed ``stream`` until the instrument says that it is done."""
        period_s = 1.0 / request.sample_rate_hz
        # Ten bytes a sample cover the longer format; the rest is for time stamps and text.
        budget = 12 * expected + 65536
        endless = self._endless(request)
        while not stream.completed:
            if endless and stream.sample_count >= expected:
                link.send("stop")
                endless = False
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
                    f"{link.name} saw no rising edge on {self.trigger_input} within "
                    f"{format_si(request.trigger_timeout_s, 's')}",
                    hint=f"check the trigger wire from the board's trigger pin to {self.trigger_input}, and that the target runs",
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
        longest_s = max(self.longest_s, self.endless_s)
        if not 100e-6 <= request.duration_s <= longest_s:
            raise ParameterError(
                f"{self.spec.model} acquires for 100 us to {format_si(longest_s, 's')}, "
                f"not {format_si(request.duration_s, 's')}",
                hint="choose a length in between",
            )
        if round(request.duration_s * request.sample_rate_hz) < 1:
            raise ParameterError(
                f"no sample at {format_si(request.sample_rate_hz, 'Hz')} in {format_si(request.duration_s, 's')}",
                hint="sample faster or for longer",
            )
        if self.sample_format == ASCII:
            longest_s = next(
                (limit_s for rate_hz, limit_s in self.ascii_limits if request.sample_rate_hz <= rate_hz), 0.0
            )
            if request.duration_s > longest_s:
                limits = ", ".join(
                    f"{format_si(rate_hz, 'Hz')} up to {limit_s:g} s" for rate_hz, limit_s in self.ascii_limits
                )
                raise ParameterError(
                    f"the ASCII format cannot keep up with {format_si(request.sample_rate_hz, 'Hz')} "
                    f"for {format_si(request.duration_s, 's')}",
                    hint=f"use {self.binary_format}, or a slower rate ({limits})",
                )

    def _endless(self, request: CaptureRequest) -> bool:
        """Whether the acquisition is longer than the instrument ends itself."""
        return request.duration_s > self.longest_s

    @staticmethod
    def _rate(rate_hz: int) -> str:
        return f"{rate_hz // 1000}k" if rate_hz % 1000 == 0 else str(rate_hz)

    def _open_link(self) -> SerialLink:
        if self._link is None:
            raise ProbeDisconnected(f"{self.spec.model} at {self.url} is not open", hint="open it first")
        return self._link

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

    def _command(self, command: str, echo: str = "") -> str:
        """Send ``command``, return what follows its acknowledgement (``ack`` and ``echo``, or the command itself).

        Raises as the link does, ProbeProtocolError.
        """
        link = self._open_link()
        link.send(command)
        echo = echo or command
        for _ in range(_REPLY_LINES):
            line = link.line(_REPLY_TIMEOUT_S).removeprefix("PowerShield >").strip()
            verdict, _, rest = line.partition(" ")
            if verdict == "ack":
                if not rest.startswith(echo) or rest[len(echo) :][:1].isalnum():
                    raise ProbeProtocolError(
                        f"{link.name} acknowledged {rest!r} when sent {command!r}",
                        hint="re-plug the probe, then run again",
                    )
                return rest[len(echo) :].strip(" :")
            if verdict.lower().rstrip(":") in ("error", "err"):
                detail = rest if "detail" in rest.lower() else self._error_detail(link)
                raise ProbeProtocolError(
                    f"{link.name} refused {command!r}: {detail or 'no reason given'}",
                    hint="check its firmware version",
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
