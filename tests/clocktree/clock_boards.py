"""Boards for the solver's tests: the real NUCLEO-F446ZE, and an STM32L496 drawn from its limits alone."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import cache

from bench.boards import load_board
from bench.domain.board import (
    Board,
    ClockLimits,
    FlashTiming,
    OscillatorSpec,
    PllLimits,
    RegulatorLevel,
    TypicalCurrent,
)
from bench.domain.clock import Accelerator, Oscillator

MHZ = 1_000_000


@cache
def f446() -> Board:
    return load_board("nucleo_f446ze")


@cache
def l496() -> Board:
    """DS11585, RM0351: MSI ranges, two regulator ranges, of which the lower one bounds the VCO, too."""
    msi = tuple(int(mhz * MHZ) for mhz in (0.1, 0.2, 0.4, 0.8, 1, 2, 4, 8, 16, 24, 32, 48))
    limits = ClockLimits(
        oscillators=(
            OscillatorSpec(Oscillator.MSI, msi, 0.01, "test"),
            OscillatorSpec(Oscillator.HSI, (16 * MHZ,), 0.01, "test"),
            OscillatorSpec(Oscillator.HSE_BYPASS, (8 * MHZ,), 50e-6, "test"),
        ),
        pll=PllLimits(
            4 * MHZ, 16 * MHZ, 4 * MHZ, 64 * MHZ, 344 * MHZ, 8 * MHZ, 80 * MHZ, m=(1, 8), n=(8, 86), r=(2, 4, 6, 8)
        ),
        levels=(
            RegulatorLevel("range2", 26 * MHZ, 2, False, 26 * MHZ, 26 * MHZ, vco_max_hz=128 * MHZ),
            RegulatorLevel("range1", 80 * MHZ, 1, False, 80 * MHZ, 80 * MHZ),
        ),
        flash=(
            FlashTiming(1.71, 3.6, ("range1",), tuple(mhz * MHZ for mhz in (16, 32, 48, 64, 80))),
            FlashTiming(1.71, 3.6, ("range2",), tuple(mhz * MHZ for mhz in (6, 12, 18, 26))),
        ),
        flash_wait_states_max=4,
        ahb_dividers=(1, 2, 4, 8, 16, 64, 128, 256, 512),
        apb_dividers=(1, 2, 4, 8, 16),
        accelerators=frozenset(Accelerator),
        default_accelerators=frozenset({Accelerator.ICACHE, Accelerator.DCACHE}),
    )
    clocks = tuple(int(mhz * MHZ) for mhz in (0.1, 0.2, 0.4, 0.8, 1, 2, 4, 8, 16, 24, 32, 48, 64, 80))
    return replace(
        f446(),
        name="test_l496",
        product="TEST-L496",
        mcu="STM32L496ZG",
        limits=limits,
        clocks_hz=clocks,
        typical_currents=(TypicalCurrent(80 * MHZ, 9.44e-3),),
    )


@cache
def all_clocks_of_f446() -> tuple[Fraction, ...]:
    """Every core clock the STM32F446 can have at 3.3 V, by trying all settings against the documents' numbers."""
    found: set[Fraction] = set()
    ahb_dividers = (1, 2, 4, 8, 16, 64, 128, 256, 512)
    for oscillator_hz in (8 * MHZ, 16 * MHZ):
        found |= {Fraction(oscillator_hz, ahb) for ahb in ahb_dividers}
        for m in range(2, 64):
            if not 950_000 * m <= oscillator_hz <= 2_100_000 * m:
                continue
            for n in range(50, 433):
                vco_hz = Fraction(oscillator_hz * n, m)
                if 100 * MHZ <= vco_hz <= 432 * MHZ:
                    outputs_hz = (vco_hz / r for r in (2, 4, 6, 8))
                    found |= {hz / ahb for hz in outputs_hz if 24 * MHZ <= hz <= 180 * MHZ for ahb in ahb_dividers}
    return tuple(sorted(found))
