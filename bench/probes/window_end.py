"""Where a window ends, by the current alone: for probes that start at the trigger's rise but cannot see its fall.

The target draws one current while it computes and another, lower one when it sleeps. Pure.
"""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.errors import CurrentProbeError, ProbeProtocolError, ProbeTimeout
from bench.units import format_si

BLOCK_SAMPLES = 16
"""Levels are compared by means of so many samples: a loop's own pattern must not look like its end."""
EDGE_SAMPLES = 4
"""Within so many samples either side the step must be over: two for the filter, two for the search."""
LEAST_STEP = 0.02
"""A step down of less than this share of the active current is none."""
_COARSE_SAMPLES = 64
_COARSE_FROM = 32768
"""Traces this long are searched by means of so many samples first, then around the step."""
_NEARBY_SAMPLES = 4096

_HINT = (
    "use a probe that records the trigger pin (lpm01a, ppk2), a longer window, or a board whose sleep current is lower"
)


@dataclass(frozen=True, slots=True)
class StepDown:
    """The one step down of a trace: ``position`` in samples from its start (a fraction tells where in a sample), levels in ampere."""

    position: float
    high_a: float
    low_a: float


def find_step_down(samples_a: ArrayLike) -> StepDown:
    """Return the step that splits ``samples_a`` (n,) best into a high and a low level (least squares).

    Where in the sample the edge lies follows from the charge around it. Raises ProbeTimeout where no level change is (the window
    did not end), ProbeProtocolError where there is more than one, CurrentProbeError where a sample is not finite.
    """
    samples = np.asarray(samples_a)
    if samples.size >= _COARSE_FROM:
        # Only where all is as it should be; what is wrong with a trace is told by the search through all of it.
        with suppress(CurrentProbeError):
            return _find_nearby(samples)
    return _find(samples.astype(np.float64))


def _find_nearby(samples: NDArray[np.floating]) -> StepDown:
    """Find the step by means of many samples first, then sample by sample around it. Raises where it is not so clear."""
    means = _means(samples, _COARSE_SAMPLES)
    split = _best_split(means) if np.isfinite(means).all() else None
    if split is None:
        raise ProbeTimeout("no step is to be seen in the means", hint=_HINT)
    _, split = _without_outliers(means, split)
    start = max(0, split * _COARSE_SAMPLES - _NEARBY_SAMPLES)
    nearby = samples[start : split * _COARSE_SAMPLES + _NEARBY_SAMPLES].astype(np.float64)
    step = _find(nearby)
    _refuse_several(samples, start + math.floor(step.position), (step.high_a + step.low_a) / 2)
    return replace(step, position=start + step.position)


def _find(values: NDArray[np.float64]) -> StepDown:
    """Search ``values`` (n,) sample by sample."""
    if not np.isfinite(values).all():
        raise CurrentProbeError("a sample of the trace is not a number", hint="measure again")
    split = _best_split(values)
    if split is None:
        raise ProbeTimeout(f"{values.size} samples are too few to see a window end in", hint=_HINT)
    values, split = _without_outliers(values, split)
    high_a, low_a = _levels(values, split)
    step_a = high_a - low_a
    if not step_a > LEAST_STEP * abs(high_a):
        raise ProbeTimeout(
            f"the current does not fall at the window's end: {format_si(high_a, 'A')} before, {format_si(low_a, 'A')} after "
            f"the largest change, at sample {split} of {values.size}",
            hint=_HINT,
        )
    _refuse_several(values, split, (high_a + low_a) / 2)
    shares = (values[split - EDGE_SAMPLES : split + EDGE_SAMPLES] - low_a) / step_a
    return StepDown(split - EDGE_SAMPLES + float(np.clip(shares, -0.25, 1.25).sum()), high_a, low_a)


def fall_time(
    samples_a: ArrayLike, sample_rate_hz: float, *, bandwidth_hz: float, tail_s: float = 0.0
) -> tuple[float, float]:
    """Return when the trigger fell, and the resolution of that, in seconds.

    The current falls up to ``tail_s`` after the trigger, and a first-order filter of ``bandwidth_hz`` shows it one time constant later.
    Raises as ``find_step_down``, and ProbeProtocolError where that puts the fall before the start.
    """
    step = find_step_down(samples_a)
    fall_s = step.position / sample_rate_hz - 1 / (2 * math.pi * bandwidth_hz) - tail_s / 2
    if fall_s <= 0:
        raise ProbeProtocolError(
            f"the current fell {format_si(step.position / sample_rate_hz, 's')} after the trigger, sooner than can be told from its rise",
            hint=_HINT,
        )
    return fall_s, 2 / sample_rate_hz + tail_s


def _best_split(values: NDArray[np.float64]) -> int | None:
    """Return the index at which two levels explain most of the variance; None where there is no room for two."""
    margin = BLOCK_SAMPLES + EDGE_SAMPLES
    if values.size < 2 * margin:
        return None
    centred = values - values.mean()
    counts = np.arange(1, values.size)
    gain = np.cumsum(centred)[:-1] ** 2 / (counts * (values.size - counts))
    return margin + int(np.argmax(gain[margin - 1 : values.size - margin]))


def _without_outliers(values: NDArray[np.float64], split: int) -> tuple[NDArray[np.float64], int]:
    """Return ``values`` cut off one step beyond either level, and the index that parts high from low samples best by their number.

    A single wrong sample of many times the current would draw the least squares to itself.
    """
    high_a, low_a = float(np.median(values[:split])), float(np.median(values[split:]))
    step_a = abs(high_a - low_a)
    cut = np.clip(values, min(low_a, high_a) - step_a, max(low_a, high_a) + step_a)
    margin = BLOCK_SAMPLES + EDGE_SAMPLES
    majority = np.cumsum(np.where(cut > (high_a + low_a) / 2, 1, -1))
    return cut, margin + int(np.argmax(majority[margin - 1 : values.size - margin]))


def _levels(values: NDArray[np.float64], split: int) -> tuple[float, float]:
    """Return the levels just before and just after ``split``, leaving out the edge itself."""
    before = values[max(0, split - EDGE_SAMPLES - 8 * BLOCK_SAMPLES) : split - EDGE_SAMPLES]
    after = values[split + EDGE_SAMPLES : split + EDGE_SAMPLES + 8 * BLOCK_SAMPLES]
    return float(before.mean()), float(after.mean())


def _refuse_several(values: NDArray[np.floating], split: int, middle_a: float) -> None:
    """Raise ProbeProtocolError where a block before the step is low, or one after it high."""
    for part, low in ((values[: split - EDGE_SAMPLES], True), (values[split + EDGE_SAMPLES :], False)):
        blocks = _means(part, BLOCK_SAMPLES)
        wrong = np.flatnonzero(blocks < middle_a if low else blocks > middle_a)
        if wrong.size:
            raise ProbeProtocolError(
                f"the current passes {format_si(middle_a, 'A')} more than once: {wrong.size * BLOCK_SAMPLES} samples "
                f"{'before' if low else 'after'} the step at sample {split} are {'below' if low else 'above'} it",
                hint=_HINT,
            )


def _means(values: NDArray[np.floating], count: int) -> NDArray[np.float64]:
    """Return the means of ``count`` consecutive samples each; an incomplete end is left out. A product is the quickest way of summing."""
    whole = values[: values.size // count * count].reshape(-1, count)
    return (whole @ np.full(count, 1.0 / count, dtype=whole.dtype)).astype(np.float64)
