"""One instruction with all that its meaning depends on: capstone's operands, the encoding, the condition it is under."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import capstone as cs
from capstone import arm

from bench.virtual.cpu.instructions import Instruction

CORE = {getattr(arm, f"ARM_REG_R{n}"): n for n in range(13)} | {
    arm.ARM_REG_SP: 13,
    arm.ARM_REG_LR: 14,
    arm.ARM_REG_PC: 15,
}
_SINGLE = {getattr(arm, f"ARM_REG_S{n}"): n for n in range(32)}
_NAMES = {"movs": "mov", "adds": "add", "subs": "sub", "addw": "add", "subw": "sub", "movw": "mov"}


@dataclass(frozen=True, slots=True)
class Word:
    """``code`` is the encoding, first halfword on top; ``it_condition`` the condition its IT block gives it, None outside of one."""

    instruction: Instruction
    name: str
    size: int
    code: int
    operands: tuple[Any, ...]
    it_condition: int | None
    it_state: int

    @property
    def is_high_move(self) -> bool:
        """MOV between any registers, 16 bits (A7.7.76, encoding T1): never sets flags."""
        return self.size == 2 and self.code >> 8 == 0x46


def register_of(operand: Any) -> int:
    """Number of the core register that an operand is. Raises KeyError when it is something else."""
    return CORE[operand.reg]


def single_of(operand: Any) -> int | None:
    """Number of the S register that an operand is, or None."""
    return _SINGLE.get(operand.reg) if operand.type == arm.ARM_OP_REG else None


def core_of(operand: Any) -> int | None:
    """Number of the core register that an operand is, or None."""
    return CORE.get(operand.reg) if operand.type == arm.ARM_OP_REG else None


def is_immediate(operand: Any) -> bool:
    """Whether the operand is a constant."""
    return bool(operand.type == arm.ARM_OP_IMM)


def words_of(instructions: Sequence[Instruction], code: bytes) -> tuple[tuple[Word, ...], int]:
    """The instructions of a block with their operands, and the ITSTATE behind the last one (DDI 0403E A7.3.3)."""
    found = []
    state = 0
    begin = instructions[0].address
    all_operands = _operands(begin, code, len(instructions))
    for instruction, operands in zip(instructions, all_operands, strict=True):
        offset = instruction.address - begin
        raw = code[offset : offset + instruction.size]
        halves = [int.from_bytes(raw[at : at + 2], "little") for at in range(0, instruction.size, 2)]
        encoding = halves[0] if len(halves) == 1 else halves[0] << 16 | halves[1]
        name = _NAMES.get(instruction.name, instruction.name)
        condition = state >> 4 if state & 0xF else None
        found.append(Word(instruction, name, instruction.size, encoding, operands, condition, state))
        if instruction.name == "it":
            state = encoding & 0xFF
        elif state & 0xF:
            state = state & 0xE0 | state << 1 & 0x1F if state & 7 else 0
    return tuple(found), state


def _operands(address: int, code: bytes, count: int) -> list[tuple[Any, ...]]:
    engine = cs.Cs(cs.CS_ARCH_ARM, cs.CS_MODE_THUMB | cs.CS_MODE_MCLASS)
    engine.detail = True
    found = [tuple(raw.operands) for raw in engine.disasm(code, address)]
    return found if len(found) == count else [()] * count
