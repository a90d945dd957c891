"""Register values of a clock configuration on STM32L4 and L4+. Ref: RM0351 rev 9 and RM0432 rev 9: 3.7.1, 5.4.1, 6.4.1, 6.4.3, 6.4.4; L4+: PWR_CR5."""

from __future__ import annotations

from dataclasses import dataclass

from bench.domain.board import Board
from bench.domain.clock import Accelerator, ClockConfiguration, Oscillator
from bench.errors import ParameterError
from bench.firmware.clock_words import AHB_CODES, APB_CODES, PLL_DIVIDER_CODES, ReadBack

_MSI_HZ = (100e3, 200e3, 400e3, 800e3, 1e6, 2e6, 4e6, 8e6, 16e6, 24e6, 32e6, 48e6)
_MSI_RANGE = {int(hz): number for number, hz in enumerate(_MSI_HZ)}
_MSI_BITS = 1 << 0 | 1 << 3  # MSION, MSIRGSEL
_MSI_RANGE_MASK = 0xF8
_HSI_BITS = 1 << 8
_HSE_BITS = {Oscillator.HSE: 1 << 16, Oscillator.HSE_BYPASS: 1 << 16 | 1 << 18}
_SW = {Oscillator.MSI: 0, Oscillator.HSI: 1, Oscillator.HSE: 2, Oscillator.HSE_BYPASS: 2}
_SW_PLL = 3
_PLLREN = 1 << 24
_ACR_BITS = {Accelerator.PREFETCH: 1 << 8, Accelerator.ICACHE: 1 << 9, Accelerator.DCACHE: 1 << 10}
_BOOST_FLAG = 1 << 31


@dataclass(frozen=True, slots=True)
class ClockRegisters:
    """One entry of the image's clock table. ``cfgr`` holds the prescalers and SW, ``pwr_cr1`` VOS, ``boost`` 1 for range 1 boost."""

    id: str
    cr: int
    pllcfgr: int
    cfgr: int
    pwr_cr1: int
    boost: int
    acr: int

    def read_back(self) -> tuple[ReadBack, ...]:
        """Return what the six words of the mailbox must read."""
        return (
            ReadBack(
                "RCC_CR",
                0x0101_0101 | (_MSI_RANGE_MASK if self.cr & 1 else 0),
                self.cr | (1 << 24 if self.pllcfgr else 0),
            ),
            ReadBack("RCC_PLLCFGR", 0x0700_7FF3 if self.pllcfgr else 0, self.pllcfgr),
            ReadBack("RCC_CFGR", 0x0000_3FFF, self.cfgr | (self.cfgr & 3) << 2),
            ReadBack("PWR_CR1", 0x0000_0600, self.pwr_cr1),
            ReadBack("PWR_SR2 and the boost of PWR_CR5", _BOOST_FLAG | 1 << 10, _BOOST_FLAG if self.boost else 0),
            ReadBack("FLASH_ACR", 0x0000_070F, self.acr),
        )


def encode(clock: ClockConfiguration, board: Board) -> ClockRegisters:
    """Return the register values of ``clock``. Raises ParameterError for a divider or range that the registers do not have."""
    level = board.limits.level(clock.regulator)
    pllcfgr = 0
    acr = clock.flash_wait_states
    try:
        source = _SW[clock.oscillator]
        cfgr = AHB_CODES[clock.ahb_div] << 4 | APB_CODES[clock.apb1_div] << 8 | APB_CODES[clock.apb2_div] << 11
        if clock.pll is not None:
            cfgr |= _SW_PLL
            pllcfgr = (
                source + 1 | clock.pll.m - 1 << 4 | clock.pll.n << 8 | _PLLREN | PLL_DIVIDER_CODES[clock.pll.r] << 25
            )
        else:
            cfgr |= source
        if clock.oscillator is Oscillator.MSI:
            cr = _MSI_BITS | _MSI_RANGE[clock.oscillator_hz] << 4
        else:
            cr = _HSE_BITS.get(clock.oscillator, _HSI_BITS)
        for accelerator in clock.accelerators:
            acr |= _ACR_BITS[accelerator]
    except KeyError as error:
        raise ParameterError(f"{clock.id}: {error.args[0]} is not a setting of this MCU's clock registers") from None
    return ClockRegisters(clock.id, cr, pllcfgr, cfgr, level.vos << 9, int(level.overdrive), acr)
