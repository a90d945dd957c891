"""Register values of a clock configuration on STM32F7. Ref: RM0385 rev 8: 3.7.1, 4.4.1, 5.3.1 to 5.3.3; caches: ARM DDI 0403E.e B3.2.8."""

from __future__ import annotations

from dataclasses import dataclass

from bench.domain.board import Board
from bench.domain.clock import Accelerator, ClockConfiguration, Oscillator
from bench.errors import ClockUnconfirmed, ParameterError

_AHB = {1: 0, 2: 8, 4: 9, 8: 10, 16: 11, 64: 12, 128: 13, 256: 14, 512: 15}
_APB = {1: 0, 2: 4, 4: 5, 8: 6, 16: 7}
_PLLP = {2: 0, 4: 1, 6: 2, 8: 3}
_OSCILLATOR_BITS = {Oscillator.HSI: 1 << 0, Oscillator.HSE: 1 << 16, Oscillator.HSE_BYPASS: 1 << 16 | 1 << 18}
_ACR_BITS = {Accelerator.PREFETCH: 1 << 8, Accelerator.ART: 1 << 9}
_CCR_BITS = {Accelerator.L1D: 1 << 16, Accelerator.L1I: 1 << 17}

PLLQ_UNUSED = 15
"""The 48 MHz output is not used; its divider only has to be legal (2..15)."""
PLLCFGR_RESERVED = 2 << 28
"""Bits 31:28 are reserved on the F745 and F746; they keep their reset value (5.3.2)."""

_CHECKED = (
    ("RCC_CR", 0x0101_0001),
    ("RCC_PLLCFGR", 0x0043_7FFF),
    ("RCC_CFGR", 0x0000_FCFF),
    ("PWR_CR1", 0x0003_C000),
    ("PWR_CSR1", 0x0003_0000),
    ("FLASH_ACR, SCB_CCR.DC and IC", 0x0003_030F),
)


@dataclass(frozen=True, slots=True)
class ClockRegisters:
    """One entry of the image's clock table. ``cfgr`` holds the prescalers and SW, ``ccr`` the cache bits of SCB_CCR."""

    id: str
    cr: int
    pllcfgr: int
    cfgr: int
    pwr_cr: int
    overdrive: int
    acr: int
    ccr: int

    def expected(self) -> tuple[int, ...]:
        """Return what the six words of the mailbox must read, in the bits of ``_CHECKED``."""
        sw = self.cfgr & 3
        return (
            self.cr | (1 << 24 if self.pllcfgr else 0),
            self.pllcfgr,
            self.cfgr | sw << 2,
            self.pwr_cr | (3 << 16 if self.overdrive else 0),
            3 << 16 if self.overdrive else 0,
            self.acr | self.ccr,
        )


def encode(clock: ClockConfiguration, board: Board) -> ClockRegisters:
    """Return the register values of ``clock``. Raises ParameterError for a divider or accelerator that the registers do not have."""
    level = board.limits.level(clock.regulator)
    pllcfgr = acr = ccr = 0
    source = 0 if clock.oscillator is Oscillator.HSI else 1
    try:
        cfgr = _AHB[clock.ahb_div] << 4 | _APB[clock.apb1_div] << 10 | _APB[clock.apb2_div] << 13
        if clock.pll is not None:
            pllcfgr = clock.pll.m | clock.pll.n << 6 | _PLLP[clock.pll.r] << 16 | source << 22
            pllcfgr |= PLLQ_UNUSED << 24 | PLLCFGR_RESERVED
            cfgr |= 2
        else:
            cfgr |= source
        cr = _OSCILLATOR_BITS[clock.oscillator]
        for accelerator in clock.accelerators:
            if accelerator in _CCR_BITS:
                ccr |= _CCR_BITS[accelerator]
            else:
                acr |= _ACR_BITS[accelerator]
    except KeyError as error:
        raise ParameterError(f"{clock.id}: {error.args[0]} is not a setting of this MCU's clock registers") from None
    acr |= clock.flash_wait_states
    return ClockRegisters(clock.id, cr, pllcfgr, cfgr, level.vos << 14, int(level.overdrive), acr, ccr)


def confirm(registers: ClockRegisters, read_back: tuple[int, ...]) -> None:
    """Compare what the target read back with what was asked. Raises ClockUnconfirmed naming the register."""
    for (name, mask), want, got in zip(_CHECKED, registers.expected(), read_back, strict=True):
        if registers.pllcfgr == 0 and name == "RCC_PLLCFGR":
            continue
        if (want ^ got) & mask:
            raise ClockUnconfirmed(
                f"{registers.id}: {name} reads {got:#010x}, expected {want & mask:#010x} in the bits {mask:#010x}",
                hint="the target did not set the clock that was asked for; the point is rejected",
            )
