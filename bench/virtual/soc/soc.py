"""What every virtual microcontroller has around its core: address decoding, clock gates, limits, debug components, timers, resets.

A chip is a subclass that makes its peripherals and says what its clocks have to fit; ``mcu`` describes it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar, Protocol

from bench.virtual.clock import VirtualClock
from bench.virtual.cpu import StopReason, SystemControl
from bench.virtual.soc import gpio, timer
from bench.virtual.soc.context import Diagnoses
from bench.virtual.soc.core_debug import CoreDebug
from bench.virtual.soc.core_model import CORTEX_M4, CoreModel
from bench.virtual.soc.mcu import Mcu
from bench.virtual.soc.rcc import Clocks
from bench.virtual.soc.registers import Peripheral, Register
from bench.virtual.soc.scs import SystemControlSpace
from bench.virtual.soc.watchdog import Watchdog

_PAGE = 0x400


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


class Regulator(Protocol):
    """The part of PWR that every chip has; scale 1 is the fastest."""

    peripheral: Peripheral

    @property
    def voltage_scale(self) -> int: ...
    @property
    def over_drive(self) -> bool: ...
    def reset(self) -> None: ...


class ClockControl(Protocol):
    """The part of RCC that every chip has."""

    peripheral: Peripheral

    @property
    def clocks(self) -> Clocks: ...
    def reset(self, *, software: bool, power_on: bool = False) -> None: ...


class Flash(Protocol):
    """The part of the flash interface that every chip has."""

    peripheral: Peripheral

    @property
    def wait_states(self) -> int: ...
    @property
    def prefetch(self) -> bool: ...
    @property
    def caches(self) -> tuple[bool, bool]: ...
    def program(self, address: int, size: int, value: int) -> None: ...
    def reset(self) -> None: ...


class Soc(ABC):
    """Bus and peripherals.

    ``changed`` is called after the operating state (clock, regulator, flash, debug) may have changed, ``on_level(pin, level)`` when an
    output pin moves, ``rescheduled`` when a run of the core must end early: a timer's next event moved, or the core was halted.

    A subclass names its ``mcu``, and makes its parts in ``_make_parts``.
    """

    mcu: ClassVar[Mcu]
    core_model: ClassVar[CoreModel] = CORTEX_M4
    power: Regulator
    rcc: ClockControl
    flash: Flash
    ports: dict[str, gpio.Port]
    timers: list[timer.Timer32]
    dbgmcu: Peripheral
    clocks: Clocks

    worn: Callable[[int, int], int] = staticmethod(lambda _, value: value)
    """What the flash keeps of a value that is programmed at an address; a worn-out cell keeps less."""

    def __init__(self, core: Core, time: VirtualClock, diagnoses: Diagnoses, board_id: str, vdd_v: Callable[[], float],
                 changed: Callable[[], None], on_level: Callable[[str, bool], None], rescheduled: Callable[[], None]) -> None:  # fmt: skip
        self._core = core
        self._time = time
        self._diagnoses = diagnoses
        self._board_id = board_id
        self._vdd_v = vdd_v
        self._changed = changed
        self._on_level = on_level
        self._rescheduled = rescheduled
        self._debugger = False
        self._gates: dict[str, tuple[str, Callable[[], bool]]] = {}
        self.watchdog = Watchdog(diagnoses)
        model = self.core_model
        self.dwt = model.cycle_counter(lambda: core.cycles, diagnoses, lambda: self._debugger)
        self.fpb = model.breakpoints(core)
        self.debug = CoreDebug(core, lambda: self._debugger, self.dwt.set_trace, changed, rescheduled)
        self.scs = SystemControlSpace(
            core, diagnoses, lambda: self.system_reset(software=True), self.core_reset, self.debug.registers,
            model.cpuid, model.features,
        )  # fmt: skip
        self._pages = self._decode(self._make_parts())
        self.dbgmcu["CR"].after_write = changed
        self.clocks = self.rcc.clocks

    @abstractmethod
    def _make_parts(self) -> Sequence[Peripheral]:
        """Make ``power``, ``rcc``, ``flash``, ``ports``, ``timers``, ``dbgmcu`` and the clock gates; return the further peripherals."""

    def _decode(self, others: Sequence[Peripheral]) -> dict[int, Peripheral]:
        peripherals = [
            *others, self.rcc.peripheral, self.power.peripheral, self.flash.peripheral, self.watchdog.peripheral,
            self.dbgmcu, self.dwt.peripheral, self.fpb.peripheral, self.scs.peripheral,
            *(port.peripheral for port in self.ports.values()), *(t.peripheral for t in self.timers),
        ]  # fmt: skip
        pages = {}
        for peripheral in peripherals:
            for offset in peripheral.registers:
                pages[(peripheral.base + offset) // _PAGE] = peripheral
        return pages

    def _gate(self, peripheral: str, enable: Register, bit: int) -> None:
        """Let ``peripheral`` answer only while ``bit`` of the RCC register ``enable`` is set."""
        self._gates[peripheral] = (f"RCC_{enable.name} bit {bit}", lambda: bool(enable.value >> bit & 1))

    def _line(self, irq: int) -> Callable[[bool], None]:
        def drive(high: bool) -> None:
            if high:
                self._core.pend_irq(irq)

        return drive

    # The bus as the core sees it

    def _peripheral(self, address: int) -> Peripheral:
        peripheral = self._pages.get(address // _PAGE)
        if peripheral is None:
            self._diagnoses.refuse(f"nothing is modelled at address {address:#010x} ({self.mcu.memory_map})")
        gate = self._gates.get(peripheral.name)
        if gate is not None and not gate[1]():
            self._diagnoses.refuse(
                f"{peripheral.name} accessed at {address:#010x} without its clock ({gate[0]}); on silicon the access has no effect"
                f" ({self.mcu.clock_gating})"
            )
        return peripheral

    def read(self, address: int, size: int) -> int:
        """Read 1, 2 or 4 bytes from a peripheral. Raises AccessFault."""
        return self._peripheral(address).read(address, size)

    def write(self, address: int, size: int, value: int) -> None:
        """Write 1, 2 or 4 bytes to a peripheral or into flash. Raises AccessFault."""
        mcu = self.mcu
        for base in (mcu.flash_base, *mcu.flash_aliases):
            if base <= address < base + mcu.flash_bytes:
                at = address - base + mcu.flash_base
                self.flash.program(at, size, self.worn(at, value))
                return
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

    def debug_ram_read(self, address: int, size: int) -> bytes:
        """Read RAM as an access port sees it."""
        return self._core.read_memory(address, size)

    def debug_ram_write(self, address: int, data: bytes) -> None:
        """Write RAM through an access port."""
        self._core.write_memory(address, data)

    def _by_debugger(self) -> _DebuggerAccess:
        return _DebuggerAccess(self, self._diagnoses)

    # Clocks

    def _clock_changed(self) -> None:
        for t in self.timers:
            t.sync()
        self.clocks = self.rcc.clocks
        self._time.set_hclk(self.clocks.hclk_hz)
        self._after_clock_change()
        self._changed()
        self.check_limits()

    @abstractmethod
    def _after_clock_change(self) -> None:
        """Tell the chip's own parts about new clocks."""

    @abstractmethod
    def violations(self) -> list[str]:
        """Return which limits the clocks break now, each with the numbers and the manual's section."""

    def check_limits(self) -> None:
        """Raise AccessFault (and note why) when the clocks are above what flash, regulator, buses or supply stand."""
        found = self.violations()
        if found:
            self._diagnoses.refuse("; ".join(found) + "; the core misbehaves")

    @property
    def caches(self) -> tuple[bool, bool]:
        """Whether code and data come from the flash through a cache."""
        return self.flash.caches

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
        """Reset by the pin or by AIRCR.SYSRESETREQ: all but the debug components."""
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
        self._time.set_hclk(self.mcu.reset_hclk_hz)
        self.core_reset()

    def core_reset(self) -> None:
        """Reset the core alone (AIRCR.VECTRESET)."""
        self._core.reset()
        self.debug.after_reset()
        self._changed()


class _DebuggerAccess:
    """While entered, accesses come from the debugger."""

    def __init__(self, soc: Soc, diagnoses: Diagnoses) -> None:
        self._soc = soc
        self._diagnoses = diagnoses

    def __enter__(self) -> None:
        self._soc._debugger = self._diagnoses.muted = True  # noqa: SLF001

    def __exit__(self, *_: object) -> None:
        self._soc._debugger = self._diagnoses.muted = False  # noqa: SLF001
