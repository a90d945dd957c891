"""System control of an Armv7-M core: fault state, interrupt controller state, and the choice of the next exception.

Pure state; the board's model of the private peripheral bus decodes addresses and reads and writes these attributes.
Ref: Armv7-M Architecture Reference Manual DDI 0403E, B1.5 (exception model), B3.2 (SCB), B3.4 (NVIC).
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum, IntFlag

EXCEPTION_COUNT = 256
THREAD_PRIORITY = 256


class ExceptionNumber(IntEnum):
    """Numbers of the system exceptions (DDI 0403E table B1-4); external interrupt n is 16 + n."""

    RESET = 1
    NMI = 2
    HARD_FAULT = 3
    MEM_MANAGE = 4
    BUS_FAULT = 5
    USAGE_FAULT = 6
    SVCALL = 11
    DEBUG_MONITOR = 12
    PENDSV = 14
    SYSTICK = 15
    IRQ0 = 16


class Cfsr(IntFlag):
    """Configurable Fault Status Register (DDI 0403E B3.2.15)."""

    IACCVIOL = 1 << 0
    DACCVIOL = 1 << 1
    MUNSTKERR = 1 << 3
    MSTKERR = 1 << 4
    MMARVALID = 1 << 7
    IBUSERR = 1 << 8
    PRECISERR = 1 << 9
    IMPRECISERR = 1 << 10
    UNSTKERR = 1 << 11
    STKERR = 1 << 12
    BFARVALID = 1 << 15
    UNDEFINSTR = 1 << 16
    INVSTATE = 1 << 17
    INVPC = 1 << 18
    NOCP = 1 << 19
    UNALIGNED = 1 << 24
    DIVBYZERO = 1 << 25


class Hfsr(IntFlag):
    """HardFault Status Register (DDI 0403E B3.2.16)."""

    VECTTBL = 1 << 1
    FORCED = 1 << 30
    DEBUGEVT = 1 << 31


CCR_UNALIGN_TRP = 1 << 3
CCR_DIV_0_TRP = 1 << 4
CCR_STKALIGN = 1 << 9
SCR_SLEEPONEXIT = 1 << 1
SCR_SEVONPEND = 1 << 4
SHCSR_ENABLE = {
    ExceptionNumber.MEM_MANAGE: 1 << 16,
    ExceptionNumber.BUS_FAULT: 1 << 17,
    ExceptionNumber.USAGE_FAULT: 1 << 18,
}
_SHCSR_ACTIVE = {4: 0, 5: 1, 6: 3, 11: 7, 12: 8, 14: 10, 15: 11}
_SHCSR_PENDED = {6: 12, 4: 13, 5: 14, 11: 15}
_SHCSR_ENABLE_MASK = 0x0007_0000
FPCCR_ASPEN = 1 << 31


class SystemControl:
    """The core's system control state.

    Plain attributes, 32-bit unsigned unless said otherwise: ``vtor``, ``scr``, ``cfsr``, ``hfsr``, ``dfsr``, ``mmfar``, ``bfar``,
    ``fpccr``, ``fpcar``, ``fpdscr``, ``prigroup`` (0-7, AIRCR[10:8]). Properties with effects on the core: ``ccr``, ``cpacr``, ``shcsr``.
    Clearing of write-one-to-clear registers is the address decoder's affair: it stores the new value.

    Sets of exception numbers: ``enabled`` (external interrupts), ``pending``, ``active``. ``priority`` holds one byte per exception
    number (SHPR for 4-15, IPR for 16 on); ``priority_bits`` (4 on STM32) is how many upper bits of it exist.
    """

    def __init__(self, priority_bits: int = 4) -> None:
        self.priority_bits = priority_bits
        self.on_change: Callable[[], None] = lambda: None
        self.reset()

    def reset(self) -> None:
        """Set every register to its reset value (DDI 0403E B3.2.2)."""
        self.vtor = 0
        self.scr = 0
        self.cfsr = 0
        self.hfsr = 0
        self.dfsr = 0
        self.mmfar = 0
        self.bfar = 0
        self.fpccr = 0xC000_0000
        self.fpcar = 0
        self.fpdscr = 0
        self.prigroup = 0
        self.priority = bytearray(EXCEPTION_COUNT)
        self.enabled: set[int] = set()
        self.pending: set[int] = set()
        self.active: set[int] = set()
        self.event = False
        self._ccr = CCR_STKALIGN
        self._cpacr = 0
        self._shcsr_enables = 0
        self.on_change()

    @property
    def ccr(self) -> int:
        """Configuration and Control Register; UNALIGN_TRP and DIV_0_TRP act on the core at once."""
        return self._ccr

    @ccr.setter
    def ccr(self, value: int) -> None:
        self._ccr = value & 0x0000_031B
        self.on_change()

    @property
    def cpacr(self) -> int:
        """Coprocessor Access Control Register; CP10 and CP11 open the FPU (DDI 0403E B3.2.20)."""
        return self._cpacr

    @cpacr.setter
    def cpacr(self, value: int) -> None:
        self._cpacr = value & 0x00F0_0000
        self.on_change()

    @property
    def fpu_enabled(self) -> bool:
        """Whether CPACR gives (privileged) access to the FPU."""
        return (self._cpacr >> 20) & 0xF in (0b0101, 0b1111)

    @property
    def shcsr(self) -> int:
        """System Handler Control and State Register, assembled from enables, pending and active exceptions (B3.2.13)."""
        value = self._shcsr_enables
        for number, bit in _SHCSR_ACTIVE.items():
            value |= (number in self.active) << bit
        for number, bit in _SHCSR_PENDED.items():
            value |= (number in self.pending) << bit
        return value

    @shcsr.setter
    def shcsr(self, value: int) -> None:
        self._shcsr_enables = value & _SHCSR_ENABLE_MASK
        for members, bits in ((self.active, _SHCSR_ACTIVE), (self.pending, _SHCSR_PENDED)):
            for number, bit in bits.items():
                (members.add if value >> bit & 1 else members.discard)(number)
        self.on_change()

    def fault_enabled(self, number: int) -> bool:
        """Whether the configurable fault ``number`` (4, 5, 6) has its own handler enabled."""
        return bool(self._shcsr_enables & SHCSR_ENABLE[ExceptionNumber(number)])

    def pend(self, number: int) -> None:
        """Make exception ``number`` pending."""
        if number not in self.pending:
            self.pending.add(number)
            if self.scr & SCR_SEVONPEND:
                self.event = True
            self.on_change()

    def unpend(self, number: int) -> None:
        """Take exception ``number`` back."""
        self.pending.discard(number)
        self.on_change()

    def enable(self, number: int) -> None:
        """Enable exception number ``number`` (16 + n for external interrupt n)."""
        self.enabled.add(number)
        self.on_change()

    def disable(self, number: int) -> None:
        """Disable exception number ``number``."""
        self.enabled.discard(number)
        self.on_change()

    def exception_priority(self, number: int) -> int:
        """Priority of an exception: negative for the fixed ones, else 0-255 with unimplemented bits zero."""
        if number <= ExceptionNumber.HARD_FAULT:
            return number - 4 if number > 1 else -3
        return self.priority[number] & (0xFF << (8 - self.priority_bits)) & 0xFF

    def group_priority(self, number: int) -> int:
        """Priority with the subpriority bits cleared: what decides about preemption (B1.5.4)."""
        priority = self.exception_priority(number)
        return priority if priority < 0 else priority & ~((2 << self.prigroup) - 1)

    def execution_priority(self, primask: int, basepri: int, faultmask: int, *, ignore_primask: bool = False) -> int:
        """Current execution priority (B1.5.4, ExecutionPriority()); THREAD_PRIORITY when nothing is active or masked."""
        priority = min((self.group_priority(number) for number in self.active), default=THREAD_PRIORITY)
        if basepri:
            priority = min(priority, basepri & ~((2 << self.prigroup) - 1))
        if primask and not ignore_primask:
            priority = min(priority, 0)
        if faultmask:
            priority = min(priority, -1)
        return priority

    def next_exception(self, execution_priority: int) -> int | None:
        """The pending and enabled exception that preempts ``execution_priority``, or None; ties go to the lower number."""
        best: tuple[int, int, int] | None = None
        for number in self.pending:
            if number >= ExceptionNumber.IRQ0 and number not in self.enabled:
                continue
            if self.group_priority(number) >= execution_priority:
                continue
            candidate = (self.group_priority(number), self.exception_priority(number), number)
            if best is None or candidate < best:
                best = candidate
        return best[2] if best else None
