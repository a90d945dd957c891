"""The table of basic blocks: what they cost, what has to be checked in them, and how far into one the core is.

Blocks are the emulator's translation blocks: straight-line code up to a branch or a 1 KB page's end. A block is charged as a whole when
it is entered; the cycle at an instruction inside it is that total less what lies behind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bench.virtual.cpu import layout as at
from bench.virtual.cpu.accesses import AccessPlan, Form, memories_touched, plan_accesses
from bench.virtual.cpu.activity import CLASSES, Activity, class_counts
from bench.virtual.cpu.checks import CheckTable
from bench.virtual.cpu.decode import decode_block
from bench.virtual.cpu.instructions import Instruction, Kind
from bench.virtual.cpu.interface import PAGE_BYTES
from bench.virtual.cpu.native import edge_slot
from bench.virtual.cpu.timing import CodeBlock, CoreTiming, EdgeCost

_WORD_BYTES = 4
_MASK_CHANGES = ("cps", "msr")
_NOTHING = EdgeCost(0, (), (), 0)


def _nothing() -> None:
    """Nobody wants to know."""


def _is_simple(form: Form) -> bool:
    return len(form.terms) == 1 and form.terms[0][1] == 1


def _asked(instructions: Sequence[Instruction], starts: Sequence[int], address: int) -> int:
    """Cycle at which the word at ``address`` of a block is asked for: when the word before begins to be used, and one word a cycle."""
    words = (address - (instructions[0].address & ~3)) // _WORD_BYTES
    before = zip(starts, instructions, strict=True)
    used = [start + 1 for start, instruction in before if instruction.address < address - _WORD_BYTES]
    return max([starts[0] + words, *used])


@dataclass(slots=True, eq=False)
class Block:
    """One block: ``index`` in the native table, its decoded instructions, and what is checked at its entry."""

    index: int
    code: CodeBlock
    instructions: tuple[Instruction, ...]
    plan: AccessPlan
    first_line: int = -1
    positions: dict[int, int] = field(init=False)  # address -> index in `instructions`

    def __post_init__(self) -> None:
        self.positions = {instruction.address: index for index, instruction in enumerate(self.instructions)}

    def instruction_index(self, address: int) -> int:
        """Index of the instruction at ``address``. Raises ValueError when the block has none there."""
        if address not in self.positions:
            raise ValueError(f"no instruction at {address:#x} in the block at {self.code.address:#x}")
        return self.positions[address]


class BlockTable:
    """Blocks and edges, in the native tables and in Python.

    ``fetch(address, size)`` gives code bytes, ``flash_offset(address)`` the offset in flash or None,
    ``registers()`` r0-r14 as they are. ``checks`` are those at single instructions.
    """

    def __init__(
        self,
        state: NDArray[np.int64],
        timing: CoreTiming,
        fetch: Callable[[int, int], bytes],
        flash_offset: Callable[[int], int | None],
        registers: Callable[[], Sequence[int]],
        *,
        double_precision: bool = False,
    ) -> None:
        self._state = state
        self._words = state.data  # the same, quicker for single words
        self._timing = timing
        self._double_precision = double_precision
        self._fetch = fetch
        self._flash_offset = flash_offset
        self._registers = registers
        self._line_shift = timing.accelerator.line_bytes.bit_length() - 1
        self.checks = CheckTable(state)
        self.failure: BaseException | None = None
        self.on_forget: Callable[[], None] = _nothing
        self._past = np.zeros(
            CLASSES, np.int64
        )  # what blocks that were forgotten did, less what was charged and not done
        self._mix: NDArray[np.int64] = np.zeros((at.BLOCK_SLOTS, CLASSES), np.int64)
        # Of code that the emulator may have translated: forgetting blocks does not change that.
        self.pages: set[int] = set()
        self._reset_tables()

    def _reset_tables(self) -> None:
        self._blocks: list[Block | None] = [None]
        self._by_place: dict[tuple[int, int], Block] = {}
        self._edges: dict[int, EdgeCost] = {}
        self._counters: dict[int, int] = {}
        self._forms = 0
        self._lines = 0
        self._state[at.EDGES : at.FORMS] = 0
        self._state[at.H_TOUCHED] = 0
        self._state[at.H_CURRENT] = 0
        self._state[at.H_EDGE] = -1
        self.checks.forget()

    # Called from native code.

    def miss(self, address: int, size: int) -> int:
        """Make the edge from the current block to (address, size). Returns 1 when there is work to do outside the emulation first."""
        try:
            if self._nearly_full():
                self.forget()
            block = self._by_place.get((address, size)) or self._new_block(address, size)
            if self.checks.wanted:
                return 1
            self._new_edge(block)
        except BaseException as failure:  # nothing may pass through the emulator's frames; the run loop raises it again
            self.failure = failure
            return 1
        return 0

    def _nearly_full(self) -> bool:
        return (
            len(self._blocks) >= at.BLOCK_SLOTS - 1
            or self._forms + at.PAGE_FORMS > at.FORM_SLOTS
            or self._lines + at.LINE_STALL_WORDS > at.LINE_TIME_SLOTS
            or len(self._edges) >= at.EDGE_LIMIT
            or self.checks.nearly_full
        )

    def _new_block(self, address: int, size: int) -> Block:
        code = self._fetch(address, size)
        instructions = decode_block(address, code)
        memories = memories_touched(instructions, self._registers())
        mode = self.checks.mode
        plan = plan_accesses(instructions, flash_reads=mode.flash_reads, unaligned_traps=mode.unaligned_traps)
        block = Block(len(self._blocks), CodeBlock(address, code, memories), instructions, plan)
        self._write_block(block)
        for index in plan.hooked:
            self.checks.add_access(instructions[index])
        for instruction in instructions:
            if instruction.double and not self._double_precision:
                self.checks.add(instruction, at.CHECK_DOUBLE)
            if instruction.name == "sev":
                self.checks.add(instruction, at.CHECK_EVENT)
            if instruction.kind is Kind.DIVIDE:
                self.checks.add_divide(instruction)
        return block

    def _write_block(self, block: Block) -> None:
        self._blocks.append(block)
        self.pages.add(block.code.address // PAGE_BYTES)
        self._by_place[block.code.address, len(block.code.code)] = block
        row = self._state[at.BLOCKS + at.BLOCK_WORDS * block.index :][: at.BLOCK_WORDS]
        flags = at.FLAG_FPU if any(instruction.uses_fpu for instruction in block.instructions) else 0
        flags |= at.FLAG_MASKS if block.instructions and block.instructions[-1].name in _MASK_CHANGES else 0
        self._mix[block.index] = class_counts(block.instructions)
        own = at.BLOCKS + at.BLOCK_WORDS * block.index + at.B_PREDICTED
        row[at.B_COUNTER] = self._counters.setdefault(block.code.end, own)
        row[at.B_ADDRESS], row[at.B_SIZE] = block.code.address, len(block.code.code)
        row[at.B_INSTRUCTIONS], row[at.B_FLAGS] = len(block.instructions), flags
        row[at.B_CHECKED] = bool(flags & at.FLAG_FPU or block.plan.alignments)
        row[at.B_ALIGN], row[at.B_ALIGN_COUNT] = self._forms, len(block.plan.alignments)
        for alignment in block.plan.alignments:
            self._write_form(alignment.form, alignment.mask)
        row[at.B_READ], row[at.B_READ_COUNT] = self._forms, len(block.plan.reads)
        for read in block.plan.reads:
            self._write_form(read.form, read.bytes)
        row[at.B_NEEDS_REGISTERS] = bool(block.plan.alignments or block.plan.reads)
        windows = block.plan.windows
        row[at.B_WINDOW], row[at.B_WINDOW_COUNT] = self._forms, len(windows)
        for window in windows:
            self._write_form(window.form, window.bytes)
        simple = [(window.form.constant, window.form.terms[0][0]) for window in windows if _is_simple(window.form)]
        if 0 < len(simple) == len(windows) <= at.SIMPLE_WINDOWS:
            filled = (simple * at.SIMPLE_WINDOWS)[: at.SIMPLE_WINDOWS]
            row[at.B_HAS_SIMPLE] = 1
            row[at.B_SIMPLE : at.B_SIMPLE + 2 * at.SIMPLE_WINDOWS] = [number for pair in filled for number in pair]
        self._write_lines(block, row)

    def _write_form(self, form: Form, extra: int) -> None:
        row = self._state[at.FORMS + at.FORM_WORDS * self._forms :][: at.FORM_WORDS]
        row[:] = 0
        row[0], row[1] = form.constant, extra
        for position, (register, coefficient) in enumerate(form.terms):
            row[2 + 2 * position], row[3 + 2 * position] = register, coefficient
        self._forms += 1

    def _write_lines(self, block: Block, row: NDArray[np.int64]) -> None:
        offset = self._flash_offset(block.code.address)
        row[at.B_LINE], row[at.B_LINE_COUNT] = self._lines, 0
        if offset is None or not block.instructions:
            return
        first = offset >> self._line_shift
        last = (offset + len(block.code.code) - 1) >> self._line_shift
        block.first_line = first
        row[at.B_FIRST_LINE], row[at.B_LINE_COUNT] = first, last - first + 1
        starts = self._timing.edge(None, block.code).starts_cycles
        line = first
        for start, instruction in zip(starts, block.instructions, strict=True):
            while line <= last and line <= self._line_of(block, instruction):
                begin = block.code.address + (line << self._line_shift) - offset
                ahead = self._timing.asks_ahead and begin > block.code.address
                early = max(0, start - _asked(block.instructions, starts, begin)) if ahead else 0
                place = at.LINE_TIMES + at.LINE_TIME_WORDS * self._lines
                self._state[place : place + at.LINE_TIME_WORDS] = start, early
                self._lines += 1
                line += 1

    def _line_of(self, block: Block, instruction: Instruction) -> int:
        start = self._flash_offset(block.code.address)
        assert start is not None
        return (start + instruction.end - 1 - block.code.address) >> self._line_shift

    def _new_edge(self, block: Block) -> None:
        previous = self.current
        cost = self._timing.edge(previous.code if previous else None, block.code)
        key = (previous.index if previous else 0) << 32 | block.code.address
        slot = int(edge_slot(key))
        while self._state[at.EDGES + at.EDGE_WORDS * slot]:
            slot = (slot + 1) % at.EDGE_SLOTS
        entry = at.EDGES + at.EDGE_WORDS * slot
        way = 2 * cost.mispredict_cycles + cost.taken if cost.mispredict_cycles else 0
        self._state[entry : entry + 4] = key + 1, block.index, cost.total_cycles, way
        self._edges[entry] = cost
        self._state[at.H_FOUND] = entry

    # For the translator.

    @property
    def known(self) -> Sequence[Block | None]:
        """The blocks by index; 0 is none."""
        return self._blocks

    def all_edges(self) -> list[tuple[int, int, int, int, int]]:
        """Every known edge: its entry, the blocks from and to, cycles and prediction."""
        found = []
        for entry in self._edges:
            if entry >= 0:
                key, target, cycles, way = (int(word) for word in self._state[entry : entry + at.EDGE_WORDS])
                found.append((entry, key - 1 >> 32, target, cycles, way))
        return found

    def successors(self) -> dict[int, set[int]]:
        """The blocks that came behind a block."""
        found: dict[int, set[int]] = {}
        for _, source, target, _, _ in self.all_edges():
            found.setdefault(source, set()).add(target)
        return found

    # Called between two stretches of emulation.

    @property
    def current(self) -> Block | None:
        """The block entered last."""
        return self._blocks[self._words[at.H_CURRENT]]

    def block_at(self, address: int) -> list[Block]:
        """The known blocks that begin at ``address``."""
        return [block for block in self._blocks if block is not None and block.code.address == address]

    def forget(self) -> None:
        """Drop every block, edge and check but the current block and the breakpoints."""
        current, edge = self.current, self._edges.get(int(self._state[at.H_EDGE]), _NOTHING)
        self._past += self._done()
        self._reset_tables()
        self.on_forget()
        if current is not None:
            current.index = 1
            self._write_block(current)
            place = current.code.address, len(current.code.code)
            if self._fetch(*place) != current.code.code:  # what is there now is another block
                del self._by_place[place]
            self._state[at.H_CURRENT] = 1
            self._edges[-1] = edge

    def forget_code(self) -> None:
        """As `forget`, when the emulator forgets all translated code, too."""
        self.pages.clear()
        self.forget()

    def executed_in(self, address: int, size: int) -> bool:
        """Whether the emulator may have translated code in the pages of the range (a block does not cross pages)."""
        pages = range(address // PAGE_BYTES, (address + size - 1) // PAGE_BYTES + 1)
        return not self.pages.isdisjoint(pages)

    def cycles_at(self, pc: int) -> int:
        """Cycles when instruction ``pc`` of the current block begins."""
        block = self.current
        assert block is not None
        words = self._words
        edge = self._edges[words[at.H_EDGE]]
        index = block.instruction_index(pc)
        left = edge.total_cycles - edge.starts_cycles[index]
        if lines := words[at.H_STALL_LINES]:
            fetched = self._line_of(block, block.instructions[index]) - block.first_line + 1
            left += sum(words[at.LINE_STALLS + fetched : at.LINE_STALLS + lines])
        for number in range(words[at.H_STALL_READS]):
            if block.plan.reads[number].index >= index:
                left += words[at.READ_STALLS + number]
        return words[at.H_CYCLES] - left

    def _done(self) -> NDArray[np.int64]:
        known = len(self._blocks)
        entered = self._state[at.BLOCKS : at.BLOCKS + at.BLOCK_WORDS * known].reshape(known, at.BLOCK_WORDS)[
            :, at.B_COUNT
        ]
        done: NDArray[np.int64] = entered @ self._mix[:known]
        return done

    def activity(self, pc: int | None) -> Activity:
        """What was done until now; ``pc`` is where the core is when that is inside the current block."""
        counts = self._past + self._done()
        cycles, state = int(self._state[at.H_CYCLES]), self._state
        if pc is not None and self.current is not None:
            counts -= class_counts(self.current.instructions[-self.instructions_left(pc) :])
            cycles = self.cycles_at(pc)
        fills = int(state[at.H_INSTRUCTION_FILLS]), int(state[at.H_DATA_FILLS])
        return Activity(cycles, tuple(counts.tolist()), *fills)

    def instructions_left(self, pc: int) -> int:
        """Instructions of the current block from ``pc`` on."""
        block = self.current
        assert block is not None
        return len(block.instructions) - block.instruction_index(pc)

    def abandon(self, pc: int) -> None:
        """Take back what was charged for the current block from ``pc`` on: control leaves it there."""
        block = self.current
        assert block is not None
        cycles, left = self.cycles_at(pc), self.instructions_left(pc)
        self._state[at.H_CYCLES] = cycles
        self._past -= class_counts(block.instructions[-left:])
        self.leave()

    def truncate(self, pc: int) -> None:
        """End the current block before ``pc``: the rest is charged anew, as a block of its own."""
        block = self.current
        assert block is not None
        self.abandon(pc)
        self._state[at.H_LAST_LINE], self._state[at.H_FRESH] = -2, 0
        size = pc - block.code.address
        if size == 0:
            return
        head = self._by_place.get((block.code.address, size)) or self._new_block(block.code.address, size)
        self._state[at.H_CURRENT] = head.index

    def leave(self) -> None:
        """Forget the way the next block is reached (reset, exception)."""
        self._state[at.H_CURRENT] = 0
        self._state[at.H_EDGE] = -1

    def check_each_access(self, block: Block) -> None:
        """Replace a block's alignment checks at its entry by checks at the instructions."""
        self._state[at.BLOCKS + at.BLOCK_WORDS * block.index + at.B_ALIGN_COUNT] = 0
        for instruction in block.instructions:
            if instruction.access is not None and self.checks.alignment_mask(instruction.access):
                self.checks.add_access(instruction, reads=False)

    def check_each_fpu_use(self, block: Block) -> None:
        """Replace a block's FPU check at its entry by checks at the instructions."""
        self._state[at.BLOCKS + at.BLOCK_WORDS * block.index + at.B_FLAGS] &= ~at.FLAG_FPU
        for instruction in block.instructions:
            if instruction.uses_fpu:
                self.checks.add(instruction, at.CHECK_FPU)
