"""The emulated Cortex-M core, as the board and the debugger see it."""

from __future__ import annotations

from collections.abc import Sequence

from bench.virtual.cpu import layout as at
from bench.virtual.cpu.engine import CORE_NAMES, REGISTER_NAMES
from bench.virtual.cpu.execution import Execution
from bench.virtual.cpu.interface import AccessFault, Bus, Memory, Region, StopReason
from bench.virtual.cpu.system import ExceptionNumber
from bench.virtual.cpu.timing import CoreTiming

_WORD = 0xFFFF_FFFF
_FOREVER = 1 << 62


class Cpu(Execution):
    """A Cortex-M core on Unicorn with exact cycle counts.

    ``system`` is the SystemControl (fault registers, NVIC state, VTOR, CPACR ...), read and written by the PPB model.
    ``halting_debug`` (C_DEBUGEN): BKPT and hardware breakpoints stop the core; otherwise BKPT is a HardFault with HFSR.DEBUGEVT.
    ``boot_address`` is where the vector table is after a reset (0, but 0x0020_0000 on an STM32F7 as it comes).
    ``double_precision``: the FPU has it; none of the modelled microcontrollers' does, and its instructions are undefined then.
    ``translate``: whether hot code is translated (translate/); by default unless BENCH_VIRTUAL_TRANSLATE is 0. It changes speed alone.
    ``direct_registers=False`` is for tests: native checks then copy the registers instead of reading them in place.
    Raises ValueError when memories and regions overlap, or more than one memory is flash.
    """

    def __init__(
        self,
        memories: Sequence[Memory],
        mmio: Sequence[Region],
        bus: Bus,
        timing: CoreTiming,
        *,
        boot_address: int = 0,
        direct_registers: bool = True,
        double_precision: bool = False,
        translate: bool | None = None,
    ) -> None:
        super().__init__(
            memories,
            mmio,
            bus,
            timing,
            direct_registers=direct_registers,
            double_precision=double_precision,
            translate=translate,
        )
        self._boot_address = boot_address
        self.reset()

    def run(self, max_cycles: int) -> StopReason:
        """Run for about ``max_cycles`` (stops at the first block boundary at or after it; overshoot is below one basic block).

        A core that sleeps returns SLEEP at once, no cycle counted, unless something woke it; one in lockup returns LOCKUP.
        """
        return self._loop(self.cycles + max_cycles, single=False)

    def step(self) -> StopReason:
        """Do one instruction (STEP), or say what kept the core from it. Hardware breakpoints on it are ignored; BKPT gives BREAKPOINT.

        Instructions that an IT block skips are done together with the one before them.
        """
        self._state[at.H_PASS] = self._pc
        try:
            return self._loop(_FOREVER, single=True)
        finally:
            self._state[at.H_PASS] = -1

    @property
    def regions(self) -> int:
        """How many regions of hot code run translated now (translate/)."""
        return self._translator.regions if self._translator is not None else 0

    @property
    def sleeping(self) -> bool:
        """Whether the core waits in WFI or WFE."""
        return self._sleep is not None

    @property
    def locked_up(self) -> bool:
        """Whether the core is in lockup (only `reset` or the debugger's write of PC ends it)."""
        return self._exceptions.locked_up

    @property
    def vector_catch(self) -> int:
        """DEMCR bits VC_HARDERR (10), VC_INTERR (9), VC_BUSERR (8), VC_STATERR (7), VC_CHKERR (6), VC_NOCPERR (5), VC_MMERR (4)."""
        return self._exceptions.vector_catch

    @vector_catch.setter
    def vector_catch(self, bits: int) -> None:
        self._exceptions.vector_catch = bits

    def read_register(self, name: str | int) -> int:
        """Read r0-r12, sp, lr, pc, xpsr, msp, psp, primask, basepri, faultmask, control, s0-s31, fpscr; 0-15 are r0-pc. Raises KeyError."""
        name = self._register_name(name)
        if name == "pc":
            return self._pc
        value = self._engine.get(name)
        return value & ~(1 << 24) | self._exceptions.thumb << 24 if name == "xpsr" else value

    def write_register(self, name: str | int, value: int) -> None:
        """Write one of the registers of `read_register`. A write of PC ends sleep and lockup."""
        name = self._register_name(name)
        if name != "pc":
            if name == "xpsr":
                self._exceptions.thumb = bool(value >> 24 & 1)
                value |= 1 << 24
            self._engine.set(name, value)
            return
        if value & ~1 != self._pc:
            self._leave_block()
        self._exceptions.pc = value & _WORD & ~1
        self._exceptions.locked_up = False
        self._sleep = None
        self._generation += 1

    @staticmethod
    def _register_name(name: str | int) -> str:
        if isinstance(name, int):
            if not 0 <= name < len(CORE_NAMES):
                raise KeyError(f"core register {name}: known are 0-15")
            return CORE_NAMES[name]
        short = {"r13": "sp", "r14": "lr", "r15": "pc"}.get(name.lower(), name.lower())
        if short not in REGISTER_NAMES:
            raise KeyError(f"register {name!r}: known are {', '.join(sorted(REGISTER_NAMES))}")
        return short

    def read_memory(self, address: int, size: int) -> bytes:
        """Read from the memories (not the bus). Raises AccessFault where there is none."""
        return self._memory.bytes(address, size)

    def write_memory(self, address: int, data: bytes) -> None:
        """Write into the memories, read-only ones too, and forget translated code there. Raises AccessFault where there is none."""
        found = self._memory.memory(address, len(data))
        if found is None:
            raise AccessFault(f"no memory at {address:#010x}, {len(data)} bytes")
        found[1][:] = data
        self.invalidate_code(address, len(data))

    def invalidate_code(self, address: int, size: int) -> None:
        """Say that the bytes of a Memory changed behind the core's back (flash erased or programmed by the flash controller)."""
        if not self._stale_code:
            self._stale_code = any(
                self._blocks.executed_in(base, length) for base, length in self._memory.spans(address, size)
            )

    def reset(self) -> None:
        """Reset the core: system control, registers, caches; loads SP and PC from the vector table. cycles and instructions go on.

        May be called from inside a Bus write (AIRCR.SYSRESETREQ).
        """
        if self._mid:
            self._leave_block()
        self._blocks.leave()
        self._generation += 1
        self._sleep = None
        self._exceptions.locked_up = self._exceptions.caught = False
        for name in (
            *CORE_NAMES[:13],
            "primask",
            "basepri",
            "faultmask",
            "fpscr",
            "control",
            *(f"s{n}" for n in range(32)),
        ):
            self._engine.set(name, 0)
        self._engine.set("xpsr", 1 << 24)
        self._engine.set("psp", 0)
        self.system.reset()
        self.system.vtor = self._boot_address
        self._state[at.H_CHECK_PENDING] = 0
        self.set_flash_access(0, icache=False, dcache=False, prefetch=False)
        self.flush_flash_caches(instruction=True, data=True)
        try:
            vectors = self._memory.bytes(self._boot_address, 8)
            stack, start = int.from_bytes(vectors[:4], "little"), int.from_bytes(vectors[4:], "little")
        except AccessFault:
            stack, start = 0, 0
            self._exceptions.lock_up()
        self._engine.set("msp", stack & ~3)
        self._engine.set("lr", _WORD)
        if not self._exceptions.locked_up:
            self._exceptions.pc, self._exceptions.thumb = start & ~1, bool(start & 1)

    def set_flash_access(self, wait_states: int, icache: bool, dcache: bool, prefetch: bool) -> None:
        """Set the flash timing, from the next block on (FLASH_ACR). Disabling a cache does not empty it. Raises ValueError below 0."""
        if not 0 <= wait_states <= 15:
            raise ValueError(f"{wait_states} flash wait states: 0 to 15 are possible")
        state = self._state
        state[at.H_WAIT_STATES] = wait_states
        state[at.H_ICACHE], state[at.H_DCACHE], state[at.H_PREFETCH] = icache, dcache, prefetch
        self._update_switches()

    def flush_flash_caches(self, instruction: bool, data: bool) -> None:
        """Empty the flash accelerator's caches (FLASH_ACR.ICRST, DCRST)."""
        if instruction:
            self._state[at.ICACHE : at.TOUCHED] = 0
            self._state[at.LINE_SLOTS : self._state[at.H_DLINE_SLOTS]] = 0
            self._state[at.H_GENERATION] += 1
            self._state[at.H_LAST_LINE], self._state[at.H_FRESH], self._state[at.H_TOUCHED] = -2, 0, 0
        if data:
            self._state[at.DCACHE : at.ICACHE] = 0
            self._state[self._state[at.H_DLINE_SLOTS] :] = 0

    def set_breakpoint(self, address: int) -> None:
        """Set a hardware breakpoint (as many as wanted; the FPB model limits to 6 or 8)."""
        self._blocks.checks.set_breakpoint(address & ~1)

    def clear_breakpoint(self, address: int) -> None:
        """Clear a hardware breakpoint; no error when there is none."""
        self._blocks.checks.clear_breakpoint(address & ~1)

    @property
    def breakpoints(self) -> frozenset[int]:
        """Addresses of the hardware breakpoints."""
        return frozenset(self._blocks.checks.breakpoints)

    def request_halt(self) -> None:
        """Make the `run` that is under way (call it from the Bus) return HALT_REQUEST after the current instruction."""
        self._halt_requested = True

    def pend_irq(self, number: int) -> None:
        """Pend external interrupt ``number``: wakes WFI when enabled (also with PRIMASK=1), enters its handler when PRIMASK=0."""
        self.system.pend(ExceptionNumber.IRQ0 + number)

    def clear_irq(self, number: int) -> None:
        """Take the pending external interrupt ``number`` back."""
        self.system.unpend(ExceptionNumber.IRQ0 + number)

    def send_event(self) -> None:
        """Set the event register: wakes WFE."""
        self.system.event = True
