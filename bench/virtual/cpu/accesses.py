"""Which addresses a block will touch, as linear forms of the registers at its entry. Pure.

The emulator does not check alignment and does not tell which loads go to flash. Asking at every access would cost more than running the
code, so a block's addresses are worked out beforehand: base registers mostly stay, or move by constants, within a block. The native
block hook evaluates the forms once per block. What is not a linear form (a pointer loaded in the same block) gets a hook of its own
(unless an access checked before it in the block settles it: a value loaded in the block is a symbol like a register is).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bench.virtual.cpu.instructions import ALWAYS, PC, SP, Access, Instruction

MAX_TERMS = 3
_WORD = 0xFFFF_FFFF
_SYMBOLS = 16  # terms from here on are values made within the block, not registers


@dataclass(frozen=True, slots=True)
class Form:
    """constant + sum of coefficient x register, modulo 2^32; ``terms`` are (register, coefficient) with registers ascending."""

    constant: int
    terms: tuple[tuple[int, int], ...] = ()

    def plus(self, other: Form, factor: int = 1) -> Form:
        """Return self + factor * other."""
        sums = dict(self.terms)
        for register, coefficient in other.terms:
            sums[register] = sums.get(register, 0) + factor * coefficient
        terms = tuple(sorted((register, coefficient) for register, coefficient in sums.items() if coefficient))
        return Form((self.constant + factor * other.constant) & _WORD, terms)

    @property
    def evaluable(self) -> bool:
        """Whether the registers at the block's entry give the value."""
        return len(self.terms) <= MAX_TERMS and all(register < _SYMBOLS for register, _ in self.terms)

    def modulo(self, modulus: int) -> Form:
        """Return the form reduced modulo a power of two."""
        terms = tuple(
            (register, coefficient % modulus) for register, coefficient in self.terms if coefficient % modulus
        )
        return Form(self.constant % modulus, terms)

    def value(self, registers: Sequence[int]) -> int:
        """Evaluate with the values of r0-r15."""
        return (self.constant + sum(registers[register] * coefficient for register, coefficient in self.terms)) & _WORD


@dataclass(frozen=True, slots=True)
class Alignment:
    """``form`` has to be zero in the bits of ``mask``."""

    form: Form
    mask: int


@dataclass(frozen=True, slots=True)
class DataRead:
    """Instruction ``index`` of the block loads ``bytes`` bytes from ``form``."""

    index: int
    form: Form
    bytes: int


@dataclass(frozen=True, slots=True)
class Window:
    """``bytes`` bytes from ``form`` hold every address that a group of reads can touch."""

    form: Form
    bytes: int


@dataclass(frozen=True, slots=True)
class AccessPlan:
    """What to check when a block is entered, and which of its instructions (by index) need a hook of their own."""

    alignments: tuple[Alignment, ...]
    reads: tuple[DataRead, ...]
    hooked: tuple[int, ...]

    @property
    def windows(self) -> tuple[Window, ...]:
        """The reads, grouped by what they are relative to: a quick way to see that none of them goes to flash."""
        groups: dict[tuple[tuple[int, int], ...], list[DataRead]] = {}
        for read in self.reads:
            groups.setdefault(read.form.terms, []).append(read)
        found = []
        for terms, members in groups.items():
            first = members[0].form.constant
            distances = [(read.form.constant - first + (1 << 31) & _WORD) - (1 << 31) for read in members]
            low = min(distances)
            high = max(distance + read.bytes for distance, read in zip(distances, members, strict=True))
            found.append(Window(Form(first + low & _WORD, terms), high - low))
        return tuple(found)


def alignment_mask(access: Access, unaligned_traps: bool) -> int:
    """Bits of the address that have to be zero: 3, 1 or 0 (DDI 0403E A3.2.1; ``unaligned_traps`` is CCR.UNALIGN_TRP)."""
    if access.strict and access.unit == 4:
        return 3
    return access.unit - 1 if unaligned_traps or access.strict else 0


def plan_accesses(instructions: Sequence[Instruction], *, flash_reads: bool, unaligned_traps: bool) -> AccessPlan:
    """Work out the addresses of a block. ``flash_reads``: loads are of interest too (data may come from slow flash)."""
    values = _Values()
    alignments: dict[Alignment, None] = {}
    checked: set[Alignment] = set()
    reads: list[DataRead] = []
    hooked: list[int] = []
    for index, instruction in enumerate(instructions):
        access = instruction.access
        if access is not None:
            mask = alignment_mask(access, unaligned_traps)
            form = values.address(instruction, access)
            alignment = Alignment(form.modulo(mask + 1), mask)
            aligned = alignment in checked or alignment.form == Form(0) or _stack_aligned(access, mask)
            wanted = flash_reads and access.load and access.base != SP
            if (wanted or not aligned) and not form.evaluable:
                hooked.append(index)
            elif wanted:
                reads.append(DataRead(index, form, access.bytes))
            if not aligned and form.evaluable:
                if alignment.form.terms:
                    alignments[alignment] = None
                else:
                    hooked.append(index)
            if form.evaluable or instruction.condition == ALWAYS:
                checked.add(alignment)
        values.apply(instruction)
    return AccessPlan(tuple(alignments), tuple(reads), tuple(hooked))


def memories_touched(instructions: Sequence[Instruction], registers: Sequence[int]) -> tuple[int, ...]:
    """Which memory every instruction touches, as the top four bits of its address: 0 flash, 1 CCM, 2 SRAM, 4 peripherals ...

    ``registers`` are r0-r14 at the block's entry. -1: no access, or an address that is not known then.
    """
    values = _Values()
    found = []
    for instruction in instructions:
        access = instruction.access
        found.append(-1)
        if access is not None:
            base = replace(access, index=None)  # the best guess where the index is not known
            for form in (values.address(instruction, access), values.address(instruction, base)):
                if all(register < _SYMBOLS for register, _ in form.terms):
                    found[-1] = form.value(registers) >> 28
                    break
        values.apply(instruction)
    return tuple(found)


def _stack_aligned(access: Access, mask: int) -> bool:
    """SP is always a multiple of four (DDI 0403E B1.4.1)."""
    return access.base == SP and access.index is None and access.offset & mask == 0


class _Values:
    """What the core registers hold within a block; unknown values get symbols numbered from _SYMBOLS on."""

    def __init__(self) -> None:
        self._forms = {register: Form(0, ((register, 1),)) for register in range(PC)}
        self._next = _SYMBOLS

    def _unknown(self) -> Form:
        self._next += 1
        return Form(0, ((self._next, 1),))

    def address(self, instruction: Instruction, access: Access) -> Form:
        """First address that the instruction touches."""
        base = Form(instruction.address + 4 & ~3) if access.base == PC else self._forms[access.base]
        form = base.plus(Form(access.offset & _WORD))
        return form if access.index is None else form.plus(self._forms[access.index], 1 << access.shift)

    def apply(self, instruction: Instruction) -> None:
        """Do the instruction's register writes."""
        access, linear = instruction.access, instruction.linear
        new: dict[int, Form] = {}
        if linear is not None and instruction.destination is not None:
            form = Form(linear[0] & _WORD)
            for register, coefficient in linear[1]:
                form = form.plus(self._forms[register], coefficient)
            new[instruction.destination] = form
        elif access is not None and access.base_step and access.base != PC:
            new[access.base] = self._forms[access.base].plus(Form(access.base_step & _WORD))
            if access.load and not access.fp:
                new.update({register: self._unknown() for register in access.registers})
        for register in range(PC):
            if instruction.writes >> register & 1:
                unconditional = instruction.condition == ALWAYS
                self._forms[register] = new[register] if unconditional and register in new else self._unknown()
