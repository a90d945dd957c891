"""Thumb-2 instructions, reduced to what timing and access checks need. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

PC, SP, LR = 15, 13, 14
ALWAYS = 14  # condition code AL (DDI 0403E A7.3)
IT_BITS = 0x0600_FC00  # ITSTATE in xPSR (B1.4.2)


class Kind(Enum):
    """Classes of instructions with a timing rule of their own."""

    ALU = auto()  # data processing, multiplication, DSP, NOP, hints
    DIVIDE = auto()
    LOAD = auto()  # one register or the exclusive form
    STORE = auto()
    LOAD_MULTIPLE = auto()  # LDM, POP, LDRD
    STORE_MULTIPLE = auto()
    IT = auto()
    BRANCH = auto()  # B, BL, CBZ, BX LR
    BRANCH_REGISTER = auto()  # other BX, BLX, MOV PC, ADD PC
    TABLE_BRANCH = auto()
    SYSTEM = auto()  # MRS, MSR
    BARRIER = auto()  # DMB, DSB
    FLUSH = auto()  # ISB
    TRAP = auto()  # SVC, BKPT, UDF, and what does not decode
    FP = auto()  # one-cycle floating point arithmetic, moves included
    FP_MULTIPLY_ADD = auto()
    FP_DIVIDE = auto()
    FP_MOVE_PAIR = auto()  # two core registers
    FP_STATUS = auto()  # VMRS, VMSR


@dataclass(frozen=True, slots=True)
class Access:
    """A memory operand: ``bytes`` at base + (index << shift) + offset; ``unit`` bytes per register.

    ``registers`` are core register numbers, or S register numbers when ``fp``. ``base_step`` is what is added to the base register
    (write-back), ``strict`` whether the access faults when it is not word aligned whatever CCR says (DDI 0403E A3.2.1).
    """

    base: int
    index: int | None
    shift: int
    offset: int
    unit: int
    registers: tuple[int, ...]
    load: bool
    signed: bool = False
    fp: bool = False
    strict: bool = False
    base_step: int = 0
    exclusive: bool = False

    @property
    def bytes(self) -> int:
        """Bytes transferred."""
        return self.unit * len(self.registers)


@dataclass(frozen=True, slots=True)
class Instruction:
    """One decoded instruction. ``reads`` and ``writes`` are bit masks over r0-r15, ``fp_reads`` and ``fp_writes`` over s0-s31.

    ``linear`` is (constant, ((register, coefficient), ...)): the value written to ``destination``, when it is that simple.
    ``condition`` is the code of the IT block around it (or of the conditional branch), ALWAYS outside.
    """

    address: int
    size: int
    name: str
    kind: Kind
    condition: int = ALWAYS
    reads: int = 0
    writes: int = 0
    fp_reads: int = 0
    fp_writes: int = 0
    access: Access | None = None
    destination: int | None = None
    linear: tuple[int, tuple[tuple[int, int], ...]] | None = None
    dividend: int | None = None
    divisor: int | None = None
    early: int = 0  # core registers that a shifter in front of the ALU takes: shifted operands, bit fields
    shifter: bool = False  # whether operand 2 is a register with a shift, or a shifted constant
    sums: int = 0  # core registers that a multiplication adds to its product
    double: bool = (
        False  # arithmetic, comparison, conversion or move of doubles: an FPU for singles alone does not have it
    )

    @property
    def end(self) -> int:
        """Address behind the instruction."""
        return self.address + self.size

    @property
    def writes_pc(self) -> bool:
        """Whether the instruction sets PC, always or under its condition."""
        return bool(self.writes >> PC & 1) or self.kind in (Kind.BRANCH, Kind.BRANCH_REGISTER, Kind.TABLE_BRANCH)

    @property
    def uses_fpu(self) -> bool:
        """Whether CPACR has to allow the instruction."""
        return self.name.startswith("v")


def condition_passes(instruction: Instruction, xpsr: int) -> bool:
    """Whether the instruction is to be done with the flags, and the IT state if any, of ``xpsr`` (ConditionPassed(), A7.3.1)."""
    if instruction.condition == ALWAYS and not xpsr & IT_BITS:
        return True
    condition = xpsr >> 12 & 0xF if xpsr & IT_BITS else instruction.condition
    n, z, c, v = (bool(xpsr >> bit & 1) for bit in (31, 30, 29, 28))
    holds = (z, c, n, v, c and not z, n == v, n == v and not z, True)[condition >> 1]
    return condition >= ALWAYS or holds != bool(condition & 1)
