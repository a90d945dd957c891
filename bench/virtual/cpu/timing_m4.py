"""Cortex-M4F instruction timing. Pure: decoded straight-line code in, cycles out.

Sources: [TRM] Cortex-M4 technical reference manual, Arm DDI 0439, §3.3 (instruction set summary, load and store timings) and §7.2.3 (FPU).
[J] measurements on an STM32F407, github.com/jnk0le/random, "pipeline cycle test", cortex_m3m4. [C] measurements on a Cortex-M4,
compendium.i-0.nl, "alignment rules". Nothing is fitted. docs/cycle-model.md says how far off the result is.

  item                                          cycles
  data processing, MUL, MLA, long multiply, DSP 1 [TRM]
  UDIV, SDIV                                    2-12 by operands [TRM]: timing.DivideTiming
  LDR                                           2; 1 behind an LDR of the same memory that gives neither its address nor writes its base back [TRM, J]
  LDR behind a STR with immediate offset        +1 in the same memory [J]
  any access whose address the instruction before computed or loaded  +1 [TRM; J]
  STR immediate / register offset               1 / 2 [TRM, J]; behind one that writes the same base back +1 [J]
  LDM, STM, PUSH, POP, LDRD, STRD, VLDM, VSTM   1 + N; with PC + 3 [TRM]; a load behind a STR with immediate offset +1 [J]
  16-bit NOP behind LDR or STR register offset  0 [J]
  IT                                            0 behind a 16-bit instruction that is no branch, else 1 [TRM]
  B, Bcc, CBZ, BL, BX LR                        1, taken 2 [TRM]
  BX, BLX register, MOV PC / LDR PC / TBB, TBH  3 / 5 / 6 [TRM]
  branch to a 32-bit instruction not word aligned  +1 [TRM, C]
  third 32-bit instruction in a row not word aligned  +1, once; the fourth when the first three hold two stores or more [C: fourth of a row of stores]
  MRS, MSR / CPS / DMB, DSB / ISB               2 / 1 / 1 / 3 (pipeline refill)
  VADD, VMUL, VCMP, VCVT, VMOV, VMRS            1; VMOV with two core registers 2 [TRM]
  VMLA, VFMA                                    3 [TRM]
  VDIV, VSQRT                                   1, and 14 until the next FPU instruction can begin [TRM: integer ones go on beside it]
  VLDR, VSTR of one S register                  as LDR / 2 [TRM]
  FPU arithmetic or store using the result of the FPU instruction before  +1, a division's too [TRM]

Not modelled: instructions skipped by an IT block (counted as if done), unaligned data (+1 or +2), bus contention between code in SRAM and
data, an FPU division still under way two blocks later, wait states of peripherals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.virtual.cpu.decode import decode_block
from bench.virtual.cpu.instructions import PC, Instruction, Kind
from bench.virtual.cpu.timing import CodeBlock, DivideTiming, EdgeCost, FlashAccelerator

_FLAT = {
    Kind.ALU: 1,
    Kind.DIVIDE: DivideTiming().minimum,
    Kind.BRANCH: 1,
    Kind.BRANCH_REGISTER: 1,
    Kind.TABLE_BRANCH: 3,
    Kind.SYSTEM: 2,
    Kind.BARRIER: 1,
    Kind.FLUSH: 3,
    Kind.TRAP: 1,
    Kind.FP: 1,
    Kind.FP_MULTIPLY_ADD: 3,
    Kind.FP_DIVIDE: 1,
    Kind.FP_MOVE_PAIR: 2,
    Kind.FP_STATUS: 1,
}
#: What a taken branch costs on top, by the kind of the instruction that branches.
_REFILL = {Kind.BRANCH: 1, Kind.BRANCH_REGISTER: 2, Kind.TABLE_BRANCH: 3, Kind.LOAD: 3, Kind.LOAD_MULTIPLE: 3}
_FP_ARITHMETIC = (Kind.FP, Kind.FP_MULTIPLY_ADD, Kind.FP_DIVIDE)
_FP_DIVIDE_CYCLES = 14
_ADDRESSES = 0x7FFF  # r0-r14
_FLASH, _SRAM = 0, 2  # CodeBlock.memories


@dataclass(frozen=True, slots=True)
class CortexM4Timing:
    """`CoreTiming` of the Cortex-M4F. See the module's docstring for the rules and for what is left out."""

    cpu_model: str = "cortex-m4"
    accelerator: FlashAccelerator = field(default_factory=FlashAccelerator)
    divide: DivideTiming = field(default_factory=DivideTiming)
    asks_ahead: bool = True
    exception_entry_cycles: int = 12
    exception_return_cycles: int = 10

    def edge(self, previous: CodeBlock | None, block: CodeBlock) -> EdgeCost:
        """Cost of ``block`` run right after ``previous``, which is taken to have begun with an empty pipeline."""
        instructions = decode_block(block.address, block.code)
        pipeline = _Pipeline()
        if previous is not None and previous.code:
            for instruction, memory in _with_memories(previous):
                pipeline.issue(instruction, memory)
        begin = pipeline.now
        refill = pipeline.go_to(instructions[0])
        starts = [pipeline.issue(instruction, memory) - begin for instruction, memory in _with_memories(block)]
        starts[0] = refill
        addresses = tuple(instruction.address for instruction in instructions)
        return EdgeCost(refill, addresses, tuple(starts), pipeline.now - begin)


def sequence_cycles(instructions: Sequence[Instruction]) -> int:
    """Cycles of straight-line code entered with an empty pipeline, its last branch not taken and its divisions as short as can be."""
    pipeline = _Pipeline()
    for instruction in instructions:
        pipeline.issue(instruction, _usual_memory(instruction))
    return pipeline.now


def _with_memories(block: CodeBlock) -> list[tuple[Instruction, int]]:
    instructions = decode_block(block.address, block.code)
    known = block.memories or (-1,) * len(instructions)
    return [
        (now, memory if memory >= 0 else _usual_memory(now)) for now, memory in zip(instructions, known, strict=True)
    ]


def _usual_memory(instruction: Instruction) -> int:
    return _FLASH if instruction.access is not None and instruction.access.base == PC else _SRAM


class _Pipeline:
    """Instructions issued one after another; ``now`` is the cycle at which the last one has ended."""

    def __init__(self) -> None:
        self.now = 0
        self._before: Instruction | None = None
        self._memory = -1
        self._row = self._row_stores = 0  # 32-bit instructions in a row that are not word aligned
        self._fp_written = 0  # S registers written by the FPU instruction before,
        self._fp_ready = 0  # and when the next one can have them
        self._fp_free = 0  # when the divider is done

    def go_to(self, target: Instruction) -> int:
        """Refill the pipeline at ``target`` and return the cycles of that: 0 when the code just goes on there."""
        branch = self._before
        if branch is None or not branch.writes_pc or (branch.end == target.address and branch.kind is Kind.BRANCH):
            return 0
        refill = _REFILL.get(branch.kind, 1) + (target.size == 4 and target.address % 4 != 0)
        self._row = self._row_stores = 0
        self.now += refill
        return refill

    def issue(self, now: Instruction, memory: int) -> int:
        """Issue the next instruction and return the cycle at which it begins. ``memory``: see CodeBlock.memories."""
        start = max(self.now + self._fetch_stall(now), self._fp_start(now))
        cycles = _cycles(self._before, now, memory == self._memory)
        self.now = start + cycles
        if now.kind in _FP_ARITHMETIC:
            divides = now.kind is Kind.FP_DIVIDE
            self._fp_written = now.fp_writes
            self._fp_free = start + _FP_DIVIDE_CYCLES if divides else 0
            self._fp_ready = (self._fp_free if divides else self.now) + 1
        if cycles or now.kind is not Kind.IT:
            self._before, self._memory = now, memory
        return start

    def _fetch_stall(self, now: Instruction) -> int:
        if now.size != 4 or now.address % 4 == 0:
            self._row = self._row_stores = 0
            return 0
        self._row += 1
        self._row_stores += now.kind is Kind.STORE
        return int(self._row == (4 if self._row_stores >= 3 else 3))

    def _fp_start(self, now: Instruction) -> int:
        if not now.uses_fpu:
            return 0
        return max(self._fp_free, self._fp_ready if now.fp_reads & self._fp_written else 0)


def _cycles(before: Instruction | None, now: Instruction, same_memory: bool) -> int:
    """Cycles of ``now`` behind ``before`` (None: an empty pipeline); ``same_memory``: both touch the same one."""
    if now.kind is Kind.IT:
        folds = before is not None and before.size == 2 and not before.writes_pc and before.kind is not Kind.IT
        return 0 if folds else 1
    access = now.access
    if access is None:
        return 0 if now.name == "nop" and now.size == 2 and _hides_nop(before) else _FLAT[now.kind]
    late = int(before is not None and bool(_late_results(before) & _address_registers(now)))
    behind_store = int(same_memory and _is_plain_store(before))
    if now.kind is Kind.STORE_MULTIPLE:
        return 1 + max(1, access.bytes // 4) + late
    if now.kind is Kind.LOAD_MULTIPLE:
        return 1 + max(1, access.bytes // 4) + late + behind_store
    if now.kind is Kind.STORE:
        if access.index is not None or access.fp or access.exclusive:
            return 2 + late
        return 1 + late + (behind_store and _writes_base_of(before, now))
    if (
        before is not None
        and before.kind is Kind.LOAD
        and same_memory
        and not late
        and not _writes_base_of(before, now)
    ):
        return 1
    return 2 + late + behind_store


def _address_registers(now: Instruction) -> int:
    access = now.access
    assert access is not None
    return (1 << access.base | (1 << access.index if access.index is not None else 0)) & _ADDRESSES


def _late_results(before: Instruction) -> int:
    """Registers written in the last cycle of ``before``: too late for an address. A base written back is ready before."""
    access = before.access
    if access is None:
        return before.writes & _ADDRESSES
    return 1 << access.registers[-1] & _ADDRESSES if access.load and not access.fp else 0


def _is_plain_store(before: Instruction | None) -> bool:
    return (
        before is not None and before.kind is Kind.STORE and before.access is not None and before.access.index is None
    )


def _writes_base_of(before: Instruction | None, now: Instruction) -> bool:
    if before is None or before.access is None or now.access is None:
        return False
    return bool(before.access.base_step) and before.access.base == now.access.base


def _hides_nop(before: Instruction | None) -> bool:
    if before is None or before.access is None:
        return False
    return before.kind is Kind.LOAD or (before.kind is Kind.STORE and before.access.index is not None)
