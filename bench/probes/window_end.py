"""Where a window ends, by the current alone: for probes that start at the trigger's rise but cannot see its fall.

The target computes, drawing currents that its loops and layers change, and then sleeps, drawing one lower current until the capture is over. So the
end is the last time that the current falls to what the end of the trace shows, and it must lie where the plan allows it. How much more than asleep
the core draws while it computes does not matter, and need not be the same twice: whatever exceeds the sleeping core's current by more than its own noise,
and by one percent, is awake. Pure.
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
"""So little of the window may draw less than what counts as its lowest current; that is a scale only, weaker layers are awake all the same."""
LEAST_AWAKE = LEAST_STEP / 2
"""A core that draws more than asleep by less than this share of its lowest current cannot be told from a sleeping one that settles."""
SAMPLE_NOISE, BLOCK_NOISE = 4.0, 5.0
"""Standard deviations of a sleeping core's samples, and of the means of its blocks, beyond which it is awake."""
MOST_UNSURE_SAMPLES = 16.0
"""Where noise leaves the edge unsure by more (two standard deviations), it is not told."""
_MISFIT = 0.1
"""By so much of the step (besides noise) the samples around a clean edge may be off its shape: loops have patterns, filters are not quite first order."""
_SETTLED = 6.0
"""Time constants after which a filter shows the new level to 0.25 %."""
_LEVEL_BLOCKS = 8
_LEVEL_MOST = 4096
_PRODUCT = 8192

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

    rest = samples[end + edge :]
    asleep_a, quiet_a = _middle(rest), _spread(rest)
    quietest_a = _quietest(samples[edge : max(begin, margin)])
    rise_a = quietest_a - asleep_a
    if not rise_a > LEAST_STEP * abs(quietest_a):
        raise _no_fall(samples, blocks, between)
    # As near to the sleeping core's current as its noise allows: a weak layer is awake. Half of the way is the best that can be done in much noise.
    least_a = LEAST_AWAKE * abs(quietest_a)
    awake = samples[begin:end] > asleep_a + min(max(SAMPLE_NOISE * quiet_a, least_a), rise_a / 2)
    split = begin + _best_cut(awake)
    if between is not None and not first - edge < split < last + edge:
        raise _no_fall(samples, blocks, between)

    high_a, low_a, noise_a = _levels(samples, split, edge, quietest_a, asleep_a)
    step_a = high_a - low_a
    if not step_a > LEAST_STEP * abs(high_a):
        raise _no_fall(samples, blocks, between)
    if between is None:  # ``rest`` was the little of which one may be sure without a plan
        rest = samples[split + edge :][(samples.size - split - edge) // 2 :]
        asleep_a, quiet_a = _middle(rest), _spread(rest)
    block_noise_a = max(_spread(_means(rest, BLOCK_SAMPLES)), quiet_a / math.sqrt(BLOCK_SAMPLES))
    border_a = asleep_a + min(max(BLOCK_NOISE * block_noise_a, least_a), rise_a / 2)
    _refuse_several(samples, split, edge, border_a)
    # The edge itself, from the charge around it. It takes the level before the edge for granted.
    last_awake = split
    near = samples[split - edge : split + edge].astype(np.float64)
    split += _best_cut(near > (high_a + low_a) / 2) - edge
    # A filter shows nothing before the edge and all of it within some time constants after; its middle is where half the step is.
    before = min(edge, EDGE_SAMPLES // 2 + math.ceil(filter_samples))
    shares = (samples[split - before : split + edge].astype(np.float64) - low_a) / step_a
    unsure = _unsure(noise_a / step_a, shares.size)
    found = split - before + float(np.clip(shares, -0.25, 1.25).sum())
    # What needs no level: an awake sample, and how long after the edge the filter may show one, are the limits of the edge at any rate.
    highest_a = float(samples[max(0, split - 2 * edge) : split + 1].max())
    lag = filter_samples * math.log(max(1.0, (highest_a - low_a) / (border_a - low_a)))
    earliest, latest = last_awake - 1 - lag + filter_samples, last_awake + filter_samples
    position = min(max(found, earliest - unsure), latest + unsure)
    shown = (samples[split - before - edge : split + edge].astype(np.float64) - low_a) / step_a
    misfit = np.abs(shown - _edge_shape(position - split + before + edge, filter_samples, shown.size)).max()
    if misfit > _MISFIT + SAMPLE_NOISE * quiet_a / step_a:
        # Just before its end the window drew something else, for less time than there is a level in: only the limits are left.
        unsure += (latest - earliest) / 2
    if unsure > MOST_UNSURE_SAMPLES:
        raise CurrentProbeError(
            f"noise of {format_si(noise_a, 'A')}, or a change just before it, hides the window's end, a step from {format_si(high_a, 'A')} "
            f"to {format_si(low_a, 'A')}: it is known to {unsure:.0f} samples only",
            hint=_HINT,
        )
    return StepDown(position, high_a, low_a, unsure)


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


def _edge_shape(position: float, filter_samples: float, count: int) -> NDArray[np.float64]:
    """Return the share of the step (count,) that samples show whose first-order filter puts the middle of a clean edge at ``position``."""
    after = np.maximum(np.arange(count + 1) - (position - filter_samples), 0.0)
    shown = filter_samples * -np.expm1(-after / filter_samples) if filter_samples else np.zeros(count + 1)
    return np.diff(np.arange(count + 1) - after + shown)


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
    """Return two standard deviations of the edge's position, in samples, for ``noise`` (v) relative to the step, ``summed`` samples being summed.

    Two parts. The sum of n shares, each uncertain by v: v sqrt(n). And the cut between samples called awake and asleep, which noise may put in the
    wrong place. Each sample adds +1 or -1 to a sum that the cut makes greatest; beyond the edge its mean is -a, a = 2 F(1 / 2v) - 1 (F: the
    normal distribution), in much noise a = 1 / (v sqrt(2 pi)), and its variance at most 1. In units of t = 4 a^2 n this is Brownian motion W(t) - t / 2. The
    cut lies beyond t only where the motion comes above 0 again after t. Given its value x < 0 there it does so with probability exp(x), so in
    all with E min(1, exp(x)), x being normal with mean -t / 2 and variance t: that is 2 F(-sqrt(t) / 2). For both sides the mean of t^2 is
    at most the integral of 2 t 4 F(-sqrt(t) / 2) dt = 256 integral of u^3 F(-u) du = 64 integral of u^4 f(u) du = 96 (u = sqrt(t) / 2, by parts; f:
    the normal density, half of its fourth moment 3). Back in samples: sqrt(96) / (4 a^2) = sqrt(96) pi / 2 v^2. An upper bound, far above
    what little noise does, where v^2 is small anyway.
    """
    return 2 * math.hypot(math.sqrt(summed) * noise, math.sqrt(96) * math.pi / 2 * noise**2)


def _refuse_several(samples: NDArray[np.floating], split: int, edge: int, border_a: float) -> None:
    """Raise ProbeProtocolError where a block before the step is below ``border_a``, or one after it above: its mean and its median."""
    for part, low in ((samples[edge - EDGE_SAMPLES : split - edge], True), (samples[split + edge :], False)):
        blocks = _means(part, BLOCK_SAMPLES)
        suspect = np.flatnonzero(blocks < border_a if low else blocks > border_a)
        # A single wrong sample of many times the current must not make a block.
        medians = np.median(part[: blocks.size * BLOCK_SAMPLES].reshape(-1, BLOCK_SAMPLES)[suspect], axis=1)
        wrong = int((medians < border_a if low else medians > border_a).sum())
        if wrong:
            raise ProbeProtocolError(
                f"the current passes {format_si(border_a, 'A')} more than once: {wrong * BLOCK_SAMPLES} samples "
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


def _spread(values: NDArray[np.floating]) -> float:
    """Return the standard deviation of some of ``values``, from all over, by the median absolute deviation: a few wrong ones do not count."""
    some = values[:: max(1, values.size // _LEVEL_MOST)].astype(np.float64)
    return 1.4826 * float(np.median(np.abs(some - np.median(some)))) if some.size else 0.0


def _quietest(values: NDArray[np.floating]) -> float:
    """Return the current that all but ``QUIETEST`` of ``values`` exceed, a block's median at a time."""
    whole = values[: values.size // BLOCK_SAMPLES * BLOCK_SAMPLES].reshape(-1, BLOCK_SAMPLES)
    return float(np.quantile(np.median(whole[:: max(1, len(whole) // _LEVEL_MOST)], axis=1), QUIETEST))


def _means(values: NDArray[np.floating], count: int) -> NDArray[np.float64]:
    """Return the means of ``count`` consecutive samples each; an incomplete end is left out. A product is the quickest way of summing; a large
    one would be shared among threads that wait for each other.
    """
    whole = values[: values.size // count * count].reshape(-1, count)
    weights, found = np.full(count, 1.0 / count, dtype=whole.dtype), np.empty(len(whole))
    rows = _PRODUCT // count
    for at in range(0, len(whole), rows):
        found[at : at + rows] = whole[at : at + rows] @ weights
    return found
