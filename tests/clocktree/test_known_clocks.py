"""The fourteen clocks of the F446 and of the L496 against what their documents say, and the order of preference."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.boards import load_board
from bench.clocktree import check, clock_table, solve
from bench.domain.clock import Accelerator, ClockConfiguration, Oscillator, Pll
from bench.errors import ParameterError, UnreachableClock
from tests.clocktree.clock_boards import MHZ, f446, l496

# MHz, wait states, regulator level, APB1 and APB2 prescaler: DS10693 section 6.3.1, RM0390 section 3.4.1, at 3.3 V.
F446 = [
    (16, 0, "scale3", 1, 1),
    (24, 0, "scale3", 1, 1),
    (32, 1, "scale3", 1, 1),
    (48, 1, "scale3", 2, 1),
    (64, 2, "scale3", 2, 1),
    (80, 2, "scale3", 2, 1),
    (90, 2, "scale3", 4, 2),
    (100, 3, "scale3", 4, 2),
    (116, 3, "scale3", 4, 2),
    (124, 4, "scale2", 4, 2),
    (132, 4, "scale2", 4, 2),
    (148, 4, "scale1", 4, 2),
    (164, 5, "scale1", 4, 2),
    (180, 5, "scale1od", 4, 2),
]


@pytest.mark.parametrize(("mhz", "wait_states", "regulator", "apb1", "apb2"), F446)
def test_f446_clock(mhz: int, wait_states: int, regulator: str, apb1: int, apb2: int) -> None:
    clock = solve(f446(), mhz * MHZ)
    assert clock.hclk_exact_hz == mhz * MHZ
    assert (clock.flash_wait_states, clock.regulator) == (wait_states, regulator)
    assert (clock.apb1_div, clock.apb2_div, clock.ahb_div) == (apb1, apb2, 1)
    assert clock.accelerators == {Accelerator.PREFETCH, Accelerator.ICACHE, Accelerator.DCACHE}
    assert check(clock, f446().limits, 3.3) == []


def test_f446_table_has_the_fourteen_published_clocks() -> None:
    table = clock_table(f446())
    assert [hz // MHZ for hz, _ in table] == [mhz for mhz, *_ in F446]
    assert all(clock.hclk_hz == hz for hz, clock in table)
    assert len({clock.id for _, clock in table}) == 14


def test_overdrive_is_used_only_where_nothing_else_reaches() -> None:
    assert solve(f446(), 168 * MHZ).regulator == "scale1"
    assert solve(f446(), 169 * MHZ).regulator == "scale1od"


@pytest.mark.parametrize(("mhz", "regulator"), [(120, "scale3"), (121, "scale2"), (144, "scale2"), (145, "scale1")])
def test_f446_voltage_scale_edges(mhz: int, regulator: str) -> None:
    assert solve(f446(), mhz * MHZ).regulator == regulator


@pytest.mark.parametrize(
    ("mhz", "oscillator", "ahb"),
    [
        (16, Oscillator.HSI, 1),
        (8, Oscillator.HSE_BYPASS, 1),
        (4, Oscillator.HSE_BYPASS, 2),
        (0.03125, Oscillator.HSE_BYPASS, 256),
    ],
)
def test_no_pll_where_an_oscillator_does(mhz: float, oscillator: Oscillator, ahb: int) -> None:
    clock = solve(f446(), mhz * MHZ)
    assert (clock.pll, clock.oscillator, clock.ahb_div, clock.regulator) == (None, oscillator, ahb, "scale3")


def test_pll_takes_the_accurate_oscillator_2_mhz_and_the_slowest_vco() -> None:
    clock = solve(f446(), 24 * MHZ)
    assert clock.oscillator is Oscillator.HSE_BYPASS
    assert clock.pll == Pll(m=4, n=72, r=6)  # 2 MHz in; VCO 144 MHz: with r = 2 or 4 it would run below 100 MHz


def test_pll_leaves_2_mhz_only_when_it_must() -> None:
    clock = solve(f446(), 120.5 * MHZ)
    assert clock.pll == Pll(m=8, n=241, r=2)  # VCO 241 MHz is no multiple of 2 MHz, and 482 MHz is too fast


@pytest.mark.parametrize(("vdd_v", "wait_states"), [(3.6, 4), (2.8, 4), (2.7, 5), (2.4, 6), (2.1, 7), (1.7, 7)])
def test_lower_vdd_costs_wait_states(vdd_v: float, wait_states: int) -> None:
    clock = solve(f446(), 132 * MHZ, vdd_v)
    assert clock.flash_wait_states >= wait_states - 1
    assert check(clock, f446().limits, vdd_v) == []
    table = {3.6: 4, 2.8: 4, 2.7: 5, 2.4: 5, 2.1: 6, 1.7: 6}
    assert clock.flash_wait_states == table[vdd_v]


def test_default_prefetch_goes_where_vdd_forbids_it() -> None:
    assert Accelerator.PREFETCH not in solve(f446(), 100 * MHZ, 1.8).accelerators
    with pytest.raises(ParameterError, match="prefetch is not allowed"):
        solve(f446(), 100 * MHZ, 1.8, frozenset({Accelerator.PREFETCH}))


def test_accelerators_can_be_chosen() -> None:
    assert solve(f446(), 100 * MHZ, accelerators=frozenset()).id.endswith("-none")
    assert solve(f446(), 100 * MHZ, accelerators=frozenset({Accelerator.ICACHE})).id.endswith("-i")


# MHz, wait states, regulator range: DS11585, RM0351 section 3.3.3.
L496 = [
    (0.1, 0, "range2"),
    (0.2, 0, "range2"),
    (0.4, 0, "range2"),
    (0.8, 0, "range2"),
    (1, 0, "range2"),
    (2, 0, "range2"),
    (4, 0, "range2"),
    (8, 1, "range2"),
    (16, 2, "range2"),
    (24, 3, "range2"),
    (32, 1, "range1"),
    (48, 2, "range1"),
    (64, 3, "range1"),
    (80, 4, "range1"),
]


@pytest.mark.parametrize(("mhz", "wait_states", "regulator"), L496)
def test_another_family_needs_only_other_limits(mhz: float, wait_states: int, regulator: str) -> None:
    clock = solve(l496(), mhz * MHZ)
    assert clock.hclk_hz == mhz * MHZ
    assert (clock.flash_wait_states, clock.regulator) == (wait_states, regulator)
    assert (clock.pll is None) == (mhz <= 48)
    assert check(clock, l496().limits) == []


def test_a_level_may_bound_the_vco() -> None:
    """20.5 MHz fits range 2, but not the 164 MHz VCO that it takes: range 2 ends at 128 MHz."""
    slow, fast = solve(l496(), 22 * MHZ), solve(l496(), 20.5 * MHZ)
    assert slow.pll is not None
    assert fast.pll is not None
    assert slow.regulator == "range2"
    assert slow.pll.vco_hz(slow.oscillator_hz) == 88 * MHZ
    assert fast.regulator == "range1"
    assert fast.pll.vco_hz(fast.oscillator_hz) == 164 * MHZ
    assert "PLL VCO at 164 MHz, regulator level range2 permits 128 MHz" in check(
        replace(fast, regulator="range2", flash_wait_states=3), l496().limits
    )


F746 = [
    (0.2, 0, "scale3", 128, 1, 1),
    (0.4, 0, "scale3", 64, 1, 1),
    (0.8, 0, "scale3", 64, 1, 1),
    (1, 0, "scale3", 8, 1, 1),
    (4, 0, "scale3", 2, 1, 1),
    (16, 0, "scale3", 1, 1, 1),
    (48, 1, "scale3", 1, 2, 1),
    (80, 2, "scale3", 1, 2, 1),
    (100, 3, "scale3", 1, 4, 2),
    (116, 3, "scale3", 1, 4, 2),
    (148, 4, "scale2", 1, 4, 2),
    (180, 5, "scale1", 1, 4, 2),
    (200, 6, "scale1od", 1, 4, 2),
    (216, 7, "scale1od", 1, 4, 2),
]


@pytest.mark.parametrize(("mhz", "wait_states", "regulator", "ahb", "apb1", "apb2"), F746)
def test_f746_clock(mhz: float, wait_states: int, regulator: str, ahb: int, apb1: int, apb2: int) -> None:
    board = load_board("nucleo_f746zg")
    assert [hz / MHZ for hz in board.clocks_hz] == [row[0] for row in F746]
    clock = solve(board, mhz * MHZ)
    assert clock.hclk_exact_hz == round(mhz * MHZ)
    assert (clock.flash_wait_states, clock.regulator) == (wait_states, regulator)
    assert (clock.ahb_div, clock.apb1_div, clock.apb2_div) == (ahb, apb1, apb2)
    assert clock.accelerators == {Accelerator.L1I, Accelerator.L1D}
    assert check(clock, board.limits, 3.3) == []


@pytest.mark.parametrize(("vdd_v", "wait_states"), [(2.5, 8), (2.2, 9)])
def test_f746_216_mhz_at_lower_supplies(vdd_v: float, wait_states: int) -> None:
    assert solve(load_board("nucleo_f746zg"), 216 * MHZ, vdd_v).flash_wait_states == wait_states


def test_f746_has_no_over_drive_below_2_1_volts() -> None:
    with pytest.raises(UnreachableClock):
        solve(load_board("nucleo_f746zg"), 216 * MHZ, 2.0)
    assert solve(load_board("nucleo_f746zg"), 180 * MHZ, 2.0).flash_wait_states == 8


# MHz, oscillator, PLL, wait states, regulator: RM0432 sections 3.3.3 and 5.1.8.
L4R9 = [
    (0.1, Oscillator.MSI, None, 0, "range2"),
    (8, Oscillator.MSI, None, 0, "range2"),
    (16, Oscillator.HSI, None, 1, "range2"),
    (24, Oscillator.MSI, None, 2, "range2"),
    (48, Oscillator.MSI, None, 2, "range1"),
    (64, Oscillator.HSI, Pll(4, 32, 2), 3, "range1"),
    (80, Oscillator.HSI, Pll(4, 40, 2), 3, "range1"),
    (81, Oscillator.HSI, Pll(4, 81, 4), 4, "range1boost"),
    (100, Oscillator.HSI, Pll(4, 50, 2), 4, "range1boost"),
    (120, Oscillator.HSI, Pll(4, 60, 2), 5, "range1boost"),
]


@pytest.mark.parametrize(("mhz", "oscillator", "pll", "wait_states", "regulator"), L4R9)
def test_l4r9_clock(mhz: float, oscillator: Oscillator, pll: Pll | None, wait_states: int, regulator: str) -> None:
    board = load_board("disco_l4r9i")
    clock = solve(board, mhz * MHZ)
    assert (clock.hclk_hz, clock.oscillator) == (mhz * MHZ, oscillator)
    assert (clock.flash_wait_states, clock.regulator) == (wait_states, regulator)
    assert clock.pll == pll
    assert check(clock, board.limits) == []


def test_one_oscillator_at_several_frequencies_comes_before_a_divided_one() -> None:
    """HSI16 / 16 is as exact as an HSI16, but an MSI at 1 MHz draws a fraction of its current."""
    clock = solve(load_board("nucleo_l496zg"), 1 * MHZ)
    assert (clock.oscillator, clock.oscillator_hz, clock.ahb_div) == (Oscillator.MSI, MHZ, 1)


def test_an_oscillator_that_needs_a_change_of_the_board_is_not_taken_but_may_be_named() -> None:
    board = load_board("nucleo_l496zg")
    assert solve(board, 64 * MHZ).oscillator is Oscillator.HSI
    named = ClockConfiguration.parse("hsebyp8-m2n32r2-ahb1-apb1.1-range1-ws3-id")
    assert named.hclk_hz == 64 * MHZ
    assert check(named, board.limits) == []
