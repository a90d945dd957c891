"""Decodes the fault registers of Armv7-M. Ref: ARM DDI 0403E.e B3.2.15 (CFSR), B3.2.16 (HFSR), B1.5.6 (exception frame)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

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

Locator = Callable[[int], str]
"""Turns a code address into text: the address, function, file and line."""


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
    last_call: int | None = None
    """Return address of the innermost call that the stack still shows, where there is no frame."""

    def causes(self) -> list[str]:
        """Return each set status bit by name and meaning."""
        return [text for bit, text in _CFSR.items() if self.cfsr >> bit & 1] + [
            text for bit, text in _HFSR.items() if self.hfsr >> bit & 1
        ]

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
            if self.last_call is not None:
                lines.append(f"called from: {locate(self.last_call)}")
        lines.append(f"CFSR {self.cfsr:#010x}  HFSR {self.hfsr:#010x}  EXC_RETURN {self.exc_return:#010x}")
        return "\n".join(lines)


def last_return_address(stack: bytes, is_call_before: Callable[[int], bool]) -> int | None:
    """Return the address of the call nearest to the end of ``stack`` (its lowest word first) that a word in it returns to; None: there is none.

    When the stack has overflowed, the core cannot push the frame that says where it was: the faulting instruction is lost. What was pushed
    before is still there. A word is taken for a return address where its Thumb bit is set and ``is_call_before`` it there is a call.
    """
    for offset in range(0, len(stack) - 3, 4):
        word = int.from_bytes(stack[offset : offset + 4], "little")
        if word & 1 and is_call_before(word & ~1):
            return (word & ~1) - 2  # inside the call, which is what the debug information is asked for
    return None


def is_call(code: bytes) -> bool:
    """Tell whether ``code``, the four bytes before an address, end in a call: BL, or BLX of a register (ARM DDI 0403E.e A7.7.18, A7.7.19)."""
    first, second = int.from_bytes(code[:2], "little"), int.from_bytes(code[2:], "little")
    return (first & 0xF800 == 0xF000 and second & 0xD000 == 0xD000) or second & 0xFF87 == 0x4780
