"""The run loop of the emulated core.

The core runs natively between two events; an event is an access to the bus, a breakpoint, an exception, sleep, or a spent budget. Accesses
to the bus end the native stretch with PC on the accessing instruction, and are done here: so the bus sees exact cycles and may do
anything to the core, and a refused access leaves the registers as they were. That costs about ten microseconds an access.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from bench.virtual.cpu import layout as at
from bench.virtual.cpu.activity import Activity
from bench.virtual.cpu.blocks import BlockTable
from bench.virtual.cpu.checks import CheckMode
from bench.virtual.cpu.decode import decode_one
from bench.virtual.cpu.engine import CORE_NAMES, Engine, Stop, Stopped
from bench.virtual.cpu.exceptions import ExceptionUnit
from bench.virtual.cpu.flashport import flash_offset, set_geometry
from bench.virtual.cpu.instructions import Instruction, condition_passes
from bench.virtual.cpu.interface import PAGE_BYTES, Bus, Memory, Region, StopReason
from bench.virtual.cpu.loadstore import FaultAt, LoadStoreUnit, MemoryMap
from bench.virtual.cpu.native import set_divide
from bench.virtual.cpu.system import CCR_DIV_0_TRP, CCR_UNALIGN_TRP, Cfsr, ExceptionNumber, Hfsr, SystemControl
from bench.virtual.cpu.timing import CoreTiming
from bench.virtual.cpu.translate import Translator, switched_on

_UNDEFINED = b"\x00\xde"  # UDF #0
_XN = ((0x4000_0000, 0x6000_0000), (0xA000_0000, 1 << 32))  # execute never in the default memory map (DDI 0403E B3.1)


class Execution:
    """The core's run loop; `Cpu` adds what the board and the debugger use."""

    def __init__(
        self,
        memories: Sequence[Memory],
        mmio: Sequence[Region],
        bus: Bus,
        timing: CoreTiming,
        *,
        direct_registers: bool = True,
        double_precision: bool = False,
        translate: bool | None = None,
    ) -> None:
        self._memory = MemoryMap(memories, mmio, bus)
        self._timing = timing
        self.halting_debug = True
        flash = self._memory.flash
        lines = flash.size // timing.accelerator.line_bytes + 1 if flash else 1
        self._engine = Engine(timing.cpu_model, memories, lines, self._miss, direct_registers=direct_registers)
        self._state = self._engine.state
        self._words = self._engine.words  # the same, quicker for single words
        set_geometry(self._state, timing.accelerator, flash)
        set_divide(self._state, timing.divide)
        self._words[at.H_PASS] = self._words[at.H_RESUME] = -1
        self._double_precision = double_precision
        self._blocks = BlockTable(
            self._state,
            timing,
            self._memory.bytes,
            partial(flash_offset, self._state),
            self._engine.registers,
            double_precision=double_precision,
        )
        self.system = SystemControl()
        self._units = LoadStoreUnit(self._engine, self._memory)
        self._exceptions = ExceptionUnit(self._engine, self.system, self._memory)
        self.system.on_change = self._update_switches
        self._mid = False  # PC is inside the current block, whose rest is charged but not yet done
        self._sleep: str | None = None
        self._halt_requested = False
        self._running = False
        self._stale_code = False
        self._generation = 0
        self._translator: Translator | None = None
        if (switched_on() if translate is None else translate) and self._engine.direct:
            self._translator = Translator(self._engine, self._blocks, memories)

    # Set-up.

    def _miss(self, address: int, size: int) -> int:
        return self._blocks.miss(address, size)

    def _update_switches(self) -> None:
        system, checks = self.system, self._blocks.checks
        self._state[at.H_FPU_ENABLED] = system.fpu_enabled
        self._state[at.H_CHECK_PENDING] = bool(system.pending)
        mode = CheckMode(
            # Once they had to be watched they stay so: every clock switch goes through zero wait states, and forgets all blocks otherwise.
            flash_reads=checks.mode.flash_reads or bool(self._state[at.H_WAIT_STATES] + self._state[at.H_FILL]),
            unaligned_traps=bool(system.ccr & CCR_UNALIGN_TRP),
            divide_traps=bool(system.ccr & CCR_DIV_0_TRP),
        )
        if mode != checks.mode:
            checks.mode = mode
            self._blocks.forget()

    # Running.

    def _loop(self, limit: int, *, single: bool) -> StopReason:
        self._halt_requested = False
        words = self._words
        translator = None if single else self._translator
        words[at.H_TRANSLATE] = translator is not None
        while True:
            words[at.H_BUDGET] = limit
            if translator is not None:
                if words[at.H_CYCLES] >= translator.next_look:
                    translator.look(words[at.H_CYCLES])
                words[at.H_BUDGET] = min(limit, translator.next_look)
            if self._exceptions.locked_up:
                return StopReason.LOCKUP
            if self._halt_requested or self._exceptions.caught:
                self._halt_requested = self._exceptions.caught = False
                return StopReason.HALT_REQUEST
            if self._sleep and not self._wake():
                return StopReason.SLEEP
            pending = self._exceptions.next_pending()
            if pending is not None:
                self._leave_block()
                self._exceptions.enter(pending, self._pc)
                self._charge(self._timing.exception_entry_cycles)
                if single:
                    return StopReason.STEP
                continue
            if not single and words[at.H_CYCLES] >= limit and self.cycles >= limit:
                return StopReason.CYCLES
            if not self._exceptions.thumb:
                self._fault(ExceptionNumber.USAGE_FAULT, Cfsr.INVSTATE, self._pc)
                if single:
                    return StopReason.STEP
                continue
            before = words[at.H_PASS]
            reason = self._stretch(single)
            if reason is not None:
                return reason
            if single and self._moved:
                return self._after_step()
            if single:
                words[at.H_PASS] = before

    def _after_step(self) -> StopReason:
        if self._exceptions.locked_up:
            return StopReason.LOCKUP
        if self._halt_requested or self._exceptions.caught:
            self._halt_requested = self._exceptions.caught = False
            return StopReason.HALT_REQUEST
        return StopReason.SLEEP if self._sleep else StopReason.STEP

    def _stretch(self, single: bool) -> StopReason | None:
        """Emulate until something happens, and see to it. Sets ``_moved`` when at least one instruction or exception was done."""
        state, blocks = self._words, self._blocks
        if self._stale_code or blocks.checks.wanted:
            self._install()
        block = blocks.current
        if self._mid and block is not None:
            state[at.H_RESUME], state[at.H_RESUME_END] = self._pc, block.code.end
        else:
            state[at.H_RESUME] = -1
        start, self._moved = self._pc, True
        if single:  # nothing but the block of the one instruction may be entered
            state[at.H_BUDGET] = state[at.H_CYCLES] + (0 if self._mid else 1)
        stopped = self._engine.go(start, single=single)
        state[at.H_RESUME] = -1
        if blocks.failure is not None:
            failure, blocks.failure = blocks.failure, None
            raise failure
        if state[at.H_EVENT]:
            state[at.H_EVENT] = 0
            self.system.event = True
        self._exceptions.pc = stopped.pc
        return self._see_to(stopped, start, single)

    def _see_to(self, stopped: Stopped, start: int, single: bool) -> StopReason | None:
        kind, pc = stopped.kind, stopped.pc
        if kind is Stop.HOOK:
            return self._hook_stop(pc)
        if kind is Stop.ENDED:
            self._ended(start, pc, single)
            return None
        if kind is Stop.FETCH:
            self._mid = False
            self._bad_fetch(pc, stopped.thumb)
            return None
        if kind is Stop.SVC:
            self._mid = False
            self._leave_block()
            self._exceptions.supervisor_call(pc)
            self._charge(self._timing.exception_entry_cycles)
            return None
        if kind is Stop.UNDEFINED and self._waits_for_event(pc):
            return None
        self._mid = True
        if kind is Stop.BKPT:
            return self._breakpoint(pc)
        if kind is Stop.ACCESS:
            self._access(pc)
        elif kind is Stop.NO_COPROCESSOR:
            self._fault(ExceptionNumber.USAGE_FAULT, Cfsr.NOCP, pc)
        elif not stopped.thumb:
            self._exceptions.thumb = False
            self._fault(ExceptionNumber.USAGE_FAULT, Cfsr.INVSTATE, pc)
        else:
            self._fault(ExceptionNumber.USAGE_FAULT, Cfsr.UNDEFINSTR, pc)
        return None

    def _install(self) -> None:
        """Bring the emulator up to date with changed code, and with the hooks that blocks want."""
        checks = self._blocks.checks
        if self._stale_code:
            self._stale_code = False
            self._blocks.forget_code()
            checks.uninstall(self._engine.unwatch)
            self._engine.flush_translations()
        if checks.wanted:
            checks.install(self._engine.watch)
            self._engine.flush_translations()

    def _hook_stop(self, pc: int) -> StopReason | None:
        why, where = int(self._state[at.H_STOP]), int(self._state[at.H_STOP_ADDRESS])
        self._moved = False
        if why == at.STOP_CHECK:
            block = self._blocks.current
            self._mid = block is not None and pc < block.code.end
            return self._inspect(pc) if pc == where else None  # else: an instruction that its IT block skipped
        if why == at.STOP_TAIL:
            self._blocks.truncate(pc)
        self._mid = False
        if why == at.STOP_BUDGET:
            self._moved = True
            self._blocks.pages.add(pc // PAGE_BYTES)  # the emulator has translated the block that it was not to enter
        elif why == at.STOP_ALIGNMENT:
            for block in self._blocks.block_at(where):
                self._blocks.check_each_access(block)
        elif why == at.STOP_FPU:
            for block in self._blocks.block_at(where):
                self._blocks.check_each_fpu_use(block)
        elif why == at.STOP_PENDING:
            self._state[at.H_PENDING_SEEN] = 1
        return None

    def _inspect(self, pc: int) -> StopReason | None:
        """A native check stopped at ``pc``: a breakpoint, a fault that is due, or an instruction that its IT block skips."""
        if pc in self._blocks.checks.breakpoints and self.halting_debug:
            return StopReason.BREAKPOINT
        instruction = self._instruction(pc)
        if condition_passes(instruction, self._engine.get("xpsr")):
            bits = self._due_fault(instruction)
            if bits:
                self._moved = True
                self._fault(ExceptionNumber.USAGE_FAULT, bits, pc)
                return None
        self._state[at.H_PASS] = pc
        return None

    def _due_fault(self, instruction: Instruction) -> Cfsr:
        if instruction.uses_fpu and not self.system.fpu_enabled:
            return Cfsr.NOCP
        if instruction.double and not self._double_precision:
            return Cfsr.UNDEFINSTR
        if instruction.divisor is not None:
            zero = self._engine.get(CORE_NAMES[instruction.divisor]) == 0
            return Cfsr.DIVBYZERO if zero and self.system.ccr & CCR_DIV_0_TRP else Cfsr(0)
        if instruction.access is not None and self._units.address(instruction) & self._blocks.checks.alignment_mask(
            instruction.access
        ):
            return Cfsr.UNALIGNED
        return Cfsr(0)

    def _ended(self, start: int, pc: int, single: bool) -> None:
        block = self._blocks.current
        assert block is not None
        last = block.instructions[-1]
        if single:
            done = block.instructions[block.instruction_index(start)]
            self._mid = done is not last and pc < block.code.end
            if done.name == "wfi":
                self._sleep = "wfi"
            return
        self._mid = False
        if last.name == "wfi" and pc == last.end:
            self._sleep = "wfi"

    def _waits_for_event(self, pc: int) -> bool:
        block = self._blocks.current
        last = block.instructions[-1] if block is not None else None
        if last is None or last.end != pc or last.name not in ("wfe", "yield"):
            return False
        self._mid = False
        if last.name == "wfe":
            if self.system.event:
                self.system.event = False
            else:
                self._sleep = "wfe"
        return True

    def _wake(self) -> bool:
        awake = self._exceptions.wakes() or (self._sleep == "wfe" and self.system.event)
        if awake:
            if self._sleep == "wfe":
                self.system.event = False
            self._sleep = None
        return awake

    # Exceptions.

    def _leave_block(self) -> None:
        """Take the rest of the current block back: control goes elsewhere from PC."""
        if self._mid:
            self._blocks.abandon(self._pc)
        else:
            self._blocks.leave()
        self._mid = False

    def _charge(self, cycles: int) -> None:
        self._state[at.H_CYCLES] += cycles

    def _fault(self, number: ExceptionNumber, bits: Cfsr, pc: int, address: int | None = None) -> None:
        self._leave_block()
        self._exceptions.fault(number, bits, pc, address)
        self._charge(self._timing.exception_entry_cycles)

    def _breakpoint(self, pc: int) -> StopReason | None:
        if self.halting_debug:
            self._moved = False
            return StopReason.BREAKPOINT
        self._leave_block()
        self._exceptions.hard_fault(Hfsr.DEBUGEVT, pc)
        self._charge(self._timing.exception_entry_cycles)
        return None

    def _bad_fetch(self, pc: int, thumb: bool) -> None:
        branched = self._blocks.current is not None  # a vector with such a value is no exception return
        if pc >= 0xF000_0000 and branched and self._engine.get("ipsr"):
            self._leave_block()
            self._exceptions.leave(pc | 1)
            self._charge(self._timing.exception_return_cycles)
        elif not thumb:
            self._exceptions.thumb = False
            self._fault(ExceptionNumber.USAGE_FAULT, Cfsr.INVSTATE, pc)
        elif any(low <= pc < high for low, high in _XN):
            self._fault(ExceptionNumber.MEM_MANAGE, Cfsr.IACCVIOL, pc)
        else:
            self._fault(ExceptionNumber.BUS_FAULT, Cfsr.IBUSERR, pc)

    # Accesses that the emulator does not do.

    def _access(self, pc: int) -> None:
        instruction = self._instruction(pc)
        if instruction.access is None:
            self._fault(ExceptionNumber.BUS_FAULT, Cfsr.PRECISERR, pc)
            return
        generation = self._generation
        try:
            loaded = self._units.transfer(instruction, self._blocks.checks.alignment_mask(instruction.access))
        except FaultAt as refused:
            if refused.unaligned:
                self._fault(ExceptionNumber.USAGE_FAULT, Cfsr.UNALIGNED, pc)
            else:
                self._fault(ExceptionNumber.BUS_FAULT, Cfsr.PRECISERR, pc, refused.address)
            return
        if generation != self._generation:  # the bus reset the core
            return
        block = self._blocks.current
        self._mid = block is not None and instruction.end < block.code.end
        self._exceptions.pc = instruction.end
        target = self._units.commit(instruction, loaded)
        if target is not None:
            self._mid = False
            self._exceptions.pc, self._exceptions.thumb = target & ~1, bool(target & 1)

    def _instruction(self, pc: int) -> Instruction:
        block = self._blocks.current
        if block is not None and (known := block.positions.get(pc)) is not None:
            return block.instructions[known]
        found = self._memory.memory(pc, 4) or self._memory.memory(pc, 2)
        return decode_one(pc, bytes(found[1]) if found else _UNDEFINED)

    # Where the core is.

    @property
    def _pc(self) -> int:
        return self._exceptions.pc

    @property
    def cycles(self) -> int:
        """Core cycles spent since power-on, sleep excluded; inside Bus calls the value at the begin of the accessing instruction."""
        return self._blocks.cycles_at(self._exceptions.pc) if self._mid else self._words[at.H_CYCLES]

    @property
    def activity(self) -> Activity:
        """What the core has done since power-on, by class of instruction."""
        return self._blocks.activity(self._pc if self._mid else None)

    @property
    def instructions(self) -> int:
        """Instructions done since power-on (skipped ones of an IT block count)."""
        return self.activity.instructions
