"""The STM32F446 around its core: address decoding, clock gates, limits, resets (RM0390 rev 6; memory map section 2.2.2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from bench.virtual.clock import VirtualClock
from bench.virtual.cpu import Region, StopReason, SystemControl
from bench.virtual.soc import flash, gpio, identity, power, timer
from bench.virtual.soc.context import Diagnoses
from bench.virtual.soc.core_debug import CoreDebug
from bench.virtual.soc.debug_components import Breakpoints, CycleCounter, rom_table
from bench.virtual.soc.limits import ClockState, violations
from bench.virtual.soc.rcc import HSI_HZ, Clocks, Rcc
from bench.virtual.soc.registers import Peripheral
from bench.virtual.soc.scs import SystemControlSpace
from bench.virtual.soc.watchdog import Watchdog

HSE_HZ = 8e6
"""NUCLEO-144: MCO of the ST-LINK on OSC_IN (UM1974)."""

MMIO = (Region(0x1FFF7800, 0x400), Region(0x40000000, 0x80000), Region(0xE0000000, 0x100000))
SRAM_BASE, SRAM_SIZE = 0x20000000, 128 * 1024
_PAGE = 0x400
_TIMERS = {"TIM2": (0x40000000, 28, 0), "TIM5": (0x40000C00, 50, 3)}
"""Base, interrupt number (RM0390 table 38), bit in RCC_APB1ENR."""


class Core(Protocol):
    """What the SoC uses of the core; ``bench.virtual.cpu.Cpu`` is one."""

    system: SystemControl
    halting_debug: bool
    vector_catch: int

    @property
    def cycles(self) -> int: ...
    @property
    def instructions(self) -> int: ...
    @property
    def sleeping(self) -> bool: ...
    @property
    def locked_up(self) -> bool: ...
    def read_register(self, name: str | int) -> int: ...
    def write_register(self, name: str | int, value: int) -> None: ...
    def read_memory(self, address: int, size: int) -> bytes: ...
    def write_memory(self, address: int, data: bytes) -> None: ...
    def reset(self) -> None: ...
    def step(self) -> StopReason: ...
    def set_flash_access(self, wait_states: int, icache: bool, dcache: bool, prefetch: bool) -> None: ...
    def flush_flash_caches(self, instruction: bool, data: bool) -> None: ...
    def set_breakpoint(self, address: int) -> None: ...
    def clear_breakpoint(self, address: int) -> None: ...
    def pend_irq(self, number: int) -> None: ...


class Stm32F446:
    """Bus and peripherals.

    ``changed`` is called after the operating state (clock, regulator, flash, debug) may have changed, ``on_level(pin, level)`` when an
    output pin moves, ``rescheduled`` when a run of the core must end early: a timer's next event moved, or the core was halted.
    """

    def __init__(self, core: Core, time: VirtualClock, diagnoses: Diagnoses, board_id: str, vdd_v: Callable[[], float],
                 changed: Callable[[], None], on_level: Callable[[str, bool], None], rescheduled: Callable[[], None]) -> None:  # fmt: skip
        self._core = core
        self._time = time
        self._diagnoses = diagnoses
        self._vdd_v = vdd_v
        self._changed = changed
        self._debugger = False
        self.power = power.Power(time, diagnoses)
        self.rcc = Rcc(time, diagnoses, HSE_HZ, self.power.pll_switched, self._clock_changed)
        self.clocks: Clocks = self.rcc.clocks
        self.flash = flash.FlashController(time, diagnoses, core, core, vdd_v, self._clock_changed)
        self.ports = {letter: gpio.Port(letter, on_level) for letter in gpio.PORTS}
        self.timers = [
            timer.Timer32(name, base, time, diagnoses, lambda: self.clocks.timer1_hz, self._line(irq), rescheduled)
            for name, (base, irq, _) in _TIMERS.items()
        ]
        self.watchdog = Watchdog(diagnoses)
        self.dbgmcu = identity.debug_mcu()
        self.dbgmcu["CR"].after_write = changed
        self.dwt = CycleCounter(lambda: core.cycles, diagnoses)
        self.fpb = Breakpoints(core)
        self.debug = CoreDebug(core, lambda: self._debugger, self.dwt.set_trace, changed, rescheduled)
        self.scs = SystemControlSpace(
            core, diagnoses, lambda: self.system_reset(software=True), self.core_reset, self.debug.registers
        )
        self._pages = self._decode(board_id)
        self._gates = self._clock_gates()

    def _decode(self, board_id: str) -> dict[int, Peripheral]:
        peripherals = [
            identity.system_memory(board_id, flash.SIZE // 1024), self.rcc.peripheral, self.power.peripheral, self.flash.peripheral, self.watchdog.peripheral,
            self.dbgmcu, self.dwt.peripheral, self.fpb.peripheral, self.scs.peripheral, rom_table(),
            *(port.peripheral for port in self.ports.values()), *(t.peripheral for t in self.timers),
        ]  # fmt: skip
        pages = {}
        for peripheral in peripherals:
            for offset in peripheral.registers:
                pages[(peripheral.base + offset) // _PAGE] = peripheral
        return pages

    def _clock_gates(self) -> dict[str, tuple[str, Callable[[], bool]]]:
        rcc = self.rcc
        gates: dict[str, tuple[str, Callable[[], bool]]] = {}

        def gate(name: str, register: str, bit: int) -> None:
            source = {"AHB1ENR": rcc.ahb1enr, "APB1ENR": rcc.apb1enr}[register]
            gates[name] = (f"RCC_{register} bit {bit}", lambda: bool(source.value >> bit & 1))

        for i, letter in enumerate(gpio.PORTS):
            gate(f"GPIO{letter}", "AHB1ENR", i)
        for name, (_, _, bit) in _TIMERS.items():
            gate(name, "APB1ENR", bit)
        gate("PWR", "APB1ENR", 28)
        return gates

    def _line(self, irq: int) -> Callable[[bool], None]:
        def drive(high: bool) -> None:
            if high:
                self._core.pend_irq(irq)

        return drive

    # The bus as the core sees it

    def _peripheral(self, address: int) -> Peripheral:
        peripheral = self._pages.get(address // _PAGE)
        if peripheral is None:
            self._diagnoses.refuse(f"nothing is modelled at address {address:#010x} (RM0390 2.2.2)")
        gate = self._gates.get(peripheral.name)
        if gate is not None and not gate[1]():
            self._diagnoses.refuse(
                f"{peripheral.name} accessed at {address:#010x} without its clock ({gate[0]}); on silicon the access has no effect (RM0390 6.3)"
            )
        return peripheral

    def read(self, address: int, size: int) -> int:
        """Read 1, 2 or 4 bytes from a peripheral. Raises AccessFault."""
        return self._peripheral(address).read(address, size)

    def write(self, address: int, size: int, value: int) -> None:
        """Write 1, 2 or 4 bytes to a peripheral or into flash. Raises AccessFault."""
        if flash.ARRAY_BASE <= address < flash.ARRAY_BASE + flash.SIZE:
            self.flash.program(address, size, value)
        elif address < flash.SIZE:
            self.flash.program(address + flash.ARRAY_BASE, size, value)
        else:
            self._peripheral(address).write(address, size, value)

    # The bus as the debugger's access port sees it

    def debug_read(self, address: int, size: int) -> int:
        """Like ``read``; a refused access is no diagnosis, and debug registers know who reads."""
        with self._by_debugger():
            return self.read(address, size)

    def debug_write(self, address: int, size: int, value: int) -> None:
        """Like ``write``, by the debugger."""
        with self._by_debugger():
            self.write(address, size, value)

    def _by_debugger(self) -> _DebuggerAccess:
        return _DebuggerAccess(self, self._diagnoses)

    # Clocks

    def _clock_changed(self) -> None:
        for t in self.timers:
            t.sync()
        self.clocks = self.rcc.clocks
        self._time.set_hclk(self.clocks.hclk_hz)
        self.power.system_runs_on_pll = self.clocks.source in ("pll", "pll_r")
        self._changed()
        self.check_limits()

    def check_limits(self) -> None:
        """Raise AccessFault (and note why) when the clocks are above what flash, regulator, buses or supply stand."""
        found = violations(self.clock_state)
        if found:
            self._diagnoses.refuse("; ".join(found) + "; the core misbehaves")

    @property
    def clock_state(self) -> ClockState:
        """The clocks with what they have to fit."""
        return ClockState(
            self.clocks.hclk_hz, self.clocks.pclk1_hz, self.clocks.pclk2_hz, self.flash.wait_states, self.flash.prefetch,
            self.power.voltage_scale, self.power.over_drive, self._vdd_v(),
        )  # fmt: skip

    # Time

    @property
    def next_event_s(self) -> float | None:
        """When a timer raises its next interrupt."""
        return min((at for t in self.timers if (at := t.next_update_s) is not None), default=None)

    def sync(self) -> None:
        """Bring timers up to now: due interrupts become pending."""
        for t in self.timers:
            t.sync()

    # Resets

    def power_on_reset(self) -> None:
        """Everything, debug components too."""
        self.dbgmcu.reset()
        self.dwt.power_on()
        self.fpb.power_on()
        self.debug.power_on()
        self._reset(software=False, power_on=True)

    def system_reset(self, *, software: bool) -> None:
        """Reset by the pin or by AIRCR.SYSRESETREQ: all but the debug components (RM0390 6.1.1)."""
        self._reset(software=software, power_on=False)

    def _reset(self, *, software: bool, power_on: bool) -> None:
        self.rcc.reset(software=software, power_on=power_on)
        self.power.reset()
        self.flash.reset()
        self.watchdog.reset()
        for port in self.ports.values():
            port.reset()
        for t in self.timers:
            t.reset()
        self.clocks = self.rcc.clocks
        self._time.set_hclk(HSI_HZ)
        self.core_reset()

    def core_reset(self) -> None:
        """Reset the core alone (AIRCR.VECTRESET)."""
        self._core.reset()
        self.debug.after_reset()
        self._changed()


class _DebuggerAccess:
    """While entered, accesses come from the debugger."""

    def __init__(self, soc: Stm32F446, diagnoses: Diagnoses) -> None:
        self._soc = soc
        self._diagnoses = diagnoses

    def __enter__(self) -> None:
        self._soc._debugger = self._diagnoses.muted = True  # noqa: SLF001

    def __exit__(self, *_: object) -> None:
        self._soc._debugger = self._diagnoses.muted = False  # noqa: SLF001
