"""Exception entry and return, fault escalation, lockup.

Ref: Armv7-M Architecture Reference Manual DDI 0403E, B1.5.6 (entry), B1.5.8 (return), B1.5.14 (faults), B1.5.15 (lockup).
Simplified: the floating point frame is always pushed at once (no lazy state preservation), no late arrival and no tail chaining, code
is always privileged, and a fault during unstacking is taken without popping further.
"""

from __future__ import annotations

from bench.virtual.cpu.engine import Engine
from bench.virtual.cpu.interface import AccessFault
from bench.virtual.cpu.loadstore import MemoryMap
from bench.virtual.cpu.system import CCR_STKALIGN, FPCCR_ASPEN, Cfsr, ExceptionNumber, Hfsr, SystemControl

CONTROL_SPSEL = 1 << 1
CONTROL_FPCA = 1 << 2
XPSR_THUMB = 1 << 24
_BASIC_WORDS, _EXTENDED_WORDS = 8, 26
_RETURNS = {0x1: (False, False), 0x9: (True, False), 0xD: (True, True)}
_VECTOR_CATCH = {
    4: Cfsr.IACCVIOL | Cfsr.DACCVIOL,
    5: Cfsr.NOCP,
    6: Cfsr.UNALIGNED | Cfsr.DIVBYZERO,
    7: Cfsr.UNDEFINSTR | Cfsr.INVSTATE | Cfsr.INVPC,
    8: Cfsr.IBUSERR | Cfsr.PRECISERR | Cfsr.IMPRECISERR,
    9: Cfsr.MUNSTKERR | Cfsr.MSTKERR | Cfsr.UNSTKERR | Cfsr.STKERR,
}
_VC_HARDERR = 10


class ExceptionUnit:
    """Takes exceptions on an engine. ``pc`` and ``thumb`` say where the core goes on after each call."""

    def __init__(self, engine: Engine, system: SystemControl, memory: MemoryMap) -> None:
        self._engine = engine
        self._system = system
        self._memory = memory
        self.pc = 0
        self.thumb = True
        self.locked_up = False
        self.caught = False
        self.vector_catch = 0

    def execution_priority(self, *, ignore_primask: bool = False) -> int:
        """Current execution priority from the active exceptions and the mask registers."""
        get = self._engine.get
        return self._system.execution_priority(
            get("primask"), get("basepri"), get("faultmask"), ignore_primask=ignore_primask
        )

    def next_pending(self) -> int | None:
        """The pending exception that is to be taken now."""
        return self._system.next_exception(self.execution_priority()) if self._system.pending else None

    def wakes(self) -> bool:
        """Whether a pending exception ends WFI: as if PRIMASK were 0 (B1.5.19)."""
        priority = self.execution_priority(ignore_primask=True)
        return bool(self._system.pending) and self._system.next_exception(priority) is not None

    def fault(self, number: ExceptionNumber, bits: Cfsr, return_pc: int, address: int | None = None) -> None:
        """Take a synchronous fault at ``return_pc``: its own handler, or HardFault, or lockup (B1.5.14)."""
        system = self._system
        system.cfsr |= bits
        if address is not None:
            valid = Cfsr.BFARVALID if number == ExceptionNumber.BUS_FAULT else Cfsr.MMARVALID
            system.cfsr |= valid
            if number == ExceptionNumber.BUS_FAULT:
                system.bfar = address
            else:
                system.mmfar = address
        for bit, causes in _VECTOR_CATCH.items():
            if self.vector_catch >> bit & 1 and bits & causes:
                self.caught = True
        if system.fault_enabled(number) and system.group_priority(number) < self.execution_priority():
            self.enter(number, return_pc)
        else:
            self.hard_fault(Hfsr.FORCED, return_pc)

    def hard_fault(self, bits: Hfsr, return_pc: int) -> None:
        """Escalate to HardFault; at its priority or above the core locks up."""
        self._system.hfsr |= bits
        if self.vector_catch >> _VC_HARDERR & 1:
            self.caught = True
        if self.execution_priority() <= -1:
            self.lock_up()
        else:
            self.enter(ExceptionNumber.HARD_FAULT, return_pc)

    def lock_up(self) -> None:
        """Stop for good (B1.5.15)."""
        self.locked_up = True
        self.pc = 0xFFFF_FFFE

    def supervisor_call(self, return_pc: int) -> None:
        """SVC: its handler, or HardFault when the current priority keeps it out."""
        if self._system.group_priority(ExceptionNumber.SVCALL) < self.execution_priority():
            self.enter(ExceptionNumber.SVCALL, return_pc)
        else:
            self.hard_fault(Hfsr.FORCED, return_pc)

    def enter(self, number: int, return_pc: int) -> None:
        """Push the frame, switch to handler mode, and go to the vector."""
        engine, system = self._engine, self._system
        control = engine.get("control")
        handler = bool(engine.get("ipsr"))
        process_stack = bool(control & CONTROL_SPSEL) and not handler
        extended = bool(control & CONTROL_FPCA) and system.fpu_enabled and bool(system.fpccr & FPCCR_ASPEN)
        derived = self._push(return_pc, extended)
        code = 0xFFFF_FFF1 if handler else 0xFFFF_FFFD if process_stack else 0xFFFF_FFF9
        engine.set("lr", code & ~0x10 if extended else code)
        if derived and number not in (ExceptionNumber.HARD_FAULT, ExceptionNumber.NMI):
            system.cfsr |= Cfsr.STKERR
            bus = ExceptionNumber.BUS_FAULT
            usable = (
                system.fault_enabled(bus) and system.group_priority(bus) < self.execution_priority() and number != bus
            )
            number = bus if usable else ExceptionNumber.HARD_FAULT
            system.hfsr |= 0 if usable else Hfsr.FORCED
        elif derived:
            system.cfsr |= Cfsr.STKERR
        engine.set("control", control & ~(CONTROL_FPCA | CONTROL_SPSEL))
        system.pending.discard(number)
        system.active.add(number)
        system.event = True
        engine.set("xpsr", XPSR_THUMB | number)
        system.on_change()
        self._vector(number)

    def _vector(self, number: int) -> None:
        try:
            vector = self._memory.read((self._system.vtor + 4 * number) & 0xFFFF_FFFF, 4)
        except AccessFault:
            self._system.hfsr |= Hfsr.VECTTBL
            if number == ExceptionNumber.HARD_FAULT:
                self.lock_up()
                return
            self._system.active.discard(number)
            self._system.active.add(ExceptionNumber.HARD_FAULT)
            self._engine.set("xpsr", XPSR_THUMB | ExceptionNumber.HARD_FAULT)
            self._vector(ExceptionNumber.HARD_FAULT)
            return
        self.pc = vector & ~1
        self.thumb = bool(vector & 1)

    def _push(self, return_pc: int, extended: bool) -> bool:
        """Push the exception frame (B1.5.6); returns whether that failed."""
        engine = self._engine
        words = _EXTENDED_WORDS if extended else _BASIC_WORDS
        pointer = engine.get("sp")
        force_align = bool(self._system.ccr & CCR_STKALIGN) or extended
        padded = force_align and bool(pointer & 4)
        frame = (pointer - 4 * words) & (~7 if force_align else ~3) & 0xFFFF_FFFF
        xpsr = engine.get("xpsr") & ~(XPSR_THUMB | 1 << 9) | self.thumb << 24 | padded << 9
        values = [engine.get(name) for name in ("r0", "r1", "r2", "r3", "r12", "lr")] + [return_pc, xpsr]
        if extended:
            values += [engine.get(f"s{number}") for number in range(16)] + [engine.get("fpscr"), 0]
        engine.set("sp", frame)
        try:
            for number, value in enumerate(values):
                self._memory.write(frame + 4 * number, 4, value)
        except AccessFault:
            return True
        return False

    def leave(self, code: int) -> None:
        """Return from the active exception by the EXC_RETURN value ``code`` (B1.5.8)."""
        engine, system = self._engine, self._system
        number = engine.get("ipsr")
        known = _RETURNS.get(code & 0xF)
        if code & 0xFFFF_FFE0 != 0xFFFF_FFE0 or known is None or number not in system.active:
            self._return_fault(number, Cfsr.INVPC)
            return
        to_thread, process_stack = known
        nested = len(system.active) > 1
        if to_thread == nested:  # (CCR.NONBASETHRDENA is 0)
            self._return_fault(number, Cfsr.INVPC)
            return
        system.active.discard(number)
        if number != ExceptionNumber.NMI:
            engine.set("faultmask", 0)
        engine.set("ipsr", 0 if to_thread else max(system.active, key=lambda other: -system.exception_priority(other)))
        control = engine.get("control") & ~(CONTROL_SPSEL | CONTROL_FPCA)
        engine.set("control", control | CONTROL_SPSEL * process_stack | CONTROL_FPCA * (not code & 0x10))
        self._pop(code, to_thread)
        system.event = True
        system.on_change()

    def _pop(self, code: int, to_thread: bool) -> None:
        engine = self._engine
        extended = not code & 0x10
        frame = engine.get("sp")
        try:
            values = [self._memory.read(frame + 4 * n, 4) for n in range(_EXTENDED_WORDS if extended else _BASIC_WORDS)]
        except AccessFault:
            self.fault(ExceptionNumber.BUS_FAULT, Cfsr.UNSTKERR, code & ~1)
            return
        xpsr = values[7]
        for name, value in zip(("r0", "r1", "r2", "r3", "r12", "lr"), values, strict=False):
            engine.set(name, value)
        if extended:
            for n in range(16):
                engine.set(f"s{n}", values[8 + n])
            engine.set("fpscr", values[24])
        engine.set("sp", frame + 4 * len(values) | (xpsr >> 9 & 1) << 2)
        if bool(xpsr & 0x1FF) == to_thread:
            self.fault(ExceptionNumber.USAGE_FAULT, Cfsr.INVPC, values[6] & ~1)
            return
        engine.set("xpsr", xpsr & ~(1 << 9) | XPSR_THUMB)
        self.pc = values[6] & ~1
        self.thumb = bool(xpsr & XPSR_THUMB)

    def _return_fault(self, number: int, bits: Cfsr) -> None:
        """A bad EXC_RETURN: the returning exception is deactivated, and the fault is taken in its place."""
        self._system.active.discard(number)
        self._system.on_change()
        self.fault(ExceptionNumber.USAGE_FAULT, bits, self.pc)
