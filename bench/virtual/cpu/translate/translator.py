"""Watches which blocks run often, has them translated, and lets the block hook enter them."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bench.virtual.cpu import layout as at
from bench.virtual.cpu.blocks import Block, BlockTable
from bench.virtual.cpu.engine import Engine
from bench.virtual.cpu.interface import Memory
from bench.virtual.cpu.translate.build import Builder, Machine, Part, Way, translatable
from bench.virtual.cpu.translate.charge import Check
from bench.virtual.cpu.translate.compile import compiler
from bench.virtual.cpu.translate.frame import (
    MEMORY_SLOTS,
    T_BLOCKS,
    T_EXECUTED,
    T_MEMORIES,
    T_REGISTERS,
    T_SINGLES,
    Unsupported,
)
from bench.virtual.cpu.translate.memory import Window
from bench.virtual.cpu.translate.operands import Word, words_of
from bench.virtual.cpu.translate.region import busiest, cycles_through, entries_of, hottest

LOOK_CYCLES: Final = 300_000
"""How often the blocks' counts are looked at; after a look that was in vain the next one comes after twice as long."""
_WORTH_LOADING: Final = 1_000_000
"""Instructions that blocks have to have done to be looked up among the regions compiled before."""
_WORTH_COMPILING: Final = 100_000
"""Times an instruction of a region has to have been done on average: by then the emulator has spent about what compiling takes."""
_LARGE: Final = 150
"""Instructions from which on compiling takes more than in proportion."""
_HOT: Final = 0.99
"""Part of a loop's work that its hot blocks do; they are translated alone where the whole is not worth it."""
_LONGEST: Final = 1_500
"""Instructions of a region at the most."""
_SHORT_CYCLES, _MANY_ENTRIES = 60, 2_000
"""A region left after so few cycles on average, as often as that, does not pay."""


def switched_on() -> bool:
    """Whether hot code is translated by default: on an x86-64 host, unless ``BENCH_VIRTUAL_TRANSLATE`` is 0."""
    return os.environ.get("BENCH_VIRTUAL_TRANSLATE", "1") != "0" and platform.machine() in ("x86_64", "AMD64")


@dataclass(slots=True, eq=False)
class _Region:
    number: int
    content: str
    members: list[Block]
    table: NDArray[np.int64]


class Translator:
    """Regions of one core. Called between two stretches of emulation only."""

    def __init__(self, engine: Engine, blocks: BlockTable, memories: Sequence[Memory]) -> None:
        self._engine = engine
        self._state = state = engine.state
        self._blocks = blocks
        self._regions: list[_Region] = []
        self._slots = 0
        self._refused: set[int] = set()
        self._given_up: set[str] = set()
        self._required: dict[frozenset[int], int] = {}
        self._words: dict[int, tuple[tuple[Word, ...], int]] = {}
        self.next_look = 0
        self._interval = LOOK_CYCLES
        places = [(base, memory) for memory in memories for base in memory.bases][:MEMORY_SLOTS]
        windows = tuple(Window(base, memory.size, memory.writable, slot) for slot, (base, memory) in enumerate(places))
        self._distances = [np.frombuffer(memory.data, np.uint8).ctypes.data - base for base, memory in places]
        bases = [int(state[word]) for word in (at.H_FLASH_BASE, at.H_FLASH_ALIAS) if state[word] >= 0]
        self._machine = Machine(windows, tuple(bases), int(state[at.H_FLASH_SIZE]), int(state[at.H_LINE_SHIFT]))
        blocks.on_forget = self._forget
        blocks.checks.on_check = self._detach_at

    @property
    def regions(self) -> int:
        """How many regions may be entered."""
        return len(self._regions)

    def _row(self, block: Block) -> int:
        return at.BLOCKS + at.BLOCK_WORDS * block.index

    # Choosing.

    def look(self, cycles: int) -> None:
        """Look at the counts, and translate what has become hot."""
        self.next_look = cycles + self._interval
        self._drop_short_stays()
        known = self._blocks.known
        rows = self._state[at.BLOCKS : at.BLOCKS + at.BLOCK_WORDS * len(known)].reshape(len(known), at.BLOCK_WORDS)
        work = rows[:, at.B_COUNT] * rows[:, at.B_INSTRUCTIONS]
        outside = work.copy()
        for region in self._regions:
            outside[[block.index for block in region.members]] = 0
        if int(outside.sum()) < _WORTH_LOADING:
            return
        before = self._slots
        self._try(np.flatnonzero(work).tolist(), work, outside)
        self._interval = LOOK_CYCLES if self._slots > before else 2 * self._interval
        self.next_look = cycles + self._interval

    def _try(self, blocks: list[int], work: NDArray[np.int64], outside: NDArray[np.int64]) -> None:
        left = [index for index in blocks if index not in self._refused]
        for group in cycles_through(left, self._blocks.successors()):
            if self._slots >= at.REGION_SLOTS:
                return
            instructions = self._state[[at.BLOCKS + at.BLOCK_WORDS * index + at.B_INSTRUCTIONS for index in group]]
            earned = int(outside[group].sum())
            if earned < self._required.get(frozenset(group), _WORTH_LOADING):
                continue
            if int(instructions.sum()) > _LONGEST:
                smaller = hottest({index: int(work[index]) for index in group}, _LONGEST, instructions.tolist(), group)
                if len(smaller) < len(group):
                    self._try(smaller, work, outside)
                continue
            size = int(instructions.sum())
            needed = size * _WORTH_COMPILING * (1 + size // _LARGE)
            if earned < needed:
                hot = busiest({index: int(work[index]) for index in group}, _HOT)
                if len(hot) < len(group):
                    self._try(hot, work, outside)
                    continue
            if not self._translate(group, earned >= needed):
                self._try(group, work, outside)
            else:
                self._required[frozenset(group)] = needed

    def _drop_short_stays(self) -> None:
        for region in list(self._regions):
            row = at.REGIONS + at.REGION_WORDS * region.number
            entered, cycles = self._state[row + at.R_ENTERED], self._state[row + at.R_CYCLES]
            if entered >= _MANY_ENTRIES and cycles < _SHORT_CYCLES * entered:
                self._given_up.add(region.content)
                self._detach(region)
            self._state[row + at.R_ENTERED] = self._state[row + at.R_CYCLES] = 0

    def _detach(self, region: _Region) -> None:
        for block in region.members:
            self._state[self._row(block) + at.B_REGION] = 0
        self._regions.remove(region)

    def _detach_at(self, address: int) -> None:
        """The checks at an address change: no region that holds it is valid any more."""
        for region in list(self._regions):
            if any(address in block.positions for block in region.members):
                self._detach(region)

    def _forget(self) -> None:
        """The table of blocks was made anew."""
        self._regions.clear()
        self._slots = 0
        self._interval = LOOK_CYCLES
        self.next_look = 0
        self._refused.clear()
        self._required.clear()
        self._words.clear()

    # Translating.

    def _decoded(self, block: Block) -> tuple[tuple[Word, ...], int]:
        if block.index not in self._words:
            self._words[block.index] = words_of(block.instructions, block.code.code)
        return self._words[block.index]

    def _refuse(self, block: Block) -> bool:
        words, it_state = self._decoded(block)
        place = block.code.address
        fixed = any(
            window.base <= place < window.base + window.size and not window.writable for window in self._machine.windows
        )  # code in RAM can change unseen
        if not fixed or it_state & 0xF or not all(translatable(word) for word in words):
            self._refused.add(block.index)
            return True
        return False

    def _translate(self, group: list[int], worth_compiling: bool) -> bool:
        """Make a region of the blocks, if there is code or it is worth making; False when some of them have to stay out."""
        members = [block for index in group if (block := self._blocks.known[index]) is not None]
        members.sort(key=lambda block: (block.code.address, block.code.end))
        if sum(self._refuse(block) for block in members):
            return False
        if any(self._blocks.checks.has_break(block.instructions) for block in members):
            return True
        position = {block.index: number for number, block in enumerate(members)}
        edges = self._blocks.all_edges()
        inner = [edge for edge in edges if edge[1] in position and edge[2] in position]
        entries = entries_of([block.index for block in members], [edge[1:3] for edge in edges])
        parts = tuple(self._part(block) for block in members)
        ways = tuple(Way(position[edge[1]], position[edge[2]], *edge[3:]) for edge in inner)
        places = tuple(position[index] for index in entries)
        content = repr(([part.content for part in parts], ways, places, self._machine))
        if content in self._given_up:
            return True
        try:
            function = compiler().function(
                content, lambda: Builder(parts, ways, places, self._machine).build(), worth_compiling
            )
        except Unsupported as cause:
            self._refused.update(block.index for block in members if block.code.address == cause.args[1])
            return False
        if function is not None:
            self._install(_Region(self._slots, content, members, self._table(members, inner)), entries, function)
        return True

    def _part(self, block: Block) -> Part:
        plan = block.plan
        return Part(
            block.code.address,
            block.code.end,
            self._decoded(block)[0],
            tuple((alignment.form, alignment.mask) for alignment in plan.alignments),
            tuple((read.form, read.bytes) for read in plan.reads),
            tuple(window.form for window in plan.windows),
            block.code.memories or (-1,) * len(block.instructions),
            {address: Check(*row) for address, row in self._blocks.checks.rows(block.instructions).items()},
        )

    def _table(self, members: list[Block], edges: Sequence[tuple[int, ...]]) -> NDArray[np.int64]:
        table: NDArray[np.int64] = np.zeros(T_BLOCKS + 2 * len(members) + 2 * len(edges), np.int64)
        table[T_REGISTERS] = self._state[at.H_REGISTERS]
        assert self._engine.singles is not None
        table[T_SINGLES] = self._engine.singles
        table[T_EXECUTED] = self._engine.executed_pages
        table[T_MEMORIES : T_MEMORIES + len(self._distances)] = self._distances
        blocks = [word for block in members for word in (self._row(block), block.index)]
        ends = [word for edge in edges for word in (edge[0], edge[2])]
        table[T_BLOCKS:] = blocks + ends
        return table

    def _install(self, region: _Region, entries: list[int], function: int) -> None:
        for other in [other for other in self._regions if not set(other.members).isdisjoint(region.members)]:
            self._detach(other)
        self._slots += 1
        self._regions.append(region)
        row: Any = self._state[at.REGIONS + at.REGION_WORDS * region.number :][: at.REGION_WORDS]
        row[:] = 0
        row[at.R_FUNCTION], row[at.R_TABLE] = function, region.table.ctypes.data
        row[at.R_FLOATING] = any(word.uses_fpu for block in region.members for word in block.instructions)
        for number, index in enumerate(entries):
            self._state[at.BLOCKS + at.BLOCK_WORDS * index + at.B_REGION] = 1 + region.number | number << 32
