"""Decodes the fault registers of Armv7-M. Ref: ARM DDI 0403E.e B3.2.15 (CFSR), B3.2.16 (HFSR), B1.5.6 (exception frame)."""

from __future__ import annotations

from dataclasses import dataclass

from bench.target.overflow import Locator, Overflow

_CFSR = {
    0: "IACCVIOL: instruction fetch from a place that must not execute",
    1: "DACCVIOL: data access that the memory protection refuses",
    3: "MUNSTKERR: memory fault on exception return",
    4: "MSTKERR: memory fault on exception entry (stack overflow?)",
    5: "MLSPERR: memory fault in lazy floating-point state preservation",
    8: "IBUSERR: bus error on an instruction fetch",
    9: "PRECISERR: bus error on a data access",
    10: "IMPRECISERR: bus error on an earlier, buffered write",
    11: "UNSTKERR: bus error on exception return",
    12: "STKERR: bus error on exception entry (stack overflow?)",
    13: "LSPERR: bus error in lazy floating-point state preservation",
    16: "UNDEFINSTR: undefined instruction",
    17: "INVSTATE: not in Thumb state (jump to an even address?)",
    18: "INVPC: bad exception return",
    19: "NOCP: floating-point instruction while the FPU is off",
    24: "UNALIGNED: unaligned access",
    25: "DIVBYZERO: division by zero",
}
_HFSR = {
    1: "VECTTBL: the vector table could not be read",
    30: "FORCED: another fault escalated",
    31: "DEBUGEVT: breakpoint without a debugger",
}
_MMARVALID, _BFARVALID = 1 << 7, 1 << 15


@dataclass(frozen=True, slots=True)
class Fault:
    """The state a fault left: status registers and, where the stack was still usable, the stacked frame (r0-r3, r12, lr, pc, xpsr)."""

    cfsr: int
    hfsr: int
    mmfar: int
    bfar: int
    sp: int
    exc_return: int
    frame: tuple[int, ...] | None
    overflow: Overflow | None = None
    """Who overflowed the stack, as far as it still shows, where there is no frame."""

    def causes(self) -> list[str]:
        """Return each set status bit by name and meaning."""
        return [text for bit, text in _CFSR.items() if self.cfsr >> bit & 1] + [
            text for bit, text in _HFSR.items() if self.hfsr >> bit & 1
        ]

    def where(self, locate: Locator) -> str:
        """Return the place, function and line, in one line."""
        if self.frame is not None:
            return locate(self.frame[6])
        place = "an unknown place" if self.overflow is None else self.overflow.where(locate)
        return f"{place}: stack overflow, SP {self.sp:#010x}"

    def describe(self, locate: Locator) -> str:
        """Return the decoded fault, one fact a line; ``locate`` names code addresses."""
        lines = self.causes() or ["no fault status bit is set"]
        if self.cfsr & _BFARVALID:
            lines.append(f"address: {self.bfar:#010x}")
        elif self.cfsr & _MMARVALID:
            lines.append(f"address: {self.mmfar:#010x}")
        if self.frame is not None:
            lr, pc = self.frame[5], self.frame[6]
            lines += [f"at:      {locate(pc)}", f"from:    {locate(lr)}"]
        else:
            lines.append(f"no exception frame: the stack pointer {self.sp:#010x} had left the stack (overflow)")
            if self.overflow is not None:
                lines += self.overflow.describe(locate)
        lines.append(f"CFSR {self.cfsr:#010x}  HFSR {self.hfsr:#010x}  EXC_RETURN {self.exc_return:#010x}")
        return "\n".join(lines)
