"""From a region to LLVM code: its blocks in their order, and every way from one to another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from bench.virtual.cpu import layout as at
from bench.virtual.cpu.accesses import Form
from bench.virtual.cpu.instructions import ALWAYS, LR, PC
from bench.virtual.cpu.translate.alu import ALU, condition
from bench.virtual.cpu.translate.charge import Charge, Check, form_value
from bench.virtual.cpu.translate.compile import compiler
from bench.virtual.cpu.translate.floating import FLOATING
from bench.virtual.cpu.translate.frame import I1, I32, I64, T_BLOCKS, Frame, Unsupported
from bench.virtual.cpu.translate.memory import Memory, Window
from bench.virtual.cpu.translate.multiply import MULTIPLY
from bench.virtual.cpu.translate.operands import CORE, Word, register_of

_PLAIN: Final = ALU | MULTIPLY | FLOATING
_BRANCHES = frozenset(("b", "bl", "bx", "blx", "cbz", "cbnz", "tbb", "tbh"))


@dataclass(frozen=True, slots=True)
class Part:
    """A block of a region: its instructions, and what is charged and checked at its entry and inside it.

    ``guesses`` are the memories that its accesses went to (`CodeBlock.memories`), ``checks`` code hooks by address.
    """

    address: int
    end: int
    words: tuple[Word, ...]
    alignments: tuple[tuple[Form, int], ...]
    reads: tuple[tuple[Form, int], ...]
    windows: tuple[Form, ...]
    guesses: tuple[int, ...]
    checks: dict[int, Check]

    @property
    def content(self) -> str:
        """All that the translation depends on."""
        codes = [(word.size, word.code) for word in self.words]
        parts = (self.address, self.end, codes, self.alignments, self.reads, self.windows, self.guesses)
        return repr((parts, sorted(self.checks.items())))


@dataclass(frozen=True, slots=True)
class Way:
    """From block ``source`` to block ``target`` (positions in the region), for ``cycles``; ``prediction`` as in layout.py's edges."""

    source: int
    target: int
    cycles: int
    prediction: int


@dataclass(frozen=True, slots=True)
class Machine:
    """What of the core and its memories goes into the code."""

    windows: tuple[Window, ...]
    flash_bases: tuple[int, ...]
    flash_bytes: int
    line_shift: int


def translatable(word: Word) -> bool:
    """Whether there is a translation for the instruction, as far as its name tells."""
    instruction = word.instruction
    if not word.operands and word.name not in ("nop", "it"):
        return False
    if word.name.startswith("vf") and not compiler().has_fused_multiply:
        return False
    known = word.name in _PLAIN or word.name in _BRANCHES or instruction.access is not None
    return known and not instruction.double and word.name != "sev"


class Builder:
    """Builds the function of one region."""

    def __init__(
        self, parts: tuple[Part, ...], ways: tuple[Way, ...], entries: tuple[int, ...], machine: Machine
    ) -> None:
        self._parts, self._ways, self._entries = parts, ways, entries
        self._edges = T_BLOCKS + 2 * len(parts)
        self._f = Frame(f"region_{parts[0].address:x}")
        self._charge = Charge(self._f, machine.flash_bases, machine.flash_bytes, machine.line_shift)
        self._memory = Memory(list(machine.windows))
        self._bodies = [self._f.new_block(f"block_{part.address:x}") for part in parts]
        self._gates = [self._f.new_block(f"gate_{part.address:x}") for part in parts]
        self._next = self._f.local("next", I64)
        self._cost = self._f.local("cost", I64)
        self._way = self._f.local("way", I64)
        self._counter = self._f.local("counter", I64)
        self._part = parts[0]
        self._position = 0

    def build(self) -> str:
        """Return the LLVM assembly. Raises Unsupported, with the block's address in ``args[1]``."""
        assert len(self._parts) < 1 << 14
        f = self._f
        f.b.position_at_end(f.dispatch)
        self._charge.begin()
        first = f.b.switch(f.entry, self._bodies[self._entries[0]])
        for number, position in enumerate(self._entries[1:], 1):
            first.add_case(I64(number), self._bodies[position])
        for position, part in enumerate(self._parts):
            self._position, self._part = position, part
            try:
                self._build_gate(position)
                self._build_body(position)
            except Unsupported as cause:
                raise Unsupported(cause.args[0], part.address) from cause
        f.finish(self._edges)
        return f.assembly()

    # Blocks.

    def _build_gate(self, position: int) -> None:
        """The entry of a block from another one of the region."""
        f, part = self._f, self._parts[position]
        f.b.position_at_end(self._gates[position])
        ways = [way for way in self._ways if way.target == position]
        if not ways:
            f.b.unreachable()
            return
        self._leave_before_when(self._charge.spent(), part.address)
        for form, mask in part.alignments:
            wrong = f.b.icmp_unsigned("!=", f.b.and_(form_value(f, form), I32(mask)), I32(0))
            self._leave_before_when(wrong, part.address)
        base = cost = f.b.load(self._cost)
        if any(way.prediction for way in ways):
            cost = f.b.add(cost, self._charge.predict(f.b.load(self._counter), f.b.load(self._way)))
        self._charge.enter(position, cost, base, list(part.reads), list(part.windows), self._edges)
        f.b.store(f.b.load(self._next), f.edge)
        f.b.branch(self._bodies[position])

    def _leave_before_when(self, wrong: Any, address: int) -> None:
        with self._f.when(wrong, likely=False):
            self._f.leave_before(address)

    def _build_body(self, position: int) -> None:
        f, part = self._f, self._parts[position]
        f.b.position_at_end(self._bodies[position])
        f.flags = None
        f.block_end = part.end
        for word, guess in zip(part.words, part.guesses, strict=True):
            f.address, f.it_state = word.instruction.address, word.it_state
            check = part.checks.get(f.address)
            charge = self._charge.check(check) if check is not None else _nothing
            if word.instruction.writes_pc:
                self._branch(word, guess, charge)
                return
            self._plain(word, guess)
            charge()
        self._go(part.end)

    def _plain(self, word: Word, guess: int) -> None:
        if word.it_condition is None:
            self._instruction(word, guess)
            return
        f = self._f
        before = f.flags
        with f.when(condition(f, word.it_condition)):
            self._instruction(word, guess)
        if f.flags is not before:
            f.flags = None

    def _instruction(self, word: Word, guess: int) -> None:
        if word.instruction.access is not None:
            self._memory.access(self._f, word, guess)
        elif word.name in _PLAIN:
            _PLAIN[word.name](self._f, word)
        else:
            raise Unsupported(word.name)

    # Ways on.

    def _go(self, address: int) -> None:
        """End the present LLVM block with the way to ``address``."""
        f = self._f
        found = [
            number
            for number, way in enumerate(self._ways)
            if way.source == self._position and self._parts[way.target].address == address
        ]
        if len(found) != 1:
            f.leave_before(address)
            return
        way = self._ways[found[0]]
        f.b.store(I64(found[0]), self._next)
        f.b.store(I64(way.cycles), self._cost)
        if any(other.prediction for other in self._ways if other.target == way.target):
            f.b.store(I64(way.prediction), self._way)
            f.b.store(f.word(self._charge.row(self._position, at.B_COUNTER)), self._counter)
        f.b.branch(self._gates[way.target])

    def _branch(self, word: Word, guess: int, charge: Callable[[], None]) -> None:
        """An instruction that writes PC, under its condition: the last one of a block."""
        f, instruction = self._f, word.instruction
        if word.name in ("cbz", "cbnz"):
            zero = f.b.icmp_unsigned("==", f.value(register_of(word.operands[0])), I32(0))
            taken, untaken = f.new_block("taken"), f.new_block("untaken")
            f.b.cbranch(zero, *((taken, untaken) if word.name == "cbz" else (untaken, taken)))
            self._finish_at(taken, lambda: self._go(word.operands[1].imm & 0xFFFF_FFFF))
            self._finish_at(untaken, lambda: self._go(self._part.end))
            return
        code = word.it_condition
        if code is None and word.name == "b":
            code = instruction.condition
        if code is None or code == ALWAYS:
            self._jump(word, guess, charge)
            return
        taken, untaken = f.new_block("taken"), f.new_block("untaken")
        f.b.cbranch(condition(f, code), taken, untaken)
        self._finish_at(taken, lambda: self._jump(word, guess, charge))

        def fall_through() -> None:
            charge()
            self._go(self._part.end)

        self._finish_at(untaken, fall_through)

    def _finish_at(self, block: Any, build: Callable[[], None]) -> None:
        self._f.b.position_at_end(block)
        build()

    def _jump(self, word: Word, guess: int, charge: Callable[[], None]) -> None:
        f = self._f
        name = word.name
        if name in ("b", "bl"):
            if name == "bl":
                f.assign(LR, I32(self._part.end | 1))
            self._go(word.operands[0].imm & 0xFFFF_FFFF)
        elif name in ("bx", "blx"):
            target = f.value(register_of(word.operands[0]))
            self._require_known(target, 1)
            if name == "blx":
                f.assign(LR, I32(self._part.end | 1))
            self._go_to(target, 1)
        elif name in ("tbb", "tbh"):
            self._table_branch(word, guess)
        elif word.instruction.access is not None:
            target, commit = self._memory.access(f, word, guess)
            self._require_known(target, 1)
            commit()
            charge()
            self._go_to(target, 1)
        else:
            raise Unsupported(name)

    def _table_branch(self, word: Word, guess: int) -> None:
        f, b = self._f, self._f.b
        unit = 1 if word.name == "tbb" else 2
        memory = word.operands[0].mem
        base, index = (CORE[number] for number in (memory.base, memory.index))
        offset = f.value(index)
        address = b.add(f.value(base), b.shl(offset, I32(unit - 1)))
        if unit == 2:
            f.leave_here_when(b.trunc(address, I1))
        place = self._memory.place(f, address, unit, load=True, guess=0 if base == PC else guess)
        distance = self._memory.load(f, place, unit)
        target = b.add(I32(f.address + 4), b.shl(distance, I32(1)))
        self._require_known(target, 0)
        self._go_to(target, 0)

    def _targets(self) -> list[int]:
        known = [self._parts[way.target].address for way in self._ways if way.source == self._position]
        return sorted({address for address in known if known.count(address) == 1})

    def _require_known(self, target: Any, thumb: int) -> None:
        """End the region before a branch to where no way of the region goes."""
        b = self._f.b
        unknown: Any = None
        for address in self._targets():
            other = b.icmp_unsigned("!=", target, I32(address | thumb))
            unknown = other if unknown is None else b.and_(unknown, other)
        self._f.leave_here_when(I1(1) if unknown is None else unknown)

    def _go_to(self, target: Any, thumb: int) -> None:
        f = self._f
        targets = self._targets()
        if not targets:
            f.b.unreachable()
            return
        blocks = [f.new_block("target") for _ in targets]
        switch = f.b.switch(target, blocks[0])
        for address, block in zip(targets[1:], blocks[1:], strict=True):
            switch.add_case(I32(address | thumb), block)
        for address, block in zip(targets, blocks, strict=True):
            self._finish_at(block, lambda address=address: self._go(address))  # type: ignore[misc]


def _nothing() -> None:
    """No check, no charge."""
