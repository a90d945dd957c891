"""Which stage of a pipeline takes an operand: registers that are shifted on their way to the ALU, and accumulators. Pure.

``core`` maps capstone's register numbers to r0-r15.
"""

from __future__ import annotations

from typing import Any

from capstone import arm

_OPERAND_2 = frozenset(
    ("and", "orr", "eor", "add", "sub", "rsb", "adc", "sbc", "bic", "orn", "mvn", "mov", "cmp", "cmn", "tst", "teq")
)


def shifted(name: str, operands: Any, core: dict[int, int]) -> tuple[int, bool]:
    """Return the registers that go through the shifter before the ALU, and whether it shifts an operand 2 (DDI 0403E A5.3)."""
    if name in _OPERAND_2 or name.removesuffix("s") in _OPERAND_2:
        mask = 0
        for op in operands[1 if len(operands) > 1 else 0 :]:
            if op.type == arm.ARM_OP_REG and op.reg in core and op.shift.type != arm.ARM_SFT_INVALID:
                mask |= 1 << core[op.reg]
        last = operands[-1] if operands else None
        constant = last.imm & 0xFFFFFFFF if last is not None and last.type == arm.ARM_OP_IMM else 0
        return mask, bool(mask) or (constant > 0xFF and not _is_pattern(constant))
    sources = [core[op.reg] for op in operands[1:] if op.type == arm.ARM_OP_REG and op.reg in core]
    if not sources:
        return 0, False
    if name.startswith(("ubfx", "sbfx", "rev", "rbit", "pkhtb")):
        return sum(1 << register for register in set(sources)), False
    if name.startswith(("bfi", "uxt", "sxt", "pkhbt")):
        return 1 << sources[-1], False
    return 0, False


def _is_pattern(constant: int) -> bool:
    """Whether the constant is a byte repeated: 00XY00XY, XY00XY00 or XYXYXYXY (DDI 0403E A5.3.2)."""
    half = constant & 0xFFFF
    return constant >> 16 == half and (half & 0xFF == 0 or half >> 8 in (0, half & 0xFF))


def sums(name: str, operands: Any, writes: int, core: dict[int, int]) -> int:
    """Return the registers that a multiplication adds to its product."""
    if name.startswith(("smlal", "umlal", "smlsld", "umaal")):
        return writes
    if name.startswith(("mla", "mls", "smla", "smls", "smml")) and len(operands) == 4:
        return 1 << core[operands[3].reg]
    return 0
