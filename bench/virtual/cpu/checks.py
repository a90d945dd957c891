"""The table of checks at single instructions: breakpoints, and faults that cannot be excluded at a block's entry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.virtual.cpu import layout as at
from bench.virtual.cpu.accesses import alignment_mask
from bench.virtual.cpu.instructions import PC, Access, Instruction
from bench.virtual.cpu.native import check_slot


def _no_check(_address: int) -> None:
    """Nobody wants to know of a check."""


@dataclass(frozen=True, slots=True)
class CheckMode:
    """What blocks are checked for: changing it means forgetting all of them."""

    flash_reads: bool = False
    unaligned_traps: bool = False
    divide_traps: bool = False


class CheckTable:
    """Checks in the native table, by address.

    Watches (native code hooks) that checks need are collected in ``wanted``: the caller installs them outside the emulation.
    """

    def __init__(self, state: NDArray[np.int64]) -> None:
        self._state = state
        self._count = 0
        self.mode = CheckMode()
        self.wanted: set[int] = set()
        self.watched: set[int] = set()
        self.breakpoints: set[int] = set()
        self.on_check: Callable[[int], None] = _no_check

    @property
    def nearly_full(self) -> bool:
        """Whether one more block may need more rows than there are."""
        return self._count + at.PAGE_FORMS > at.CHECK_LIMIT

    def forget(self) -> None:
        """Drop every check but the breakpoints."""
        self._state[at.CHECKS : at.DCACHE] = 0
        self._count = 0
        for address in self.breakpoints:
            self.add(address, at.CHECK_BREAK)

    def alignment_mask(self, access: Access) -> int:
        """Address bits that have to be zero for ``access`` in the current mode."""
        return alignment_mask(access, self.mode.unaligned_traps)

    def rows(self, instructions: Sequence[Instruction]) -> dict[int, tuple[int, ...]]:
        """The native table's rows (without the address) for instructions that have one."""
        found = {}
        for instruction in instructions:
            row = self._row(instruction.address)
            if row[0] and row[1]:
                found[instruction.address] = tuple(int(word) for word in row[1:])
        return found

    def has_break(self, instructions: Sequence[Instruction]) -> bool:
        """Whether a breakpoint, or an instruction that the emulation has to stop at, is among them."""
        stops = at.CHECK_BREAK | at.CHECK_DOUBLE | at.CHECK_EVENT
        return any(row[0] & stops for row in self.rows(instructions).values())

    def install(self, watch: Callable[[int], None]) -> None:
        """Install the hooks that are wanted."""
        for address in self.wanted:
            watch(address)
        self.watched |= self.wanted
        self.wanted = set()

    def uninstall(self, unwatch: Callable[[int], None]) -> None:
        """Remove all hooks but those of breakpoints."""
        for address in self.watched - self.breakpoints:
            unwatch(address)
        self.watched &= self.breakpoints

    def set_breakpoint(self, address: int) -> None:
        """Stop before the instruction at ``address``."""
        self.breakpoints.add(address)
        self.add(address, at.CHECK_BREAK)

    def clear_breakpoint(self, address: int) -> None:
        """Undo `set_breakpoint`."""
        if address in self.breakpoints:
            self.breakpoints.discard(address)
            self.add(address, 0)[1] &= ~at.CHECK_BREAK

    def add(self, instruction: Instruction | int, kind: int) -> NDArray[np.int64]:
        """Add check bits at an instruction (or bare address) and return its row of the native table."""
        address = instruction if isinstance(instruction, int) else instruction.address
        row = self._row(address)
        if row[0] == 0:
            row[0], row[3] = address + 1, -1
            self._count += 1
        row[1] |= kind
        self.on_check(address)
        if address not in self.watched:
            self.wanted.add(address)
        return row

    def add_access(self, instruction: Instruction, *, reads: bool = True) -> None:
        """Check an access where it is made: its alignment, and with ``reads`` where it reads flash."""
        access = instruction.access
        assert access is not None
        if access.base == PC:
            self.add(instruction, at.CHECK_BREAK)
            return
        kind = at.CHECK_ALIGN | (at.CHECK_READ if reads and access.load and self.mode.flash_reads else 0)
        row = self.add(instruction, kind)
        row[2:8] = (
            access.base,
            -1 if access.index is None else access.index,
            access.shift,
            access.offset,
            self.alignment_mask(access),
            access.bytes,
        )

    def add_divide(self, instruction: Instruction) -> None:
        """Charge a division by its operands, and check the divisor when that traps."""
        assert instruction.dividend is not None
        assert instruction.divisor is not None
        traps = at.CHECK_DIVIDE if self.mode.divide_traps else 0
        row = self.add(instruction, at.CHECK_QUOTIENT | traps)
        row[2], row[3], row[4] = instruction.divisor, instruction.dividend, instruction.name == "sdiv"

    def _row(self, address: int) -> NDArray[np.int64]:
        slot = int(check_slot(address))
        while self._state[at.CHECKS + at.CHECK_WORDS * slot] not in (0, address + 1):
            slot = (slot + 1) % at.CHECK_SLOTS
        return self._state[at.CHECKS + at.CHECK_WORDS * slot :][: at.CHECK_WORDS]
