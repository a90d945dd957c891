"""Halting debug of an Armv7-M core: DHCSR, DCRSR, DCRDR, DEMCR (DDI 0403E C1.6), and whether the core is halted.

A power-on reset clears all of it, a system reset leaves it alone (C1.6.1): so a debugger can catch the core at its first instruction.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from bench.virtual.cpu import StopReason, SystemControl
from bench.virtual.soc.registers import Register

DHCSR = 0xE000EDF0
C_DEBUGEN, C_HALT, C_STEP, C_MASKINTS = 1 << 0, 1 << 1, 1 << 2, 1 << 3
S_REGRDY, S_HALT, S_SLEEP, S_LOCKUP, S_RETIRE_ST, S_RESET_ST = 1 << 16, 1 << 17, 1 << 18, 1 << 19, 1 << 24, 1 << 25
_DBGKEY = 0xA05F
_VC_CORERESET = 1 << 0
_VECTOR_CATCHES = 0x7F0
_TRCENA = 1 << 24
DFSR_HALTED, DFSR_BKPT, DFSR_VCATCH, DFSR_EXTERNAL = 1 << 0, 1 << 1, 1 << 3, 1 << 4

# DCRSR.REGSEL (C1.6.3); 13 is the stack pointer in use.
_REGISTERS = {i: f"r{i}" for i in range(13)} | {
    13: "sp",
    14: "lr",
    15: "pc",
    16: "xpsr",
    17: "msp",
    18: "psp",
    33: "fpscr",
}
_REGISTERS |= {64 + i: f"s{i}" for i in range(32)}
_SPECIAL = 20
_SPECIAL_PARTS = ("primask", "basepri", "faultmask", "control")


class Core(Protocol):
    """What halting debug needs of the core."""

    system: SystemControl
    halting_debug: bool
    vector_catch: int

    @property
    def instructions(self) -> int:
        """Instructions begun."""
        ...

    @property
    def sleeping(self) -> bool:
        """In WFI or WFE."""
        ...

    @property
    def locked_up(self) -> bool:
        """In lockup."""
        ...

    def read_register(self, name: str | int) -> int:
        """Read a core register."""
        ...

    def write_register(self, name: str | int, value: int) -> None:
        """Write a core register."""
        ...

    def step(self) -> StopReason:
        """Do one instruction."""
        ...


class CoreDebug:
    """The debug registers. ``by_debugger`` tells who is accessing them: software on the core cannot change DHCSR (C1.6.2)."""

    def __init__(self, core: Core, by_debugger: Callable[[], bool], set_trace: Callable[[bool], None],
                 changed: Callable[[], None], stop_core: Callable[[], None]) -> None:  # fmt: skip
        """``stop_core`` ends a run of the core that is under way; ``changed`` is called when the core was halted or let go."""
        self._core = core
        self._stop_core = stop_core
        self._by_debugger = by_debugger
        self._set_trace = set_trace
        self._changed = changed
        self._control = 0
        self._halted = False
        self._was_reset = True
        self._instructions_seen = 0
        self.step_requested = False
        self._demcr = Register("DEMCR", on_write=self._write_demcr)
        self._dcrdr = Register("DCRDR")
        self.registers = [
            (0xDF0, Register("DHCSR", on_read=self._read_dhcsr, on_write=self._write_dhcsr)),
            (0xDF4, Register("DCRSR", on_read=lambda _: 0, on_write=self._write_dcrsr)),
            (0xDF8, self._dcrdr),
            (0xDFC, self._demcr),
        ]

    @property
    def enabled(self) -> bool:
        """DHCSR.C_DEBUGEN."""
        return bool(self._control & C_DEBUGEN)

    @property
    def halted(self) -> bool:
        """Whether the core is in Debug state."""
        return self._halted

    def power_on(self) -> None:
        """Power-on reset."""
        self._control = 0
        self._halted = False
        self._was_reset = True
        self._dcrdr.value = self._demcr.value = 0
        self._core.halting_debug = False
        self._core.vector_catch = 0
        self._set_trace(False)

    def after_reset(self) -> None:
        """The core was reset: a halt is over (C1.6.2), but a reset catch stops it at the reset vector."""
        self._was_reset = True
        self._instructions_seen = self._core.instructions
        self._halted = False
        self._control &= ~(C_HALT | C_STEP)
        if self.enabled and self._demcr.value & _VC_CORERESET:
            self.enter(DFSR_VCATCH)

    def enter(self, reason: int) -> None:
        """Enter Debug state; ``reason`` is a DFSR bit."""
        self._halted = True
        self._control |= C_HALT
        self._core.system.dfsr |= reason
        if self._core.sleeping:  # a debug entry request ends WFI and WFE (DDI 0403E B1.5.19); so does the write of PC
            self._core.write_register("pc", self._core.read_register("pc"))
        self._stop_core()
        self._changed()

    def _read_dhcsr(self, _: int) -> int:
        core = self._core
        value = self._control
        if self._halted:
            value |= S_HALT | S_REGRDY
        elif core.locked_up:
            value |= S_LOCKUP
        elif core.sleeping:
            value |= S_SLEEP
        if self._was_reset:
            value |= S_RESET_ST
        if core.instructions != self._instructions_seen:
            value |= S_RETIRE_ST
        if self._by_debugger():
            self._was_reset = False
            self._instructions_seen = core.instructions
        return value

    def _write_dhcsr(self, _: int, new: int) -> int:
        if not self._by_debugger() or new >> 16 != _DBGKEY:
            return 0
        control = new & (C_DEBUGEN | C_HALT | C_STEP | C_MASKINTS)
        self._control = control if control & C_DEBUGEN else 0
        self._core.halting_debug = self.enabled
        self._core.vector_catch = self._demcr.value & _VECTOR_CATCHES if self.enabled else 0
        if self._control & C_HALT:
            if not self._halted:
                self.enter(DFSR_HALTED)
        elif self._halted:
            if self._control & C_STEP:
                self.step_requested = True
            else:
                self._halted = False
        self._changed()
        return 0

    def step(self) -> None:
        """Do the single step that was asked for; with C_MASKINTS no interrupt is taken meanwhile."""
        self.step_requested = False
        system = self._core.system
        enabled = set(system.enabled)
        if self._control & C_MASKINTS:
            system.enabled.clear()
            system.on_change()
        self._halted = False
        reason = self._core.step()
        if self._control & C_MASKINTS:
            system.enabled |= enabled
            system.on_change()
        self.enter(DFSR_BKPT if reason is StopReason.BREAKPOINT else DFSR_HALTED)

    def _write_demcr(self, _: int, new: int) -> int:
        self._core.vector_catch = new & _VECTOR_CATCHES if self.enabled else 0
        self._set_trace(bool(new & _TRCENA))
        self._changed()
        return new & (_TRCENA | _VC_CORERESET | _VECTOR_CATCHES)

    def _write_dcrsr(self, _: int, new: int) -> int:
        if not self._halted:
            return 0
        select, writing = new & 0x7F, bool(new & 1 << 16)
        if select == _SPECIAL:
            if writing:
                for i, name in enumerate(_SPECIAL_PARTS):
                    self._core.write_register(name, self._dcrdr.value >> 8 * i & 0xFF)
            else:
                self._dcrdr.value = sum(
                    (self._core.read_register(name) & 0xFF) << 8 * i for i, name in enumerate(_SPECIAL_PARTS)
                )
        elif select in _REGISTERS:
            name = _REGISTERS[select]
            if writing:
                value = self._dcrdr.value
                self._core.write_register(name, value & ~1 if name == "pc" else value)
            else:
                self._dcrdr.value = self._core.read_register(name)
        return 0
