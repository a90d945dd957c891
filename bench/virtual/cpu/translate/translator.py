"""Watches which blocks run often, has them translated, and lets the block hook enter them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bench.virtual.cpu import layout as at
from bench.virtual.cpu.blocks import Block, BlockTable
from bench.virtual.cpu.engine import Engine
from bench.virtual.cpu.interface import Memory
from bench.virtual.cpu.translate.build import Builder, Machine, Part, Way, translatable
from bench.virtual.cpu.translate.charge import Check
from bench.virtual.cpu.translate.compile import Compiler
from bench.virtual.cpu.translate.frame import MEMORY_SLOTS, T_BLOCKS, T_EXECUTED, T_MEMORIES, T_REGISTERS, T_SINGLES, Unsupported
from bench.virtual.cpu.translate.memory import Window
from bench.virtual.cpu.translate.operands import words_of
from bench.virtual.cpu.translate.region import cycles_through, entries_of

LOOK_CYCLES: Final = 1_000_000
"""How often the blocks' counts are looked at."""
_WORTH: Final = 600_000
_LONGEST: Final = 3000
_SHORT_STAY: Final = 400


def switched_on() -> bool:
    """Whether ``BENCH_VIRTUAL_TRANSLATE`` lets hot code be translated (unset, or anything but 0)."""
    return os.environ.get("BENCH_VIRTUAL_TRANSLATE", "1") != "0"


class Translator:
    """Regions of one core."""

    def __init__(self, engine: Engine, blocks: BlockTable, memories: Sequence[Memory]) -> None:
        self._engine = engine
        self._state: NDArray[np.int64] = engine.state
        self._blocks = blocks
        self._compiler: Compiler | None = None
        self._tables: list[Any] = []
        self._regions: dict[int, list[int]] = {}
        self._counts: NDArray[np.int64] = np.zeros(0, np.int64)
        self._refused: set[int] = set()
        self.next_look = 0
        slots = enumerate((base, memory) for memory in memories for base in memory.bases)
        self._windows = []
        self._hosts = []
        for slot, (base, memory) in slots:
            if slot < MEMORY_SLOTS:
                self._windows.append(Window(base, memory.size, memory.writable, slot))
                self._hosts.append(np.frombuffer(memory.data, np.uint8).ctypes.data)
        bases = [int(self._state[at.H_FLASH_BASE])]
        if self._state[at.H_FLASH_ALIAS] >= 0:
            bases.append(int(self._state[at.H_FLASH_ALIAS]))
        shift = int(self._state[at.H_LINE_SHIFT])
        self._machine = Machine(tuple(self._windows), tuple(bases), int(self._state[at.H_FLASH_SIZE]), shift)

    def look(self, cycles: int) -> None:
        """Look at the counts, and translate what has become hot."""
        self.next_look = cycles + LOOK_CYCLES
        known = self._blocks.known
        rows = self._state[at.BLOCKS : at.BLOCKS + at.BLOCK_WORDS * len(known)].reshape(len(known), at.BLOCK_WORDS)
        counts = rows[:, at.B_COUNT].copy()
        before = np.zeros(len(known), np.int64)
        before[: min(len(known), len(self._counts))] = self._counts[: len(known)]
        work = (counts - before) * rows[:, at.B_INSTRUCTIONS]
        covered = np.zeros(len(known), bool)
        for members in self._regions.values():
            covered[members] = True
        self._counts = before
        if int(work[~covered].sum()) < _WORTH:
            return
        self._counts = counts
        warm = [index for index in range(1, len(known)) if work[index] > 0 and index not in self._refused]
        for group in cycles_through(warm, self._blocks.successors()):
            if int(work[[index for index in group if not covered[index]]].sum()) >= _WORTH // 4:
                self._translate(group)

    def _translate(self, group: list[int]) -> None:
        known = self._blocks.known
        members: list[Block] = []
        for index in group:
            block = known[index]
            assert block is not None
            members.append(block)
        members.sort(key=lambda block: block.code.address)
        words = {}
        for block in members:
            decoded, it_state = words_of(block.instructions, block.code.code)
            words[block.index] = decoded
            if it_state & 0xF or not all(translatable(word) for word in decoded) or self._blocks.has_break(block):
                self._refused.add(block.index)
        if any(block.index in self._refused for block in members):
            self._again(group)
            return
        position = {block.index: number for number, block in enumerate(members)}
        all_edges = self._blocks.all_edges()
        inner = [edge for edge in all_edges if edge[1] in position and edge[2] in position]
        entries = entries_of([block.index for block in members], [(source, target) for _, source, target, _, _ in all_edges])
        parts = tuple(
            Part(
                block.code.address,
                block.code.end,
                words[block.index],
                tuple((alignment.form, alignment.mask) for alignment in block.plan.alignments),
                tuple((read.form, read.bytes) for read in block.plan.reads),
                tuple(window.form for window in block.plan.windows),
                block.code.memories or (-1,) * len(block.instructions),
                {address: Check(*row) for address, row in self._blocks.checks_in(block).items()},
            )
            for block in members
        )
        ways = tuple(Way(position[source], position[target], cycles, way) for _, source, target, cycles, way in inner)
        entry_positions = tuple(position[index] for index in entries)
        try:
            assembly = Builder(parts, ways, entry_positions, self._machine).build()
        except Unsupported as cause:
            self._refused.update(block.index for block in members if block.code.address == cause.args[1])
            self._again(group)
            return
        if self._compiler is None:
            self._compiler = Compiler()
        function = self._compiler.compile(assembly)
        self._install(members, inner, entries, function)

    def _again(self, group: list[int]) -> None:
        rest = [index for index in group if index not in self._refused]
        for smaller in cycles_through(rest, self._blocks.successors()):
            self._translate(smaller)

    def _install(self, members: list[Block], edges: list[tuple[int, int, int, int, int]], entries: list[int], function: int) -> None:
        table = np.zeros(T_BLOCKS + 2 * len(members) + 2 * len(edges), np.int64)
        table[T_REGISTERS] = self._state[at.H_REGISTERS]
        assert self._engine.singles is not None
        table[T_SINGLES] = self._engine.singles
        table[T_EXECUTED] = self._engine.executed_pages
        table[T_MEMORIES : T_MEMORIES + len(self._hosts)] = self._hosts
        for number, block in enumerate(members):
            table[T_BLOCKS + 2 * number] = at.BLOCKS + at.BLOCK_WORDS * block.index
            table[T_BLOCKS + 2 * number + 1] = block.index
        begin = T_BLOCKS + 2 * len(members)
        for number, (entry, _, target, _, _) in enumerate(edges):
            table[begin + 2 * number : begin + 2 * number + 2] = entry, target
        self._tables.append(table)
        region = len(self._regions)
        assert region < at.REGION_SLOTS
        self._regions[region] = [block.index for block in members]
        row = self._state[at.REGIONS + at.REGION_WORDS * region :][: at.REGION_WORDS]
        row[:] = 0
        row[at.R_FUNCTION], row[at.R_TABLE] = function, table.ctypes.data
        row[at.R_FLOATING] = any(word.uses_fpu for block in members for word in block.instructions)
        for block in members:
            self._state[at.BLOCKS + at.BLOCK_WORDS * block.index + at.B_REGION] = 0
        for number, index in enumerate(entries):
            self._state[at.BLOCKS + at.BLOCK_WORDS * index + at.B_REGION] = 1 + region | number << 32

    def drop_all(self) -> None:
        """Forget every region (the table of blocks was made anew)."""
        self._regions.clear()
        self._counts = np.zeros(0, np.int64)
        self._refused.clear()
