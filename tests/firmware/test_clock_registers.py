"""Clock configurations as STM32F4 registers: known values from RM0390, and the check of what the target read back."""

from dataclasses import replace

import pytest

from bench.boards import load_board
from bench.clocktree import clock_table, solve
from bench.domain.clock import ClockConfiguration
from bench.errors import ClockUnconfirmed, ParameterError
from bench.firmware.clock_registers import confirm
from bench.firmware.clock_stm32f4 import encode

BOARD = load_board("nucleo_f446ze")


def test_180_mhz_from_the_external_clock_with_over_drive() -> None:
    clock = ClockConfiguration.parse("hsebyp8-m4n180r2-ahb1-apb4.2-scale1od-ws5-pid")
    registers = encode(clock, BOARD)
    assert registers.pllcfgr == 4 | 180 << 6 | 0 << 16 | 1 << 22 | 15 << 24 | 2 << 28
    assert registers.cfgr == 0b10 | 0 << 4 | 0b101 << 10 | 0b100 << 13
    assert registers.cr == 1 << 16 | 1 << 18
    assert (registers.pwr_cr, registers.overdrive) == (0b11 << 14, 1)
    assert registers.acr == 5 | 0b111 << 8


def test_16_mhz_needs_no_pll() -> None:
    registers = encode(solve(BOARD, 16e6), BOARD)
    assert registers.pllcfgr == 0
    assert registers.cfgr & 3 == 0
    assert registers.cr == 1


@pytest.mark.parametrize("index", range(14))
def test_what_was_asked_is_confirmed_and_anything_else_is_not(index: int) -> None:
    registers = encode(clock_table(BOARD)[index][1], BOARD)
    good = tuple(word.value for word in registers.read_back())
    confirm(registers, good)
    for position, bit in ((2, 0), (2, 7), (5, 0), (5, 9), (3, 14)):
        broken = list(good)
        broken[position] ^= 1 << bit
        with pytest.raises(ClockUnconfirmed, match=r"reads 0x"):
            confirm(registers, tuple(broken))


def test_a_divider_the_registers_lack_is_refused() -> None:
    with pytest.raises(ParameterError, match="32"):
        encode(replace(solve(BOARD, 16e6), ahb_div=32), BOARD)
