"""Cortex-M4F instruction timing. Pure: decoded straight-line code in, cycles out.

Source of the flat numbers: Cortex-M4 technical reference manual, Arm DDI 0439D §3.3.1 (instruction set summary) and §7.2.3 (FPU). The
pairing rules are public measurements on an STM32F407 (github.com/jnk0le/random, wiki "cortex m4 timing").

  item                                          cycles
  data processing, MUL, long multiply, DSP      1
  UDIV, SDIV                                    6 (2-12 by operands on silicon: not modelled)
  LDR                                           2; 1 behind a load of the same memory class (literal, SP, other) whose result is not its address
  LDR behind a STR with immediate offset        +1
  LDR whose address the instruction before computed (data processing)  +1
  STR immediate / register offset               1 / 2
  LDM, STM, PUSH, POP, LDRD, STRD, VLDM, VSTM   1 + N; with PC + 3
  IT                                            0 behind a 16-bit instruction that is no branch, else 1
  B, Bcc, CBZ, BL, BX LR                        1, taken 2
  BX, BLX register, MOV PC / LDR PC / TBB, TBH  3 / 5 / 6
  branch to a 32-bit instruction not word aligned  +1 (fetch of a second word)
  MRS, MSR / CPS / DMB, DSB / ISB               2 / 1 / 1 / 3 (pipeline refill)
  VADD, VMUL, VCMP, VCVT, VMOV, VMRS            1; VMOV with two core registers 2
  VMLA, VFMA                                    3
  VDIV, VSQRT                                   14
  VLDR, VSTR of one S register                  as LDR / as STR with immediate offset + 1
  FPU arithmetic or store using the result of the FPU instruction before  +1

Not modelled: early-out division, FPU work overlapping with integer instructions, instructions skipped by an IT block (counted as if done),
bus contention between fetch from SRAM and data, write buffer stalls, wait states of peripherals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.virtual.cpu.decode import PC, SP, Instruction, Kind, decode_block
from bench.virtual.cpu.timing import CodeBlock, DivideTiming, EdgeCost, FlashAccelerator

_FLAT = {
    Kind.ALU: 1,
    Kind.DIVIDE: 6,
    Kind.BRANCH: 1,
    Kind.BRANCH_REGISTER: 2,
    Kind.TABLE_BRANCH: 3,
    Kind.SYSTEM: 2,
    Kind.BARRIER: 1,
    Kind.FLUSH: 3,
    Kind.TRAP: 1,
    Kind.FP: 1,
    Kind.FP_MULTIPLY_ADD: 3,
    Kind.FP_DIVIDE: 14,
    Kind.FP_MOVE_PAIR: 2,
    Kind.FP_STATUS: 1,
}
#: What a taken branch costs on top, by the kind of the instruction that branches.
_REFILL = {Kind.BRANCH: 1, Kind.BRANCH_REGISTER: 1, Kind.TABLE_BRANCH: 3, Kind.LOAD: 3, Kind.LOAD_MULTIPLE: 3}
_FP_KINDS = (Kind.FP, Kind.FP_MULTIPLY_ADD, Kind.FP_DIVIDE)


@dataclass(frozen=True, slots=True)
class CortexM4Timing:
    """`CoreTiming` of the Cortex-M4F. See the module's docstring for the rules and for what is left out."""

    cpu_model: str = "cortex-m4"
    accelerator: FlashAccelerator = field(default_factory=FlashAccelerator)
    divide: DivideTiming = field(default_factory=DivideTiming)
    exception_entry_cycles: int = 12
    exception_return_cycles: int = 10

    def edge(self, previous: CodeBlock | None, block: CodeBlock) -> EdgeCost:
        """Cost of ``block`` run right after ``previous``; only the last instruction of ``previous`` matters."""
        instructions = decode_block(block.address, block.code)
        before = decode_block(previous.address, previous.code)[-1] if previous is not None and previous.code else None
        refill = refill_cycles(before, instructions[0]) if before is not None else 0
        starts = []
        spent = refill
        for instruction in instructions:
            starts.append(spent)
            spent += instruction_cycles(before, instruction)
            before = instruction
        return EdgeCost(refill, tuple(instruction.address for instruction in instructions), tuple(starts), spent)


def sequence_cycles(instructions: Sequence[Instruction]) -> int:
    """Cycles of straight-line code entered with an empty pipeline, its last branch not taken."""
    return sum(
        instruction_cycles(before, now) for before, now in zip((None, *instructions), instructions, strict=False)
    )


def refill_cycles(branch: Instruction, target: Instruction) -> int:
    """Cycles between the end of ``branch`` and the begin of ``target``: 0 when the code just goes on."""
    if not branch.writes_pc or (branch.end == target.address and branch.kind is Kind.BRANCH):
        return 0
    unaligned_target = target.size == 4 and target.address % 4 != 0
    return _REFILL.get(branch.kind, 1) + unaligned_target


def instruction_cycles(before: Instruction | None, now: Instruction) -> int:
    """Cycles of ``now`` behind ``before`` in straight-line code (None: an empty pipeline), without a branch's refill."""
    if now.kind is Kind.IT:
        return (
            0 if before is not None and before.size == 2 and not before.writes_pc and before.kind is not Kind.IT else 1
        )
    waits = int(before is not None and before.kind in _FP_KINDS and bool(before.fp_writes & now.fp_reads))
    access = now.access
    if access is None:
        return _FLAT[now.kind] + waits
    if now.kind in (Kind.LOAD_MULTIPLE, Kind.STORE_MULTIPLE):
        return 1 + max(1, access.bytes // 4) + waits
    if now.kind is Kind.STORE:
        return (1 if access.index is None and not access.fp and not access.exclusive else 2) + waits
    return _load_cycles(before, now)


def _load_cycles(before: Instruction | None, now: Instruction) -> int:
    assert now.access is not None
    if before is None:
        return 2
    address_registers = 1 << now.access.base | (1 << now.access.index if now.access.index is not None else 0)
    depends = bool(_results(before) & address_registers)
    if before.kind is Kind.LOAD:
        return 1 if _memory_class(before) == _memory_class(now) and not depends else 2
    if before.kind is Kind.STORE and before.access is not None and before.access.index is None:
        return 3
    return 3 if depends and before.kind in (Kind.ALU, Kind.DIVIDE) else 2


def _results(instruction: Instruction) -> int:
    """Registers that an instruction computes or loads late in the pipeline; the base written back is ready early."""
    access = instruction.access
    if access is None:
        return instruction.writes
    if not access.load or access.fp:
        return 0
    return sum(1 << register for register in access.registers)


def _memory_class(instruction: Instruction) -> str:
    assert instruction.access is not None
    return {PC: "literal", SP: "stack"}.get(instruction.access.base, "other")
