"""What clocks an STM32F446 (and an STM32F746, built alike) stands, written down from its documents alone (never read from a board file, so that it can catch one).

RM0390 rev 6 section 3.4.1 table 5    wait states over CPU clock and supply voltage
RM0390 rev 6 section 5.1.4            voltage scaling and over-drive
DS10693 rev 10 table 17               maximum HCLK, PCLK1, PCLK2
DS10693 rev 10 tables 40, 41          PLL ranges
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MHZ = 1_000_000


@dataclass(frozen=True, slots=True)
class ChipLimits:
    """``flash_steps``: (lowest VDD [V], HCLK [Hz] per wait state). ``regulator_max_hz`` by scale, ``apb*_max_hz``: (over-drive off, on)."""

    flash_steps: tuple[tuple[float, float], ...]
    regulator_max_hz: Mapping[int, tuple[float, float]]
    apb1_max_hz: tuple[float, float]
    apb2_max_hz: tuple[float, float]
    pll_output_hz: tuple[float, float]
    pll_has_r: bool = True


# RM0390 table 5; DS10693 tables 17 and 41.
F446 = ChipLimits(
    flash_steps=((2.7, 30 * MHZ), (2.4, 24 * MHZ), (2.1, 22 * MHZ), (1.7, 20 * MHZ)),
    regulator_max_hz={1: (168 * MHZ, 180 * MHZ), 2: (144 * MHZ, 168 * MHZ), 3: (120 * MHZ, 120 * MHZ)},
    apb1_max_hz=(42 * MHZ, 45 * MHZ),
    apb2_max_hz=(84 * MHZ, 90 * MHZ),
    pll_output_hz=(24 * MHZ, 180 * MHZ),
)
# RM0385 rev 8 section 3.3.2; DS10916 rev 4, general operating conditions and main PLL characteristics.
F746 = ChipLimits(
    flash_steps=((2.7, 30 * MHZ), (2.4, 24 * MHZ), (2.1, 22 * MHZ), (1.7, 20 * MHZ)),
    regulator_max_hz={1: (180 * MHZ, 216 * MHZ), 2: (168 * MHZ, 180 * MHZ), 3: (144 * MHZ, 144 * MHZ)},
    apb1_max_hz=(45 * MHZ, 54 * MHZ),
    apb2_max_hz=(90 * MHZ, 108 * MHZ),
    pll_output_hz=(24 * MHZ, 216 * MHZ),
    pll_has_r=False,
)

PLL_INPUT_HZ = (0.95 * MHZ, 2.1 * MHZ)
PLL_VCO_HZ = (100 * MHZ, 432 * MHZ)

_SLACK = 1 + 1e-9
"""Rounding of a clock computed in floating point."""


@dataclass(frozen=True, slots=True)
class ClockState:
    """The clocks [Hz] and what they have to fit: flash, regulator, supply [V]."""

    hclk_hz: float
    pclk1_hz: float
    pclk2_hz: float
    wait_states: int
    prefetch: bool
    voltage_scale: int
    over_drive: bool
    vdd_v: float


def flash_step_hz(vdd_v: float, limits: ChipLimits = F446) -> float:
    """Return the HCLK that one more wait state allows at ``vdd_v``."""
    for lowest_v, step_hz in limits.flash_steps:
        if vdd_v >= lowest_v:
            return step_hz
    return float(limits.flash_steps[-1][1])


def violations(state: ClockState, limits: ChipLimits = F446) -> list[str]:
    """Return what ``state`` breaks, one text each with the numbers and the manual's section; empty when all limits hold."""
    found = []
    flash_max = flash_step_hz(state.vdd_v, limits) * (state.wait_states + 1)
    if state.hclk_hz > flash_max * _SLACK:
        found.append(
            f"HCLK {state.hclk_hz / MHZ:g} MHz is above {flash_max / MHZ:g} MHz, the most for {state.wait_states} flash wait states"
            f" at VDD {state.vdd_v:g} V (RM0390 3.4.1 table 5)"
        )
    regulator_max = limits.regulator_max_hz[state.voltage_scale][state.over_drive]
    if state.hclk_hz > regulator_max * _SLACK:
        found.append(
            f"HCLK {state.hclk_hz / MHZ:g} MHz is above {regulator_max / MHZ:g} MHz, the most at voltage scale {state.voltage_scale}"
            f" with over-drive {'on' if state.over_drive else 'off'} (RM0390 5.1.4, DS10693 table 17)"
        )
    for bus, clock_hz, most in (
        ("APB1", state.pclk1_hz, limits.apb1_max_hz),
        ("APB2", state.pclk2_hz, limits.apb2_max_hz),
    ):
        most_hz = most[state.over_drive]
        if clock_hz > most_hz * _SLACK:
            found.append(
                f"{bus} {clock_hz / MHZ:g} MHz is above {most_hz / MHZ:g} MHz, the most with over-drive"
                f" {'on' if state.over_drive else 'off'} (DS10693 table 17)"
            )
    if state.prefetch and state.vdd_v < 2.1:
        found.append(f"flash prefetch is on at VDD {state.vdd_v:g} V; it needs at least 2.1 V (RM0390 3.4.1)")
    return found


def pll_problem(input_hz: float, n: int, m: int, p: int, q: int, r: int, limits: ChipLimits = F446) -> str | None:
    """Return why the main PLL cannot lock with these factors, or None. ``input_hz`` is the clock before the divider M."""
    if not 2 <= m <= 63 or not 50 <= n <= 432 or not 2 <= q <= 15 or (limits.pll_has_r and not 2 <= r <= 7):
        return f"PLL factors M={m} N={n} Q={q} R={r} are outside M 2-63, N 50-432, Q 2-15, R 2-7 (RM0390 6.3.2)"
    compare_hz = input_hz / m
    vco_hz = compare_hz * n
    for what, value, (low, high) in (
        ("input after M", compare_hz, PLL_INPUT_HZ),
        ("VCO", vco_hz, PLL_VCO_HZ),
        ("output after P", vco_hz / p, limits.pll_output_hz),
    ):
        if not low / _SLACK <= value <= high * _SLACK:
            return f"PLL {what} {value / MHZ:g} MHz is outside {low / MHZ:g}-{high / MHZ:g} MHz (DS10693 table 41)"
    return None
