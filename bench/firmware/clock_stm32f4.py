"""Register values of a clock configuration on STM32F4. Ref: RM0390 rev 6: 3.8.1, 5.4.1, 6.3.1 to 6.3.3."""

from __future__ import annotations

from dataclasses import dataclass

from bench.domain.board import Board
from bench.domain.clock import Accelerator, ClockConfiguration, Oscillator
from bench.errors import ParameterError
from bench.firmware.clock_words import AHB_CODES, APB_CODES, PLL_DIVIDER_CODES, ReadBack

_OSCILLATOR_BITS = {Oscillator.HSI: 1 << 0, Oscillator.HSE: 1 << 16, Oscillator.HSE_BYPASS: 1 << 16 | 1 << 18}
_ACR_BITS = {Accelerator.PREFETCH: 1 << 8, Accelerator.ICACHE: 1 << 9, Accelerator.DCACHE: 1 << 10}

PLLQ_UNUSED = 15
PLLR_UNUSED = 2
"""The 48 MHz and the I2S outputs are not used; their dividers only have to be legal (2..15 and 2..7)."""


@dataclass(frozen=True, slots=True)
class ClockRegisters:
    """One entry of the image's clock table. ``cfgr`` holds the prescalers and SW."""

    id: str
    cr: int
    pllcfgr: int
    cfgr: int
    pwr_cr: int
    overdrive: int
    acr: int

    def read_back(self) -> tuple[ReadBack, ...]:
        """Return what the six words of the mailbox must read."""
        sw = self.cfgr & 3
        return (
            ReadBack("RCC_CR", 0x0101_0001, self.cr | (1 << 24 if self.pllcfgr else 0)),
            ReadBack("RCC_PLLCFGR", 0x0043_7FFF if self.pllcfgr else 0, self.pllcfgr),
            ReadBack("RCC_CFGR", 0x0000_FCFF, self.cfgr | sw << 2),
            ReadBack("PWR_CR", 0x0003_C000, self.pwr_cr | (3 << 16 if self.overdrive else 0)),
            ReadBack("PWR_CSR", 0x0003_0000, 3 << 16 if self.overdrive else 0),
            ReadBack("FLASH_ACR", 0x0000_070F, self.acr),
        )


def encode(clock: ClockConfiguration, board: Board) -> ClockRegisters:
    """Return the register values of ``clock``. Raises ParameterError for a divider that the registers do not have."""
    level = board.limits.level(clock.regulator)
    pllcfgr = 0
    source = 0 if clock.oscillator is Oscillator.HSI else 1
    try:
        cfgr = AHB_CODES[clock.ahb_div] << 4 | APB_CODES[clock.apb1_div] << 10 | APB_CODES[clock.apb2_div] << 13
        if clock.pll is not None:
            pllcfgr = (
                clock.pll.m
                | clock.pll.n << 6
                | PLL_DIVIDER_CODES[clock.pll.r] << 16
                | source << 22
                | PLLQ_UNUSED << 24
                | PLLR_UNUSED << 28
            )
            cfgr |= 2
        else:
            cfgr |= source
        cr = _OSCILLATOR_BITS[clock.oscillator]
    except KeyError as error:
        raise ParameterError(f"{clock.id}: {error.args[0]} is not a setting of this MCU's clock registers") from None
    acr = clock.flash_wait_states
    for accelerator in clock.accelerators:
        acr |= _ACR_BITS[accelerator]
    return ClockRegisters(clock.id, cr, pllcfgr, cfgr, level.vos << 14, int(level.overdrive), acr)
