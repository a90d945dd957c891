"""The STM32F446 around its core (RM0390 rev 6; memory map section 2.2.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from bench.virtual.cpu import Region
from bench.virtual.soc import flash, gpio, identity, power, timer
from bench.virtual.soc.debug_components import rom_table
from bench.virtual.soc.flash_interface import ARRAY_BASE
from bench.virtual.soc.limits import ClockState, violations
from bench.virtual.soc.mcu import Mcu
from bench.virtual.soc.rcc import HSI_HZ, Rcc
from bench.virtual.soc.registers import Peripheral
from bench.virtual.soc.soc import Soc

HSE_HZ = 8e6
"""NUCLEO-144: MCO of the ST-LINK on OSC_IN (UM1974)."""

_TIMERS = {"TIM2": (0x40000000, 28, 0), "TIM5": (0x40000C00, 50, 3)}
"""Base, interrupt number (RM0390 table 38), bit in RCC_APB1ENR."""

MCU = Mcu(
    name="STM32F446",
    flash_base=ARRAY_BASE,
    flash_bytes=flash.SIZE,
    flash_aliases=(0,),
    ram_base=0x20000000,
    ram_bytes=128 * 1024,
    mmio=(Region(0x1FFF7800, 0x400), Region(0x40000000, 0x80000), Region(0xE0000000, 0x100000)),
    reset_hclk_hz=HSI_HZ,
    vdd_range_v=(1.7, 3.6),
    vdd_source="DS10693 rev 10 table 16",
    memory_map="RM0390 2.2.2",
    clock_gating="RM0390 6.3",
)


class Stm32F446(Soc):
    """See `Soc`."""

    mcu: ClassVar[Mcu] = MCU
    power: power.Power
    rcc: Rcc

    def _make_parts(self) -> Sequence[Peripheral]:
        time, diagnoses = self._time, self._diagnoses
        self.power = power.Power(time, diagnoses)
        self.rcc = Rcc(time, diagnoses, HSE_HZ, self.power.pll_switched, self._clock_changed)
        self.flash = flash.FlashController(time, diagnoses, self._core, self._core, self._vdd_v, self._clock_changed)
        self.ports = {letter: gpio.Port(letter, self._on_level) for letter in gpio.F4.letters}
        self.timers = [
            timer.Timer32(
                name, base, time, diagnoses, lambda: self.clocks.timer1_hz, self._line(irq), self._rescheduled
            )
            for name, (base, irq, _) in _TIMERS.items()
        ]
        self.dbgmcu = identity.debug_mcu()
        for bit, letter in enumerate(gpio.F4.letters):
            self._gate(f"GPIO{letter}", self.rcc.ahb1enr, bit)
        for name, (_, _, bit) in _TIMERS.items():
            self._gate(name, self.rcc.apb1enr, bit)
        self._gate("PWR", self.rcc.apb1enr, 28)
        return [identity.system_memory(self._board_id, flash.SIZE // 1024), rom_table()]

    def _after_clock_change(self) -> None:
        self.power.system_runs_on_pll = self.clocks.source in ("pll", "pll_r")

    def violations(self) -> list[str]:
        """See `Soc.violations`."""
        clocks, fetch, regulator = self.clocks, self.flash, self.power
        return violations(
            ClockState(
                hclk_hz=clocks.hclk_hz,
                pclk1_hz=clocks.pclk1_hz,
                pclk2_hz=clocks.pclk2_hz,
                wait_states=fetch.wait_states,
                prefetch=fetch.prefetch,
                voltage_scale=regulator.voltage_scale,
                over_drive=regulator.over_drive,
                vdd_v=self._vdd_v(),
            )
        )
