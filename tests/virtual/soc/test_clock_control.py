"""RCC, PWR and the limits: the right order works, every wrong one faults with a diagnosis that cites the manual."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.virtual.cpu import AccessFault
from bench.virtual.soc.limits import ClockState, flash_step_hz, pll_problem, violations
from bench.virtual.soc.stm32f446 import HSE_HZ
from tests.virtual.soc.soc_fixture import (
    FLASH_ACR,
    HSEBYP,
    HSEON,
    HSERDY,
    PLLON,
    PLLRDY,
    PWR_CR,
    PWR_CSR,
    RCC_APB1ENR,
    RCC_CFGR,
    RCC_CR,
    RCC_CSR,
    RCC_PLLCFGR,
    Chip,
)


def refused(chip: Chip, address: int, value: int) -> str:
    """The diagnosis of a write that must fault."""
    with pytest.raises(AccessFault):
        chip.write(address, value)
    return chip.log.texts[-1]


def test_reset_values_are_the_manuals(chip: Chip) -> None:
    assert chip.read(RCC_CR) == 0x83
    assert chip.read(RCC_PLLCFGR) == 0x24003010
    assert chip.read(RCC_CFGR) == 0
    assert chip.soc.clocks.hclk_hz == 16e6
    assert chip.soc.power.voltage_scale == 3


def test_the_documented_sequence_reaches_180_mhz(chip: Chip) -> None:
    chip.to_180_mhz()
    clocks = chip.soc.clocks
    assert (clocks.source, clocks.hclk_hz, clocks.pclk1_hz, clocks.pclk2_hz) == ("pll", 180e6, 45e6, 90e6)
    assert clocks.timer1_hz == 90e6
    assert chip.core.flash_access == (5, True, True, True)
    assert chip.read(RCC_CFGR) >> 2 & 3 == 2
    assert chip.log.texts == []


@pytest.mark.parametrize(
    ("left_out", "cites"),
    [
        ("over-drive", "over-drive off"),
        ("wait states", "wait states"),
        ("dividers", "APB1 180 MHz"),
        ("pll", "before it is ready"),
    ],
)
def test_leaving_out_a_step_faults(chip: Chip, left_out: str, cites: str) -> None:
    with pytest.raises(AccessFault):
        chip.to_180_mhz(skip=lambda step: step == left_out)
    assert cites in chip.log.texts[-1]
    assert "RM0390" in chip.log.texts[-1] or "DS10693" in chip.log.texts[-1]


def test_scale_2_ends_at_144_mhz(chip: Chip) -> None:
    chip.start_hse()
    chip.set_scale(2)
    assert chip.start_pll(n=148)
    chip.set_wait_states(4)
    chip.set_dividers(5, 4)
    with pytest.raises(AccessFault):
        chip.select(2)
    assert "144 MHz, the most at voltage scale 2 with over-drive off" in chip.log.texts[-1]


def test_lowering_wait_states_at_speed_faults(chip: Chip) -> None:
    chip.to_180_mhz()
    with pytest.raises(AccessFault):
        chip.set_wait_states(4)
    assert "150 MHz, the most for 4 flash wait states" in chip.log.texts[-1]


def test_hse_needs_bypass(chip: Chip) -> None:
    chip.set_bits(RCC_CR, HSEON)
    assert not chip.wait_for(RCC_CR, HSERDY, 0.01)
    assert "HSEBYP" in chip.log.texts[-1]


def test_bypass_cannot_change_while_hse_is_on(chip: Chip) -> None:
    chip.set_bits(RCC_CR, HSEON)
    assert "HSEBYP written" in refused(chip, RCC_CR, chip.read(RCC_CR) | HSEBYP)


def test_oscillators_and_pll_take_their_time(chip: Chip) -> None:
    chip.write(RCC_CR, chip.read(RCC_CR) | HSEBYP | HSEON)
    assert not chip.read(RCC_CR) & HSERDY
    assert chip.wait_for(RCC_CR, HSERDY)
    chip.write(RCC_PLLCFGR, 4 | 180 << 6 | 1 << 22 | 8 << 24 | 2 << 28)
    chip.set_bits(RCC_CR, PLLON)
    chip.wait(50e-6)
    assert not chip.read(RCC_CR) & PLLRDY
    chip.wait(150e-6)
    assert chip.read(RCC_CR) & PLLRDY


@pytest.mark.parametrize(
    ("m", "n", "p", "cites"),
    [
        (2, 100, 2, "input after M"),
        (4, 217, 2, "VCO"),
        (4, 50, 8, "output after P"),
        (1, 100, 2, "factors"),
        (4, 49, 2, "factors"),
    ],
)
def test_a_pll_out_of_range_never_locks(chip: Chip, m: int, n: int, p: int, cites: str) -> None:
    chip.start_hse()
    assert not chip.start_pll(m, n, p)
    assert cites in chip.log.texts[-1]


def test_pll_without_its_input_never_locks(chip: Chip) -> None:
    assert not chip.start_pll()
    assert "before its input clock was ready" in chip.log.texts[-1]


def test_pll_is_not_reprogrammed_while_on(chip: Chip) -> None:
    chip.start_hse()
    assert chip.start_pll()
    assert "PLLCFGR written while the PLL is on" in refused(chip, RCC_PLLCFGR, 0x24003010)


@pytest.mark.parametrize("bits", [PLLON, HSEON])
def test_what_the_system_clock_needs_stays_on(chip: Chip, bits: int) -> None:
    chip.to_180_mhz()
    assert "cleared while the system clock needs it" in refused(chip, RCC_CR, chip.read(RCC_CR) & ~bits)


def test_voltage_scale_changes_with_the_pll_off_and_acts_with_it_on(chip: Chip) -> None:
    chip.set_scale(2)
    assert chip.soc.power.voltage_scale == 3
    chip.start_hse()
    assert chip.start_pll(n=120)
    assert chip.read(PWR_CSR) & 1 << 14
    assert chip.soc.power.voltage_scale == 2
    assert "PLL is on" in refused(chip, PWR_CR, 0xC000)


def test_power_control_needs_its_clock(chip: Chip) -> None:
    assert "without its clock (RCC_APB1ENR bit 28)" in refused(chip, PWR_CR, 0x8000)


def test_over_drive_switches_after_ready_and_off_the_pll(chip: Chip) -> None:
    chip.set_scale(1)
    assert "before PWR_CSR.ODRDY" in refused(chip, PWR_CR, chip.read(PWR_CR) | 3 << 16)
    chip = Chip()
    chip.to_180_mhz()
    assert "over-drive switched while the PLL is the system clock" in refused(chip, PWR_CR, 0xC000)
    chip.select(0)
    chip.write(PWR_CR, 0xC000)
    assert not chip.soc.power.over_drive


def test_what_is_not_modelled_is_refused(chip: Chip) -> None:
    for address, value in ((RCC_CR, 0x83 | 1 << 19), (RCC_CR, 0x83 | 1 << 26), (RCC_CSR, 1)):
        assert "not modelled" in refused(chip, address, value)
    for address in (0x40023818, 0x40026000, 0x40013000, 0x50000000):
        with pytest.raises(AccessFault):
            chip.read(address)


def test_a_low_supply_lowers_what_the_flash_stands() -> None:
    chip = Chip(vdd_v=2.0)
    chip.start_hse()
    assert chip.start_pll(n=60)
    with pytest.raises(AccessFault):
        chip.set_wait_states(2)
    assert "prefetch is on at VDD 2 V" in chip.log.texts[-1]
    chip.write(FLASH_ACR, 0)
    with pytest.raises(AccessFault):
        chip.select(2)
    assert "20 MHz, the most for 0 flash wait states at VDD 2 V" in chip.log.texts[-1]


def test_reset_flags_add_up_until_cleared(chip: Chip) -> None:
    assert chip.read(RCC_CSR) >> 24 == 0x0E
    chip.soc.system_reset(software=True)
    assert chip.read(RCC_CSR) & 1 << 28
    chip.write(RCC_CSR, 1 << 24)
    assert chip.read(RCC_CSR) == 0


def test_system_reset_returns_to_hsi(chip: Chip) -> None:
    chip.to_180_mhz()
    chip.soc.system_reset(software=False)
    assert chip.soc.clocks.hclk_hz == 16e6
    assert chip.core.flash_access == (0, False, False, False)
    assert chip.time.hclk_hz == 16e6
    assert not chip.read(RCC_APB1ENR)


@given(st.integers(2, 63), st.integers(50, 432), st.sampled_from((2, 4, 6, 8)))
def test_pll_locks_exactly_within_its_ranges(m: int, n: int, p: int) -> None:
    compare, vco, out = HSE_HZ / m, HSE_HZ / m * n, HSE_HZ / m * n / p
    legal = 0.95e6 <= compare <= 2.1e6 and 100e6 <= vco <= 432e6 and 24e6 <= out <= 180e6
    assert (pll_problem(HSE_HZ, n, m, p, 8, 2) is None) == legal


@given(st.floats(1e6, 200e6), st.integers(0, 15), st.floats(1.7, 3.6))
def test_enough_wait_states_are_never_too_many(hclk_hz: float, wait_states: int, vdd_v: float) -> None:
    def broken(count: int) -> bool:
        state = ClockState(hclk_hz, 1e6, 1e6, count, False, 1, True, vdd_v)
        return any("wait states" in text for text in violations(state))

    assert broken(wait_states) == (hclk_hz > flash_step_hz(vdd_v) * (wait_states + 1))
    if not broken(wait_states):
        assert not broken(wait_states + 1)
