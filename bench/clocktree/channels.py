"""All ways through a clock tree, as arithmetic progressions.

With oscillator, m, r and AHB prescaler fixed, the core clock is ``base * n``, n being the PLL's multiplier in one
unbroken range. A board has some hundreds of such *channels* against hundreds of thousands of settings, so that a
request, or its nearest reachable neighbours, are found by one division per channel.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache

from bench.domain.board import ClockLimits, OscillatorSpec, PllLimits, RegulatorLevel


@dataclass(frozen=True, slots=True)
class Channel:
    """Core clocks ``oscillator_hz * n / divider`` for ``n_first <= n <= n_last``; without a PLL n is 1."""

    spec: OscillatorSpec
    oscillator_hz: int
    m: int | None
    r: int
    ahb_div: int
    n_first: int
    n_last: int
    divider: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "divider", (self.m or 1) * self.r * self.ahb_div)

    def hclk_hz(self, n: int) -> Fraction:
        """Core clock, exact."""
        return Fraction(self.oscillator_hz * n, self.divider)


def level_permits(
    limits: ClockLimits, level: RegulatorLevel, vdd_v: float, sysclk_hz: Fraction, vco_hz: Fraction | None, ahb_div: int
) -> bool:
    """Return whether ``level`` carries this SYSCLK, VCO (None: PLL off) and AHB prescaler at ``vdd_v``."""
    timing = limits.flash_timing(level.name, vdd_v)
    hclk_hz = sysclk_hz / ahb_div
    slowest_apb = limits.apb_dividers[-1]
    return (
        timing is not None
        and sysclk_hz <= level.max_sysclk_hz
        and (vco_hz is None or level.vco_max_hz is None or vco_hz <= level.vco_max_hz)
        and timing.wait_states(hclk_hz) is not None
        and hclk_hz <= min(level.apb1_max_hz, level.apb2_max_hz) * slowest_apb
    )


@lru_cache(maxsize=64)
def channels(limits: ClockLimits, vdd_v: float) -> tuple[Channel, ...]:
    """Return every channel of an automatic oscillator that holds at least one permitted core clock at ``vdd_v``."""
    found: list[Channel] = []
    for spec in limits.oscillators:
        if not spec.automatic:
            continue
        for oscillator_hz in spec.frequencies_hz:
            for ahb_div in limits.ahb_dividers:
                found += _direct(limits, spec, oscillator_hz, ahb_div, vdd_v)
                for m in _pll_inputs(limits.pll, oscillator_hz):
                    for r in limits.pll.r:
                        found += _through_pll(limits, spec, oscillator_hz, m, r, ahb_div, vdd_v)
    return tuple(found)


def _direct(limits: ClockLimits, spec: OscillatorSpec, oscillator_hz: int, ahb_div: int, vdd_v: float) -> list[Channel]:
    sysclk_hz = Fraction(oscillator_hz)
    if any(level_permits(limits, level, vdd_v, sysclk_hz, None, ahb_div) for level in limits.levels):
        return [Channel(spec, oscillator_hz, None, 1, ahb_div, 1, 1)]
    return []


def _pll_inputs(pll: PllLimits, oscillator_hz: int) -> list[int]:
    """Return the m that bring the oscillator into the phase detector's range."""
    first = max(pll.m[0], -(-oscillator_hz // pll.input_max_hz))
    last = min(pll.m[1], oscillator_hz // pll.input_min_hz)
    return list(range(first, last + 1))


def _through_pll(
    limits: ClockLimits, spec: OscillatorSpec, oscillator_hz: int, m: int, r: int, ahb_div: int, vdd_v: float
) -> list[Channel]:
    pll = limits.pll
    n_first = max(pll.n[0], -(-max(pll.vco_min_hz, pll.output_min_hz * r) * m // oscillator_hz))
    n_last = 0
    for level in limits.levels:
        # No lower bound depends on the level, and all upper ones are monotonic in n: the ranges of all levels unite
        # to one, which ends where the fastest level ends.
        timing = limits.flash_timing(level.name, vdd_v)
        if timing is None:
            continue
        vco_max_hz = min(pll.vco_max_hz, level.vco_max_hz or pll.vco_max_hz)
        hclk_max_hz = min(timing.max_hclk_hz[-1], min(level.apb1_max_hz, level.apb2_max_hz) * limits.apb_dividers[-1])
        sysclk_max_hz = min(pll.output_max_hz, level.max_sysclk_hz, hclk_max_hz * ahb_div)
        n_last = max(n_last, min(pll.n[1], min(vco_max_hz, sysclk_max_hz * r) * m // oscillator_hz))
    return [Channel(spec, oscillator_hz, m, r, ahb_div, n_first, n_last)] if n_first <= n_last else []
