"""Loads behind stores to the same place, as far as decoded code tells: a Cortex-M7 has no way around its store buffer.

A load less than 8 bytes from a word that was stored less than 8 issue slots before waits until they are over. The rule is that of the
Cortex-M7 model of the SLOTHY scheduler (github.com/slothy-optimizer/slothy, slothy/targets/arm_v7m/cortex_m7.py, ``add_st_hazard``),
found on silicon by its authors; 8 slots are 4 cycles of an issue of two. Addresses are compared when both are the same unknown value
plus constants, as in a stack frame; others are taken to differ.
"""

from __future__ import annotations

from bench.virtual.cpu.instructions import ALWAYS, Access, Instruction

_CYCLES, _REACH_BYTES = 4, 8
_KEPT = 16  # stores; at most one a cycle, so that no older one matters


class StoreBuffer:
    """Stores of the last cycles, and what the core registers hold: an unknown value's number, plus bytes."""

    def __init__(self) -> None:
        self._values = [(register, 0) for register in range(16)]
        self._unknown = 16
        self._stores: list[tuple[int, int, int]] = []  # unknown value's number, bytes from it, cycle

    def add(self, store: Access, cycle: int) -> None:
        """A store is issued in ``cycle``; to be called before `follow`."""
        if store.index is None:
            number, begin = self._values[store.base]
            places = (begin + store.offset + store.unit * place for place in range(len(store.registers)))
            self._stores = [*self._stores[-_KEPT:], *((number, place, cycle) for place in places)]

    def ready(self, load: Access) -> int:
        """From which cycle on the load finds what was stored near it; 0 without such a store."""
        if load.index is not None:
            return 0
        number, first = self._values[load.base]
        first += load.offset
        last = first + max(load.bytes - 4, 0)
        near = (
            cycle
            for other, place, cycle in self._stores
            if other == number and first - _REACH_BYTES < place < last + _REACH_BYTES
        )
        return max((cycle + _CYCLES for cycle in near), default=0)

    def follow(self, now: Instruction) -> None:
        """Keep what the registers hold after the instruction."""
        access, before = now.access, list(self._values)
        for register in range(16):
            if now.writes >> register & 1:
                self._values[register] = (self._unknown, 0)
                self._unknown += 1
        if access is not None and access.base_step:
            number, begin = before[access.base]
            self._values[access.base] = (number, begin + access.base_step)
        elif now.destination is not None and now.linear is not None and now.condition == ALWAYS:
            constant, terms = now.linear
            if len(terms) == 1 and terms[0][1] == 1 and now.writes >> now.destination & 1:
                number, begin = before[terms[0][0]]
                self._values[now.destination] = (number, begin + constant)
