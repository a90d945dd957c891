"""Multimeters and source-measure units that speak SCPI, over VISA (USB, LAN, GPIB): those in bench.probes.scpi_dialects.

The instrument is told by its answer to ``*IDN?``; one that no dialect fits is refused with the list of those that do. It samples from the rising edge of its trigger input for
the length asked for; the end of the window is taken from the current (bench.probes.window_end), since none tells when the input falls. Not tried on hardware.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import numpy as np

from bench.errors import (
    ConfigurationError,
    CurrentProbeError,
    ParameterError,
    ProbeDisconnected,
    ProbeProtocolError,
    ProbeTimeout,
)
from bench.probes.base import Capture, CaptureRequest, CurrentProbe, ProbeSpec, check_supply
from bench.probes.scpi_dialects import DIALECTS, Dialect
from bench.probes.scpi_readings import even, parse_readings, refuse_beyond
from bench.probes.url_options import quantity, split_url, stated_limits
from bench.probes.window_end import fall_time
from bench.stats.accuracy import CurrentRange, with_limits
from bench.units import format_si

if TYPE_CHECKING:
    from pyvisa.resources import MessageBasedResource

_REPLY_TIMEOUT_S = 2.0
_FETCH_TIMEOUT_S = 30.0
_LONGEST_S = 100.0
_APERTURE = 0.8
"""Share of the sample period over which a multimeter integrates: what is left it needs between two samples."""
_TIMED_RESERVE = 1.25
"""So many more readings are taken by an instrument that keeps no exact rate."""
_COMPLIANCE = 0.999


class Scpi(CurrentProbe):
    """The driver. ``url``: a VISA resource name, and options: ``range`` (100mA), ``channel`` (1; of a mainframe), ``library`` (VISA library, like ``@py``),
    ``gain`` (0.05%) and ``offset`` (10uA): limits of error of this very instrument in that range, instead of those assumed.
    """

    spec: ProbeSpec = replace(
        DIALECTS[0].spec,
        model="SCPI instrument",
        source="an instrument's own figures are known when it has told its name",
    )

    def __init__(self, url: str) -> None:
        self.url, options = split_url(url, ("range", "channel", "library", "gain", "offset"))
        self._limits = stated_limits(options)
        self._asked_range_a = quantity(options, "range", "A", 0.0) or None
        self._channel = options.get("channel", "1")
        if not self._channel.isdecimal() or int(self._channel) < 1:
            raise ParameterError(f"channel={self._channel} is no channel", hint="like channel=2")
        self._library = options.get("library", "")
        self._name = f"{self.spec.model} at {self.url}"
        self._resource: MessageBasedResource | None = None
        self._dialect = DIALECTS[0]
        self._range_a = 0.0
        self._vdd_v = 0.0
        self._vdd_measured = False
        self._armed: tuple[CaptureRequest, float, int] | None = None

    def open(self) -> None:
        """Connect, identify, choose the range and the trigger input; a supply stays as it is."""
        self._resource = self._connect()
        try:
            self._dialect = self._identify(self._query("*IDN?"))
            chosen = self._choose_range(self._dialect)
            self._range_a = chosen.top_a
            self.spec = replace(
                self._dialect.spec, ranges=with_limits((chosen,), *self._limits), max_current_a=chosen.top_a
            )
            self._name = f"{self.spec.model} at {self.url}"
            self._write("*CLS")
            self._tell(self._dialect.set_up)
        except BaseException:
            self.close()
            raise

    def power_on(self, vdd_v: float) -> None:
        """Supply the target, where the instrument can; an ammeter takes ``vdd_v`` as that of the user's own supply. Raises as the base says."""
        self._refuse_errors("before the supply")
        self._vdd_v = check_supply(self.spec, vdd_v) / 1e3
        self._vdd_measured = False
        if self._dialect.supplies:
            self._tell(self._dialect.power_on, vdd_v=self._vdd_v, limit_a=self._range_a)
            self.look()

    def look(self) -> None:
        """Measure the supplied voltage, where the instrument does. Raises as the base says, and where it is not what was set."""
        if not self._dialect.supplies or self._dialect.voltage is None:
            return
        answer = self._query(self._fill(self._dialect.voltage)).encode()
        measured_v = float(parse_readings(answer, 1, self._name)[0])
        if abs(measured_v - self._vdd_v) > 0.1 * self._vdd_v:
            raise CurrentProbeError(
                f"{self._name} measures {format_si(measured_v, 'V')} at its output, {self._vdd_v:g} V were set",
                hint="its current limit may hold it down: check for a short circuit, use a larger ?range=",
            )
        self._vdd_v, self._vdd_measured = measured_v, True

    def power_off(self) -> None:
        """Cut the target's supply, where it is the instrument's."""
        self._tell(self._dialect.power_off)
        self._vdd_v = 0.0

    def arm(self, request: CaptureRequest) -> None:
        """Be ready for the trigger, at the next lower rate that the instrument has. Raises ParameterError, and as the base says."""
        rate_hz, count = self._plan(request)
        if not self._vdd_v:
            raise ParameterError(f"{self._name}: arm without power_on", hint="call power_on first")
        self._tell(
            self._dialect.arm,
            rate_hz=rate_hz,
            period_s=1 / rate_hz,
            aperture_s=_APERTURE / rate_hz,
            count=count,
        )
        self._write(self._fill(self._dialect.start))
        self._armed = request, rate_hz, count

    def collect(self) -> Capture:
        """Wait for the armed acquisition to end and return it. Raises as the base says."""
        armed, self._armed = self._armed, None
        if armed is None:
            raise ParameterError("collect without arm", hint="call arm first")
        request, rate_hz, count = armed
        try:
            self._await_end(request, count / rate_hz)
            numbers = parse_readings(
                self._raw_query(self._fill(self._dialect.fetch, count=count), _FETCH_TIMEOUT_S),
                count * (2 if self._dialect.timed else 1),
                self._name,
            )
            self._refuse_errors("after the acquisition")
            return self._capture(numbers, request, rate_hz)
        except ProbeDisconnected:
            raise
        except CurrentProbeError:
            self._abort()
            raise

    def close(self) -> None:
        """Disconnect; the supply stays as it is. Never raises."""
        if self._resource is None:
            return
        if self._armed is not None:
            self._abort()
        resource, self._resource, self._armed = self._resource, None, None
        with suppress(Exception):
            resource.close()

    def _capture(
        self, numbers: np.ndarray[tuple[int], np.dtype[np.float64]], request: CaptureRequest, rate_hz: float
    ) -> Capture:
        current_a = numbers
        if self._dialect.timed:
            current_a, rate_hz = even(numbers[0::2], numbers[1::2], request.duration_s, self._name)
        refuse_beyond(current_a, self._range_a * (_COMPLIANCE if self._dialect.supplies else 1.0), self._name)
        trace_a = current_a.astype(np.float32)
        fall_s, resolution_s = fall_time(
            trace_a,
            rate_hz,
            bandwidth_hz=self.spec.bandwidth_hz,
            tail_s=request.tail_s,
            between_s=request.fall_between_s,
        )
        return Capture(
            sample_rate_hz=rate_hz,
            current_a=trace_a,
            trigger_fall_s=fall_s,
            trigger_resolution_s=resolution_s,
            vdd_v=self._vdd_v,
            vdd_measured=self._vdd_measured,
            temperature_degc=None,
        )

    def _plan(self, request: CaptureRequest) -> tuple[float, int]:
        """Return the sample rate in Hz and how many samples to take. Raises ParameterError."""
        if not request.duration_s <= _LONGEST_S:
            raise ParameterError(f"{self._name} acquires for up to {_LONGEST_S:g} s", hint="use a shorter window")
        rate_hz = min(request.sample_rate_hz, self.spec.max_sample_rate_hz)
        if self._dialect.period_step_s:
            steps = math.ceil(1 / (rate_hz * self._dialect.period_step_s) - 1e-6)
            rate_hz = 1 / (steps * self._dialect.period_step_s)
        count = math.ceil(request.duration_s * rate_hz * (_TIMED_RESERVE if self._dialect.timed else 1.0) - 1e-6)
        if not 1 <= count <= self._dialect.max_samples:
            raise ParameterError(
                f"{self._name} holds {self._dialect.max_samples} readings, {count} are needed for {format_si(request.duration_s, 's')} "
                f"at {format_si(rate_hz, 'Hz')}",
                hint="use a shorter --window, or a lower sample rate",
            )
        return rate_hz, count

    def _await_end(self, request: CaptureRequest, acquisition_s: float) -> None:
        wait_s = request.trigger_timeout_s + acquisition_s + _REPLY_TIMEOUT_S
        if self._dialect.done is None:
            return
        try:
            answer = self._raw_query(self._dialect.done, wait_s).strip()
        except ProbeTimeout as error:
            raise ProbeTimeout(
                f"{self._name} saw no rising edge on its {self._dialect.trigger_input} within {format_si(request.trigger_timeout_s, 's')}, "
                "or does not end its acquisition",
                hint=f"check the trigger wire from the board's trigger pin to {self._dialect.trigger_input}, and that the target runs",
            ) from error
        if answer not in (b"1", b"+1"):
            raise ProbeProtocolError(
                f"{self._name} answered {answer[:32]!r} to {self._dialect.done}", hint="power-cycle the instrument"
            )

    def _identify(self, answer: str) -> Dialect:
        if not answer:
            raise ProbeTimeout(f"{self._name} does not say what it is", hint="check the address")
        for dialect in DIALECTS:
            if dialect.identity.search(answer.upper()):
                return dialect
        known = ", ".join(dialect.spec.model for dialect in DIALECTS)
        raise ConfigurationError(
            f"the instrument at {self.url} says it is {answer[:80]!r}, which no dialect fits",
            hint=f"known: {known} and what they stand for (docs/probes.md); another needs a dialect, or a driver of its own",
        )

    def _choose_range(self, dialect: Dialect) -> CurrentRange:
        asked_a = self._asked_range_a or dialect.range_a
        for each in dialect.spec.ranges:
            if math.isclose(each.top_a, asked_a, rel_tol=1e-6):
                return each
        raise ParameterError(
            f"{dialect.spec.model} has no range of {format_si(asked_a, 'A')}",
            hint=f"ranges: {', '.join(format_si(each.top_a, 'A') for each in dialect.spec.ranges)}",
        )

    def _connect(self) -> MessageBasedResource:
        try:
            import pyvisa  # noqa: PLC0415  an optional dependency
        except ImportError as error:
            raise ConfigurationError(f"VISA cannot be loaded: {error}", hint="pip install 'mcu-bench[visa]'") from error
        try:
            with self._errors("connecting"):
                manager = pyvisa.ResourceManager(self._library)
                resource = manager.open_resource(self.url, open_timeout=round(_REPLY_TIMEOUT_S * 1e3))
        except ProbeTimeout as error:
            raise ProbeDisconnected(error.message, hint=error.hint) from error
        if not hasattr(resource, "query"):
            raise ConfigurationError(
                f"{self.url} is no instrument that takes commands",
                hint="a VISA resource name ending in INSTR or SOCKET",
            )
        found = cast("MessageBasedResource", resource)
        found.read_termination = found.write_termination = "\n"
        return found

    def _fill(self, command: str, **values: float) -> str:
        return command.format(range_a=self._range_a, channel=self._channel, **values)

    def _tell(self, commands: tuple[str, ...], **values: float) -> None:
        """Send commands, then ask whether all of them were understood."""
        for command in commands:
            self._write(self._fill(command, **values))
        if commands:
            self._refuse_errors(f"after {self._fill(commands[-1], **values)!r}")

    def _refuse_errors(self, when: str) -> None:
        answer = self._query("SYST:ERR?")
        number, _, text = answer.partition(",")
        if not number.strip().lstrip("+-").isdecimal():
            raise ProbeProtocolError(
                f"{self._name} answered {answer[:64]!r} to SYST:ERR? {when}", hint="power-cycle the instrument"
            )
        if int(number) != 0:
            raise ProbeProtocolError(
                f"{self._name} reports error {number}, {text[:120]}, {when}",
                hint="check its firmware version and options (docs/probes.md)",
            )

    def _write(self, command: str) -> None:
        with self._errors(f"sending {command!r}") as resource:
            resource.write(command)

    def _query(self, command: str) -> str:
        answer = self._raw_query(command, _REPLY_TIMEOUT_S)
        try:
            return answer.decode("ascii").strip()
        except UnicodeDecodeError:
            raise ProbeProtocolError(
                f"{self._name} answered {answer[:16].hex(' ')} ... to {command!r}",
                hint="check the address; power-cycle the instrument",
            ) from None

    def _raw_query(self, command: str, timeout_s: float) -> bytes:
        with self._errors(f"asking {command!r}") as resource:
            resource.timeout = round(timeout_s * 1e3)
            resource.write(command)
            return bytes(resource.read_raw())

    def _abort(self) -> None:
        """Best effort: end a running acquisition and clear what it left; the error under way is the one to report."""
        if self._resource is not None:
            with suppress(Exception):
                self._resource.clear()
            with suppress(CurrentProbeError):
                self._write(self._fill(self._dialect.abort))
                self._write("*CLS")

    @contextmanager
    def _errors(self, doing: str) -> Iterator[MessageBasedResource]:
        """Turn what VISA raises into errors of the bench."""
        if self._resource is None and doing != "connecting":
            raise ProbeDisconnected(f"{self._name} is not open", hint="open it first")
        from pyvisa import constants, errors  # noqa: PLC0415  an optional dependency

        try:
            yield self._resource  # type: ignore[misc]
        except errors.VisaIOError as error:
            if error.error_code == constants.StatusCode.error_timeout:
                raise ProbeTimeout(
                    f"{self._name} did not answer while {doing}", hint="check cable, address and that it is switched on"
                ) from error
            raise self._gone(doing, error) from error
        except (errors.Error, OSError, ValueError) as error:
            raise self._gone(doing, error) from error

    def _gone(self, doing: str, error: Exception) -> ProbeDisconnected:
        return ProbeDisconnected(
            f"{self._name} went away while {doing}: {error}",
            hint="check cable and address (pyvisa-shell lists resources), then run again",
        )
