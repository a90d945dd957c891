"""The STM32L496 and the STM32L4R9 around their core (RM0351 rev 9, RM0432 rev 9; memory maps: section 2.2.2).

SRAM1 to SRAM3 follow one another from 0x2000 0000 on; the second address of SRAM2, 0x1000 0000, does not exist here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from bench.virtual.cpu import Region
from bench.virtual.soc import flash_l4, gpio, identity, limits_l4, power_l4, timer
from bench.virtual.soc.debug_components import rom_table
from bench.virtual.soc.flash_interface import ARRAY_BASE
from bench.virtual.soc.mcu import Mcu
from bench.virtual.soc.rcc_l4 import RESET_HZ, ExternalClock, Rcc
from bench.virtual.soc.registers import Peripheral
from bench.virtual.soc.soc import Soc

KIB = 1024
_TIMERS = {"TIM2": (0x40000000, 28, 0), "TIM5": (0x40000C00, 50, 3)}
"""Base, interrupt number (RM0351 table 57), bit in RCC_APB1ENR1."""

_MMIO = (
    Region(identity.L4_SYSTEM_MEMORY_BASE, 0x400),
    Region(0x40000000, 0x80000),
    Region(0x48000000, 0x8000),
    Region(0xE0000000, 0x100000),
)


def _mcu(name: str, flash_bytes: int, ram_kib: int, manual: str, datasheet: str) -> Mcu:
    return Mcu(
        name=name,
        flash_base=ARRAY_BASE,
        flash_bytes=flash_bytes,
        flash_aliases=(0,),
        ram_base=0x20000000,
        ram_bytes=ram_kib * KIB,
        mmio=_MMIO,
        reset_hclk_hz=RESET_HZ,
        vdd_range_v=(1.71, 3.6),
        vdd_source=f"{datasheet} general operating conditions",
        memory_map=f"{manual} 2.2.2",
        clock_gating=f"{manual} 6.4",
    )


class Stm32L4(Soc):
    """What both have in common; see `Soc`. A subclass says what is different."""

    limits: ClassVar[limits_l4.Limits]
    geometry: ClassVar[flash_l4.Geometry]
    external: ClassVar[ExternalClock]
    idcode: ClassVar[int]
    power: power_l4.Power
    rcc: Rcc

    def _make_parts(self) -> Sequence[Peripheral]:
        time, diagnoses, limits = self._time, self._diagnoses, self.limits
        self.power = power_l4.Power(
            time, diagnoses, limits.manual, self._clock_changed, has_boost=limits_l4.BOOST in limits.max_hclk_hz
        )
        self.rcc = Rcc(time, diagnoses, limits, self.external, self._clock_changed)
        self.flash = flash_l4.FlashController(
            time, diagnoses, self._core, self._core, self.geometry, self._clock_changed
        )
        self.ports = {letter: gpio.Port(letter, self._on_level, gpio.L4) for letter in gpio.L4.letters}
        self.timers = [
            timer.Timer32(
                name, base, time, diagnoses, lambda: self.clocks.timer1_hz, self._line(irq), self._rescheduled
            )
            for name, (base, irq, _) in _TIMERS.items()
        ]
        self.dbgmcu = identity.debug_mcu_l4(self.idcode)
        for bit, letter in enumerate(gpio.L4.letters):
            self._gate(f"GPIO{letter}", self.rcc.ahb2enr, bit)
        for name, (_, _, bit) in _TIMERS.items():
            self._gate(name, self.rcc.apb1enr1, bit)
        self._gate("PWR", self.rcc.apb1enr1, 28)
        system_memory = identity.system_memory_l4(self._board_id, self.geometry.size // KIB)
        return [system_memory, rom_table(self.idcode & 0xFFF)]

    def _after_clock_change(self) -> None:
        """Nothing depends on the clocks but what `violations` judges."""

    def violations(self) -> list[str]:
        """See `Soc.violations`."""
        clocks = self.clocks
        state = limits_l4.ClockState(
            clocks.sysclk_hz, clocks.hclk_hz, self.rcc.vco_hz, self.flash.wait_states, self.power.range
        )
        return limits_l4.violations(state, self.limits)


class Stm32L496(Stm32L4):
    """STM32L496xG: 1 MiB of flash in pages of 2 KiB, 320 KiB of SRAM; 8 MHz from the ST-LINK, as if its solder bridge were closed (UM2179)."""

    geometry = flash_l4.Geometry(2 * KIB, 0xFFEFF8AA, "RM0351")
    mcu = _mcu("STM32L496", geometry.size, 320, "RM0351", "DS11585")
    limits = limits_l4.L496
    external = ExternalClock(8e6, bypass=True)
    idcode = 0x20006461
    """DEV_ID 0x461, REV_ID 0x2000: RM0351 48.6.1; bits 15:12 read 6 on silicon."""


class Stm32L4R9(Stm32L4):
    """STM32L4R9xI: 2 MiB of flash in two banks (DBANK set, as delivered) of pages of 4 KiB, 640 KiB of SRAM; a 16 MHz crystal."""

    geometry = flash_l4.Geometry(4 * KIB, 0xFFEFF8AA, "RM0432")
    mcu = _mcu("STM32L4R9", geometry.size, 640, "RM0432", "DS12023")
    limits = limits_l4.L4R9
    external = ExternalClock(16e6, bypass=False)
    idcode = 0x10036470
    """DEV_ID 0x470, REV_ID 0x1003: RM0432 57.6.1."""
