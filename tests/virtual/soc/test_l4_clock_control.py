"""RCC, PWR and the limits of the STM32L4: the right order works, every wrong one faults with a diagnosis that cites the manual."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.virtual.cpu import AccessFault
from bench.virtual.soc import limits_l4
from bench.virtual.soc.limits_l4 import L4R9, L496, ClockState, pll_problem, violations
from tests.virtual.soc.l4_fixture import (
    DIV2,
    FLASH_ACR,
    HSE,
    HSEBYP,
    HSEON,
    HSERDY,
    HSI,
    HSION,
    MSI,
    MSION,
    MSIRDY,
    MSIRGSEL,
    PLL,
    PLLON,
    PLLREN,
    PWR_CR1,
    PWR_CR5,
    PWR_SR2,
    R1MODE,
    RCC_APB1ENR1,
    RCC_CFGR,
    RCC_CR,
    RCC_CSR,
    RCC_PLLCFGR,
    VOSF,
    L4Chip,
    l4r9,
)

MHZ = 1_000_000


@pytest.fixture
def chip() -> L4Chip:
    """An STM32L496 fresh from power-on."""
    return L4Chip()


def refused(chip: L4Chip, act: Callable[[], object]) -> str:
    """The diagnosis of an act that must fault."""
    with pytest.raises(AccessFault):
        act()
    return chip.log.texts[-1]


def test_reset_values_are_the_manuals(chip: L4Chip) -> None:
    assert chip.read(RCC_CR) == 0x63
    assert chip.read(RCC_PLLCFGR) == 0x1000
    assert chip.read(RCC_CFGR) == 0
    assert chip.read(RCC_CSR) == 0x0C000600
    assert chip.read(PWR_CR1) == 0x200
    assert chip.read(FLASH_ACR) == 0x600
    assert l4r9().read(PWR_CR5) == 0x100
    assert chip.soc.clocks.hclk_hz == 4e6
    assert chip.core.flash_access == (0, True, True, False)


@pytest.mark.parametrize(
    ("code", "hz"), list(enumerate((100e3, 200e3, 400e3, 800e3, 1e6, 2e6, 4e6, 8e6, 16e6, 24e6, 32e6, 48e6)))
)
def test_msi_ranges(chip: L4Chip, code: int, hz: float) -> None:
    chip.set_wait_states(4)
    chip.msi_range(code)
    assert chip.soc.clocks.hclk_hz == hz == chip.time.hclk_hz


def test_the_documented_sequences_reach_the_top(chip: L4Chip) -> None:
    chip.to_80_mhz()
    assert (chip.soc.clocks.source, chip.soc.clocks.hclk_hz, chip.soc.clocks.timer1_hz) == ("pll", 80e6, 80e6)
    assert chip.core.flash_access == (4, True, True, False)
    fast = l4r9()
    fast.to_120_mhz()
    assert (fast.soc.clocks.hclk_hz, fast.soc.power.over_drive) == (120e6, True)
    fast.set_hpre(DIV2)
    fast.select(MSI)
    assert chip.log.texts == fast.log.texts == []


def test_range_2_and_back(chip: L4Chip) -> None:
    chip.start_hsi()
    chip.set_wait_states(2)
    chip.select(HSI)
    chip.set_range(2)
    assert chip.soc.power.voltage_scale == 2
    chip.set_range(1)
    assert chip.read(PWR_SR2) & VOSF
    chip.wait(41e-6)
    assert not chip.read(PWR_SR2) & VOSF
    assert chip.soc.power.voltage_scale == 1
    assert chip.log.texts == []


def test_too_few_wait_states(chip: L4Chip) -> None:
    chip.start_hsi()
    assert chip.start_pll()
    chip.set_wait_states(3)
    assert "HCLK 80 MHz is above 64 MHz, the most for 3 flash wait states in range 1 (RM0351 3.3.3)" in refused(
        chip, lambda: chip.select(PLL)
    )


def test_range_2_needs_its_own_wait_states_and_a_slow_clock(chip: L4Chip) -> None:
    chip.start_hsi()
    chip.select(HSI)
    assert "16 MHz is above 6 MHz, the most for 0 flash wait states in range 2" in refused(
        chip, lambda: chip.set_range(2)
    )
    fast = L4Chip()
    fast.to_80_mhz()
    assert "SYSCLK 80 MHz is above 26 MHz, the most in voltage range 2" in refused(fast, lambda: fast.set_range(2))


def test_a_fast_clock_waits_for_the_regulator(chip: L4Chip) -> None:
    chip.set_range(2)
    chip.set_wait_states(4)
    chip.set_range(1)
    assert "range 2" in refused(chip, lambda: chip.msi_range(11))


def test_the_vco_is_bounded_in_range_2(chip: L4Chip) -> None:
    chip.set_range(2)
    chip.start_hsi()
    assert "PLL VCO 160 MHz is above 128 MHz" in refused(chip, chip.start_pll)


def test_what_pwr_lacks_is_refused(chip: L4Chip) -> None:
    assert "forbidden" in refused(chip, lambda: chip.set_range(3))
    assert "low-power run" in refused(chip, lambda: chip.change(PWR_CR1, 0, 1 << 14))
    with pytest.raises(AccessFault):
        chip.read(PWR_CR5)  # L4+ alone
    chip.write(RCC_APB1ENR1, 0)
    assert "without its clock (RCC_APB1ENR1 bit 28)" in refused(chip, lambda: chip.read(PWR_CR1))


def test_msi_range_is_left_alone_until_ready(chip: L4Chip) -> None:
    chip.change(RCC_CR, 0xF0, MSIRGSEL | 7 << 4)
    assert not chip.read(RCC_CR) & MSIRDY
    assert "MSIRANGE written while the MSI is on and not ready" in refused(
        chip, lambda: chip.change(RCC_CR, 0xF0, 5 << 4)
    )


def test_msi_range_without_selection_has_no_effect(chip: L4Chip) -> None:
    chip.change(RCC_CR, 0xF0, 4 << 4)
    assert chip.soc.clocks.hclk_hz == 4e6
    chip.change(RCC_CR, 0, MSIRGSEL)
    assert chip.soc.clocks.hclk_hz == 1e6
    chip.change(RCC_CR, MSIRGSEL, 0)
    assert chip.read(RCC_CR) & MSIRGSEL


def test_bad_msi_range(chip: L4Chip) -> None:
    assert "MSIRANGE = 12" in refused(chip, lambda: chip.change(RCC_CR, 0xF0, MSIRGSEL | 12 << 4))


def test_msi_keeps_its_range_while_it_feeds_the_pll(chip: L4Chip) -> None:
    assert chip.start_pll(m=1, source=MSI)
    assert "feeds the PLL" in refused(chip, lambda: chip.change(RCC_CR, 0xF0, MSIRGSEL | 7 << 4))


def test_switching_to_what_is_not_ready(chip: L4Chip) -> None:
    for source, name in ((HSI, "HSI"), (HSE, "HSE"), (PLL, "PLL")):
        complaint = refused(chip, partial(chip.select, source))
        assert f"selects {name} before it is ready (RM0351 6.4.3" in complaint


def test_the_pll_needs_its_output_switched_on(chip: L4Chip) -> None:
    chip.start_hsi()
    assert chip.start_pll()
    chip.change(RCC_PLLCFGR, PLLREN, 0)
    chip.set_wait_states(4)
    assert "its output is off (PLLREN" in refused(chip, lambda: chip.select(PLL))
    chip.change(RCC_PLLCFGR, 0, PLLREN)
    chip.select(PLL)
    assert "PLLREN cleared" in refused(chip, lambda: chip.change(RCC_PLLCFGR, PLLREN, 0))


@pytest.mark.parametrize(
    ("m", "n", "cites"),
    [(8, 40, "input after M"), (1, 22, "VCO"), (4, 8, "VCO"), (4, 87, "factors"), (4, 7, "factors")],
)
def test_a_pll_out_of_range_never_locks(chip: L4Chip, m: int, n: int, cites: str) -> None:
    chip.start_hsi()
    assert not chip.start_pll(m, n)
    assert cites in chip.log.texts[-1]


def test_a_pll_without_input_never_locks(chip: L4Chip) -> None:
    assert not chip.start_pll()
    assert "before its input clock was ready" in chip.log.texts[-1]
    bare = L4Chip()
    bare.write(RCC_PLLCFGR, 40 << 8)
    bare.change(RCC_CR, 0, PLLON)
    assert "without a source" in bare.log.texts[-1]


def test_pll_is_not_reprogrammed_while_on(chip: L4Chip) -> None:
    chip.to_80_mhz()
    assert "PLLCFGR written while the PLL is on" in refused(chip, lambda: chip.write(RCC_PLLCFGR, 0x1000 | PLLREN))


@pytest.mark.parametrize("bits", [PLLON, HSION])
def test_what_the_system_clock_needs_stays_on(chip: L4Chip, bits: int) -> None:
    chip.to_80_mhz()
    assert "cleared while the system clock needs it" in refused(chip, lambda: chip.change(RCC_CR, bits, 0))
    chip.change(RCC_CR, MSION, 0)


def test_the_external_clock_is_what_the_board_has(chip: L4Chip) -> None:
    chip.change(RCC_CR, 0, HSEON)
    assert not chip.wait_for(RCC_CR, HSERDY, HSERDY)
    assert "HSEBYP" in chip.log.texts[-1]
    assert "HSEBYP written while the HSE is on" in refused(chip, lambda: chip.change(RCC_CR, 0, HSEBYP))
    chip.change(RCC_CR, HSEON, 0)
    chip.change(RCC_CR, 0, HSEBYP)
    chip.change(RCC_CR, 0, HSEON)
    assert chip.wait_for(RCC_CR, HSERDY, HSERDY)
    crystal = l4r9()
    crystal.change(RCC_CR, 0, HSEON)
    crystal.wait(1.9e-3)
    assert not crystal.read(RCC_CR) & HSERDY
    assert crystal.wait_for(RCC_CR, HSERDY, HSERDY)


def test_120_mhz_is_entered_and_left_through_half_of_it() -> None:
    chip = l4r9()
    chip.start_hsi()
    assert chip.start_pll(n=60)
    chip.set_wait_states(5)
    chip.change(PWR_CR5, R1MODE, 0)
    assert "switched directly to or from HCLK 120 MHz" in refused(chip, lambda: chip.select(PLL))
    chip = l4r9()
    chip.to_120_mhz()
    assert "switched directly to or from HCLK 120 MHz" in refused(chip, lambda: chip.select(MSI))


def test_the_transition_lasts_a_microsecond() -> None:
    chip = l4r9()
    chip.start_hsi()
    assert chip.start_pll(n=60)
    chip.set_wait_states(5)
    chip.change(PWR_CR5, R1MODE, 0)
    chip.set_hpre(DIV2)
    chip.select(PLL)
    chip.wait(0.5e-6)
    assert "us after the switch" in refused(chip, lambda: chip.set_hpre(0))


def test_above_80_mhz_only_boosted() -> None:
    chip = l4r9()
    chip.start_hsi()
    assert chip.start_pll(n=60)
    chip.set_wait_states(5)
    chip.set_hpre(DIV2)
    assert "SYSCLK 120 MHz is above 80 MHz, the most in voltage range 1" in refused(chip, lambda: chip.select(PLL))
    chip = l4r9()
    chip.to_120_mhz()
    assert "range 1" in refused(chip, lambda: chip.change(PWR_CR5, 0, R1MODE))


def test_what_is_not_modelled_is_refused(chip: L4Chip) -> None:
    for bit in (2, 9, 19, 26, 28):
        assert "not modelled" in refused(chip, partial(chip.change, RCC_CR, 0, 1 << bit))
    assert "not modelled" in refused(chip, lambda: chip.write(RCC_CSR, 1))
    assert "RM0351 2.2.2" in refused(chip, lambda: chip.read(0x40013000))


def test_reset_returns_to_4_mhz_and_says_why() -> None:
    chip = l4r9()
    chip.to_120_mhz()
    chip.soc.system_reset(software=True)
    assert chip.soc.clocks.hclk_hz == chip.time.hclk_hz == 4e6
    assert chip.read(RCC_CSR) & 1 << 28
    chip.write(RCC_CSR, 1 << 23)
    assert chip.read(RCC_CSR) == 0x600


@given(st.sampled_from([L496, L4R9]), st.integers(1, 16), st.integers(1, 130))
def test_pll_locks_exactly_within_its_ranges(limits: limits_l4.Limits, m: int, n: int) -> None:
    legal_factors = m <= limits.pll_m_max and limits.pll_n[0] <= n <= limits.pll_n[1]
    legal = legal_factors and 4e6 <= 16e6 / m <= 16e6 and 64e6 <= 16e6 / m * n <= 344e6
    assert (pll_problem(16e6, m, n, limits) is None) == legal


# MHz by number of wait states: RM0351 and RM0432, section 3.3.3.
@pytest.mark.parametrize(
    ("limits", "voltage", "steps"),
    [
        (L496, "range 1", (16, 32, 48, 64, 80)),
        (L496, "range 2", (6, 12, 18, 26)),
        (L4R9, "range 1", (20, 40, 60, 80)),
        (L4R9, "range 1 boost", (20, 40, 60, 80, 100, 120)),
        (L4R9, "range 2", (8, 16, 26)),
    ],
)
def test_wait_states_of_every_range(limits: limits_l4.Limits, voltage: str, steps: tuple[int, ...]) -> None:
    for mhz in range(1, 130):
        for wait_states in range(16):
            state = ClockState(mhz * MHZ, mhz * MHZ, None, wait_states, voltage)
            sound = mhz <= steps[min(wait_states, len(steps) - 1)]
            assert (not violations(state, limits)) == sound, (mhz, wait_states)
