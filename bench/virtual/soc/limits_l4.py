"""What clocks an STM32L496 and an STM32L4R9 stand, written down from their documents alone (never read from a board file).

RM0351 rev 9 section 3.3.3, RM0432 rev 9 section 3.3.3   wait states over HCLK and voltage range
RM0351 rev 9 section 5.1.7, RM0432 rev 9 section 5.1.8   dynamic voltage scaling: range 1, its boost (L4+), range 2
DS11585 rev 11, DS12023 rev 9                            PLL characteristics, general operating conditions
"""

from __future__ import annotations

from dataclasses import dataclass

MHZ = 1_000_000
_SLACK = 1 + 1e-9
"""Rounding of a clock computed in floating point."""

PLL_INPUT_HZ = (4 * MHZ, 16 * MHZ)
PLL_VCO_HZ = (64 * MHZ, 344 * MHZ)
PLL_VCO_RANGE_2_HZ = 128 * MHZ

RANGE_1, BOOST, RANGE_2 = "range 1", "range 1 boost", "range 2"


@dataclass(frozen=True, slots=True)
class Limits:
    """One MCU's limits: HCLK by number of wait states in each range (the last one is the range's maximum), PLL factors, documents."""

    max_hclk_hz: dict[str, tuple[float, ...]]
    pll_m_max: int
    pll_n: tuple[int, int]
    manual: str
    datasheet: str


L496 = Limits(
    max_hclk_hz={
        RANGE_1: tuple(mhz * MHZ for mhz in (16, 32, 48, 64, 80)),
        RANGE_2: tuple(mhz * MHZ for mhz in (6, 12, 18, 26)),
    },
    pll_m_max=8,
    pll_n=(8, 86),
    manual="RM0351",
    datasheet="DS11585",
)
L4R9 = Limits(
    max_hclk_hz={
        BOOST: tuple(mhz * MHZ for mhz in (20, 40, 60, 80, 100, 120)),
        RANGE_1: tuple(mhz * MHZ for mhz in (20, 40, 60, 80)),
        RANGE_2: tuple(mhz * MHZ for mhz in (8, 16, 26)),
    },
    pll_m_max=16,
    pll_n=(8, 127),
    manual="RM0432",
    datasheet="DS12023",
)


@dataclass(frozen=True, slots=True)
class ClockState:
    """The clocks [Hz] and what they have to fit. ``range`` is one of the three constants; ``vco_hz`` is None while the PLL is off."""

    sysclk_hz: float
    hclk_hz: float
    vco_hz: float | None
    wait_states: int
    range: str


def violations(state: ClockState, limits: Limits) -> list[str]:
    """Return what ``state`` breaks, one text each with the numbers and the manual's section; empty when all limits hold."""
    found = []
    steps = limits.max_hclk_hz[state.range]
    flash_max = steps[min(state.wait_states, len(steps) - 1)]
    if state.hclk_hz > flash_max * _SLACK and state.wait_states < len(steps) - 1:
        found.append(
            f"HCLK {state.hclk_hz / MHZ:g} MHz is above {flash_max / MHZ:g} MHz, the most for {state.wait_states} flash wait states"
            f" in {state.range} ({limits.manual} 3.3.3)"
        )
    if state.sysclk_hz > steps[-1] * _SLACK:
        found.append(
            f"SYSCLK {state.sysclk_hz / MHZ:g} MHz is above {steps[-1] / MHZ:g} MHz, the most in voltage {state.range}"
            f" ({limits.manual} 5.1, {limits.datasheet} general operating conditions)"
        )
    if state.vco_hz is not None and state.range == RANGE_2 and state.vco_hz > PLL_VCO_RANGE_2_HZ * _SLACK:
        found.append(
            f"PLL VCO {state.vco_hz / MHZ:g} MHz is above {PLL_VCO_RANGE_2_HZ / MHZ:g} MHz, the most in voltage range 2"
            f" ({limits.datasheet} PLL characteristics)"
        )
    return found


def pll_problem(input_hz: float, m: int, n: int, limits: Limits) -> str | None:
    """Return why the main PLL cannot lock with these factors, or None. ``input_hz`` is the clock before the divider M."""
    low_n, high_n = limits.pll_n
    if not 1 <= m <= limits.pll_m_max or not low_n <= n <= high_n:
        return f"PLL factors M={m} N={n} are outside M 1-{limits.pll_m_max}, N {low_n}-{high_n} ({limits.manual} 6.4.4)"
    for what, value, (low, high) in (
        ("input after M", input_hz / m, PLL_INPUT_HZ),
        ("VCO", input_hz / m * n, PLL_VCO_HZ),
    ):
        if not low / _SLACK <= value <= high * _SLACK:
            return f"PLL {what} {value / MHZ:g} MHz is outside {low / MHZ:g}-{high / MHZ:g} MHz ({limits.datasheet} PLL characteristics)"
    return None
