"""ST X-NUCLEO-LPM01A (PowerShield), static mode: constant currents up to 200 mA, averaged; the other mode, ``lpm01a``, ends at 50 mA.

Ref: UM2243 (static: 1 nA to 200 mA, under 2 %), UM2269 (``acqmode stat``). Nothing tells the pace of a static acquisition. What is relied upon
besides is what users' programs show of the dialogue: one acquisition answers with one value, whatever ``freq`` says; a current that changes
meanwhile is refused (``Static acquisition: current not constant``), a number may follow the refusal; the first acquisition after power-up reads some
mA too high. Not tried on hardware.

What can be measured so. Readings of ``AVERAGE_S`` are taken one after the other: the first by the trigger's rise, the others by command. Which of them lay
within the window follows from the host's clock and the plan alone: the trigger rose after ``start`` was acknowledged and before the first
reading arrived, it falls between the plan's limits, the core sleeps until the capture is over. A reading counts only where all of that leaves no
doubt. The window's end is not seen: its length is the plan's, the core clock is not measured, and a core that computes for a shorter time than planned
is noticed only as a current that is not constant.
"""

from __future__ import annotations

from contextlib import suppress

import numpy as np

from bench.errors import (
    BenchError,
    CurrentProbeError,
    ParameterError,
    ProbeDisconnected,
    ProbeProtocolError,
    ProbeRangeError,
    ProbeSaturated,
    ProbeTimeout,
    SamplesLost,
)
from bench.probes.base import Averages, Capture, CaptureRequest, PortInfo, ProbeSpec
from bench.probes.lpm01a import Lpm01a
from bench.probes.powershield import ASCII
from bench.probes.powershield_check import refuse_errors
from bench.probes.powershield_stream import AsciiParser, BinaryParser, MarkKind, StreamParser
from bench.probes.serial_port import SerialLink
from bench.stats.accuracy import same_limits
from bench.units import format_si

AVERAGE_S = 0.25
_NO_SAMPLES = np.empty(0, np.float32)
LEAST_READINGS = 4
"""In the window: fewer tell too little of their spread."""
PATIENCE_S = 3.0
"""A reading may take so much longer than ``AVERAGE_S``: the instrument looks for its range first."""
IDLE_GUARD_S = 10e-3
"""After the latest end of the window, before the sleeping core is looked at."""


class Lpm01aStatic(Lpm01a):
    """The driver. ``url`` as that of ``lpm01a``; ASCII is the default here, since its digits are finer and readings are few."""

    spec: ProbeSpec = ProbeSpec(
        model="X-NUCLEO-LPM01A (static mode)",
        min_current_a=1e-9,
        max_current_a=200e-3,
        max_sample_rate_hz=1 / AVERAGE_S,
        bandwidth_hz=1 / AVERAGE_S,
        ranges=same_limits((2e-6, 20e-6, 200e-6, 2e-3, 20e-3, 200e-3), gain_error=0.02, offset_error_a=1e-9),
        vdd_error=0.01,
        timebase_error=100e-6,
        vdd_range_v=(1.8, 3.3),
        source="UM2243, static mode: 1 nA to 200 mA, under 2 %; the offset limit is the lower end of the range; where it changes ranges is not "
        "documented: decades are assumed; output voltage as in dynamic mode; the window's length is the plan's",
        average_s=AVERAGE_S,
        average_resolution=0.5
        / 256,  # the binary format's 12 bits above an exponent of base 16; ASCII: a twentieth of a percent
        sees_window=False,
    )
    set_up = (
        ("acqmode", "stat"),
        ("output", "current"),
        ("trigsrc", "d7"),
        ("trigdelay", "0"),
        ("pwrend", "on"),
        ("acqtime", f"{round(AVERAGE_S * 1e3)}m"),
    )

    def __init__(self, url: str, sample_format: str = "") -> None:
        super().__init__(url, sample_format)
        if not sample_format and self.url == url:
            self.sample_format = ASCII
        self._armed_s = 0.0
        self._supply_read_v: list[float] = []

    @staticmethod
    def recognises(port: PortInfo) -> bool:
        """As ``lpm01a``, which is the likelier one."""
        return Lpm01a.recognises(port)

    def rate_for(self, wanted_hz: float, duration_s: float) -> float:  # noqa: ARG002
        """Return how many readings a second there are, if commands took no time."""
        return self.spec.max_sample_rate_hz

    def power_on(self, vdd_v: float) -> None:
        """Supply the target, and throw away one reading: the first one after power-up is wrong by some mA. Raises as the base says."""
        super().power_on(vdd_v)
        self._set("trigsrc", "sw")
        try:
            self._reading(self._open_link(), 0.0)
        except ProbeDisconnected:
            raise
        except CurrentProbeError:
            # What runs there now need not draw a constant current.
            self._abort(self._open_link())

    def arm(self, request: CaptureRequest) -> None:
        """Wait for the rising edge of the trigger input. Raises ParameterError for a request without a plan, and as the base says."""
        if request.fall_between_s is None or request.planned_fall_s is None:
            raise ParameterError(
                f"{self.spec.model} sees no end of the window, and the request does not say when it is planned",
                hint="set planned_fall_s and fall_between_s, or use a probe that samples",
            )
        link = self._open_link()
        link.drain(0.0, 1 << 20)
        self._set("trigsrc", "d7")
        self._command("start")
        self._armed_s = link.now_s
        self._armed = request

    def collect(self) -> Capture:
        """Return the readings that lay within the window, and those of the sleeping core after it. Raises as the base says; ProbeRangeError
        where the current is not constant, or too few readings fit.
        """
        request, self._armed = self._armed, None
        if request is None or request.fall_between_s is None or request.planned_fall_s is None:
            raise ParameterError("collect without arm", hint="call arm first")
        link, (earliest_s, latest_s) = self._open_link(), request.fall_between_s
        self._supply_read_v = []
        try:
            first_a = self._awaited(link, request.trigger_timeout_s)
            # The trigger rose between these two times; whoever reads late makes the interval longer, and fewer readings count.
            rose_before_s = link.now_s
            active_a = [first_a] if rose_before_s <= self._armed_s + earliest_s else []
            self._set("trigsrc", "sw")
            active_a += self._readings(link, self._armed_s + earliest_s)
            if len(active_a) < LEAST_READINGS:
                raise ProbeRangeError(
                    f"only {len(active_a)} static readings of {format_si(AVERAGE_S, 's')} lay within the window without doubt "
                    f"({format_si(earliest_s, 's')} from arming on), {LEAST_READINGS} are needed",
                    hint=f"use a longer window, as --window {request.planned_fall_s + LEAST_READINGS * AVERAGE_S:.0f}s, or a probe that samples",
                )
            _wait_until(link, rose_before_s + latest_s + IDLE_GUARD_S)
            idle_a = self._readings(link, self._armed_s + request.duration_s)
            if not idle_a:
                raise ProbeRangeError(
                    f"no static reading of {format_si(AVERAGE_S, 's')} fits into the core's sleep after the window",
                    hint="the instrument answers too slowly for it: use a probe that samples",
                )
        except ProbeDisconnected:
            raise
        except BenchError:
            self._abort(link)
            raise
        voltages = self._supply_read_v
        planned_s = request.planned_fall_s
        return Capture(
            sample_rate_hz=self.spec.max_sample_rate_hz,
            current_a=_NO_SAMPLES,
            trigger_fall_s=planned_s,
            trigger_resolution_s=2 * max(latest_s - planned_s, planned_s - earliest_s),
            vdd_v=sum(voltages) / len(voltages) if voltages else self._vdd_v,
            vdd_measured=bool(voltages),
            temperature_degc=self._temperature_degc,
            averages=Averages(tuple(active_a), tuple(idle_a), link.now_s - rose_before_s),
        )

    def _readings(self, link: SerialLink, until_s: float) -> list[float]:
        """Return readings by command that are all over by ``until_s``, on the link's clock."""
        found, pace_s = [], AVERAGE_S
        while (begun_s := link.now_s) + pace_s <= until_s:
            try:
                value_a = self._reading(link, 0.0)
            except (ProbeRangeError, ProbeSaturated):
                if link.now_s <= until_s:
                    raise
                self._abort(link)  # the window may have ended in it
                break
            if link.now_s > until_s:
                break
            found.append(value_a)
            pace_s = link.now_s - begun_s
        return found

    def _reading(self, link: SerialLink, trigger_timeout_s: float) -> float:
        self._command("start")
        return self._awaited(link, trigger_timeout_s)

    def _awaited(self, link: SerialLink, trigger_timeout_s: float) -> float:
        """Return the value of the acquisition that was started. Raises as the base says, ProbeRangeError for a current that is not constant."""
        stream: StreamParser = AsciiParser() if self.sample_format == ASCII else BinaryParser()
        asked = CaptureRequest(1 / AVERAGE_S, AVERAGE_S, trigger_timeout_s + PATIENCE_S)
        try:
            self._receive(link, stream, asked, 1)
        except ProbeTimeout as error:
            if trigger_timeout_s > 0 or stream.sample_count:
                raise
            raise ProbeTimeout(
                f"{link.name} gave no static reading within {format_si(PATIENCE_S, 's')}", hint=error.hint
            ) from error
        value_a = one_value(stream, self.spec, link.name)
        self._supply_read_v += [mark.value for mark in stream.marks if mark.kind is MarkKind.VOLTAGE]
        return value_a

    def _abort(self, link: SerialLink) -> None:
        """As the base; the instrument remembers a refusal until its status is asked for."""
        super()._abort(link)
        with suppress(BenchError):
            link.send("status")
            link.drain(0.1, 1 << 16)


def _wait_until(link: SerialLink, time_s: float) -> None:
    """Let time pass; what comes meanwhile is nobody's."""
    while (left_s := time_s - link.now_s) > 0:
        link.chunk(left_s)


def one_value(stream: StreamParser, spec: ProbeSpec, name: str) -> float:
    """Return the one current, in ampere, that a static acquisition gave. Pure.

    Raises what ``refuse_errors`` raises, SamplesLost, ProbeProtocolError, ProbeSaturated.
    """
    refuse_errors(stream.marks, spec)
    values_a = stream.samples()
    if not values_a.size:
        raise SamplesLost(f"{name} ended a static acquisition without a value", hint="measure again")
    if values_a.size > 1 or not stream.completed:
        # A refusal may come after the value; what is not concluded is not believed.
        raise ProbeProtocolError(
            f"{name} answered a static acquisition with {values_a.size} values"
            f"{' instead of one' if stream.completed else ', and did not conclude it'}",
            hint="re-plug the probe, then measure again",
        )
    value_a = float(values_a[0])
    if not 0.0 <= value_a <= spec.max_current_a:
        raise ProbeSaturated(
            f"{format_si(value_a, 'A')} is above {format_si(spec.max_current_a, 'A')}, the limit of {spec.model}",
            hint="use a probe with a larger range, or a slower clock",
        )
    return value_a
