"""Where a window ends, by the current alone: for probes that start at the trigger's rise but cannot see its fall.

The target computes, drawing currents that its loops and layers change, and then sleeps, drawing one lower current until the capture is over. So the
end is the last time that the current falls to what the end of the trace shows, and it must lie where the plan allows it. Pure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.errors import CurrentProbeError, ProbeProtocolError, ProbeTimeout
from bench.units import format_si

BLOCK_SAMPLES = 16
"""Means of so many samples are looked at: a loop's own pattern, or a single wrong sample, must not look like its end."""
EDGE_SAMPLES = 4
"""Within so many samples either side the step is over, unless the probe's filter is slower."""
LEAST_STEP = 0.02
"""A step down of less than this share of the active current is none."""
QUIETEST = 0.05
"""So little of the window may draw less than what counts as its lowest current."""
MOST_UNSURE_SAMPLES = 16.0
"""Where noise leaves the edge unsure by more (two standard deviations), it is not told."""
_SETTLED = 6.0
"""Time constants after which a filter shows the new level to 0.25 %."""
_LEVEL_BLOCKS = 8
_LEVEL_MOST = 4096

_HINT = (
    "use a probe that records the trigger pin (lpm01a, ppk2), a longer window, or a board whose sleep current is lower"
)


@dataclass(frozen=True, slots=True)
class StepDown:
    """The one step down of a trace: ``position`` in samples from its start (a fraction tells where in a sample), levels around it in ampere.

    ``unsure``: two standard deviations of the position that noise explains, in samples.
    """

    position: float
    high_a: float
    low_a: float
    unsure: float


def find_step_down(
    samples_a: ArrayLike, between: tuple[float, float] | None = None, *, filter_samples: float = 0.0
) -> StepDown:
    """Return where ``samples_a`` (n,) falls to the level of its end.

    ``between``: earliest and latest position that the plan allows, in samples; None: anywhere but right at the ends. ``filter_samples``:
    time constant of the probe's first-order filter. Where in the sample the edge lies follows from the charge around it.

    Raises ProbeTimeout where no level change is between those (the window did not end, or not when it should), ProbeProtocolError where
    there is more than one, CurrentProbeError where a sample is not finite or noise hides the step.
    """
    samples = np.asarray(samples_a)
    edge = max(EDGE_SAMPLES, math.ceil(_SETTLED * filter_samples))
    margin = BLOCK_SAMPLES + edge
    if samples.size < 2 * margin:
        raise ProbeTimeout(f"{samples.size} samples are too few to see a window end in", hint=_HINT)
    blocks = _means(samples, BLOCK_SAMPLES)
    if not (np.isfinite(blocks).all() and np.isfinite(samples[blocks.size * BLOCK_SAMPLES :]).all()):
        raise CurrentProbeError("a sample of the trace is not a number", hint="measure again")
    first, last = (0.0, float(samples.size)) if between is None else between
    begin = min(max(math.floor(first) - edge, margin), samples.size - margin)
    end = min(max(math.ceil(last) + edge, begin), samples.size - margin)

    asleep_a = _middle(samples[end + edge :])
    # Whatever the window's loops and layers draw, what they draw least is what the sleeping core must be told from.
    quietest_a = _quietest(samples[edge : max(begin, margin)])
    if not quietest_a - asleep_a > LEAST_STEP * abs(quietest_a):
        raise _no_fall(samples, blocks, between)
    awake = samples[begin:end] > (quietest_a + asleep_a) / 2
    split = begin + _best_cut(awake)
    if between is not None and not first - edge < split < last + edge:
        raise _no_fall(samples, blocks, between)

    high_a, low_a, noise_a = _levels(samples, split, edge, quietest_a, asleep_a)
    step_a = high_a - low_a
    if not step_a > LEAST_STEP * abs(high_a):
        raise _no_fall(samples, blocks, between)
    _refuse_several(samples, split, edge, (quietest_a + low_a) / 2, (low_a - step_a, high_a + step_a))
    near = samples[split - edge : split + edge].astype(np.float64)
    split += _best_cut(near > (high_a + low_a) / 2) - edge
    # A filter shows nothing before the edge and all of it within some time constants after; its middle is where half the step is.
    before = min(edge, EDGE_SAMPLES // 2 + math.ceil(filter_samples))
    shares = (samples[split - before : split + edge].astype(np.float64) - low_a) / step_a
    unsure = _unsure(noise_a / step_a, shares.size)
    if unsure > MOST_UNSURE_SAMPLES:
        raise CurrentProbeError(
            f"noise of {format_si(noise_a, 'A')} hides the window's end, a step from {format_si(high_a, 'A')} to {format_si(low_a, 'A')}",
            hint=_HINT,
        )
    return StepDown(split - before + float(np.clip(shares, -0.25, 1.25).sum()), high_a, low_a, unsure)


def fall_time(
    samples_a: ArrayLike,
    sample_rate_hz: float,
    *,
    bandwidth_hz: float,
    tail_s: float = 0.0,
    between_s: tuple[float, float] | None = None,
) -> tuple[float, float]:
    """Return when the trigger fell, and the resolution of that, in seconds.

    ``between_s``: when it falls at the earliest and at the latest, by plan. The current falls up to ``tail_s`` after the trigger, and a first-order
    filter of ``bandwidth_hz`` shows it one time constant later. Raises as ``find_step_down``, and ProbeProtocolError where that puts the fall
    before the start.
    """
    delay_s = 1 / (2 * math.pi * bandwidth_hz)
    between = between_s and (between_s[0] * sample_rate_hz, (between_s[1] + tail_s + delay_s) * sample_rate_hz)
    step = find_step_down(samples_a, between, filter_samples=delay_s * sample_rate_hz)
    fall_s = step.position / sample_rate_hz - delay_s - tail_s / 2
    if fall_s <= 0:
        raise ProbeProtocolError(
            f"the current fell {format_si(step.position / sample_rate_hz, 's')} after the trigger, sooner than can be told from its rise",
            hint=_HINT,
        )
    return fall_s, (2 + 2 * step.unsure) / sample_rate_hz + tail_s


def _best_cut(awake: NDArray[np.bool_]) -> int:
    """Return how many samples from the start on are best called awake, all others asleep: the fewest are then called wrongly."""
    return int(np.argmax(np.concatenate(([0], np.cumsum(np.where(awake, 1, -1))))))


def _levels(
    samples: NDArray[np.floating], split: int, edge: int, quietest_a: float, asleep_a: float
) -> tuple[float, float, float]:
    """Return the levels just before and just after ``split``, leaving out the edge itself, and the noise of a sample around them."""
    # What an earlier layer drew is no matter; what the sleeping core draws does not change.
    before = samples[max(0, split - edge - BLOCK_SAMPLES) : split - edge].astype(np.float64)
    after = samples[split + edge : split + edge + _LEVEL_BLOCKS * BLOCK_SAMPLES].astype(np.float64)
    # A single wrong sample of many times the current must not make a level.
    step_a = max(float(np.median(before)), quietest_a) - asleep_a
    before = np.clip(before, asleep_a - step_a, asleep_a + 3 * step_a)
    after = np.clip(after, asleep_a - step_a, asleep_a + step_a)
    return float(before.mean()), float(after.mean()), math.sqrt((before.var() + after.var()) / 2)


def _unsure(noise: float, summed: int) -> float:
    """Return two standard deviations of the edge's position, in samples, for ``noise`` relative to the step, ``summed`` samples being summed.

    That of the sum, and that of where two levels part best, sqrt(26) noise^2 (Bai, Econometric Theory 13(3), 1997: twice a Brownian motion
    with drift), together.
    """
    return 2 * math.hypot(math.sqrt(summed) * noise, math.sqrt(26) * noise**2)


def _refuse_several(
    samples: NDArray[np.floating], split: int, edge: int, middle_a: float, limits_a: tuple[float, float]
) -> None:
    """Raise ProbeProtocolError where a block before the step is low, or one after it high, also with its samples cut off at ``limits_a``."""
    for part, low in ((samples[edge - EDGE_SAMPLES : split - edge], True), (samples[split + edge :], False)):
        blocks = _means(part, BLOCK_SAMPLES)
        suspect = np.flatnonzero(blocks < middle_a if low else blocks > middle_a)
        chosen = part[: blocks.size * BLOCK_SAMPLES].reshape(-1, BLOCK_SAMPLES)[suspect]
        means = np.clip(chosen.astype(np.float64), *limits_a).mean(axis=1)
        wrong = int((means < middle_a if low else means > middle_a).sum())
        if wrong:
            raise ProbeProtocolError(
                f"the current passes {format_si(middle_a, 'A')} more than once: {wrong * BLOCK_SAMPLES} samples "
                f"{'before' if low else 'after'} the step at sample {split} are {'below' if low else 'above'} it",
                hint=_HINT,
            )


def _no_fall(
    samples: NDArray[np.floating], blocks: NDArray[np.float64], between: tuple[float, float] | None
) -> ProbeTimeout:
    """Return the error that says what there is instead of a fall."""
    centred = blocks - blocks.mean()
    counts = np.arange(1, blocks.size)
    gain = np.cumsum(centred)[:-1] ** 2 / (counts * (blocks.size - counts))
    split = 1 + int(np.argmax(gain))
    planned = f"; it was planned between samples {between[0]:.0f} and {between[1]:.0f}" if between else ""
    return ProbeTimeout(
        f"the current does not fall at the window's end: {format_si(float(blocks[:split].mean()), 'A')} before, "
        f"{format_si(float(blocks[split:].mean()), 'A')} after the largest change, at sample {split * BLOCK_SAMPLES} of {samples.size}{planned}",
        hint=f"{_HINT}; a core clock far from the one asked for ends the window too early or late as well"
        if between
        else _HINT,
    )


def _middle(values: NDArray[np.floating]) -> float:
    """Return the median of some of ``values``, from all over."""
    return float(np.median(values[:: max(1, values.size // _LEVEL_MOST)]))


def _quietest(values: NDArray[np.floating]) -> float:
    """Return the current that all but ``QUIETEST`` of ``values`` exceed, a block's median at a time."""
    whole = values[: values.size // BLOCK_SAMPLES * BLOCK_SAMPLES].reshape(-1, BLOCK_SAMPLES)
    return float(np.quantile(np.median(whole[:: max(1, len(whole) // _LEVEL_MOST)], axis=1), QUIETEST))


def _means(values: NDArray[np.floating], count: int) -> NDArray[np.float64]:
    """Return the means of ``count`` consecutive samples each; an incomplete end is left out. A product is the quickest way of summing."""
    whole = values[: values.size // count * count].reshape(-1, count)
    return (whole @ np.full(count, 1.0 / count, dtype=whole.dtype)).astype(np.float64)
