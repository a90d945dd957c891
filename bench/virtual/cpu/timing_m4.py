"""Cortex-M4F instruction timing. Pure: decoded straight-line code in, cycles out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.virtual.cpu.decode import PC, SP, Instruction, Kind, decode_block
from bench.virtual.cpu.timing import CodeBlock, DivideTiming, EdgeCost, FlashAccelerator

V = os.environ.get("V", "")
_FLAT = {
    Kind.ALU: 1,
    Kind.DIVIDE: 2,
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
_REFILL = {Kind.BRANCH: 1, Kind.BRANCH_REGISTER: 2, Kind.TABLE_BRANCH: 3, Kind.LOAD: 3, Kind.LOAD_MULTIPLE: 3}
_FP_ARITHMETIC = (Kind.FP, Kind.FP_MULTIPLY_ADD, Kind.FP_DIVIDE)
_DIVIDE_CYCLES = 14
_BUFFER_WORDS = 3


@dataclass(frozen=True, slots=True)
class CortexM4Timing:
    """`CoreTiming` of the Cortex-M4F. See the module's docstring for the rules and for what is left out."""

    cpu_model: str = "cortex-m4"
    accelerator: FlashAccelerator = field(default_factory=FlashAccelerator)
    divide: DivideTiming = field(default_factory=DivideTiming)
    exception_entry_cycles: int = 12
    exception_return_cycles: int = 10

    def edge(self, previous: CodeBlock | None, block: CodeBlock) -> EdgeCost:
        instructions = decode_block(block.address, block.code)
        pipeline = Pipeline()
        before: tuple[Instruction, ...] = ()
        if previous is not None and previous.code:
            before = decode_block(previous.address, previous.code)
            for instruction in before:
                pipeline.issue(instruction)
        begin = pipeline.now
        refill = pipeline.go_to(instructions[0]) if before else 0
        starts = []
        for instruction in instructions:
            pipeline.issue(instruction)
            starts.append(pipeline.now_start - begin)
        starts[0] = refill
        return EdgeCost(refill, tuple(i.address for i in instructions), tuple(starts), pipeline.now - begin)


def sequence_cycles(instructions: Sequence[Instruction]) -> int:
    """Cycles of straight-line code entered with an empty pipeline, its last branch not taken."""
    pipeline = Pipeline()
    for instruction in instructions:
        pipeline.issue(instruction)
    return pipeline.now


class Pipeline:
    def __init__(self) -> None:
        self.now = 0
        self.now_start = 0
        self._before: Instruction | None = None
        self._fp_ready = 0
        self._fp_results = 0
        self._fp_busy = 0
        self._group = 0
        self._stores = 0

    def go_to(self, target: Instruction) -> int:
        branch = self._before
        if branch is None or not branch.writes_pc or (branch.end == target.address and branch.kind is Kind.BRANCH):
            return 0
        refill = _REFILL.get(branch.kind, 1)
        refill += target.size == 4 and bool(target.address & 2)
        self._group = -9 if "t" in V else 0
        self.now += refill
        return refill

    def issue(self, now: Instruction) -> None:
        start = self.now
        if now.size == 4 and now.address & 2:
            self._group += 1
            self._stores += now.kind is Kind.STORE
            if self._group == (4 if self._stores >= 3 else 3) and "g" not in V:
                start += 1
        else:
            self._group = self._stores = 0
        start = max(start, self._fp_start(now, start))
        self.now_start = start
        cost = instruction_cycles(self._before, now)
        self.now = start + cost
        if now.kind in _FP_ARITHMETIC:
            long = now.kind is Kind.FP_DIVIDE
            self._fp_results = now.fp_writes
            self._fp_ready = start + _DIVIDE_CYCLES if long else self.now + 1
            self._fp_busy = start + _DIVIDE_CYCLES if long else 0
        if now.kind is Kind.IT and cost == 0:
            return
        self._before = now

    def _fp_start(self, now: Instruction, start: int) -> int:
        if not now.uses_fpu:
            return start
        start = max(start, self._fp_busy)
        return max(start, self._fp_ready) if now.fp_reads & self._fp_results else start


def instruction_cycles(before: Instruction | None, now: Instruction) -> int:
    if now.kind is Kind.IT:
        return 0 if before is not None and before.size == 2 and not before.writes_pc and before.kind is not Kind.IT else 1
    access = now.access
    if access is None:
        if now.name == "nop" and now.size == 2 and before is not None and (before.kind is Kind.LOAD or (before.kind is Kind.STORE and before.access.index is not None)):
            return 0
        return _FLAT[now.kind]
    late = int(before is not None and bool(_results(before) & _address_registers(now)))
    if now.kind in (Kind.LOAD_MULTIPLE, Kind.STORE_MULTIPLE):
        after_store = int(now.kind is Kind.LOAD_MULTIPLE and _single_store(before))
        return 1 + max(1, access.bytes // 4) + late + after_store
    pipelined = before is not None and before.kind is Kind.LOAD and _chains(before, now)
    if now.kind is Kind.STORE:
        if access.index is not None or access.fp or access.exclusive:
            return 2 + late
        if "s" not in V and pipelined and access.unit:
            return 0
        chain = before is not None and before.kind is Kind.STORE and before.access.base_step and before.access.base == access.base
        return 1 + late + int(bool(chain))
    if pipelined:
        return 1
    return 2 + late + int(_single_store(before))


def _results(before: Instruction) -> int:
    """Registers that are written in the last cycle of ``before``; a base written back is ready before."""
    access = before.access
    if access is None:
        return before.writes & 0x7FFF
    if not access.load or access.fp or "L" in V:
        return 0
    return 1 << access.registers[-1] & 0x7FFF


def _single_store(before: Instruction | None) -> bool:
    return before is not None and before.kind is Kind.STORE and before.access is not None and before.access.index is None


def _address_registers(now: Instruction) -> int:
    access = now.access
    return (1 << access.base | (1 << access.index if access.index is not None else 0)) & 0x7FFF


def _chains(before: Instruction, now: Instruction) -> bool:
    loaded = 0 if before.access.fp else sum(1 << register for register in before.access.registers)
    if loaded & _address_registers(now):
        return False
    if before.access.base_step and before.access.base == now.access.base:
        return False
    return _memory_class(before) == _memory_class(now)


def _memory_class(instruction: Instruction) -> str:
    if "c" in V:
        return {PC: "literal", SP: "stack"}.get(instruction.access.base, "other")
    return {PC: "literal"}.get(instruction.access.base, "other")
