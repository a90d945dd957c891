"""What the core has done: instructions by class and flash lines fetched, cumulative, for a model of the supply current.

Nothing of it costs time while the core runs: native code counts how often each block was entered, and what a block holds is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, auto

from bench.virtual.cpu.instructions import PC, Instruction, Kind


class InstructionClass(IntEnum):
    """Classes that a supply current may tell apart; the value is the position in `Activity.counts`."""

    ALU = 0  # data processing, hints, IT
    MULTIPLY = auto()  # integer multiplication, with or without accumulation
    DIVIDE = auto()
    LOAD_LITERAL = auto()  # relative to PC: from the memory that the code is in
    LOAD = auto()  # any other load of one register
    LOAD_MULTIPLE = auto()  # LDM, POP, LDRD, VLDM
    STORE = auto()
    STORE_MULTIPLE = auto()
    BRANCH = auto()  # branches of any kind, taken or not
    FP = auto()  # one-cycle floating point arithmetic, conversions, moves
    FP_MULTIPLY = auto()  # VMUL, VMLA, VFMA
    FP_DIVIDE = auto()  # VDIV, VSQRT
    SYSTEM = auto()  # MRS, MSR, barriers, traps
    WORDS_LOADED = auto()  # not instructions: transfers of up to 32 bits
    WORDS_STORED = auto()
    FETCHED_BYTES = auto()  # not instructions: bytes of code


CLASSES = len(InstructionClass)
#: The members that count instructions; the others count transfers.
INSTRUCTION_CLASSES = tuple(InstructionClass)[: InstructionClass.WORDS_LOADED]
_KINDS = {
    Kind.ALU: InstructionClass.ALU,
    Kind.DIVIDE: InstructionClass.DIVIDE,
    Kind.LOAD: InstructionClass.LOAD,
    Kind.STORE: InstructionClass.STORE,
    Kind.LOAD_MULTIPLE: InstructionClass.LOAD_MULTIPLE,
    Kind.STORE_MULTIPLE: InstructionClass.STORE_MULTIPLE,
    Kind.IT: InstructionClass.ALU,
    Kind.BRANCH: InstructionClass.BRANCH,
    Kind.BRANCH_REGISTER: InstructionClass.BRANCH,
    Kind.TABLE_BRANCH: InstructionClass.BRANCH,
    Kind.FP: InstructionClass.FP,
    Kind.FP_MULTIPLY_ADD: InstructionClass.FP_MULTIPLY,
    Kind.FP_DIVIDE: InstructionClass.FP_DIVIDE,
    Kind.FP_MOVE_PAIR: InstructionClass.FP,
    Kind.FP_STATUS: InstructionClass.FP,
}
_MULTIPLY = ("mul", "mla", "mls", "smul", "smla", "smls", "smmu", "smml", "smua", "smus", "umul", "umla", "umaa")


@dataclass(frozen=True, slots=True)
class Activity:
    """Counts since power-on, or between two moments (``later - earlier``).

    ``counts`` is indexed by `InstructionClass`. ``instruction_fills`` and ``data_fills`` are flash lines fetched for code and for data
    (words where the data cache is off); they are followed only while the flash has wait states. ``cycles`` excludes sleep.
    """

    cycles: int
    counts: tuple[int, ...]
    instruction_fills: int
    data_fills: int

    @property
    def instructions(self) -> int:
        """Instructions done; those that an IT block skips count."""
        return sum(self.counts[: InstructionClass.WORDS_LOADED])

    def __getitem__(self, kind: InstructionClass) -> int:
        return self.counts[kind]

    def __sub__(self, earlier: Activity) -> Activity:
        counts = tuple(now - then for now, then in zip(self.counts, earlier.counts, strict=True))
        return Activity(
            self.cycles - earlier.cycles,
            counts,
            self.instruction_fills - earlier.instruction_fills,
            self.data_fills - earlier.data_fills,
        )


def instruction_class(instruction: Instruction) -> InstructionClass:
    """Class of one instruction."""
    if instruction.name.startswith(_MULTIPLY):
        return InstructionClass.MULTIPLY
    if instruction.name.startswith(("vmul", "vnmul")):
        return InstructionClass.FP_MULTIPLY
    if instruction.kind is Kind.LOAD and instruction.access is not None and instruction.access.base == PC:
        return InstructionClass.LOAD_LITERAL
    return _KINDS.get(instruction.kind, InstructionClass.SYSTEM)


def class_counts(instructions: tuple[Instruction, ...]) -> list[int]:
    """The counts that doing the instructions once adds, by `InstructionClass`."""
    counts = [0] * CLASSES
    for instruction in instructions:
        counts[instruction_class(instruction)] += 1
        counts[InstructionClass.FETCHED_BYTES] += instruction.size
        if instruction.access is not None:
            words = max(1, instruction.access.bytes // 4)
            counts[InstructionClass.WORDS_LOADED if instruction.access.load else InstructionClass.WORDS_STORED] += words
    return counts
