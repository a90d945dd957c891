"""Windows of a current trace: what flowed in them, how sure their mean is, and how fast the core ran."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.domain.measurement import CurrentStats
from bench.errors import ParameterError, SamplesLost
from bench.stats.uncertainty import rectangular

# An edge this close to a sample's edge, in samples, is on it: 0.3 s * 100 kHz is not quite 30000.
_ON_EDGE = 1e-6
# Samples taken at a time: as doubles they fit into a cache, and a product of more would be shared among threads that wait for each other.
_CHUNK = 8192


def window_stats(
    samples_a: ArrayLike, sample_rate_hz: float, start_s: float, end_s: float, *, guard_s: float = 0.0
) -> CurrentStats:
    """Return the statistics of the window ``start_s``..``end_s`` of a trace, without ``guard_s`` at either end.

    ``samples_a``: shape (n,), ampere. Sample i holds from i / rate to (i + 1) / rate, so the charge is the exact integral of a staircase:
    a sample that an edge cuts counts with the part that is inside. ``std_a`` is weighted the same way; it equals the sample standard
    deviation where no sample is cut, and is 0 within a single sample. The result's times are those after the guard was taken off.

    Raises ParameterError for a window without length, SamplesLost where the trace does not cover the window or is not finite in it.
    """
    cut = _cut(samples_a, sample_rate_hz, start_s, end_s, guard_s)
    begin, end = start_s + guard_s, end_s - guard_s
    # Over the smallest sample, so that a large constant current leaves no rounding in the deviation.
    base, highest = cut.low, cut.high
    charge, squares = _moments(cut.values, base)
    edges = np.array([cut.values[0], cut.values[-1]], dtype=np.float64) - base
    missing = 1.0 - np.array([cut.first, cut.last])
    charge -= float(np.dot(missing, edges))
    squares -= float(np.dot(missing, edges**2))
    total = len(cut.values) - float(missing.sum())
    mean = min(max(base + charge / total, base), highest)
    # ``degrees`` is n - 1 for n whole samples; below that of two there is no deviation to speak of.
    several = len(cut.values) > 1
    degrees = total - (len(cut.values) - 2 + cut.first**2 + cut.last**2) / total if several else 0.0
    variance = max(squares - charge**2 / total, 0.0) / degrees if degrees > 0 else 0.0
    return CurrentStats(
        start_s=begin,
        end_s=end,
        samples=len(cut.values),
        mean_a=mean,
        std_a=math.sqrt(variance),
        min_a=base,
        max_a=highest,
        charge_c=mean * (end - begin),
    )


def mean_standard_error(
    samples_a: ArrayLike, sample_rate_hz: float, start_s: float, end_s: float, *, blocks: int = 20
) -> tuple[float, float]:
    """Return the standard error of the window's mean current, in ampere, and its degrees of freedom.

    Neighbouring samples are alike (a loop's pattern, the shunt's low pass, drift), so std / sqrt(n) is too small, often by a multiple. The
    window is cut into ``blocks`` of equal length, whose means are nearly independent, and their spread is used: batch means with a fixed
    number of batches (Schmeiser, Operations Research 30(3), 1982, finds 10 to 30 right). Raises as ``window_stats``, and ParameterError
    for fewer than 2 whole samples.
    """
    cut = _cut(samples_a, sample_rate_hz, start_s, end_s, 0.0)
    whole = cut.values[int(cut.first < 1.0) : len(cut.values) - int(cut.last < 1.0)]
    count = min(blocks, len(whole))
    if count < 2:
        raise ParameterError(
            f"the window holds {len(whole)} whole samples, too few for a standard error", hint="use a longer --window"
        )
    size = len(whole) // count
    means = np.array([_moments(whole[at : at + size], cut.low)[0] for at in range(0, size * count, size)]) / size
    return float(means.std(ddof=1)) / math.sqrt(count), float(count - 1)


def true_clock(window_cycles: int, window_s: float, window_resolution_s: float) -> tuple[float, float]:
    """Return the core clock in Hz and its standard uncertainty: cycles counted by the target over the window's length by the probe.

    Each of the two edges is known to one step of ``window_resolution_s`` (a rectangular distribution of that width), the count to one
    cycle. The probe's own time base is not in it (see ``ProbeAccuracy``). Raises ParameterError.
    """
    if window_cycles <= 0 or not window_s > 0 or not window_resolution_s >= 0:
        raise ParameterError(f"not a window: {window_cycles} cycles in {window_s} s, known to {window_resolution_s} s")
    edges = math.sqrt(2) * rectangular(window_resolution_s / 2) / window_s
    count = rectangular(0.5) / window_cycles
    clock_hz = window_cycles / window_s
    return clock_hz, clock_hz * math.hypot(edges, count)


@dataclass(frozen=True, slots=True)
class _Cut:
    """The samples that a window touches, the share of the first and of the last that is inside (0..1], and their range."""

    values: NDArray[np.floating]
    first: float
    last: float
    low: float
    high: float


def _cut(samples_a: ArrayLike, sample_rate_hz: float, start_s: float, end_s: float, guard_s: float) -> _Cut:
    """Return the samples that the window touches. Raises as ``window_stats``."""
    if not (sample_rate_hz > 0 and guard_s >= 0 and math.isfinite(sample_rate_hz + start_s + end_s + guard_s)):
        raise ParameterError(f"not a window: {start_s} s to {end_s} s, guard {guard_s} s, {sample_rate_hz} Hz")
    begin, end = (start_s + guard_s) * sample_rate_hz, (end_s - guard_s) * sample_rate_hz
    begin, end = _snap(begin), _snap(end)
    if end <= begin:
        raise ParameterError(
            f"the window from {start_s} s to {end_s} s has no length after {guard_s} s were taken off at either end",
            hint="use a longer --window",
        )
    trace = np.asarray(samples_a)
    if begin < 0 or end > len(trace):
        raise SamplesLost(
            f"the trace covers 0 s to {len(trace) / sample_rate_hz:g} s ({len(trace)} samples),"
            f" the window is from {start_s:g} s to {end_s:g} s",
            hint="the probe stopped too early; measure again",
        )
    first, last = math.floor(begin), math.ceil(end)
    values = trace[first:last]
    # NaN and infinity come through both.
    low, high = float(values.min()), float(values.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        where = first + int(np.flatnonzero(~np.isfinite(values))[0])
        raise SamplesLost(f"sample {where} of the trace is not a number", hint="measure again")
    head, tail = 1.0 - (begin - first), 1.0 - (last - end)
    if len(values) == 1:  # both edges cut the same sample: its share counts once
        head, tail = head + tail - 1.0, 1.0
    return _Cut(values, head, tail, low, high)


def _moments(values: NDArray[np.floating], base: float) -> tuple[float, float]:
    """Return the sums of ``values`` (n,) less ``base`` and of their squares, in double precision, a cache's worth at a time."""
    total = squares = 0.0
    for at in range(0, len(values), _CHUNK):
        part = values[at : at + _CHUNK].astype(np.float64)
        part -= base
        total += float(part.sum())
        squares += float(np.dot(part, part))
    return total, squares


def _snap(position: float) -> float:
    nearest = round(position)
    return float(nearest) if abs(position - nearest) < _ON_EDGE else position
