"""The L1 caches of a Cortex-M7 as software and a debugger see them: enable bits, maintenance operations, and a RAM that lags behind.

Armv7-M Architecture Reference Manual DDI 0403E: maintenance registers B2.2.7, CCSIDR and CSSELR B4.8, CCR B3.2.8. Cortex-M7 technical
reference manual DDI 0489 chapter 5: write-back, read-write allocate, contents undefined after reset. PM0253 4.8: how to use them.

Which lines a real cache still holds depends on everything the core did. Here it never evicts: while the data cache is on, what the core
writes to cached RAM reaches the memory by a clean (or not at all), and what a debugger writes there reaches the core by an invalidate.
Real silicon would show some of it early; firmware that relies on that is wrong, and is found out here. A clean or invalidate by set and
way takes effect for a set once it was done for all of its ways. How long the caches take is the timing model's affair.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bench.virtual.cpu import SystemControl
from bench.virtual.soc.context import Diagnoses
from bench.virtual.soc.registers import Register

LINE_BYTES = 32
DC, IC, BP = 1 << 16, 1 << 17, 1 << 18


@dataclass(frozen=True, slots=True)
class CacheGeometry:
    """One cache: ``sets`` of ``ways`` lines of 32 bytes, both powers of two."""

    sets: int
    ways: int

    @property
    def ccsidr(self) -> int:
        """CCSIDR: write-through, write-back, read and write allocation; sets, ways and line size (DDI 0489 table 3-1)."""
        return 0xF0000000 | (self.sets - 1) << 13 | (self.ways - 1) << 3 | 1

    @property
    def way_shift(self) -> int:
        """Where the way stands in the argument of an operation by set and way."""
        return 32 - (self.ways - 1).bit_length()


class Core(Protocol):
    """What the caches need of the core."""

    system: SystemControl

    def read_memory(self, address: int, size: int) -> bytes:
        """Return bytes as the core sees them."""
        ...

    def write_memory(self, address: int, data: bytes) -> None:
        """Replace them."""
        ...

    def flush_flash_caches(self, instruction: bool, data: bool) -> None:
        """Empty the timing model's caches."""
        ...


class L1Caches:
    """CCR, the cache registers, and the RAM of ``size`` bytes at ``base`` behind the data cache. ``changed``: a cache was switched."""

    def __init__(self, core: Core, diagnoses: Diagnoses, data: CacheGeometry, instruction: CacheGeometry, base: int, size: int,
                 changed: Callable[[], None]) -> None:  # fmt: skip
        self._core = core
        self._diagnoses = diagnoses
        self._data, self._instruction = data, instruction
        self._base, self._size = base, size
        self._changed = changed
        self._memory: NDArray[np.uint8] | None = None
        self._stranded: NDArray[np.uint8] | None = None
        self._enabled = 0
        self._select = 0
        self._icache_clean = False
        self._invalid: set[tuple[int, int]] = set()
        self._ways_done: dict[tuple[int, bool, bool], int] = {}
        self.registers = self._make_registers()

    # State

    @property
    def instruction_on(self) -> bool:
        """CCR.IC."""
        return bool(self._enabled & IC)

    @property
    def data_on(self) -> bool:
        """CCR.DC."""
        return bool(self._enabled & DC)

    def power_on(self) -> None:
        """Power-on: the RAM has new contents, nothing is held back."""
        self._memory = self._stranded = None
        self.reset()

    def reset(self) -> None:
        """Reset of the core: both off, contents unknown; what was not cleaned is lost (DDI 0489 chapter 5)."""
        if self._memory is not None:
            self._show(self._memory)
        self._memory = self._stranded = None
        self._enabled = self._select = 0
        self._icache_clean = False
        self._invalid.clear()
        self._ways_done.clear()

    # The access port's view

    def holds_back(self, address: int, size: int) -> bool:
        """Whether the range touches RAM whose contents the cache may hide."""
        return self._memory is not None and address < self._base + self._size and address + size > self._base

    def read_behind(self, address: int, size: int) -> bytes:
        """Return RAM as it is behind the data cache; bytes outside of the cached RAM as the core sees them."""
        data = bytearray(self._core.read_memory(address, size))
        assert self._memory is not None
        first, last = max(address, self._base), min(address + size, self._base + self._size)
        data[first - address : last - address] = self._memory[first - self._base : last - self._base].tobytes()
        return bytes(data)

    def write_behind(self, address: int, data: bytes) -> None:
        """Write RAM behind the data cache; bytes outside of the cached RAM go straight through."""
        assert self._memory is not None
        first, last = max(address, self._base), min(address + len(data), self._base + self._size)
        inside = data[first - address : last - address]
        self._memory[first - self._base : last - self._base] = np.frombuffer(inside, np.uint8)
        if first > address:
            self._core.write_memory(address, data[: first - address])
        if last < address + len(data):
            self._core.write_memory(last, data[last - address :])

    # Registers

    def _make_registers(self) -> dict[int, Register]:
        def operation(name: str, act: Callable[[int], None]) -> Register:
            def write(_: int, new: int) -> int:
                act(new)
                return 0

            return Register(name, on_read=lambda _: 0, on_write=write)

        return {
            0xD14: Register("CCR", on_read=self._read_ccr, on_write=self._write_ccr),
            0xD80: Register("CCSIDR", writable=0, on_read=lambda _: (self._data, self._instruction)[self._select].ccsidr),
            0xD84: Register("CSSELR", on_read=lambda _: self._select, on_write=self._write_select),
            0xF50: operation("ICIALLU", lambda _: self._invalidate_instructions()),
            0xF58: operation("ICIMVAU", lambda _: None),
            0xF5C: operation("DCIMVAC", lambda at: self._line(at, clean=False, invalidate=True)),
            0xF60: operation("DCISW", lambda sw: self._set_way(sw, clean=False, invalidate=True)),
            0xF64: operation("DCCMVAU", lambda at: self._line(at, clean=True, invalidate=False)),
            0xF68: operation("DCCMVAC", lambda at: self._line(at, clean=True, invalidate=False)),
            0xF6C: operation("DCCSW", lambda sw: self._set_way(sw, clean=True, invalidate=False)),
            0xF70: operation("DCCIMVAC", lambda at: self._line(at, clean=True, invalidate=True)),
            0xF74: operation("DCCISW", lambda sw: self._set_way(sw, clean=True, invalidate=True)),
            0xF78: operation("BPIALL", lambda _: None),
        }  # fmt: skip

    def _write_select(self, _: int, new: int) -> int:
        self._select = new & 1
        return 0

    def _read_ccr(self, _: int) -> int:
        return self._core.system.ccr | self._enabled | BP

    def _write_ccr(self, _: int, new: int) -> int:
        wanted, was = new & (DC | IC), self._enabled
        if wanted & ~was & IC and not self._icache_clean:
            self._diagnoses.refuse(
                "SCB_CCR.IC set before the instruction cache was invalidated (ICIALLU); it holds anything after a reset (DDI 0489 5)"
            )
        if wanted & ~was & DC:
            lines = self._data.sets * self._data.ways
            if len(self._invalid) < lines:
                self._diagnoses.refuse(
                    f"SCB_CCR.DC set with {lines - len(self._invalid)} of {lines} lines not invalidated (DCISW);"
                    " the data cache holds anything after a reset (DDI 0489 5)"
                )
            self._memory = self._seen()
        if was & ~wanted & DC:
            self._strand()
        if was & ~wanted & IC:
            self._icache_clean = False
        self._enabled = wanted
        self._core.system.ccr = new
        if wanted != was:
            self._changed()
        return 0

    # Instruction cache

    def _invalidate_instructions(self) -> None:
        self._icache_clean = True
        self._core.flush_flash_caches(True, False)

    # Data cache

    def _seen(self) -> NDArray[np.uint8]:
        return np.frombuffer(self._core.read_memory(self._base, self._size), np.uint8).copy()

    def _show(self, contents: NDArray[np.uint8]) -> None:
        self._core.write_memory(self._base, contents.tobytes())

    def _strand(self) -> None:
        """The cache was switched off: the core sees the memory; what was not cleaned stays in the cache until it is."""
        assert self._memory is not None
        self._stranded = self._seen()
        self._stranded_memory = self._memory
        self._show(self._memory)
        self._memory = None
        self._invalid.clear()
        self._ways_done.clear()

    def _set_way(self, argument: int, *, clean: bool, invalidate: bool) -> None:
        cache = self._data
        index, way = argument // LINE_BYTES % cache.sets, argument >> cache.way_shift
        if argument != way << cache.way_shift | index * LINE_BYTES:
            self._diagnoses.refuse(
                f"data cache operation by set and way with {argument:#010x}: there are {cache.sets} sets (bits 9:5) and"
                f" {cache.ways} ways (from bit {cache.way_shift} on) (DDI 0403E B2.2.7)"
            )
        if invalidate and not self.data_on:
            self._invalid.add((index, way))
        key = (index, clean, invalidate)
        done = self._ways_done.get(key, 0) | 1 << way
        self._ways_done[key] = done
        if done == (1 << cache.ways) - 1:
            del self._ways_done[key]
            self._maintain(np.s_[:, index], clean=clean, invalidate=invalidate)

    def _line(self, address: int, *, clean: bool, invalidate: bool) -> None:
        offset = address - self._base
        if 0 <= offset < self._size:
            row, index = divmod(offset // LINE_BYTES, self._data.sets)
            self._maintain(np.s_[row : row + 1, index], clean=clean, invalidate=invalidate)

    def _maintain(self, lines: tuple[slice, int], *, clean: bool, invalidate: bool) -> None:
        """Clean and/or invalidate lines: ``lines`` selects from the RAM as (way-sized rows, sets, bytes of a line)."""
        if invalidate:
            self._core.flush_flash_caches(False, True)
        seen = self._seen()
        shape = (-1, self._data.sets, LINE_BYTES)
        if self._memory is not None:
            memory = self._memory.reshape(shape)
            if clean:
                memory[lines] = seen.reshape(shape)[lines]
            elif invalidate:
                seen.reshape(shape)[lines] = memory[lines]
                self._show(seen)
        elif self._stranded is not None:
            held, under = self._stranded.reshape(shape), self._stranded_memory.reshape(shape)
            if clean:
                dirty = (held[lines] != under[lines]).any(axis=-1, keepdims=True)
                seen.reshape(shape)[lines] = np.where(dirty, held[lines], seen.reshape(shape)[lines])
                self._show(seen)
            held[lines] = under[lines]
