"""Register values of STM32L4 clock configurations, against RM0351's and RM0432's bit descriptions."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.boards import load_board
from bench.clocktree import clock_table, solve
from bench.domain.clock import ClockConfiguration
from bench.errors import ClockUnconfirmed, ParameterError
from bench.firmware.clock_registers import confirm
from bench.firmware.clock_stm32l4 import encode

L496, L4R9 = load_board("nucleo_l496zg"), load_board("disco_l4r9i")
MSION, MSIRGSEL, HSION, HSEON, HSEBYP = 1 << 0, 1 << 3, 1 << 8, 1 << 16, 1 << 18
PLLREN = 1 << 24
RANGE_1, RANGE_2 = 0b01 << 9, 0b10 << 9
CACHES = 0b110 << 8


# RM0351 6.4.1, MSIRANGE.
@pytest.mark.parametrize(
    ("khz", "code"),
    [
        (100, 0),
        (200, 1),
        (400, 2),
        (800, 3),
        (1000, 4),
        (2000, 5),
        (4000, 6),
        (8000, 7),
        (24000, 9),
        (32000, 10),
        (48000, 11),
    ],
)
def test_msi_ranges(khz: int, code: int) -> None:
    registers = encode(solve(L496, khz * 1e3), L496)
    assert registers.cr == MSION | MSIRGSEL | code << 4
    assert (registers.pllcfgr, registers.cfgr) == (0, 0)
    assert registers.pwr_cr1 == (RANGE_2 if khz <= 26_000 else RANGE_1)
    assert registers.boost == 0


def test_80_mhz_from_hsi16() -> None:
    registers = encode(ClockConfiguration.parse("hsi16-m4n40r2-ahb1-apb1.1-range1-ws4-id"), L496)
    assert registers.pllcfgr == 0b10 | (4 - 1) << 4 | 40 << 8 | PLLREN | 0b00 << 25
    assert registers.cfgr == 0b11
    assert registers.cr == HSION
    assert (registers.pwr_cr1, registers.boost) == (RANGE_1, 0)
    assert registers.acr == 4 | CACHES


def test_dividers_and_the_external_clock() -> None:
    registers = encode(ClockConfiguration.parse("hsebyp8-m1n16r8-ahb2-apb4.16-range2-ws1-p"), L496)
    assert registers.cr == HSEON | HSEBYP
    assert registers.pllcfgr == 0b11 | 0 << 4 | 16 << 8 | PLLREN | 0b11 << 25
    assert registers.cfgr == 0b11 | 0b1000 << 4 | 0b101 << 8 | 0b111 << 11
    assert registers.acr == 1 | 1 << 8


def test_a_pll_may_run_from_the_msi_and_a_crystal() -> None:
    msi = encode(ClockConfiguration.parse("msi4-m1n40r2-ahb1-apb1.1-range1-ws4-id"), L496)
    assert msi.pllcfgr & 3 == 0b01
    assert msi.cr == MSION | MSIRGSEL | 6 << 4
    crystal = encode(ClockConfiguration.parse("hse16-ahb1-apb1.1-range2-ws1-id"), L4R9)
    assert (crystal.cr, crystal.cfgr) == (HSEON, 0b10)


def test_boost_above_80_mhz_on_the_l4_plus_alone() -> None:
    registers = encode(solve(L4R9, 120e6), L4R9)
    assert (registers.pwr_cr1, registers.boost, registers.acr & 15) == (RANGE_1, 1, 5)
    assert registers.pllcfgr >> 8 & 0x7F == 60
    assert encode(solve(L4R9, 80e6), L4R9).boost == 0


@pytest.mark.parametrize("board", [L496, L4R9], ids=lambda board: board.name)
def test_what_was_asked_is_confirmed_and_anything_else_is_not(board: object) -> None:
    for _, clock in clock_table(board):  # type: ignore[arg-type]
        registers = encode(clock, board)  # type: ignore[arg-type]
        good = tuple(word.value for word in registers.read_back())
        confirm(registers, good)
        wrong_bits = [(0, 0), (2, 0), (2, 4), (3, 9), (4, 10), (4, 31), (5, 0), (5, 9)]
        wrong_bits += [(0, 5)] if registers.cr & MSION else [(0, 8)]
        wrong_bits += [(1, 9), (1, 4)] if registers.pllcfgr else []
        for position, bit in wrong_bits:
            broken = list(good)
            broken[position] ^= 1 << bit
            with pytest.raises(ClockUnconfirmed, match=r"reads 0x"):
                confirm(registers, tuple(broken))


@pytest.mark.parametrize("change", [{"ahb_div": 32}, {"apb1_div": 3}, {"oscillator_hz": 3_000_000}])
def test_what_the_registers_lack_is_refused(change: dict[str, int]) -> None:
    with pytest.raises(ParameterError, match="not a setting"):
        encode(replace(solve(L496, 1e6), **change), L496)  # type: ignore[arg-type]
