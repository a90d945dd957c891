"""The judge finds each violation by itself, and names it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.clocktree import check, solve
from bench.domain.board import ClockLimits
from bench.domain.clock import Accelerator, ClockConfiguration, Oscillator, Pll
from tests.clocktree.clock_boards import f446


def limits() -> ClockLimits:
    return f446().limits


def top() -> ClockConfiguration:
    return solve(f446(), 180e6)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"oscillator": Oscillator.MSI}, "oscillator msi: the board has hsi, hsebyp"),
        ({"oscillator_hz": 7_999_999}, "oscillator hsebyp: 7.999999 MHz, the board has 8 MHz"),
        ({"pll": Pll(4, 181, 2)}, "PLL output at 181 MHz, allowed is 24 MHz .. 180 MHz"),
        ({"pll": Pll(4, 240, 4)}, "PLL VCO at 480 MHz, allowed is 100 MHz .. 432 MHz"),
        ({"pll": Pll(3, 135, 2)}, "PLL input at 2.66666667 MHz, allowed is 0.95 MHz .. 2.1 MHz"),
        ({"pll": Pll(64, 180, 2)}, "PLL m = 64, allowed is 2 .. 63"),
        ({"pll": Pll(4, 49, 2)}, "PLL n = 49, allowed is 50 .. 432"),
        ({"pll": Pll(4, 180, 3)}, "PLL r = 3, allowed is 2, 4, 6, 8"),
        ({"ahb_div": 32}, "AHB prescaler 32, allowed is 1, 2, 4, 8, 16, 64, 128, 256, 512"),
        ({"apb1_div": 3}, "APB1 prescaler 3, allowed is 1, 2, 4, 8, 16"),
        ({"apb1_div": 2}, "APB1 at 90 MHz, regulator level scale1od permits 45 MHz"),
        ({"apb2_div": 1}, "APB2 at 180 MHz, regulator level scale1od permits 90 MHz"),
        ({"regulator": "scale1"}, "SYSCLK at 180 MHz, regulator level scale1 permits 168 MHz"),
        ({"regulator": "scale9"}, "regulator level scale9: there are scale3, scale2, scale1, scale2od, scale1od"),
        (
            {"flash_wait_states": 4},
            "HCLK at 180 MHz, 4 flash wait states permit 150 MHz at scale1od with a VDD of 3.3 V",
        ),
        ({"flash_wait_states": 16}, "16 flash wait states, the register takes at most 15"),
    ],
)
def test_violation(change: dict[str, object], complaint: str) -> None:
    assert complaint in check(replace(top(), **change), limits())  # type: ignore[arg-type]


def test_more_wait_states_than_needed_are_sound() -> None:
    assert check(replace(top(), flash_wait_states=15), limits()) == []


def test_supply() -> None:
    assert check(top(), limits(), 3.3) == []
    assert "HCLK at 180 MHz, 5 flash wait states permit 144 MHz at scale1od with a VDD of 2.5 V" in check(
        top(), limits(), 2.5
    )
    assert check(top(), limits(), 2.0) == ["regulator level scale1od may not be used with a VDD of 2 V"]
    slow = solve(f446(), 16e6)
    assert check(slow, limits(), 2.0) == ["prefetch is not allowed with a VDD of 2 V"]
    assert check(slow, limits(), 5.0) == ["regulator level scale3 may not be used with a VDD of 5 V"]


def test_accelerators_the_mcu_lacks() -> None:
    bare = replace(limits(), accelerators=frozenset({Accelerator.PREFETCH}), default_accelerators=frozenset())
    complaints = check(top(), bare)
    assert complaints == ["accelerator dcache: the MCU has prefetch", "accelerator icache: the MCU has prefetch"]
