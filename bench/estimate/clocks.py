"""Which measured clocks an estimate at some core clock rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bench.domain.clock import ClockConfiguration
from bench.errors import BenchError, ParameterError


@dataclass(frozen=True, slots=True)
class ClockBasis:
    """A clock to estimate at: measured (``low`` is ``high``), or between two measured ones.

    ``share_power`` and ``share_cycles`` say how far from ``low`` to ``high`` power (linear in the core clock) and cycles (linear in the
    wait states) are taken; outside 0 .. 1 it is an extrapolation.
    """

    clock_id: str
    sysclk_hz: float
    low: str
    high: str
    share_power: float = 0.0
    share_cycles: float = 0.0

    @property
    def measured(self) -> bool:
        """Whether the table has this very clock configuration."""
        return self.low == self.high

    def __str__(self) -> str:
        if self.measured:
            return "measured"
        how = "interpolated between" if 0 <= self.share_power <= 1 else "extrapolated from"
        return f"{how} {self.low} and {self.high}"


def parsed(clock_id: str) -> ClockConfiguration | None:
    """Return the configuration that ``clock_id`` names, None for an id that is not the bench's (of an imported table)."""
    try:
        return ClockConfiguration.parse(clock_id)
    except BenchError:
        return None


def basis(target: ClockConfiguration, known: Mapping[str, float], *, extrapolate: bool = False) -> ClockBasis:
    """Return what an estimate at ``target`` rests on, given the ``known`` clocks (Hz by id).

    A clock that was not measured is taken between its neighbours of equal accelerators, of the same regulator level where those surround it:
    the level sets the supply current, the wait states the cycles. Raises ParameterError where no two clocks surround it, unless ``extrapolate``.
    """
    if target.id in known:
        return ClockBasis(target.id, known[target.id], target.id, target.id)
    there = [
        (made.hclk_hz, made)
        for made in map(parsed, known)
        if made is not None and made.accelerators == target.accelerators
    ]
    if len({hz for hz, _ in there}) < 2:
        raise ParameterError(
            f"{target.hclk_hz / 1e6:g} MHz was not measured, and fewer than two clocks with the same accelerators were",
            hint="measure it: bench sweep --freq",
        )
    there.sort(key=lambda pair: pair[0])
    same = [pair for pair in there if pair[1].regulator == target.regulator]
    for group in (same, there):
        below = [made for hz, made in group if hz <= target.hclk_hz]
        above = [made for hz, made in group if hz >= target.hclk_hz]
        if below and above:
            return _between(target, below[-1], above[0])
    if not extrapolate:
        low, high = there[0][0] / 1e6, there[-1][0] / 1e6
        raise ParameterError(
            f"{target.hclk_hz / 1e6:g} MHz is outside the measured clocks, {low:g} .. {high:g} MHz",
            hint="choose one inside, measure it with bench sweep, or add --extrapolate",
        )
    group = same if len({hz for hz, _ in same}) > 1 else there
    nearest = sorted(group, key=lambda pair: abs(pair[0] - target.hclk_hz))
    other = next(made for hz, made in nearest if hz != nearest[0][0])
    low_clock, high_clock = sorted((nearest[0][1], other), key=lambda made: made.hclk_hz)
    return _between(target, low_clock, high_clock)


def _between(target: ClockConfiguration, low: ClockConfiguration, high: ClockConfiguration) -> ClockBasis:
    span_hz = high.hclk_hz - low.hclk_hz
    power = (target.hclk_hz - low.hclk_hz) / span_hz if span_hz else 0.0
    span_ws = high.flash_wait_states - low.flash_wait_states
    cycles = (target.flash_wait_states - low.flash_wait_states) / span_ws if span_ws else power
    return ClockBasis(target.id, target.hclk_hz, low.id, high.id, power, cycles)
