"""The hooks that run at native speed inside the emulation, and the state that they share with Python.

The state is one array of 64-bit integers: header words (H_*), then tables. Both hooks get its address as user data, hold no GIL, and call
Python only for an edge not seen before. The compiled code is cached on disk (``cache=True``): functions are called through addresses
kept in the state, none is baked in. The layout stands in this file because numba's cache looks at the time stamp of this file alone.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import carray, cfunc, njit, types

from bench.virtual.cpu.foreign import call_1, call_2, call_4, load_word

# Header words: addresses,
H_ENGINE: Final = 0  # uc_engine*
H_STOP_FUNCTION: Final = 1  # uc_emu_stop
H_MISS_FUNCTION: Final = 2  # Python: an edge that is not in the table
H_REGISTERS: Final = 3  # address of r0-r15 as 32-bit words inside the emulator, or of our copy
H_SNAPSHOT_FUNCTION: Final = 4  # uc_reg_read_batch when H_REGISTERS is a copy, else 0
H_SNAPSHOT_IDS: Final = 5
H_SNAPSHOT_POINTERS: Final = 6
# progress,
H_CYCLES: Final = 8  # cycles at the end of the current block
H_INSTRUCTIONS: Final = 9
H_CURRENT: Final = 10  # index of the block entered last; 0: none
H_BUDGET: Final = 11  # stop before the first block that begins at or after this cycle
H_STOP: Final = 12  # why the hooks stopped the emulation, one of STOP_*
H_STOP_ADDRESS: Final = 13
H_RESUME: Final = 14  # expected address of the rest of the current block, or -1
H_RESUME_END: Final = 15
H_PASS: Final = 16  # address whose hook lets pass once, or -1
H_FOUND: Final = 17  # edge entry made by the miss function
H_EDGE: Final = 18  # edge entry by which the current block was entered, or -1
H_PENDING_SEEN: Final = 19  # Python has just looked at the pending exceptions: do not stop for them once
# switches,
H_FPU_ENABLED: Final = 20
H_WAIT_STATES: Final = 21
H_ICACHE: Final = 22
H_DCACHE: Final = 23
H_PREFETCH: Final = 24
H_CHECK_PENDING: Final = 25  # an exception is pending: stop behind instructions that change masks
H_EVENT: Final = 26  # SEV was executed
# flash interface.
H_FLASH_BASE: Final = 32
H_FLASH_SIZE: Final = 33
H_FLASH_ALIAS: Final = 34  # second base, or -1
H_LAST_LINE: Final = 35  # line in the fetch buffer, or -1
H_LINE_TIME: Final = 36  # cycle at which it arrived
H_TICK: Final = 37  # for least recently used
H_ILINES: Final = 38
H_DLINES: Final = 39
H_LINE_SHIFT: Final = 40
H_STALL_LINES: Final = 41  # flash lines recorded for the current block
H_STALL_READS: Final = 42  # flash reads recorded for the current block
H_ALL_CACHED: Final = 43  # every line of the current block came from the instruction cache
HEADER_WORDS: Final = 64

STOP_NONE: Final = 0
STOP_BUDGET: Final = 1
STOP_MISS: Final = 2  # the miss function has work to do outside the emulation
STOP_ALIGNMENT: Final = 3  # a block's alignment check failed
STOP_FPU: Final = 4  # a block wants the FPU, which is off
STOP_PENDING: Final = 5
STOP_TAIL: Final = 7  # the emulator cuts the code into blocks differently this time: the rest of the current block is part of a longer one
STOP_CHECK: Final = 6  # a hook inside a block stopped at H_STOP_ADDRESS

# Tables.
LINE_STALLS: Final = HEADER_WORDS  # stall of every flash line of the current block
LINE_STALL_WORDS: Final = 128
READ_STALLS: Final = LINE_STALLS + LINE_STALL_WORDS
READ_STALL_WORDS: Final = 512
EDGES: Final = READ_STALLS + READ_STALL_WORDS
EDGE_WORDS: Final = 4  # key + 1, block, cycles, spare
EDGE_SLOTS: Final = 1 << 16
EDGE_LIMIT: Final = EDGE_SLOTS // 2
BLOCKS: Final = EDGES + EDGE_WORDS * EDGE_SLOTS
BLOCK_WORDS: Final = 16
BLOCK_SLOTS: Final = 1 << 14
B_ADDRESS: Final = 0
B_SIZE: Final = 1
B_INSTRUCTIONS: Final = 2
B_FLAGS: Final = 3
B_ALIGN: Final = 4  # index of the first alignment form
B_ALIGN_COUNT: Final = 5
B_READ: Final = 6
B_READ_COUNT: Final = 7
B_LINE: Final = 8  # index of the first entry in LINE_TIMES
B_LINE_COUNT: Final = 9
B_FIRST_LINE: Final = 10
B_WINDOW: Final = 11
B_WINDOW_COUNT: Final = 12
B_NEEDS_REGISTERS: Final = 13
FLAG_FPU: Final = 1
FLAG_MASKS: Final = 2  # ends with an instruction that may unmask exceptions

FORMS: Final = BLOCKS + BLOCK_WORDS * BLOCK_SLOTS
FORM_WORDS: Final = 8  # constant, mask or bytes, (register, coefficient) x 3
FORM_SLOTS: Final = 1 << 16
PAGE_FORMS: Final = 2048  # more forms, or checks, than the instructions of one page can want
LINE_TIMES: Final = FORMS + FORM_WORDS * FORM_SLOTS  # cycle within the block at which a line is first wanted
LINE_TIME_SLOTS: Final = 1 << 16
CHECKS: Final = LINE_TIMES + LINE_TIME_SLOTS
CHECK_WORDS: Final = 8  # address + 1, kind bits, base, index (-1), shift, offset, mask, bytes
CHECK_SLOTS: Final = 1 << 13
CHECK_LIMIT: Final = CHECK_SLOTS // 2
CHECK_BREAK: Final = 1  # stop
CHECK_ALIGN: Final = 2
CHECK_READ: Final = 4  # a load that may go to flash
CHECK_FPU: Final = 8  # stop when the FPU is off
CHECK_DIVIDE: Final = 16  # stop when register `base` is zero
CHECK_EVENT: Final = 32  # SEV
CHECK_ADDRESS_BITS: Final = CHECK_ALIGN | CHECK_READ
DCACHE: Final = CHECKS + CHECK_WORDS * CHECK_SLOTS  # (tag, tick) pairs
DCACHE_SLOTS: Final = 64
ICACHE: Final = DCACHE + 2 * DCACHE_SLOTS  # (tag, tick) pairs
ICACHE_SLOTS: Final = 256
LINE_SLOTS: Final = (
    ICACHE + 2 * ICACHE_SLOTS
)  # flash line -> 1 + slot in ICACHE, 0: not cached; as long as the flash has lines

_TOTAL = 1 << 24  # more words than any layout has; only a shape for carray


@njit(inline="always", cache=True)  # type: ignore[untyped-decorator]
def edge_slot(key: int) -> int:
    """First slot to try for an edge (previous block << 32 | address)."""
    mixed = (key ^ (key >> 29)) * 0x9E3779B97F4A7C1
    return (mixed >> 20) & (EDGE_SLOTS - 1)


@njit(inline="always", cache=True)  # type: ignore[untyped-decorator]
def check_slot(address: int) -> int:
    """First slot to try for a hooked address."""
    return ((address >> 1) * 0x9E3779B1 >> 8) & (CHECK_SLOTS - 1)


@njit(inline="always", cache=True)  # type: ignore[untyped-decorator]
def stop(state: Any, reason: int, address: int) -> None:
    """Ask the emulator to stop before the instruction (or block) whose hook is running."""
    state[H_STOP] = reason
    state[H_STOP_ADDRESS] = address
    call_1(state[H_STOP_FUNCTION], state[H_ENGINE])


@njit(inline="always", cache=True)  # type: ignore[untyped-decorator]
def snapshot(state: Any) -> None:
    """Copy the registers when they cannot be read in place."""
    if state[H_SNAPSHOT_FUNCTION]:
        call_4(state[H_SNAPSHOT_FUNCTION], state[H_ENGINE], state[H_SNAPSHOT_IDS], state[H_SNAPSHOT_POINTERS], 15)


@njit(inline="always", cache=True)  # type: ignore[untyped-decorator]
def evaluate(state: Any, form: int) -> int:
    """Value of a linear form with the registers as they are."""
    registers = state[H_REGISTERS]
    value: int = state[form]
    for term in range(form + 2, form + 8, 2):
        coefficient = state[term + 1]
        if coefficient == 0:
            break
        value += coefficient * load_word(registers + 4 * state[term])
    return value & 0xFFFFFFFF


@njit(cache=True)  # type: ignore[untyped-decorator]
def data_stall(state: Any, address: int, size: int) -> int:
    """Wait states of a data read of ``size`` bytes; 0 outside the flash. Least recently used line is replaced (RM0390 §3.4.2)."""
    offset = address - state[H_FLASH_BASE]
    if offset < 0 or offset >= state[H_FLASH_SIZE]:
        offset = address - state[H_FLASH_ALIAS]
        if state[H_FLASH_ALIAS] < 0 or offset < 0 or offset >= state[H_FLASH_SIZE]:
            return 0
    shift = state[H_LINE_SHIFT]
    stall: int = 0
    if state[H_DCACHE] == 0:
        return int(((size + 3) >> 2) * state[H_WAIT_STATES])
    for line in range(offset >> shift, ((offset + size - 1) >> shift) + 1):
        oldest = DCACHE
        state[H_TICK] += 1
        found = False
        for slot in range(DCACHE, DCACHE + 2 * state[H_DLINES], 2):
            if state[slot] == line + 1:
                state[slot + 1] = state[H_TICK]
                found = True
                break
            if state[slot + 1] < state[oldest + 1]:
                oldest = slot
        if not found:
            state[oldest] = line + 1
            state[oldest + 1] = state[H_TICK]
            stall += state[H_WAIT_STATES]
    return stall


@njit(inline="always", cache=True)  # type: ignore[untyped-decorator]
def reads_flash(state: Any, block: int) -> bool:
    """Whether any data read of the block can go to flash."""
    form = FORMS + FORM_WORDS * state[block + B_WINDOW]
    base, size, alias = state[H_FLASH_BASE], state[H_FLASH_SIZE], state[H_FLASH_ALIAS]
    for _ in range(state[block + B_WINDOW_COUNT]):
        begin = evaluate(state, form)
        end = begin + state[form + 1]
        if (begin < base + size and end > base) or (alias >= 0 and begin < alias + size and end > alias):
            return True
        form += FORM_WORDS
    return False


@njit(cache=True)  # type: ignore[untyped-decorator]
def line_stall(state: Any, line: int, now: int) -> int:
    """Wait states of fetching flash line ``line`` at cycle ``now``: held line, instruction cache, prefetch buffer, or the flash."""
    if line == state[H_LAST_LINE]:
        return 0
    stall = 0
    cached = False
    if state[H_ICACHE]:
        state[H_TICK] += 1
        slot = state[LINE_SLOTS + line]
        if slot:
            state[ICACHE + 2 * slot - 1] = state[H_TICK]
            cached = True
    if not cached:
        stall = state[H_WAIT_STATES]
        if state[H_PREFETCH] and line == state[H_LAST_LINE] + 1:
            stall = max(0, stall - max(0, now - state[H_LINE_TIME]))
        if state[H_ICACHE]:
            oldest = 0
            for slot in range(1, state[H_ILINES]):
                if state[ICACHE + 2 * slot + 1] < state[ICACHE + 2 * oldest + 1]:
                    oldest = slot
            if state[ICACHE + 2 * oldest]:
                state[LINE_SLOTS + state[ICACHE + 2 * oldest] - 1] = 0
            state[ICACHE + 2 * oldest] = line + 1
            state[ICACHE + 2 * oldest + 1] = state[H_TICK]
            state[LINE_SLOTS + line] = oldest + 1
    state[H_LAST_LINE] = line
    state[H_LINE_TIME] = now + stall
    return stall


@njit(cache=True)  # type: ignore[untyped-decorator]
def find_edge(state: Any, address: int, size: int) -> int:
    """Slot of the edge from the current block to (address, size), or -1."""
    key = (state[H_CURRENT] << 32) | address
    slot = edge_slot(key)
    while True:
        entry: int = EDGES + EDGE_WORDS * slot
        found = state[entry]
        if found == key + 1 and state[BLOCKS + BLOCK_WORDS * state[entry + 1] + B_SIZE] == size:
            return entry
        if found == 0:
            return -1
        slot = (slot + 1) & (EDGE_SLOTS - 1)


@njit(inline="always", cache=True)  # type: ignore[untyped-decorator]
def is_rest(state: Any, address: int, size: int) -> bool:
    """Whether this is the rest of a block that was left in its middle, and so is charged already."""
    if address != state[H_RESUME]:
        state[H_RESUME] = -1
        return False
    end = address + size
    if end > state[H_RESUME_END]:
        stop(state, STOP_TAIL, address)
    else:
        state[H_RESUME] = end if end < state[H_RESUME_END] else -1
    return True


@njit(inline="always", cache=True)  # type: ignore[untyped-decorator]
def may_enter(state: Any, block: int, address: int) -> bool:
    """Make the checks at a block's entry; stops the emulation when Python has to see to something first."""
    if state[block + B_FLAGS] & FLAG_FPU and state[H_FPU_ENABLED] == 0:
        stop(state, STOP_FPU, address)
        return False
    if state[H_CHECK_PENDING] and state[BLOCKS + BLOCK_WORDS * state[H_CURRENT] + B_FLAGS] & FLAG_MASKS:
        if state[H_PENDING_SEEN] == 0:
            stop(state, STOP_PENDING, address)
            return False
        state[H_PENDING_SEEN] = 0
    form = FORMS + FORM_WORDS * state[block + B_ALIGN]
    for _ in range(state[block + B_ALIGN_COUNT]):
        if evaluate(state, form) & state[form + 1]:
            stop(state, STOP_ALIGNMENT, address)
            return False
        form += FORM_WORDS
    return True


@njit(cache=True)  # type: ignore[untyped-decorator]
def flash_stalls(state: Any, block: int, now: int, again: bool) -> int:
    """Wait states of a block entered at cycle ``now``: its data reads, then the lines that it lies in. Keeps each for cycles_at.

    ``again``: the block before was the same one.
    """
    stalls = 0
    reads = state[block + B_READ_COUNT] if reads_flash(state, block) else 0
    form = FORMS + FORM_WORDS * state[block + B_READ]
    for read in range(reads):
        wait = data_stall(state, evaluate(state, form), state[form + 1])
        state[READ_STALLS + read] = wait
        stalls += wait
        form += FORM_WORDS
    lines = state[block + B_LINE_COUNT]
    times = LINE_TIMES + state[block + B_LINE]
    if (
        again and state[H_ALL_CACHED]
    ):  # in a loop of one block its lines stay the most recently used ones, in the same order
        if lines > 1:
            state[H_LINE_TIME] = now + state[times + lines - 1] + stalls
    else:
        fetched = 0
        for line in range(lines):
            wait = line_stall(state, state[block + B_FIRST_LINE] + line, now + state[times + line] + stalls + fetched)
            state[LINE_STALLS + line] = wait
            fetched += wait
        state[H_ALL_CACHED] = state[H_ICACHE] and lines > 0 and fetched == 0
        stalls += fetched
    state[H_STALL_READS] = reads
    state[H_STALL_LINES] = lines
    return stalls


@cfunc(types.void(types.voidptr, types.uint64, types.uint32, types.voidptr), cache=True)  # type: ignore[untyped-decorator]
def on_block(_engine: Any, raw_address: Any, raw_size: Any, user: Any) -> None:
    """UC_HOOK_BLOCK: charge the block about to run, or stop before it."""
    state = carray(user, (_TOTAL,), np.int64)
    address = np.int64(raw_address)
    size = np.int64(raw_size)
    if state[H_RESUME] >= 0 and is_rest(state, address, size):
        return
    if state[H_CYCLES] >= state[H_BUDGET]:
        stop(state, STOP_BUDGET, address)
        return
    entry = find_edge(state, address, size)
    if entry < 0:
        if call_2(state[H_MISS_FUNCTION], address, size):
            stop(state, STOP_MISS, address)
            return
        entry = state[H_FOUND]
    block = BLOCKS + BLOCK_WORDS * state[entry + 1]
    if state[block + B_NEEDS_REGISTERS]:
        snapshot(state)
    if not may_enter(state, block, address):
        return
    now = state[H_CYCLES]
    cycles = state[entry + 2]
    if state[H_WAIT_STATES]:
        cycles += flash_stalls(state, block, now, state[entry + 1] == state[H_CURRENT])
    else:
        state[H_STALL_LINES] = 0
        state[H_STALL_READS] = 0
    state[H_CYCLES] = now + cycles
    state[H_INSTRUCTIONS] += state[block + B_INSTRUCTIONS]
    state[H_CURRENT] = state[entry + 1]
    state[H_EDGE] = entry


@cfunc(types.void(types.voidptr, types.uint64, types.uint32, types.voidptr), cache=True)  # type: ignore[untyped-decorator]
def on_code(_engine: Any, raw_address: Any, _size: Any, user: Any) -> None:
    """UC_HOOK_CODE at single addresses: breakpoints, and checks that could not be made at the block's entry."""
    state = carray(user, (_TOTAL,), np.int64)
    address = np.int64(raw_address)
    if state[H_STOP] != STOP_NONE:
        return
    slot = check_slot(address)
    while True:
        check = CHECKS + CHECK_WORDS * slot
        if state[check] == address + 1:
            break
        if state[check] == 0:
            return
        slot = (slot + 1) & (CHECK_SLOTS - 1)
    kind = state[check + 1]
    armed = address != state[H_PASS]
    if not armed:
        state[H_PASS] = -1
    if armed and (kind & CHECK_BREAK or (kind & CHECK_FPU and state[H_FPU_ENABLED] == 0)):
        stop(state, STOP_CHECK, address)
        return
    if kind & (CHECK_ADDRESS_BITS | CHECK_DIVIDE):
        snapshot(state)
    if armed and kind & CHECK_DIVIDE and load_word(state[H_REGISTERS] + 4 * state[check + 2]) == 0:
        stop(state, STOP_CHECK, address)
        return
    if kind & CHECK_ADDRESS_BITS:
        target = load_word(state[H_REGISTERS] + 4 * state[check + 2]) + state[check + 5]
        if state[check + 3] >= 0:
            target += load_word(state[H_REGISTERS] + 4 * state[check + 3]) << state[check + 4]
        target &= 0xFFFFFFFF
        if armed and kind & CHECK_ALIGN and target & state[check + 6]:
            stop(state, STOP_CHECK, address)
            return
        if kind & CHECK_READ and state[H_WAIT_STATES]:
            state[H_CYCLES] += data_stall(state, target, state[check + 7])
    if kind & CHECK_EVENT:
        state[H_EVENT] = 1
