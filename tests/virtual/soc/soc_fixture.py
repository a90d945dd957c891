"""An STM32F446 without a core: a fake one counts cycles, and tests write registers like firmware does."""

from __future__ import annotations

from collections.abc import Callable

from bench.virtual.clock import VirtualClock
from bench.virtual.cpu import StopReason, SystemControl
from bench.virtual.soc import flash, power, rcc
from bench.virtual.soc.context import Diagnoses
from bench.virtual.soc.flash_interface import ARRAY_BASE
from bench.virtual.soc.stm32f446 import Stm32F446

RCC_CR, RCC_PLLCFGR, RCC_CFGR = rcc.BASE, rcc.BASE + 4, rcc.BASE + 8
RCC_AHB1ENR, RCC_APB1ENR, RCC_APB2ENR, RCC_CSR = rcc.BASE + 0x30, rcc.BASE + 0x40, rcc.BASE + 0x44, rcc.BASE + 0x74
PWR_CR, PWR_CSR = power.BASE, power.BASE + 4
FLASH_ACR, FLASH_KEYR, FLASH_SR, FLASH_CR = flash.BASE, flash.BASE + 4, flash.BASE + 0xC, flash.BASE + 0x10
HSEON, HSEBYP, HSERDY, PLLON, PLLRDY = 1 << 16, 1 << 18, 1 << 17, 1 << 24, 1 << 25
KEYS = (0x45670123, 0xCDEF89AB)


class FakeCore:
    """Counts cycles when told to; remembers what the SoC did to it."""

    def __init__(self) -> None:
        self.system = SystemControl()
        self.halting_debug = False
        self.vector_catch = 0
        self.cycles = 0
        self.instructions = 0
        self.sleeping = False
        self.locked_up = False
        self.resets = 0
        self.flash_access = (0, False, False, False)
        self.flushed: list[tuple[bool, bool]] = []
        self.breakpoints: set[int] = set()
        self.registers: dict[str | int, int] = {"xpsr": 0x01000000}
        self.flash = bytearray(b"\xff" * flash.SIZE)

    def read_register(self, name: str | int) -> int:
        return self.registers.get(name, 0)

    def write_register(self, name: str | int, value: int) -> None:
        self.registers[name] = value

    def read_memory(self, address: int, size: int) -> bytes:
        offset = address - ARRAY_BASE
        return bytes(self.flash[offset : offset + size])

    def write_memory(self, address: int, data: bytes) -> None:
        offset = address - ARRAY_BASE
        self.flash[offset : offset + len(data)] = data

    def reset(self) -> None:
        self.resets += 1
        self.system.reset()

    def step(self) -> StopReason:
        self.cycles += 1
        self.instructions += 1
        return StopReason.STEP

    def set_flash_access(self, wait_states: int, icache: bool, dcache: bool, prefetch: bool) -> None:
        self.flash_access = (wait_states, icache, dcache, prefetch)

    def flush_flash_caches(self, instruction: bool, data: bool) -> None:
        self.flushed.append((instruction, data))

    def set_breakpoint(self, address: int) -> None:
        self.breakpoints.add(address)

    def clear_breakpoint(self, address: int) -> None:
        self.breakpoints.discard(address)

    def pend_irq(self, number: int) -> None:
        self.system.pend(16 + number)


class Chip:
    """The SoC with its fake core; ``wait`` lets time pass by cycles."""

    def __init__(self, vdd_v: float = 3.3) -> None:
        self.core = FakeCore()
        self.time = VirtualClock(lambda: self.core.cycles, rcc.HSI_HZ)
        self.log = Diagnoses("test chip")
        self.vdd_v = vdd_v
        self.levels: list[tuple[str, bool]] = []
        self.soc = Stm32F446(
            self.core, self.time, self.log, "test chip", lambda: self.vdd_v, lambda: None,
            lambda pin, level: self.levels.append((pin, level)), lambda: None,
        )  # fmt: skip
        self.soc.power_on_reset()

    def read(self, address: int) -> int:
        return self.soc.read(address, 4)

    def write(self, address: int, value: int) -> None:
        self.soc.write(address, 4, value)

    def set_bits(self, address: int, bits: int) -> None:
        self.write(address, self.read(address) | bits)

    def wait(self, seconds: float) -> None:
        self.core.cycles += round(seconds * self.time.hclk_hz)

    def wait_for(self, address: int, bits: int, limit_s: float = 1e-3) -> bool:
        deadline_s = self.time.now_s + limit_s
        while self.time.now_s < deadline_s:
            if self.read(address) & bits == bits:
                return True
            self.core.cycles += 8
        return False

    def unlock_flash(self) -> None:
        for key in KEYS:
            self.write(FLASH_KEYR, key)

    # The steps of a correct clock switch, each of which a test may leave out or misplace

    def start_hse(self) -> None:
        self.write(RCC_CR, self.read(RCC_CR) | HSEBYP)
        self.set_bits(RCC_CR, HSEON)
        assert self.wait_for(RCC_CR, HSERDY)

    def start_pll(self, m: int = 4, n: int = 180, p: int = 2, q: int = 8) -> bool:
        self.write(RCC_PLLCFGR, m | n << 6 | (p // 2 - 1) << 16 | 1 << 22 | q << 24 | 2 << 28)
        self.set_bits(RCC_CR, PLLON)
        return self.wait_for(RCC_CR, PLLRDY)

    def set_scale(self, scale: int) -> None:
        self.set_bits(RCC_APB1ENR, 1 << 28)
        self.write(PWR_CR, (self.read(PWR_CR) & ~0xC000) | (4 - scale) << 14)

    def start_over_drive(self) -> None:
        self.set_bits(PWR_CR, 1 << 16)
        assert self.wait_for(PWR_CSR, 1 << 16)
        self.set_bits(PWR_CR, 1 << 17)
        assert self.wait_for(PWR_CSR, 1 << 17)

    def set_wait_states(self, wait_states: int) -> None:
        self.write(FLASH_ACR, wait_states | 7 << 8)

    def set_dividers(self, apb1: int, apb2: int, ahb: int = 0) -> None:
        self.write(RCC_CFGR, (self.read(RCC_CFGR) & 3) | ahb << 4 | apb1 << 10 | apb2 << 13)

    def select(self, source: int) -> None:
        self.write(RCC_CFGR, (self.read(RCC_CFGR) & ~3) | source)

    def to_180_mhz(self, skip: Callable[[str], bool] = lambda step: False) -> None:
        """RM0390 5.1.4; a step for which ``skip`` is true is left out."""
        steps: list[tuple[str, Callable[[], object]]] = [
            ("hse", self.start_hse), ("scale", lambda: self.set_scale(1)), ("pll", self.start_pll), ("over-drive", self.start_over_drive),
            ("wait states", lambda: self.set_wait_states(5)), ("dividers", lambda: self.set_dividers(5, 4)), ("switch", lambda: self.select(2)),
        ]  # fmt: skip
        for name, step in steps:
            if not skip(name):
                step()
