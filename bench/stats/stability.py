"""Whether a point was stable while it was measured: whether its spread is what noise explains.

A repetition, or a part of the window, is compared with its fellows. What matters is a difference that is both beyond the noise seen and
large enough to be worth another measurement; a difference that is one of them only is in the uncertainty budget already. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

import numpy as np
from numpy.typing import NDArray

from bench.domain.measurement import CycleRun, EnergyRun, Trace
from bench.stats.uncertainty import student

WORTH_REPEATING = 0.005
"""Differences below this share of a value are left to the budget: a quarter of the best probe's gain error (2 %)."""
COUNTER_PLAY_CYCLES = 8
"""Counts may differ by so much anyhow: bus and core clocks drift against each other, a prefetch buffer starts full or empty."""
BLOCKS = 20
"""The window is compared in so many parts, of a whole number of loops each."""
LEAST_LOOPS = 4
"""So many whole calls are needed to tell a change from the calls' own spread."""
CONFIDENCE = 0.999
"""One stable point in a thousand is measured again for nothing."""


def unstable(cycle_run: CycleRun, energy_run: EnergyRun | None) -> str | None:
    """Return why the point was not stable, in one sentence with the numbers, or None.

    Cycles: the middle half of the counts, of kernel or empty kernel, spreads too far, or the counts of the first half of the repetitions differ
    from those of the second. A few outliers do no harm, as the median is taken. Current: the mean of the loops in the first half of the
    window differs from that in the second, or one part of the window stands out. That needs the trace and ``LEAST_LOOPS`` whole calls between
    those that the window's edges cut: with less only the cycles are judged.
    """
    for name, counts in (("kernel", cycle_run.kernel_cycles), ("empty kernel", cycle_run.empty_cycles)):
        if reason := _counts_differ(name, counts):
            return reason
    if energy_run is None or energy_run.trace is None:
        return None
    return _current_differs(energy_run, energy_run.trace)


def _counts_differ(name: str, counts: Sequence[int]) -> str | None:
    if len(counts) < 4:
        return None
    allowed = max(COUNTER_PLAY_CYCLES, WORTH_REPEATING * median(counts))
    ordered = sorted(counts)
    low, high = ordered[len(counts) // 4], ordered[-1 - len(counts) // 4]
    if high - low > allowed:
        return (
            f"the cycles of the {name} spread: half of {len(counts)} counts lie between {low} and {high}, "
            f"{high - low} apart, at most {allowed:.0f} are allowed"
        )
    half = len(counts) // 2
    first, second = median(counts[:half]), median(counts[-half:])
    if abs(first - second) > allowed:
        return (
            f"the cycles of the {name} drift: {first:g} in the first half of {len(counts)} repetitions, {second:g} in the second, "
            f"at most {allowed:.0f} apart are allowed"
        )
    return None


def _current_differs(run: EnergyRun, trace: Trace) -> str | None:
    parts = _parts(run, trace)
    if parts is None:
        return None
    means_a, smear_a = parts
    count, mean_a = means_a.size, float(means_a.mean())
    half = count // 2
    first, second = means_a[:half], means_a[count - half :]
    allowed_a = WORTH_REPEATING * abs(mean_a)
    difference_a = float(second.mean() - first.mean())
    # From neighbours, so that a drift does not pass for noise. Their differences share members: two thirds of the freedom are left (von Neumann's
    # ratio has 1.5 times the variance of the plain estimate).
    steps_a = np.concatenate((np.diff(first), np.diff(second)))
    noise_a = math.sqrt(float(np.mean(steps_a**2)) / half)
    freedom = max(1.0, 2 * steps_a.size / 3)
    if abs(difference_a) > max(allowed_a + smear_a / half, student(freedom, CONFIDENCE) * noise_a):
        return (
            f"the current drifts: {first.mean() * 1e3:.4g} mA in the first half of the window, {second.mean() * 1e3:.4g} mA in the second "
            f"({difference_a / mean_a * 100:+.2g} %, noise explains {noise_a / abs(mean_a) * 100:.2g} %)"
        )
    middle_a = float(np.median(means_a))
    # 1.4826: from the median absolute deviation to the standard deviation of normal noise.
    spread_a = 1.4826 * float(np.median(np.abs(means_a - middle_a)))
    off_a = np.abs(means_a - middle_a)
    worst = int(off_a.argmax())
    # One of ``count`` parts is bound to be the worst: the level is shared among them.
    usual_a = student(count - 1, 1 - (1 - CONFIDENCE) / count) * spread_a
    # It counts where it moves the mean of all by half of what is worth repeating.
    if off_a[worst] > max(count * allowed_a / 2 + smear_a, usual_a):
        return (
            f"the current jumps: {means_a[worst] * 1e3:.4g} mA in part {worst + 1} of {count} of the window, "
            f"{middle_a * 1e3:.4g} mA in the others"
        )
    return None


def _parts(run: EnergyRun, trace: Trace) -> tuple[NDArray[np.float64], float] | None:
    """Return the mean current of up to BLOCKS parts of the window, and by how much one may be off because samples are means; None: too few calls.

    A call of several phases draws several currents. Over whole calls its mean is the same wherever in the call one begins; so every part holds the same
    whole number of calls, and it does not matter that the window's edges are known to ``window_resolution_s`` only, as long as no part
    reaches beyond them: the calls at the edges are left out. A part's borders fall within samples, whose mean is taken to be all of
    what they hold: where a sample holds two currents D apart, in shares p and 1 - p, the charge up to the border is off by D p (1 - p) <= D / 4 of a
    sample, at both borders.
    """
    call_s = run.window_s / run.loops
    skipped = math.ceil(run.window_resolution_s / call_s)
    left = run.loops - 2 * skipped
    if left < LEAST_LOOPS:
        return None
    calls = math.ceil(left / BLOCKS)
    count = left // calls
    if calls * call_s * trace.sample_rate_hz < 2:
        return None
    samples = np.asarray(trace.samples_a, dtype=np.float64)
    positions = (run.active.start_s + (skipped + calls * np.arange(count + 1)) * call_s) * trace.sample_rate_hz
    charges = np.interp(positions, np.arange(samples.size + 1), np.concatenate(([0.0], np.cumsum(samples))))
    means: NDArray[np.float64] = np.diff(charges) / np.diff(positions)
    inside = samples[math.floor(positions[0]) : math.ceil(positions[-1])]
    # All but the outermost hundredths: a few wrong samples are no phase of a call.
    low_a, high_a = np.quantile(inside, [0.01, 0.99])
    return means, float(high_a - low_a) / 2 / (calls * call_s * trace.sample_rate_hz)
