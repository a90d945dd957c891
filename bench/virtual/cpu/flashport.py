"""Native: wait states of the flash interface, with its instruction cache, data cache and prefetch.

A block whose lines are all in the instruction cache stays so until a line is replaced. So it is marked with the count of replacements
(H_GENERATION) when that was seen, and as long as the count stands, entering it costs one comparison; when it was entered last is noted
in the block, and brought to the lines' own times of use (least recently used, RM0390 rev 6 §3.4.2) only when a line has to be replaced.
"""

from __future__ import annotations

from typing import Any

from numba import njit

from bench.virtual.cpu import layout as at
from bench.virtual.cpu.foreign import load_word
from bench.virtual.cpu.interface import Memory
from bench.virtual.cpu.timing import FlashAccelerator

_FLASH_END = 0x2000_0000  # the code region ends here (DDI 0403E B3.1): no flash at or above
_ORDER = 256  # more than the lines of a block: orders lines used in one block


def set_geometry(state: Any, geometry: FlashAccelerator, flash: Memory | None) -> None:
    """Write where the flash is and its geometry into the state, caches empty. Not native. Raises ValueError when it is larger than the tables."""
    if geometry.instruction_lines > at.ICACHE_SLOTS or geometry.data_lines > at.DCACHE_SLOTS:
        raise ValueError(
            f"{geometry}: at most {at.ICACHE_SLOTS} instruction and {at.DCACHE_SLOTS} data lines can be modelled"
        )
    state[at.H_FLASH_BASE], state[at.H_FLASH_SIZE] = (flash.base, flash.size) if flash else (0, 0)
    state[at.H_FLASH_ALIAS] = flash.aliases[0] if flash and flash.aliases else -1
    state[at.H_ILINES], state[at.H_DLINES] = geometry.instruction_lines, geometry.data_lines
    state[at.H_IWAYS] = geometry.instruction_ways or geometry.instruction_lines
    state[at.H_DWAYS] = geometry.data_ways or geometry.data_lines
    state[at.H_LINE_SHIFT] = geometry.line_bytes.bit_length() - 1
    state[at.H_FILL], state[at.H_GENERATION], state[at.H_LAST_LINE] = geometry.fill_cycles, 1, -2


def flash_offset(state: Any, address: int) -> int | None:
    """Offset of ``address`` in the flash, by its base or its alias; None when it is elsewhere. Not native."""
    for base in (int(state[at.H_FLASH_BASE]), int(state[at.H_FLASH_ALIAS])):
        if 0 <= base <= address < base + int(state[at.H_FLASH_SIZE]):
            return address - base
    return None


@njit(inline="always")  # type: ignore[untyped-decorator]
def evaluate(state: Any, form: int) -> int:
    """Value of a linear form with the registers as they are."""
    registers = state[at.H_REGISTERS]
    value: int = state[form]
    for term in range(form + 2, form + 8, 2):
        coefficient = state[term + 1]
        if coefficient == 0:
            break
        value += coefficient * load_word(registers + 4 * state[term])
    return value & 0xFFFFFFFF


@njit(inline="always")  # type: ignore[untyped-decorator]
def victim(state: Any, cache: int, lines: int, ways: int, line: int) -> int:
    """Number of the slot, of those that ``line`` may be in, that was used least recently (empty ones first)."""
    first = (line % (lines // ways)) * ways
    oldest = first
    for slot in range(first + 1, first + ways):
        if state[cache + 2 * slot + 1] < state[cache + 2 * oldest + 1]:
            oldest = slot
    return oldest


@njit  # type: ignore[untyped-decorator]
def data_stall(state: Any, address: int, size: int) -> int:
    """Cycles that a data read of ``size`` bytes waits; 0 outside the flash."""
    offset = address - state[at.H_FLASH_BASE]
    if offset < 0 or offset >= state[at.H_FLASH_SIZE]:
        offset = address - state[at.H_FLASH_ALIAS]
        if state[at.H_FLASH_ALIAS] < 0 or offset < 0 or offset >= state[at.H_FLASH_SIZE]:
            return 0
    wait = state[at.H_WAIT_STATES] + state[at.H_FILL]
    if state[at.H_DCACHE] == 0:
        words = (size + 3) >> 2
        state[at.H_DATA_FILLS] += words
        return int(words * wait)
    stall: int = 0
    shift = state[at.H_LINE_SHIFT]
    slots = state[at.H_DLINE_SLOTS]
    for line in range(offset >> shift, ((offset + size - 1) >> shift) + 1):
        state[at.H_TICK] += 1
        slot = state[slots + line] - 1
        if slot < 0:
            slot = victim(state, at.DCACHE, state[at.H_DLINES], state[at.H_DWAYS], line)
            if state[at.DCACHE + 2 * slot]:
                state[slots + state[at.DCACHE + 2 * slot] - 1] = 0
            state[at.DCACHE + 2 * slot] = line + 1
            state[slots + line] = slot + 1
            state[at.H_DATA_FILLS] += 1
            stall += wait
        state[at.DCACHE + 2 * slot + 1] = state[at.H_TICK]
    return stall


@njit(inline="always")  # type: ignore[untyped-decorator]
def reads_flash(state: Any, block: int) -> bool:
    """Whether any data read of the block may go to flash."""
    if state[block + at.B_HAS_SIMPLE]:
        registers = state[at.H_REGISTERS]
        lowest = _FLASH_END
        for window in range(block + at.B_SIMPLE, block + at.B_SIMPLE + 2 * at.SIMPLE_WINDOWS, 2):
            lowest = min(lowest, (state[window] + load_word(registers + 4 * state[window + 1])) & 0xFFFFFFFF)
        return lowest < _FLASH_END
    form = at.FORMS + at.FORM_WORDS * state[block + at.B_WINDOW]
    for _ in range(state[block + at.B_WINDOW_COUNT]):
        if evaluate(state, form) < _FLASH_END:
            return True
        form += at.FORM_WORDS
    return False


@njit  # type: ignore[untyped-decorator]
def read_stalls(state: Any, block: int) -> int:
    """Cycles that the data reads of a block wait; keeps each for cycles_at."""
    stalls = 0
    reads = state[block + at.B_READ_COUNT]
    form = at.FORMS + at.FORM_WORDS * state[block + at.B_READ]
    for read in range(reads):
        wait = data_stall(state, evaluate(state, form), state[form + 1])
        state[at.READ_STALLS + read] = wait
        stalls += wait
        form += at.FORM_WORDS
    state[at.H_STALL_READS] = reads
    return stalls


@njit  # type: ignore[untyped-decorator]
def settle_uses(state: Any) -> None:
    """Bring the blocks' times of use to their lines; no block counts as resident then."""
    for number in range(state[at.H_TOUCHED]):
        block = at.BLOCKS + at.BLOCK_WORDS * state[at.TOUCHED + number]
        used = state[block + at.B_ENTERED] * _ORDER
        first = state[block + at.B_FIRST_LINE]
        for line in range(state[block + at.B_LINE_COUNT]):
            slot = state[at.LINE_SLOTS + first + line] - 1
            if slot >= 0 and state[at.ICACHE + 2 * slot + 1] < used + line:
                state[at.ICACHE + 2 * slot + 1] = used + line
    state[at.H_TOUCHED] = 0
    state[at.H_GENERATION] += 1


@njit  # type: ignore[untyped-decorator]
def line_stall(state: Any, line: int, now: int, used: int) -> int:
    """Cycles until flash line ``line`` is there at cycle ``now``: held line, instruction cache, prefetch buffer, or the flash."""
    cached = state[at.H_ICACHE] and state[at.LINE_SLOTS + line]
    stall = 0
    if not cached and line != state[at.H_LAST_LINE]:
        stall = state[at.H_WAIT_STATES] + state[at.H_FILL]
        state[at.H_INSTRUCTION_FILLS] += 1
        if state[at.H_PREFETCH] and line == state[at.H_LAST_LINE] + 1:
            stall = max(0, stall - max(0, now - state[at.H_LINE_TIME]))
    if state[at.H_ICACHE]:
        if not cached:
            settle_uses(state)
            slot = victim(state, at.ICACHE, state[at.H_ILINES], state[at.H_IWAYS], line)
            if state[at.ICACHE + 2 * slot]:
                state[at.LINE_SLOTS + state[at.ICACHE + 2 * slot] - 1] = 0
            state[at.ICACHE + 2 * slot] = line + 1
            state[at.LINE_SLOTS + line] = slot + 1
        state[at.ICACHE + 2 * state[at.LINE_SLOTS + line] - 1] = used
    if line != state[at.H_LAST_LINE]:
        state[at.H_LAST_LINE] = line
        state[at.H_LINE_TIME] = now + stall
    return stall


@njit  # type: ignore[untyped-decorator]
def fetch_stalls(state: Any, index: int, now: int, stalls: int) -> int:
    """Cycles that a block entered at ``now`` waits for the lines it lies in; keeps each. ``stalls``: what its data reads wait for."""
    block = at.BLOCKS + at.BLOCK_WORDS * index
    if state[at.H_FRESH]:
        before = at.BLOCKS + at.BLOCK_WORDS * state[at.H_CURRENT]
        lines = state[before + at.B_LINE_COUNT]
        state[at.H_LAST_LINE] = state[before + at.B_FIRST_LINE] + lines - 1
        last = at.LINE_TIMES + at.LINE_TIME_WORDS * (state[before + at.B_LINE] + lines - 1)
        state[at.H_LINE_TIME] = state[before + at.B_ENTERED] + (state[last] if lines > 1 else 0)
        state[at.H_FRESH] = 0
    lines = state[block + at.B_LINE_COUNT]
    first = state[block + at.B_FIRST_LINE]
    times = at.LINE_TIMES + at.LINE_TIME_WORDS * state[block + at.B_LINE]
    fetched = 0
    for line in range(lines):
        asked = now + state[times] - state[times + 1] + stalls + fetched
        wait = max(0, line_stall(state, first + line, asked, now * _ORDER + line) - state[times + 1])
        times += at.LINE_TIME_WORDS
        state[at.LINE_STALLS + line] = wait
        fetched += wait
    state[at.H_STALL_LINES] = lines
    if state[at.H_ICACHE]:
        for line in range(lines):
            if state[at.LINE_SLOTS + first + line] == 0:
                return fetched
        state[at.TOUCHED + state[at.H_TOUCHED]] = index
        state[at.H_TOUCHED] += 1
        state[block + at.B_GENERATION] = state[at.H_GENERATION]
        state[block + at.B_ENTERED] = now
    return fetched
