"""GPIO levels, timers in virtual time, identity and debug MCU registers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.virtual.cpu import AccessFault
from bench.virtual.soc import identity
from tests.virtual.soc.soc_fixture import RCC_AHB1ENR, RCC_APB1ENR, Chip

GPIOF = 0x40021400
TIM2, TIM5 = 0x40000000, 0x40000C00
CR1, DIER, SR, EGR, CNT, PSC, ARR = 0x00, 0x0C, 0x10, 0x14, 0x24, 0x28, 0x2C


def test_a_port_needs_its_clock(chip: Chip) -> None:
    with pytest.raises(AccessFault):
        chip.write(GPIOF, 1)
    assert "without its clock" in chip.log.texts[-1]


def test_an_output_pin_moves_and_an_input_does_not(chip: Chip) -> None:
    chip.set_bits(RCC_AHB1ENR, 1 << 5)
    chip.write(GPIOF + 0x18, 1 << 13)
    assert chip.levels == []
    chip.write(GPIOF, 1 << 26)
    chip.write(GPIOF + 0x18, 1 << (13 + 16))
    chip.write(GPIOF + 0x14, 1 << 13)
    assert chip.levels == [("PF13", True), ("PF13", False), ("PF13", True)]
    assert chip.read(GPIOF + 0x10) == 1 << 13
    chip.soc.write(GPIOF + 0x1A, 2, 1 << 13)
    assert chip.levels[-1] == ("PF13", False)
    chip.write(GPIOF + 0x18, 1 << 13 | 1 << 29)
    assert chip.levels[-1] == ("PF13", True), "set wins over reset"
    chip.soc.system_reset(software=False)
    assert chip.levels[-1] == ("PF13", False)


def start_timer(chip: Chip, base: int, period: int, prescaler: int = 0, interrupt: bool = True) -> None:
    chip.set_bits(RCC_APB1ENR, 1 << 0 | 1 << 3)
    chip.write(base + PSC, prescaler)
    chip.write(base + ARR, period - 1)
    chip.write(base + EGR, 1)
    chip.write(base + SR, 0)
    chip.write(base + DIER, int(interrupt))
    chip.write(base + CR1, 1)


@pytest.mark.parametrize(("base", "irq"), [(TIM2, 28), (TIM5, 50)])
def test_update_pends_the_interrupt_when_due(chip: Chip, base: int, irq: int) -> None:
    start_timer(chip, base, 1000, prescaler=15)
    start_s = chip.time.now_s
    assert chip.soc.next_event_s == pytest.approx(start_s + 1e-3)
    chip.wait(0.999e-3)
    chip.soc.sync()
    assert 16 + irq not in chip.core.system.pending
    chip.wait(0.001e-3)
    chip.soc.sync()
    assert 16 + irq in chip.core.system.pending
    assert chip.read(base + SR) & 1
    assert chip.soc.next_event_s == pytest.approx(start_s + 2e-3)


def test_timer_follows_the_clock_and_doubles_behind_a_divided_bus(chip: Chip) -> None:
    start_timer(chip, TIM2, 1 << 32, interrupt=False)
    chip.to_180_mhz()
    before = chip.read(TIM2 + CNT)
    chip.wait(1e-3)
    assert chip.read(TIM2 + CNT) - before == pytest.approx(90_000, abs=2)
    assert chip.soc.next_event_s is None


def test_one_pulse_stops(chip: Chip) -> None:
    start_timer(chip, TIM2, 16)
    chip.write(TIM2 + CR1, 1 << 3 | 1)
    chip.wait(1e-3)
    assert chip.read(TIM2 + SR) & 1
    assert not chip.read(TIM2 + CR1) & 1
    assert chip.soc.next_event_s is None


@given(st.lists(st.integers(0, 5000), max_size=20), st.integers(2, 4000))
def test_count_is_cycles_modulo_period_however_often_one_looks(steps: list[int], period: int) -> None:
    chip = Chip()
    start_timer(chip, TIM2, period, interrupt=False)
    start = chip.core.cycles
    for cycles in steps:
        chip.core.cycles += cycles
        assert chip.read(TIM2 + CNT) == (chip.core.cycles - start) % period


def test_modes_that_are_not_modelled_fault(chip: Chip) -> None:
    chip.set_bits(RCC_APB1ENR, 1)
    for register, value in ((CR1, 1 << 4), (DIER, 2), (0x18, 0)):
        with pytest.raises(AccessFault):
            chip.write(TIM2 + register, value)


def test_the_watchdog_can_be_fed_but_not_started(chip: Chip) -> None:
    chip.write(0x40003008, 5)
    assert chip.read(0x40003008) == 0xFFF
    for key in (0x5555, 0xAAAA):
        chip.write(0x40003000, key)
    with pytest.raises(AccessFault):
        chip.write(0x40003000, 0xCCCC)


def test_identity(chip: Chip) -> None:
    assert chip.read(0xE0042000) & 0xFFF == 0x421
    assert chip.soc.read(0x1FFF7A22, 2) == 512
    assert tuple(chip.read(0x1FFF7A10 + 4 * i) for i in range(3)) == identity.unique_words("test chip")
    assert identity.unique_words("a") != identity.unique_words("b")
    with pytest.raises(AccessFault):
        chip.read(0x1FFF7800)


def test_debug_mcu_bits_survive_a_system_reset_only(chip: Chip) -> None:
    chip.write(0xE0042004, 7)
    chip.soc.system_reset(software=True)
    assert chip.read(0xE0042004) == 7
    chip.soc.power_on_reset()
    assert chip.read(0xE0042004) == 0
