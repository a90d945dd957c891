"""An STM32L4 without a core: a fake one counts cycles, and tests write registers like firmware does."""

from __future__ import annotations

from bench.virtual.clock import VirtualClock
from bench.virtual.soc import flash_l4, power_l4, rcc_l4
from bench.virtual.soc.context import Diagnoses
from bench.virtual.soc.stm32l4 import Stm32L4, Stm32L4R9, Stm32L496
from tests.virtual.soc.soc_fixture import KEYS, FakeCore

RCC_CR, RCC_CFGR, RCC_PLLCFGR = rcc_l4.BASE, rcc_l4.BASE + 8, rcc_l4.BASE + 0xC
RCC_AHB2ENR, RCC_APB1ENR1, RCC_CSR = rcc_l4.BASE + 0x4C, rcc_l4.BASE + 0x58, rcc_l4.BASE + 0x94
PWR_CR1, PWR_SR2, PWR_CR5 = power_l4.BASE, power_l4.BASE + 0x14, power_l4.BASE + 0x80
FLASH_ACR, FLASH_KEYR, FLASH_SR, FLASH_CR = (flash_l4.BASE + offset for offset in (0x00, 0x08, 0x10, 0x14))
MSION, MSIRDY, MSIRGSEL = 1 << 0, 1 << 1, 1 << 3
HSION, HSIRDY, HSEON, HSERDY, HSEBYP, PLLON, PLLRDY = 1 << 8, 1 << 10, 1 << 16, 1 << 17, 1 << 18, 1 << 24, 1 << 25
PLLREN = 1 << 24
VOSF, R1MODE = 1 << 10, 1 << 8
MSI, HSI, HSE, PLL = range(4)
DIV2 = 8 << 4


class L4Core(FakeCore):
    """A fake core with the flash of its chip."""

    def __init__(self, chip: type[Stm32L4]) -> None:
        super().__init__()
        self.flash = bytearray(b"\xff" * chip.geometry.size)


class L4Chip:
    """The SoC with its fake core; ``wait`` lets time pass by cycles."""

    def __init__(self, chip: type[Stm32L4] = Stm32L496) -> None:
        self.core = L4Core(chip)
        self.time = VirtualClock(lambda: self.core.cycles, chip.mcu.reset_hclk_hz)
        self.log = Diagnoses("test chip")
        self.levels: list[tuple[str, bool]] = []
        self.soc = chip(
            self.core, self.time, self.log, "test chip", lambda: 3.3, lambda: None,
            lambda pin, level: self.levels.append((pin, level)), lambda: None,
        )  # fmt: skip
        self.soc.power_on_reset()
        self.write(RCC_APB1ENR1, self.read(RCC_APB1ENR1) | 1 << 28)

    def read(self, address: int) -> int:
        return self.soc.read(address, 4)

    def write(self, address: int, value: int) -> None:
        self.soc.write(address, 4, value)

    def change(self, address: int, clear: int, bits: int) -> None:
        self.write(address, self.read(address) & ~clear | bits)

    def wait(self, seconds: float) -> None:
        self.core.cycles += round(seconds * self.time.hclk_hz)

    def wait_for(self, address: int, mask: int, value: int, limit_s: float = 10e-3) -> bool:
        deadline_s = self.time.now_s + limit_s
        while self.time.now_s < deadline_s:
            if self.read(address) & mask == value:
                return True
            self.core.cycles += 8
        return False

    # The steps of a clock switch

    def msi_range(self, code: int) -> None:
        self.change(RCC_CR, 0xF0, MSIRGSEL | code << 4)
        assert self.wait_for(RCC_CR, MSIRDY, MSIRDY)

    def start_hsi(self) -> None:
        self.change(RCC_CR, 0, HSION)
        assert self.wait_for(RCC_CR, HSIRDY, HSIRDY)

    def start_pll(self, m: int = 4, n: int = 40, r: int = 2, source: int = HSI) -> bool:
        self.write(RCC_PLLCFGR, source + 1 | m - 1 << 4 | n << 8 | PLLREN | (r // 2 - 1) << 25)
        self.change(RCC_CR, 0, PLLON)
        return self.wait_for(RCC_CR, PLLRDY, PLLRDY)

    def set_range(self, number: int) -> None:
        self.change(PWR_CR1, 3 << 9, number << 9)

    def set_wait_states(self, wait_states: int) -> None:
        self.write(FLASH_ACR, wait_states | 6 << 8)

    def select(self, source: int) -> None:
        self.change(RCC_CFGR, 3, source)

    def set_hpre(self, code: int) -> None:
        self.change(RCC_CFGR, 0xF0, code)

    def to_80_mhz(self) -> None:
        self.start_hsi()
        assert self.start_pll()
        self.set_wait_states(4)
        self.select(PLL)

    def to_120_mhz(self) -> None:
        """RM0432 5.1.8 and 6.2.9."""
        self.start_hsi()
        assert self.start_pll(n=60)
        self.set_wait_states(5)
        self.change(PWR_CR5, R1MODE, 0)
        self.set_hpre(DIV2)
        self.select(PLL)
        self.wait(1.1e-6)
        self.set_hpre(0)

    def unlock_flash(self) -> None:
        for key in KEYS:
            self.write(FLASH_KEYR, key)


def l4r9() -> L4Chip:
    """Return an STM32L4R9."""
    return L4Chip(Stm32L4R9)
