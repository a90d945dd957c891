"""Nordic Power Profiler Kit II, in source mode (it supplies the target) and ampere mode (it sits in the target's own supply).

Ref: pc-nrfconnect-ppk, src/constants.ts and src/device (opcodes, metadata, samples); PPK2 user guide. USB CDC 1915:C00A; commands are an opcode
and its bytes, answered by nothing but the metadata. It samples all the time and has no trigger of its own: the
trigger is the level of D0 in every sample. Wiring: VOUT (ampere mode: VIN and VOUT) and GND to the target's IDD jumper, the trigger pin to D0
of the logic port, the target's supply to the logic port's VCC.

The instrument drops samples when the host does not read for a while. Between ``arm`` and ``collect`` that does no harm; from the trigger
on every sample must be there.
"""

from __future__ import annotations

from contextlib import suppress
from typing import ClassVar

import numpy as np

from bench.errors import (
    BenchError,
    ParameterError,
    ProbeDisconnected,
    ProbeProtocolError,
    ProbeSaturated,
    ProbeTimeout,
    SamplesLost,
)
from bench.probes.base import Capture, CaptureRequest, CurrentProbe, PortInfo, ProbeSpec, check_supply
from bench.probes.ppk2_calibration import ADC_FULL_SCALE, Calibration, convert, filter_spikes, parse_metadata
from bench.probes.ppk2_stream import SAMPLE_RATE_HZ, TriggeredStream, TriggeredWindow, no_rise
from bench.probes.serial_port import SerialLink, open_serial
from bench.stats.accuracy import same_limits
from bench.units import format_si

RANGE_TOPS_A = (50e-6, 500e-6, 5e-3, 50e-3, 1.0)
"""Of the five ranges that every sample names; about, as the instrument switches by its own levels."""
BAUDRATE = 115_200
"""Means nothing to USB CDC."""
START, STOP, DUT_POWER, SET_VOLTAGE, SET_MODE, SPIKE_FILTER_ON, GET_METADATA = 0x06, 0x07, 0x0C, 0x0D, 0x11, 0x15, 0x19
_LONGEST_S = 100.0
_METADATA_BYTES = 8192
_REPLY_TIMEOUT_S = 1.0
_STALL_TIMEOUT_S = 1.0
_SILENCE_S = 0.1
_SETTLE_S = 0.5
"""The regulator and the target's supply rise, and its power-on reset ends (DS10693: 3 ms at most), in it."""
_LATE_S = 20e-3
"""By so much the host may receive samples late: they wait in buffers of the operating system."""


class Ppk2(CurrentProbe):
    """The driver in source mode. ``url``: device file or pyserial URL."""

    spec: ProbeSpec = ProbeSpec(
        model="Nordic PPK2",
        min_current_a=200e-9,
        max_current_a=1.0,
        max_sample_rate_hz=100e3,
        bandwidth_hz=50e3,
        ranges=same_limits(RANGE_TOPS_A, gain_error=0.2, offset_error_a=200e-9),
        vdd_error=0.02,
        timebase_error=100e-6,
        vdd_range_v=(0.8, 5.0),
        source="Nordic's product page and PPK2 user guide: 200 nA to 1 A, 100 kS/s, 0.8 to 5.0 V, better than 20 %; the lower end of the range is "
        "taken as offset limit; no figure for bandwidth (half the sample rate), output voltage (2 %) and time base (a crystal's 100 ppm): assumed",
    )
    mode: ClassVar[int] = 2

    def __init__(self, url: str) -> None:
        self.url = url
        self._link: SerialLink | None = None
        self._calibration: Calibration | None = None
        self._vdd_v = 0.0
        self._armed: CaptureRequest | None = None

    @staticmethod
    def recognises(port: PortInfo) -> bool:
        """Whether ``port`` is a PPK2 (the first, where it shows two). Source or ampere mode is for the user to choose."""
        return (port.vid, port.pid) == (0x1915, 0xC00A)

    def open(self) -> None:
        """Stop whatever runs, read the calibration, choose the mode; the supply stays as it is."""
        self._link = link = SerialLink(open_serial(self.url, BAUDRATE), f"{self.spec.model} at {self.url}")
        try:
            self._stop(link)
            self._calibration = self._read_calibration(link)
            self._send(SET_MODE, self.mode)
            self._send(SPIKE_FILTER_ON)
        except BaseException:
            self.close()
            raise

    def power_on(self, vdd_v: float) -> None:
        """Supply the target with ``vdd_v`` (whole millivolts). Raises as the base says."""
        millivolts = check_supply(self.spec, vdd_v)
        self._set_voltage(millivolts)
        self._send(DUT_POWER, 1)
        self._open_link().drain(_SETTLE_S, 1 << 16)
        self._vdd_v = millivolts / 1e3

    def power_off(self) -> None:
        """Cut the target's supply."""
        self._send(DUT_POWER, 0)
        self._vdd_v = 0.0

    def arm(self, request: CaptureRequest) -> None:
        """Start sampling. Raises ParameterError, and as the base says."""
        if request.sample_rate_hz != SAMPLE_RATE_HZ:
            raise ParameterError(
                f"{self.spec.model} samples at {format_si(SAMPLE_RATE_HZ, 'Hz')}, not at {format_si(request.sample_rate_hz, 'Hz')}",
                hint=f"use {format_si(SAMPLE_RATE_HZ, 'Hz')}",
            )
        if not 1 / SAMPLE_RATE_HZ <= request.duration_s <= _LONGEST_S:
            raise ParameterError(
                f"{self.spec.model} is read for 10 us to {_LONGEST_S:g} s, not {format_si(request.duration_s, 's')}",
                hint="choose a length in between",
            )
        if not self._vdd_v:
            raise ParameterError(f"{self.spec.model}: arm without power_on", hint="call power_on first")
        self._stop(self._open_link())
        self._send(START)
        self._armed = request

    def collect(self) -> Capture:
        """Wait for the window in the stream and return it. Raises as the base says."""
        request, self._armed = self._armed, None
        if request is None:
            raise ParameterError("collect without arm", hint="call arm first")
        link = self._open_link()
        stream = TriggeredStream(round(request.duration_s * SAMPLE_RATE_HZ))
        try:
            self._receive(link, stream, request)
            return self._capture(stream.window())
        finally:
            with suppress(BenchError):
                self._stop(link)

    def close(self) -> None:
        """Stop sampling and close the port; the supply stays as it is. Never raises."""
        link, armed = self._link, self._armed is not None
        self._link = self._armed = None
        if link is not None:
            if armed:
                with suppress(BenchError):
                    self._stop(link)
            link.close()

    def _set_voltage(self, millivolts: int) -> None:
        self._send(SET_VOLTAGE, *divmod(millivolts, 256))

    def _receive(self, link: SerialLink, stream: TriggeredStream, request: CaptureRequest) -> None:
        """Feed ``stream`` until it is complete, and compare its length with the clock."""
        begun_s, risen_s, before = link.now_s, 0.0, 0
        while not stream.complete:
            data = link.chunk(_STALL_TIMEOUT_S)
            if not data:
                raise ProbeTimeout(
                    f"{link.name} stopped sending, {stream.since_rise} samples after the trigger and {stream.seen} in all",
                    hint="re-plug the probe, then measure again",
                )
            known = stream.triggered
            stream.feed(data)
            if stream.triggered and not known:
                risen_s, before = link.now_s, stream.since_rise
            elif not stream.triggered and link.now_s - begun_s > request.trigger_timeout_s:
                raise no_rise(stream, link.name, request.trigger_timeout_s)
        missing_s = link.now_s - risen_s - (stream.since_rise - before) / SAMPLE_RATE_HZ
        if missing_s > _LATE_S:
            raise SamplesLost(
                f"{link.name} sent {stream.since_rise} samples in {format_si(link.now_s - risen_s, 's')}: about "
                f"{missing_s * SAMPLE_RATE_HZ:.0f} lost",
                hint="measure again; without a USB hub, on another port, on a less busy host",
            )

    def _capture(self, window: TriggeredWindow) -> Capture:
        assert self._calibration is not None
        samples = window.samples
        current_a = convert(samples.adc, samples.ranges, self._calibration, self._vdd_v)
        high = int(np.count_nonzero((current_a > self.spec.max_current_a) | (samples.adc == ADC_FULL_SCALE)))
        if high:
            raise ProbeSaturated(
                f"{high} of {current_a.size} samples beyond the range (highest {format_si(float(current_a.max()), 'A')}, "
                f"{self.spec.model} measures to {format_si(self.spec.max_current_a, 'A')})",
                hint="check for a short circuit; use a probe with a larger range, or a slower clock",
            )
        filtered = filter_spikes(current_a, samples.ranges)[window.before :]
        return Capture(
            sample_rate_hz=float(SAMPLE_RATE_HZ),
            current_a=filtered.astype(np.float32),
            trigger_fall_s=window.fall / SAMPLE_RATE_HZ,
            trigger_resolution_s=1 / SAMPLE_RATE_HZ,
            vdd_v=self._vdd_v,
            vdd_measured=False,
            temperature_degc=None,
        )

    def _read_calibration(self, link: SerialLink) -> Calibration:
        self._send(GET_METADATA)
        text = bytearray()
        while b"END" not in text:
            data = link.chunk(_REPLY_TIMEOUT_S)
            text += data
            if not data:
                raise ProbeTimeout(
                    f"{link.name} does not tell its calibration: {bytes(text[-24:])!r} came",
                    hint="check that the port is the probe's (a PPK2 may show two: use the first); re-plug the probe",
                )
            if len(text) > _METADATA_BYTES or any(byte > 0x7E for byte in data):
                raise ProbeProtocolError(
                    f"{link.name} sent no calibration but {bytes(text[-16:]).hex(' ')} ...",
                    hint="check that the port is the probe's; re-plug the probe",
                )
        return parse_metadata(bytes(text[: text.index(b"END") + 3]).decode("ascii"))

    def _open_link(self) -> SerialLink:
        if self._link is None:
            raise ProbeDisconnected(f"{self.spec.model} at {self.url} is not open", hint="open it first")
        return self._link

    def _send(self, opcode: int, *values: int) -> None:
        data = bytes((opcode, *values))
        self._open_link().send_bytes(data, f"command {data.hex(' ')}")

    @staticmethod
    def _stop(link: SerialLink) -> None:
        """End sampling and discard what is still on its way, so that the next stream is aligned from its first byte."""
        link.send_bytes(bytes((STOP,)), "the command to stop")
        link.drain(_SILENCE_S, 1 << 24)


class Ppk2Ampere(Ppk2):
    """The driver in ampere mode: between the target and its own supply, which ``power_on`` only connects."""

    spec: ProbeSpec = ProbeSpec(
        model="Nordic PPK2 (ampere mode)",
        min_current_a=200e-9,
        max_current_a=1.0,
        max_sample_rate_hz=100e3,
        bandwidth_hz=50e3,
        ranges=same_limits(RANGE_TOPS_A, gain_error=0.2, offset_error_a=200e-9),
        vdd_error=0.03,
        timebase_error=100e-6,
        vdd_range_v=(0.8, 5.0),
        source="as in source mode; the supply is the user's own, taken to be within 3 % of the station's vdd",
    )
    mode: ClassVar[int] = 1

    def _set_voltage(self, millivolts: int) -> None:
        """Nothing: the supply is not the instrument's."""
