"""What clocks an STM32F446 stands, written down from its documents alone (never read from a board file, so that it can catch one).

RM0390 rev 6 section 3.4.1 table 5    wait states over CPU clock and supply voltage
RM0390 rev 6 section 5.1.4            voltage scaling and over-drive
DS10693 rev 10 table 17               maximum HCLK, PCLK1, PCLK2
DS10693 rev 10 tables 40, 41          PLL ranges
"""

from __future__ import annotations

from dataclasses import dataclass

MHZ = 1_000_000

# (lowest VDD, HCLK per wait state): RM0390 table 5.
_FLASH_STEPS = ((2.7, 30 * MHZ), (2.4, 24 * MHZ), (2.1, 22 * MHZ), (1.7, 20 * MHZ))

# Maximum HCLK by regulator scale: (over-drive off, on). DS10693 table 17.
_REGULATOR_MAX = {1: (168 * MHZ, 180 * MHZ), 2: (144 * MHZ, 168 * MHZ), 3: (120 * MHZ, 120 * MHZ)}

# Maximum of the peripheral bus clocks: (over-drive off, on). DS10693 table 17.
_APB1_MAX = (42 * MHZ, 45 * MHZ)
_APB2_MAX = (84 * MHZ, 90 * MHZ)

PLL_INPUT_HZ = (0.95 * MHZ, 2.1 * MHZ)
PLL_VCO_HZ = (100 * MHZ, 432 * MHZ)
PLL_OUTPUT_HZ = (24 * MHZ, 180 * MHZ)

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


def flash_step_hz(vdd_v: float) -> float:
    """Return the HCLK that one more wait state allows at ``vdd_v``."""
    for lowest_v, step_hz in _FLASH_STEPS:
        if vdd_v >= lowest_v:
            return step_hz
    return float(_FLASH_STEPS[-1][1])


def violations(state: ClockState) -> list[str]:
    """Return what ``state`` breaks, one text each with the numbers and the manual's section; empty when all limits hold."""
    found = []
    flash_max = flash_step_hz(state.vdd_v) * (state.wait_states + 1)
    if state.hclk_hz > flash_max * _SLACK:
        found.append(
            f"HCLK {state.hclk_hz / MHZ:g} MHz is above {flash_max / MHZ:g} MHz, the most for {state.wait_states} flash wait states"
            f" at VDD {state.vdd_v:g} V (RM0390 3.4.1 table 5)"
        )
    regulator_max = _REGULATOR_MAX[state.voltage_scale][state.over_drive]
    if state.hclk_hz > regulator_max * _SLACK:
        found.append(
            f"HCLK {state.hclk_hz / MHZ:g} MHz is above {regulator_max / MHZ:g} MHz, the most at voltage scale {state.voltage_scale}"
            f" with over-drive {'on' if state.over_drive else 'off'} (RM0390 5.1.4, DS10693 table 17)"
        )
    for bus, clock_hz, most in (("APB1", state.pclk1_hz, _APB1_MAX), ("APB2", state.pclk2_hz, _APB2_MAX)):
        most_hz = most[state.over_drive]
        if clock_hz > most_hz * _SLACK:
            found.append(
                f"{bus} {clock_hz / MHZ:g} MHz is above {most_hz / MHZ:g} MHz, the most with over-drive"
                f" {'on' if state.over_drive else 'off'} (DS10693 table 17)"
            )
    if state.prefetch and state.vdd_v < 2.1:
        found.append(f"flash prefetch is on at VDD {state.vdd_v:g} V; it needs at least 2.1 V (RM0390 3.4.1)")
    return found


def pll_problem(input_hz: float, n: int, m: int, p: int, q: int, r: int) -> str | None:
    """Return why the main PLL cannot lock with these factors, or None. ``input_hz`` is the clock before the divider M."""
    if not 2 <= m <= 63 or not 50 <= n <= 432 or not 2 <= q <= 15 or not 2 <= r <= 7:
        return f"PLL factors M={m} N={n} Q={q} R={r} are outside M 2-63, N 50-432, Q 2-15, R 2-7 (RM0390 6.3.2)"
    compare_hz = input_hz / m
    vco_hz = compare_hz * n
    for what, value, (low, high) in (
        ("input after M", compare_hz, PLL_INPUT_HZ),
        ("VCO", vco_hz, PLL_VCO_HZ),
        ("output after P", vco_hz / p, PLL_OUTPUT_HZ),
    ):
        if not low / _SLACK <= value <= high * _SLACK:
            return f"PLL {what} {value / MHZ:g} MHz is outside {low / MHZ:g}-{high / MHZ:g} MHz (DS10693 table 41)"
    return None
