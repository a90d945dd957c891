"""Debug components of a Cortex-M7 where they differ from the M4's: software lock of the DWT, FPB version 2, ROM tables, feature registers.

Cortex-M7 technical reference manual DDI 0489: feature registers table 3-1, ROM tables and FPB chapter 9, DWT chapter 10.
Armv7-M Architecture Reference Manual DDI 0403E: lock access C1.1 (CoreSight), FPB version 2 C1.11.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ClassVar

from bench.virtual.soc.context import Diagnoses
from bench.virtual.soc.core_model import CoreModel
from bench.virtual.soc.debug_components import ROM_BASE, Breakpoints, CycleCounter, identification
from bench.virtual.soc.registers import Peripheral, Register

LAR, LSR = 0xFB0, 0xFB4
UNLOCK = 0xC5ACCE55
PROCESSOR_ROM_BASE = 0xE00FE000
MCU_ROM_BASE = 0xE00FD000
_CIDR_ROM = 0xB105100D


class _Lockable(Peripheral):
    """A CoreSight component whose registers software may write only after it has written the key to LAR; a debugger always may."""

    def __init__(self, unlocked: Peripheral, diagnoses: Diagnoses, by_debugger: Callable[[], bool]) -> None:
        lock = [
            (LAR, Register("LAR", 0, on_read=lambda _: 0, on_write=self._write_lock)),
            (LSR, Register("LSR", 0, writable=0, on_read=lambda _: 0 if by_debugger() else 1 | self.locked << 1)),
        ]
        super().__init__(unlocked.name, unlocked.base, [*unlocked.registers.items(), *lock])
        self.locked = True
        self._diagnoses = diagnoses
        self._by_debugger = by_debugger

    def reset(self) -> None:
        """Power-on reset: locked."""
        super().reset()
        self.locked = True

    def _write_lock(self, _: int, new: int) -> int:
        if not self._by_debugger():
            self.locked = new != UNLOCK
        return 0

    def write(self, address: int, size: int, value: int) -> None:
        """Write; without effect, and noted, while the lock keeps software out."""
        if self.locked and not self._by_debugger() and address - self.base != LAR:
            register, _ = self._find(address, size)
            self._diagnoses.note(
                f"{self.name}_{register.name} written while the component is locked: no effect; write {UNLOCK:#010x} to"
                f" {self.name}_LAR ({self.base + LAR:#010x}) first (DDI 0489 chapter 10)"
            )
            return
        super().write(address, size, value)


class LockedCycleCounter(CycleCounter):
    """The DWT behind its lock."""

    def __init__(self, cycles: Callable[[], int], diagnoses: Diagnoses, by_debugger: Callable[[], bool]) -> None:
        super().__init__(cycles, diagnoses, by_debugger)
        self.peripheral = _Lockable(self.peripheral, diagnoses, by_debugger)


class BreakpointsV2(Breakpoints):
    """FPB version 2: eight instruction comparators for any address, none for literals."""

    control: ClassVar[int] = 0x10000080
    code_comparators: ClassVar[int] = 8
    literal_comparators: ClassVar[int] = 0
    pidr: ClassVar[int] = 0x00000004_000BB00E

    def _wanted(self) -> Iterable[int]:
        if self._ctrl.value & 1:
            yield from (comparator.value & ~1 for comparator in self._comparators if comparator.value & 1)


def _table(name: str, base: int, entries: list[int], pidr: int) -> Peripheral:
    registers = [
        (4 * i, Register(f"ENTRY{i}", entry, writable=0))
        for i, entry in enumerate([*entries, *[0] * (16 - len(entries))])
    ]
    registers.append((0xFCC, Register("MEMTYPE", 1, writable=0)))
    return Peripheral(name, base, [*registers, *identification(pidr, _CIDR_ROM)])


def rom_tables(part: int) -> list[Peripheral]:
    """The MCU's ROM table (designer ST, ``part``), which names the processor's, which names that of the private peripheral bus.

    Its components: SCS, DWT and FPB are there; ITM, ETM, CTI and TPIU are said to be absent, as they are not modelled.
    """
    st_part = 0x00000000_000A0000 | part
    return [
        _table("MCU ROM table", MCU_ROM_BASE, [0x00001003, 0xFFF43002], st_part),
        _table("processor ROM table", PROCESSOR_ROM_BASE, [0x00001003, 0xFFF43002, 0xFFF44002], 0x00000004_000BB4C8),
        _table(
            "PPB ROM table", ROM_BASE, [0xFFF0F003, 0xFFF02003, 0xFFF03003, 0xFFF01002], 0x00000004_000BB4C7
        ),
    ]  # fmt: skip


CORTEX_M7 = CoreModel(
    cpuid=0x410FC271,
    features={
        0xD40: 0x00000030, 0xD44: 0x00000200, 0xD48: 0x00100000, 0xD4C: 0, 0xD50: 0x00100030, 0xD54: 0, 0xD58: 0x01000000, 0xD5C: 0,
        0xD60: 0x01101110, 0xD64: 0x02112000, 0xD68: 0x20232231, 0xD6C: 0x01111131, 0xD70: 0x01310132, 0xD78: 0x09000003, 0xD7C: 0x8303C003,
        0xD90: 0, 0xF40: 0x10110021, 0xF44: 0x11000011, 0xF48: 0x00000040,
    },
    cycle_counter=LockedCycleCounter,
    breakpoints=BreakpointsV2,
)  # fmt: skip
"""Cortex-M7 r0p1 with caches and the single-precision FPU, as in an STM32F746. The MPU is not modelled."""
