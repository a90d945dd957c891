"""Clock configurations as STM32F7 registers: known values from RM0385, and the check of what the target read back."""

from dataclasses import replace

import pytest

from bench.boards import load_board
from bench.clocktree import clock_table, solve
from bench.domain.clock import Accelerator, ClockConfiguration
from bench.errors import ClockUnconfirmed, ParameterError
from bench.firmware.clock_registers import confirm
from bench.firmware.clock_stm32f7 import encode

BOARD = load_board("nucleo_f746zg")


def test_216_mhz_from_the_external_clock_with_over_drive() -> None:
    clock = ClockConfiguration.parse("hsebyp8-m4n216r2-ahb1-apb4.2-scale1od-ws7-1i1d")
    assert solve(BOARD, 216e6) == clock
    registers = encode(clock, BOARD)
    assert registers.pllcfgr == 4 | 216 << 6 | 0 << 16 | 1 << 22 | 15 << 24 | 2 << 28
    assert registers.cfgr == 0b10 | 0 << 4 | 0b101 << 10 | 0b100 << 13
    assert registers.cr == 1 << 16 | 1 << 18
    assert (registers.pwr_cr, registers.overdrive) == (0b11 << 14, 1)
    assert (registers.acr, registers.ccr) == (7, 1 << 17 | 1 << 16)


def test_200_khz_comes_from_the_pll_through_the_ahb_prescaler() -> None:
    clock = solve(BOARD, 0.2e6)
    assert clock.hclk_exact_hz == 200_000
    registers = encode(clock, BOARD)
    assert registers.pllcfgr == 5 | 64 << 6 | 1 << 16 | 1 << 22 | 15 << 24 | 2 << 28
    assert registers.cfgr == 0b10 | 0b1101 << 4  # HPRE = 1101: by 128


@pytest.mark.parametrize(
    ("accelerators", "acr", "ccr"),
    [
        (frozenset(), 0, 0),
        ({Accelerator.ART}, 1 << 9, 0),
        ({Accelerator.ART, Accelerator.PREFETCH}, 1 << 9 | 1 << 8, 0),
        ({Accelerator.L1I}, 0, 1 << 17),
        ({Accelerator.L1D}, 0, 1 << 16),
    ],
)
def test_accelerators(accelerators: set[Accelerator], acr: int, ccr: int) -> None:
    registers = encode(solve(BOARD, 216e6, accelerators=frozenset(accelerators)), BOARD)
    assert (registers.acr, registers.ccr) == (7 | acr, ccr)


def test_the_caches_of_another_family_are_refused() -> None:
    with pytest.raises(ParameterError, match="icache"):
        solve(BOARD, 216e6, accelerators=frozenset({Accelerator.ICACHE}))
    with pytest.raises(ParameterError, match="icache"):
        encode(replace(solve(BOARD, 216e6), accelerators=frozenset({Accelerator.ICACHE})), BOARD)


@pytest.mark.parametrize("index", range(14))
def test_what_was_asked_is_confirmed_and_anything_else_is_not(index: int) -> None:
    registers = encode(clock_table(BOARD)[index][1], BOARD)
    good = tuple(word.value for word in registers.read_back())
    confirm(registers, good)
    for position, bit in ((2, 0), (2, 7), (5, 0), (5, 9), (5, 16), (5, 17), (3, 14)):
        broken = list(good)
        broken[position] ^= 1 << bit
        with pytest.raises(ClockUnconfirmed, match=r"reads 0x"):
            confirm(registers, tuple(broken))
