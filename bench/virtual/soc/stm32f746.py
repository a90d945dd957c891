"""The STM32F746 around its core (RM0385 rev 8; memory map section 2.2): a Cortex-M7 with L1 caches, flash at AXIM and ITCM, ITCM, DTCM and SRAM."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from bench.virtual.cpu import Region
from bench.virtual.soc import gpio, power, timer
from bench.virtual.soc.core_model import CoreModel
from bench.virtual.soc.cortex_m7 import CORTEX_M7, MCU_ROM_BASE, rom_tables
from bench.virtual.soc.flash_interface import ARRAY_BASE
from bench.virtual.soc.l1_caches import CacheGeometry, L1Caches
from bench.virtual.soc.limits import F746, ClockState, violations
from bench.virtual.soc.mcu import DebugPortIdentity, Mcu
from bench.virtual.soc.rcc import HSI_HZ
from bench.virtual.soc.registers import Peripheral
from bench.virtual.soc.soc import Core, Soc
from bench.virtual.soc.stm32f746_parts import (
    FLASH,
    FlashF746,
    RccF746,
    Rm0385Diagnoses,
    debug_mcu,
    recite,
    system_memory,
)

HSE_HZ = 8e6
"""NUCLEO-144: MCO of the ST-LINK on OSC_IN (UM1974)."""

ITCM_FLASH = 0x00200000
SRAM_BASE, SRAM_SIZE = 0x20010000, 256 * 1024
"""SRAM1 and SRAM2, behind the data cache; below them lies the DTCM, which is not."""

_TIMERS = {"TIM2": (0x40000000, 28, 0), "TIM5": (0x40000C00, 50, 3)}
"""Base, interrupt number (RM0385 section 10), bit in RCC_APB1ENR."""

MCU = Mcu(
    name="STM32F746",
    flash_base=ARRAY_BASE,
    flash_bytes=FLASH.size,
    flash_aliases=(ITCM_FLASH,),
    ram_base=0x20000000,
    ram_bytes=320 * 1024,
    mmio=(Region(0x1FF0F400, 0x400), Region(0x40000000, 0x80000), Region(0xE0000000, 0x100000)),
    reset_hclk_hz=HSI_HZ,
    vdd_range_v=(1.7, 3.6),
    vdd_source="DS10916, general operating conditions",
    memory_map="RM0385 2.2.2",
    clock_gating="RM0385 5.3",
    itcm_bytes=16 * 1024,
    vector_table=ITCM_FLASH,  # BOOT_ADD0 as delivered, BOOT0 low (RM0385 2.6)
    debug_port=DebugPortIdentity(dpidr=0x5BA02477, ahb_ap_idr=0x74770001, rom_table=MCU_ROM_BASE | 3),
)


class _AximPort:
    """The core's side of the flash at its AXIM address: the L1 caches stand in front of it, the ART and its prefetch do not.

    The core's own prefetch queue, four double words long, always runs ahead of sequential code (DDI 0489 section 2.1).
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self._wait_states = 0
        self._caches = (False, False)

    def set_flash_access(self, wait_states: int, icache: bool, dcache: bool, prefetch: bool) -> None:  # noqa: ARG002
        """FLASH_ACR changed."""
        self._wait_states = wait_states
        self._core.set_flash_access(wait_states, *self._caches, True)

    def set_caches(self, instruction: bool, data: bool) -> None:
        """An L1 cache was switched."""
        self._caches = (instruction, data)
        self._core.set_flash_access(self._wait_states, instruction, data, True)

    def flush_flash_caches(self, instruction: bool, data: bool) -> None:
        """The ART was reset; it does not serve this port."""


class Stm32F746(Soc):
    """See `Soc`. Where code would run from the ITCM flash port, its timing is that of the AXIM port: images do not run there."""

    mcu: ClassVar[Mcu] = MCU
    core_model: ClassVar[CoreModel] = CORTEX_M7
    power: power.Power
    rcc: RccF746

    def _make_parts(self) -> Sequence[Peripheral]:
        time, core = self._time, self._core
        diagnoses = Rm0385Diagnoses(self._diagnoses)
        self._port = _AximPort(core)
        self.l1 = L1Caches(
            core, self._diagnoses, CacheGeometry(sets=32, ways=4), CacheGeometry(sets=64, ways=2), SRAM_BASE, SRAM_SIZE, self._caches_switched
        )  # fmt: skip
        self.scs.peripheral.registers.update(self.l1.registers)
        self.power = power.Power(time, diagnoses)
        self.rcc = RccF746(time, diagnoses, HSE_HZ, self.power.pll_switched, self._clock_changed)
        self.flash = FlashF746(time, diagnoses, core, self._port, self._vdd_v, self._clock_changed)
        self.ports = {letter: gpio.Port(letter, self._on_level, gpio.F7) for letter in gpio.F7.letters}
        self.timers = [
            timer.Timer32(
                name, base, time, diagnoses, lambda: self.clocks.timer1_hz, self._line(irq), self._rescheduled
            )
            for name, (base, irq, _) in _TIMERS.items()
        ]
        self.dbgmcu = debug_mcu()
        for bit, letter in enumerate(gpio.F7.letters):
            self._gate(f"GPIO{letter}", self.rcc.ahb1enr, bit)
        for name, (_, _, bit) in _TIMERS.items():
            self._gate(name, self.rcc.apb1enr, bit)
        self._gate("PWR", self.rcc.apb1enr, 28)
        return [system_memory(self._board_id, FLASH.size // 1024), *rom_tables(0x449)]

    def _caches_switched(self) -> None:
        self._port.set_caches(self.l1.instruction_on, self.l1.data_on)
        self._changed()

    @property
    def caches(self) -> tuple[bool, bool]:
        """The L1 caches."""
        return self.l1.instruction_on, self.l1.data_on

    def _after_clock_change(self) -> None:
        self.power.system_runs_on_pll = self.clocks.source == "pll"

    def violations(self) -> list[str]:
        """See `Soc.violations`."""
        clocks = self.clocks
        state = ClockState(
            hclk_hz=clocks.hclk_hz,
            pclk1_hz=clocks.pclk1_hz,
            pclk2_hz=clocks.pclk2_hz,
            wait_states=self.flash.wait_states,
            prefetch=self.flash.prefetch,
            voltage_scale=self.power.voltage_scale,
            over_drive=self.power.over_drive,
            vdd_v=self._vdd_v(),
        )
        return [recite(text) for text in violations(state, F746)]

    def write(self, address: int, size: int, value: int) -> None:
        """See `Soc.write`; the ITCM port of the flash only reads (RM0385 3.3)."""
        if ITCM_FLASH <= address < ITCM_FLASH + FLASH.size:
            self._diagnoses.refuse(
                f"store into flash at {address:#010x}, its ITCM address; it is programmed through the AXIM address"
                f" {address - ITCM_FLASH + ARRAY_BASE:#010x} (RM0385 3.3)"
            )
        super().write(address, size, value)

    # RAM as the access port sees it: behind the data cache (pyOCD does not ask for cacheable accesses, HPROT[3])

    def debug_ram_read(self, address: int, size: int) -> bytes:
        """See `Soc.debug_ram_read`."""
        if self.l1.holds_back(address, size):
            return self.l1.read_behind(address, size)
        return super().debug_ram_read(address, size)

    def debug_ram_write(self, address: int, data: bytes) -> None:
        """See `Soc.debug_ram_write`."""
        if self.l1.holds_back(address, len(data)):
            self.l1.write_behind(address, data)
        else:
            super().debug_ram_write(address, data)

    # Resets

    def power_on_reset(self) -> None:
        """See `Soc.power_on_reset`."""
        self.l1.power_on()
        super().power_on_reset()

    def core_reset(self) -> None:
        """See `Soc.core_reset`."""
        self.l1.reset()
        self._port.set_caches(False, False)
        super().core_reset()
