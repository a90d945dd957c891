"""From a parsed PowerShield stream to a Capture, or to the error that says why there is none. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bench.errors import (
    CurrentProbeError,
    ProbeProtocolError,
    ProbeRangeError,
    ProbeSaturated,
    ProbeTimeout,
    SamplesLost,
)
from bench.probes.base import Capture, ProbeSpec
from bench.probes.powershield_stream import Mark, MarkKind, StreamParser
from bench.units import format_si

STAMP_EVERY = 1000
"""The instrument sends a time stamp every so many samples (UM2269)."""
COUNT_TOLERANCE = 2
"""By so many samples a whole acquisition may be longer or shorter than its time says: the edges of two timers."""
_STAMP_TOLERANCE_S = 1.5e-3  # stamps have a resolution of 1 ms

WindowEnd = Callable[[StreamParser, NDArray[np.float32], float], tuple[float, float]]
"""From an ended stream, its samples and their rate: when the trigger fell, and the resolution of that, both in seconds."""

_LOWER_RATE = "measure again; if it persists, use a lower sample rate, another USB port, or a less busy host"


def build_capture(
    stream: StreamParser,
    spec: ProbeSpec,
    *,
    sample_rate_hz: float,
    expected_samples: int,
    vdd_set_v: float,
    temperature_degc: float | None,
    window_end: WindowEnd | None = None,
    stamp_every: int | None = STAMP_EVERY,
) -> Capture:
    """Return the capture that the ended ``stream`` holds.

    ``vdd_set_v`` and ``temperature_degc`` stand where the stream tells nothing. ``window_end`` finds the falling edge (None: by the
    event). ``stamp_every``: samples between two time stamps, None where that is not known. Raises ProbeSaturated, SamplesLost,
    ProbeTimeout (the trigger input did not fall), ProbeProtocolError, CurrentProbeError (supply lost).
    """
    refuse_errors(stream.marks, spec)
    if not stream.ended:
        raise ProbeProtocolError("the acquisition has no end mark", hint=_LOWER_RATE)
    _refuse_losses(stream, sample_rate_hz, expected_samples, stamp_every)
    current_a = stream.samples()
    highest_a = float(np.max(current_a, initial=0.0))
    if highest_a > spec.max_current_a:
        raise ProbeSaturated(
            f"{int(np.count_nonzero(current_a > spec.max_current_a))} of {current_a.size} samples above "
            f"{format_si(spec.max_current_a, 'A')} (highest {format_si(highest_a, 'A')}), the limit of {spec.model}",
            hint="use a probe with a larger range, or a slower clock",
        )
    trigger_fall_s, resolution_s = (window_end or by_event)(stream, current_a, sample_rate_hz)
    voltages = [mark.value for mark in stream.marks if mark.kind is MarkKind.VOLTAGE]
    temperatures = [mark.value for mark in stream.marks if mark.kind is MarkKind.TEMPERATURE]
    return Capture(
        sample_rate_hz=sample_rate_hz,
        current_a=current_a,
        trigger_fall_s=trigger_fall_s,
        trigger_resolution_s=resolution_s,
        vdd_v=float(np.mean(voltages)) if voltages else vdd_set_v,
        vdd_measured=bool(voltages),
        temperature_degc=temperatures[-1] if temperatures else temperature_degc,
    )


def by_event(stream: StreamParser, current_a: NDArray[np.float32], sample_rate_hz: float) -> tuple[float, float]:
    """Find the falling edge by the one event among the samples. Raises ProbeTimeout without one, ProbeProtocolError with more."""
    falls = [mark for mark in stream.marks if mark.kind is MarkKind.EVENT]
    if not falls:
        raise ProbeTimeout(
            f"the trigger input did not fall within {format_si(current_a.size / sample_rate_hz, 's')}",
            hint="capture for longer, or check the trigger wire and that the firmware ends its window",
        )
    if len(falls) > 1:
        raise ProbeProtocolError(
            f"the trigger input fell {len(falls)} times in one acquisition, "
            f"first after samples {', '.join(str(mark.at_sample) for mark in falls[:4])}",
            hint="check the trigger wire (bounce, wrong pin) and that the firmware raises the pin once",
        )
    # The event stands before the sample in whose interval the edge was: the middle of that is the estimate.
    return (falls[0].at_sample + 0.5) / sample_rate_hz, 1.0 / sample_rate_hz


def refuse_errors(marks: Sequence[Mark], spec: ProbeSpec) -> None:
    """Raise for the first mark with which the instrument itself reports trouble."""
    for mark in marks:
        told = f"after {mark.at_sample} samples" + (f": {mark.text}" if mark.text else "")
        text = mark.text.lower()
        if mark.kind is MarkKind.OVERCURRENT or (
            mark.kind is MarkKind.ERROR and re.search(r"over.?current|saturat", text)
        ):
            raise ProbeSaturated(
                f"{spec.model} reports overcurrent (limit {format_si(spec.max_current_a, 'A')}) {told}",
                hint="use a probe with a larger range, or a slower clock; check for a short circuit",
            )
        if (
            mark.overflow
            or mark.buffer_fill >= 1.0
            or (mark.kind is MarkKind.ERROR and re.search("overflow|buffer|lost", text))
        ):
            raise SamplesLost(f"the buffer of {spec.model} overflowed {told}", hint=_LOWER_RATE)
        if mark.kind is MarkKind.ERROR and "not constant" in text:
            raise ProbeRangeError(
                f"{spec.model} refuses the current, as it is not constant, {told}",
                hint="static mode averages constant currents only: use a probe that samples (stlink_v3pwr, ppk2, joulescope)",
            )
        if mark.kind is MarkKind.ERROR:
            raise ProbeProtocolError(
                f"{spec.model} reports an error {told}", hint="power-cycle the probe, then measure again"
            )
        if mark.kind is MarkKind.TARGET_DOWN:
            raise CurrentProbeError(
                f"{spec.model} reports the target's supply down {told}", hint="check the wiring at the IDD jumper"
            )


def _refuse_losses(stream: StreamParser, sample_rate_hz: float, expected_samples: int, stamp_every: int | None) -> None:
    """Compare the number of samples with the time stamps among them, and with the length of the acquisition."""
    counted, stamps = stream.sample_count, [mark for mark in stream.marks if mark.kind is MarkKind.TIMESTAMP]
    previous = 0
    for stamp in stamps:
        between, previous = stamp.at_sample - previous, stamp.at_sample
        # A stamp may also stand before the first sample and behind the last.
        if stamp_every and between != stamp_every and stamp.at_sample not in (0, counted):
            raise SamplesLost(
                f"{between} samples up to the time stamp at {stamp.at_sample} instead of {stamp_every}",
                hint=_LOWER_RATE,
            )
    for before, after in pairwise(stamps):
        samples, elapsed_s = after.at_sample - before.at_sample, after.value - before.value
        if abs(elapsed_s - samples / sample_rate_hz) > _STAMP_TOLERANCE_S:
            raise SamplesLost(
                f"{format_si(elapsed_s, 's')} passed between samples {before.at_sample} and {after.at_sample}, "
                f"which last {format_si(samples / sample_rate_hz, 's')}: "
                f"about {round(elapsed_s * sample_rate_hz) - samples} samples lost",
                hint=_LOWER_RATE,
            )
    # Losses too small for one interval of the stamps add up over the whole.
    if stamps:
        elapsed_s, samples = stamps[-1].value - stamps[0].value, stamps[-1].at_sample - stamps[0].at_sample
        if abs(elapsed_s - samples / sample_rate_hz) > _STAMP_TOLERANCE_S:
            raise SamplesLost(
                f"{samples} samples in {format_si(elapsed_s, 's')} at {format_si(sample_rate_hz, 'Hz')}",
                hint=_LOWER_RATE,
            )
    if counted < expected_samples - COUNT_TOLERANCE:
        raise SamplesLost(f"{counted} of {expected_samples} samples arrived", hint=_LOWER_RATE)
    if counted > expected_samples + COUNT_TOLERANCE:
        raise ProbeProtocolError(
            f"{counted} samples arrived, {expected_samples} were asked for",
            hint="re-plug the probe, then measure again",
        )
