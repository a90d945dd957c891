"""CoreSight components beside the core: ROM table, DWT (cycle counter), FPB (breakpoints).

Armv7-M Architecture Reference Manual DDI 0403E: ROM table C1.2.3, DWT C1.8, FPB C1.11; identification values: Cortex-M4 TRM DDI 0439, chapters 9-11.
Watchpoints, ITM, ETM and TPIU are not modelled; the ROM table says that the last three are absent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ClassVar, Protocol

from bench.virtual.soc.context import Diagnoses
from bench.virtual.soc.registers import WORD, Peripheral, Register

ROM_BASE = 0xE00FF000
DWT_BASE = 0xE0001000
FPB_BASE = 0xE0002000

_CIDR_GENERIC = 0xB105E00D
_CIDR_ROM = 0xB105100D
FPB_CODE_COMPARATORS = 6
_CYCCNTENA = 1


def identification(pidr: int, cidr: int = _CIDR_GENERIC) -> list[tuple[int, Register]]:
    """The identification registers of a component: ``pidr`` is the 64-bit peripheral id (PIDR7..PIDR0), ``cidr`` the component id."""
    registers = []
    for i in range(8):
        offset = 0xFE0 + 4 * i if i < 4 else 0xFD0 + 4 * (i - 4)
        registers.append((offset, Register(f"PIDR{i}", pidr >> 8 * i & 0xFF, writable=0)))
    registers += [(0xFF0 + 4 * i, Register(f"CIDR{i}", cidr >> 8 * i & 0xFF, writable=0)) for i in range(4)]
    return registers


def rom_table(part: int = 0x421) -> Peripheral:
    """The ROM table of an STM32 (designer ST; ``part`` is the device id, 0x421 the STM32F446: RM0390 33.8)."""
    present = [0xFFF0F003, 0xFFF02003, 0xFFF03003]
    absent = [0xFFF01002, 0xFFF41002, 0xFFF42002]
    entries = present + absent + [0] * 10
    registers = [(4 * i, Register(f"ENTRY{i}", entry, writable=0)) for i, entry in enumerate(entries)]
    registers.append((0xFCC, Register("MEMTYPE", 1, writable=0)))
    return Peripheral("ROM table", ROM_BASE, [*registers, *identification(0x00000000_000A0000 | part, _CIDR_ROM)])


class CycleCounter:
    """DWT. CYCCNT counts core cycles while DEMCR.TRCENA and CYCCNTENA are set; it stands still in sleep and while halted (C1.8.8)."""

    def __init__(self, cycles: Callable[[], int], diagnoses: Diagnoses, by_debugger: Callable[[], bool]) -> None:
        self._cycles = cycles
        self._diagnoses = diagnoses
        self._by_debugger = by_debugger
        self._trace_enabled = False
        self._count = 0
        self._since: int | None = None
        self._ctrl = Register("CTRL", 0x40000000, on_write=self._write_ctrl)
        registers: list[tuple[int, Register]] = [
            (0x00, self._ctrl),
            (0x04, Register("CYCCNT", 0, on_read=lambda _: self.count, on_write=self._write_count)),
        ]
        for i in range(4):
            registers += [(0x20 + 16 * i, Register(f"COMP{i}")), (0x24 + 16 * i, Register(f"MASK{i}", writable=0x1F)),
                          (0x28 + 16 * i, Register(f"FUNCTION{i}", on_write=self._write_function))]  # fmt: skip
        self.peripheral = Peripheral("DWT", DWT_BASE, [*registers, *identification(0x00000004_003BB002)])

    def power_on(self) -> None:
        """Power-on reset; a system reset leaves the DWT alone."""
        self.peripheral.reset()
        self._count, self._since, self._trace_enabled = 0, None, False

    @property
    def count(self) -> int:
        """CYCCNT now, 0 to 2^32 - 1; it wraps."""
        running = 0 if self._since is None else self._cycles() - self._since
        return (self._count + running) & WORD

    def set_trace(self, enabled: bool) -> None:
        """DEMCR.TRCENA changed."""
        self._trace_enabled = enabled
        self._update()

    def _update(self) -> None:
        counting = self._trace_enabled and bool(self._ctrl.value & _CYCCNTENA)
        if counting and self._since is None:
            self._since = self._cycles()
        elif not counting and self._since is not None:
            self._count, self._since = self.count, None

    def _write_ctrl(self, old: int, new: int) -> int:
        if not self._trace_enabled:
            return old
        if new & 0x007F1000:
            self._diagnoses.refuse(
                f"DWT_CTRL = {new:#010x}: event counters, sampling and exception trace are not modelled (DDI 0403E C1.8.7)"
            )
        self._ctrl.value = 0x40000000 | (new & 0x0FFF)
        self._update()
        return self._ctrl.value

    def _write_count(self, _: int, new: int) -> int:
        if self._trace_enabled:
            self._count = new
            if self._since is not None:
                self._since = self._cycles()
        return 0

    def _write_function(self, _: int, new: int) -> int:
        if new:
            self._diagnoses.refuse("watchpoints are not modelled (DWT_FUNCTION, DDI 0403E C1.8.17)")
        return 0


class BreakpointSetter(Protocol):
    """The core's side of hardware breakpoints."""

    def set_breakpoint(self, address: int) -> None:
        """Stop before the instruction at ``address``."""
        ...

    def clear_breakpoint(self, address: int) -> None:
        """Undo it."""
        ...


class Breakpoints:
    """FPB version 1: six instruction comparators for the code region; the two literal comparators exist but do nothing."""

    control: ClassVar[int] = 0x260
    """FP_CTRL without its enable bit: version, numbers of comparators."""
    code_comparators: ClassVar[int] = FPB_CODE_COMPARATORS
    literal_comparators: ClassVar[int] = 2
    pidr: ClassVar[int] = 0x00000004_002BB003

    def __init__(self, core: BreakpointSetter) -> None:
        self._core = core
        self._set: frozenset[int] = frozenset()
        self._ctrl = Register("FP_CTRL", self.control, on_write=self._write_ctrl)
        self._comparators = [Register(f"FP_COMP{i}", after_write=self._apply) for i in range(self.code_comparators)]
        registers = [(0x00, self._ctrl), (0x04, Register("FP_REMAP", 0, writable=0x1FFFFFE0))]
        registers += [(0x08 + 4 * i, comparator) for i, comparator in enumerate(self._comparators)]
        first = self.code_comparators
        registers += [
            (0x08 + 4 * i, Register(f"FP_COMP{i}", writable=0)) for i in range(first, first + self.literal_comparators)
        ]
        self.peripheral = Peripheral("FPB", FPB_BASE, [*registers, *identification(self.pidr)])

    def power_on(self) -> None:
        """Power-on reset; a system reset leaves the breakpoints alone."""
        self.peripheral.reset()
        self._apply()

    def _wanted(self) -> Iterable[int]:
        if not self._ctrl.value & 1:
            return
        for comparator in self._comparators:
            value = comparator.value
            if value & 1:
                for half in (1, 2):
                    if value >> 30 & half:
                        yield (value & 0x1FFFFFFC) + 2 * (half - 1)

    def _apply(self) -> None:
        wanted = frozenset(self._wanted())
        for address in self._set - wanted:
            self._core.clear_breakpoint(address)
        for address in wanted - self._set:
            self._core.set_breakpoint(address)
        self._set = wanted

    def _write_ctrl(self, _: int, new: int) -> int:
        if new & 2:  # KEY
            self._ctrl.value = self.control | (new & 1)
            self._apply()
        return self._ctrl.value
