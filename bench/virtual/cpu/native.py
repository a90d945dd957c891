"""The hooks that run at native speed inside the emulation.

Both get the address of the shared state (layout.py) as user data, hold no GIL, and call Python only for an edge not seen before. The
compiled code is cached on disk (``cache=True``): functions are called through addresses kept in the state, none is baked in. Numba's
cache looks at the time stamp of the file that holds a hook alone, so the hooks close over a checksum of every file compiled into them.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Final

import numpy as np
from numba import carray, cfunc, njit, types
from unicorn.arm_const import UC_ARM_REG_APSR_G, UC_ARM_REG_CONTROL, UC_ARM_REG_FPSCR, UC_ARM_REG_PC, UC_ARM_REG_XPSR
from unicorn.unicorn_const import UC_MEM_FETCH, UC_PROT_ALL, UC_PROT_READ, UC_PROT_WRITE

from bench.virtual.cpu import layout as at
from bench.virtual.cpu.flashport import data_stall, evaluate, fetch_stalls, read_stalls, reads_flash
from bench.virtual.cpu.foreign import call_1, call_2, call_3, call_4, load_word
from bench.virtual.cpu.interface import PAGE_BYTES
from bench.virtual.cpu.timing import DivideTiming

SRAM_BEGIN: Final = 0x2000_0000  # DDI 0403E B3.1
SRAM_END: Final = 0x4000_0000
SRAM_PAGES: Final = (SRAM_END - SRAM_BEGIN) // PAGE_BYTES
_FETCH: Final = UC_MEM_FETCH
_READ_WRITE: Final = UC_PROT_READ | UC_PROT_WRITE
_ALL: Final = UC_PROT_ALL
_APSR_G: Final = UC_ARM_REG_APSR_G
_CONTROL: Final = UC_ARM_REG_CONTROL
_FPSCR: Final = UC_ARM_REG_FPSCR
_PC: Final = UC_ARM_REG_PC
_XPSR: Final = UC_ARM_REG_XPSR
_IT_BITS: Final = 0x0600_FC00
_GE_BITS: Final = 0xF_0000
_FLOATING_ACTIVE: Final = 1 << 2  # CONTROL.FPCA
_FPSCR_MODES: Final = 0x07C0_0000  # AHP, DN, FZ, RMode

_TOTAL = 1 << 24  # more words than any layout has; only a shape for carray
_FILES = ("layout.py", "flashport.py", "foreign.py")
_SOURCES: Final = int.from_bytes(
    hashlib.sha256(b"".join((Path(__file__).parent / name).read_bytes() for name in _FILES)).digest()[:6], "little"
)


@njit(inline="always")  # type: ignore[untyped-decorator]
def edge_slot(key: int) -> int:
    """First slot to try for an edge (previous block << 32 | address)."""
    mixed = (key ^ (key >> 29)) * 0x9E3779B97F4A7C1
    return (mixed >> 20) & (at.EDGE_SLOTS - 1)


@njit(inline="always")  # type: ignore[untyped-decorator]
def check_slot(address: int) -> int:
    """First slot to try for a hooked address."""
    return ((address >> 1) * 0x9E3779B1 >> 8) & (at.CHECK_SLOTS - 1)


@njit(inline="always")  # type: ignore[untyped-decorator]
def stop(state: Any, reason: int, address: int) -> None:
    """Ask the emulator to stop before the instruction (or block) whose hook is running."""
    state[at.H_STOP] = reason
    state[at.H_STOP_ADDRESS] = address
    call_1(state[at.H_STOP_FUNCTION], state[at.H_ENGINE])


@njit(inline="always")  # type: ignore[untyped-decorator]
def snapshot(state: Any) -> None:
    """Copy the registers when they cannot be read in place."""
    if state[at.H_SNAPSHOT_FUNCTION]:
        call_4(
            state[at.H_SNAPSHOT_FUNCTION],
            state[at.H_ENGINE],
            state[at.H_SNAPSHOT_IDS],
            state[at.H_SNAPSHOT_POINTERS],
            15,
        )


@njit  # type: ignore[untyped-decorator]
def find_edge(state: Any, address: int, size: int) -> int:
    """Slot of the edge from the current block to (address, size), or -1."""
    key = (state[at.H_CURRENT] << 32) | address
    slot = edge_slot(key)
    while True:
        entry: int = at.EDGES + at.EDGE_WORDS * slot
        found = state[entry]
        if found == key + 1 and state[at.BLOCKS + at.BLOCK_WORDS * state[entry + 1] + at.B_SIZE] == size:
            return entry
        if found == 0:
            return -1
        slot = (slot + 1) & (at.EDGE_SLOTS - 1)


@njit(inline="always")  # type: ignore[untyped-decorator]
def is_rest(state: Any, address: int, size: int) -> bool:
    """Whether this is the rest of a block that was left in its middle, and so is charged already."""
    if address != state[at.H_RESUME]:
        state[at.H_RESUME] = -1
        return False
    end = address + size
    if end > state[at.H_RESUME_END]:
        stop(state, at.STOP_TAIL, address)
    else:
        state[at.H_RESUME] = end if end < state[at.H_RESUME_END] else -1
    return True


@njit(inline="always")  # type: ignore[untyped-decorator]
def may_enter(state: Any, block: int, address: int) -> bool:
    """Make the checks at a block's entry; stops the emulation when Python has to see to something first."""
    if state[block + at.B_FLAGS] & at.FLAG_FPU and state[at.H_FPU_ENABLED] == 0:
        stop(state, at.STOP_FPU, address)
        return False
    if (
        state[at.H_CHECK_PENDING]
        and state[at.BLOCKS + at.BLOCK_WORDS * state[at.H_CURRENT] + at.B_FLAGS] & at.FLAG_MASKS
    ):
        if state[at.H_PENDING_SEEN] == 0:
            stop(state, at.STOP_PENDING, address)
            return False
        state[at.H_PENDING_SEEN] = 0
    form = at.FORMS + at.FORM_WORDS * state[block + at.B_ALIGN]
    for _ in range(state[block + at.B_ALIGN_COUNT]):
        if evaluate(state, form) & state[form + 1]:
            stop(state, at.STOP_ALIGNMENT, address)
            return False
        form += at.FORM_WORDS
    return True


@njit(inline="always")  # type: ignore[untyped-decorator]
def next_edge(state: Any, address: int, size: int) -> int:
    """Edge from the current block to (address, size): one of the two remembered in the block, or by the table; -1: unknown."""
    current = at.BLOCKS + at.BLOCK_WORDS * state[at.H_CURRENT] + at.B_NEXT
    place = address | size << 32
    if state[current] == place:
        return int(state[current + 1])
    if state[current + 2] == place:
        return int(state[current + 3])
    entry = find_edge(state, address, size)
    if entry >= 0:
        other = 2 if state[current] else 0
        state[current + other] = place
        state[current + other + 1] = entry
    return int(entry)


@njit(inline="always")  # type: ignore[untyped-decorator]
def predict(state: Any, way: int) -> int:
    """Cycles lost to a wrong prediction of the branch that led here; ``way`` is that cost x 2 + taken."""
    place = state[at.BLOCKS + at.BLOCK_WORDS * state[at.H_CURRENT] + at.B_COUNTER]
    if place == 0:
        return 0
    counter = state[place]
    taken = way & 1
    state[place] = min(3, counter + 1) if taken else max(0, counter - 1)
    return int(way >> 1) if (counter >> 1) != taken else 0


@njit  # type: ignore[untyped-decorator]
def enter_region(state: Any, place: int) -> None:
    """Do the block just charged, and all that follows it, in a translated region; the emulator goes on where that ends.

    A region stands on a clean IT state and FPSCR's default mode; with FPU instructions, the emulator has to have done one before, as the
    first one makes the floating point context active.
    """
    region = at.REGIONS + at.REGION_WORDS * ((place & 0xFFFFFFFF) - 1)
    here, engine = state[at.H_SELF], state[at.H_ENGINE]
    state[at.H_XPSR] = 0
    call_3(state[at.H_READ_REGISTER], engine, _XPSR, here + 8 * at.H_XPSR)
    status = state[at.H_XPSR]
    if status & _IT_BITS:
        return
    floating = state[region + at.R_FLOATING]
    if floating:
        state[at.H_CONTROL] = state[at.H_FPSCR] = 0
        call_3(state[at.H_READ_REGISTER], engine, _CONTROL, here + 8 * at.H_CONTROL)
        call_3(state[at.H_READ_REGISTER], engine, _FPSCR, here + 8 * at.H_FPSCR)
        if (
            state[at.H_FPU_ENABLED] == 0
            or state[at.H_CONTROL] & _FLOATING_ACTIVE == 0
            or state[at.H_FPSCR] & _FPSCR_MODES
        ):
            return
    floating_status = state[at.H_FPSCR]
    begin = state[at.H_CYCLES]
    state[at.H_NEXT_PC] = call_3(state[region + at.R_FUNCTION], here, state[region + at.R_TABLE], place >> 32) | 1
    state[region + at.R_ENTERED] += 1
    state[region + at.R_CYCLES] += state[at.H_CYCLES] - begin
    if state[at.H_XPSR] != status:
        call_3(state[at.H_WRITE_REGISTER], engine, _XPSR, here + 8 * at.H_XPSR)
        if (state[at.H_XPSR] ^ status) & _GE_BITS:  # a write of xPSR leaves them as they are
            call_3(state[at.H_WRITE_REGISTER], engine, _APSR_G, here + 8 * at.H_XPSR)
    if floating and state[at.H_FPSCR] != floating_status:
        call_3(state[at.H_WRITE_REGISTER], engine, _FPSCR, here + 8 * at.H_FPSCR)
    call_3(state[at.H_WRITE_REGISTER], engine, _PC, here + 8 * at.H_NEXT_PC)


def _make_on_block(sources: int) -> Any:
    @cfunc(types.void(types.voidptr, types.uint64, types.uint32, types.voidptr), cache=True)  # type: ignore[untyped-decorator]
    def on_block(_engine: Any, raw_address: Any, raw_size: Any, user: Any) -> None:
        """UC_HOOK_BLOCK: charge the block about to run, or stop before it."""
        if sources == 0:
            return
        state = carray(user, (_TOTAL,), np.int64)
        address = np.int64(raw_address)
        size = np.int64(raw_size)
        if state[at.H_RESUME] >= 0 and is_rest(state, address, size):
            return
        now = state[at.H_CYCLES]
        if now >= state[at.H_BUDGET]:
            stop(state, at.STOP_BUDGET, address)
            return
        entry = next_edge(state, address, size)
        if entry < 0:
            if call_2(state[at.H_MISS_FUNCTION], address, size):
                stop(state, at.STOP_MISS, address)
                return
            entry = state[at.H_FOUND]
        index = state[entry + 1]
        block = at.BLOCKS + at.BLOCK_WORDS * index
        if state[block + at.B_NEEDS_REGISTERS]:
            snapshot(state)
        if (state[block + at.B_CHECKED] or state[at.H_CHECK_PENDING]) and not may_enter(state, block, address):
            return
        cycles = state[entry + 2]
        if state[entry + 3]:
            cycles += predict(state, state[entry + 3])
        costs_time = state[at.H_WAIT_STATES] + state[at.H_FILL]
        if costs_time or state[at.H_ICACHE]:  # lines cost current where they cost no time
            state[at.H_STALL_READS] = 0
            if costs_time and state[block + at.B_READ_COUNT] and reads_flash(state, block):
                cycles += read_stalls(state, block)
            if state[block + at.B_GENERATION] == state[at.H_GENERATION] and state[at.H_ICACHE]:
                state[block + at.B_ENTERED] = now
                state[at.H_STALL_LINES] = 0
                state[at.H_FRESH] = 1
            else:
                cycles += fetch_stalls(state, index, now, cycles - state[entry + 2])
        else:
            state[at.H_STALL_READS] = state[at.H_STALL_LINES] = (
                0  # those of a block before the wait states were set to none
            )
        state[at.H_CYCLES] = now + cycles
        state[block + at.B_COUNT] += 1
        state[at.H_CURRENT] = index
        state[at.H_EDGE] = entry
        if state[block + at.B_REGION] and state[at.H_TRANSLATE]:
            enter_region(state, state[block + at.B_REGION])

    return on_block


def _make_for_regions(sources: int) -> tuple[Any, Any]:
    @cfunc(types.int64(types.voidptr, types.int64, types.int64, types.int64), cache=True)  # type: ignore[untyped-decorator]
    def fetch(user: Any, index: Any, now: Any, stalls: Any) -> Any:
        """`fetch_stalls`, for regions."""
        return fetch_stalls(carray(user, (_TOTAL,), np.int64), index, now, stalls) if sources else 0

    @cfunc(types.int64(types.voidptr, types.int64, types.int64), cache=True)  # type: ignore[untyped-decorator]
    def read(user: Any, address: Any, size: Any) -> Any:
        """`data_stall`, for regions."""
        return data_stall(carray(user, (_TOTAL,), np.int64), address, size) if sources else 0

    return fetch, read


def set_divide(state: Any, divide: DivideTiming) -> None:
    """Write the cycles of divisions into the state. Not native."""
    state[at.H_DIVIDE_MINIMUM], state[at.H_DIVIDE_MAXIMUM] = divide.minimum, divide.maximum
    state[at.H_DIVIDE_OVERHEAD], state[at.H_DIVIDE_BITS] = divide.overhead, divide.bits_per_cycle


@njit  # type: ignore[untyped-decorator]
def divide_cycles(state: Any, check: int) -> int:
    """Cycles of a division beyond the least (timing.DivideTiming, with the registers as they are)."""
    divisor = load_word(state[at.H_REGISTERS] + 4 * state[check + 2])
    dividend = load_word(state[at.H_REGISTERS] + 4 * state[check + 3])
    if state[check + 4]:
        divisor = (1 << 32) - divisor if divisor >> 31 else divisor
        dividend = (1 << 32) - dividend if dividend >> 31 else dividend
    if divisor == 0 or dividend < divisor:
        return 0
    bits = 1
    while dividend:
        dividend >>= 1
        bits += 1
    while divisor:
        divisor >>= 1
        bits -= 1
    steps = (bits + state[at.H_DIVIDE_BITS] - 1) // state[at.H_DIVIDE_BITS]
    cycles = min(state[at.H_DIVIDE_MAXIMUM], state[at.H_DIVIDE_OVERHEAD] + steps)
    return int(max(cycles - state[at.H_DIVIDE_MINIMUM], 0))


def _make_on_code(sources: int) -> Any:
    @cfunc(types.void(types.voidptr, types.uint64, types.uint32, types.voidptr), cache=True)  # type: ignore[untyped-decorator]
    def on_code(_engine: Any, raw_address: Any, _size: Any, user: Any) -> None:  # noqa: PLR0912  (a branch for each kind of check)
        """UC_HOOK_CODE at single addresses: breakpoints, and checks that could not be made at the block's entry."""
        if sources == 0:
            return
        state = carray(user, (_TOTAL,), np.int64)
        address = np.int64(raw_address)
        if state[at.H_STOP] != at.STOP_NONE:
            return
        slot = check_slot(address)
        while True:
            check = at.CHECKS + at.CHECK_WORDS * slot
            if state[check] == address + 1:
                break
            if state[check] == 0:
                return
            slot = (slot + 1) & (at.CHECK_SLOTS - 1)
        kind = state[check + 1]
        armed = address != state[at.H_PASS]
        if not armed:
            state[at.H_PASS] = -1
        if armed and (
            kind & (at.CHECK_BREAK | at.CHECK_DOUBLE) or (kind & at.CHECK_FPU and state[at.H_FPU_ENABLED] == 0)
        ):
            stop(state, at.STOP_CHECK, address)
            return
        if kind & (at.CHECK_ADDRESS_BITS | at.CHECK_DIVIDE | at.CHECK_QUOTIENT):
            snapshot(state)
        if armed and kind & at.CHECK_DIVIDE and load_word(state[at.H_REGISTERS] + 4 * state[check + 2]) == 0:
            stop(state, at.STOP_CHECK, address)
            return
        if kind & at.CHECK_ADDRESS_BITS:
            target = load_word(state[at.H_REGISTERS] + 4 * state[check + 2]) + state[check + 5]
            if state[check + 3] >= 0:
                target += load_word(state[at.H_REGISTERS] + 4 * state[check + 3]) << state[check + 4]
            target &= 0xFFFFFFFF
            if armed and kind & at.CHECK_ALIGN and target & state[check + 6]:
                stop(state, at.STOP_CHECK, address)
                return
            if kind & at.CHECK_READ and state[at.H_WAIT_STATES] + state[at.H_FILL]:
                state[at.H_CYCLES] += data_stall(state, target, state[check + 7])
        if kind & at.CHECK_QUOTIENT:
            state[at.H_CYCLES] += divide_cycles(state, check)
        if kind & at.CHECK_EVENT:
            state[at.H_EVENT] = 1

    return on_code


@cfunc(types.uint8(types.voidptr, types.uint64, types.int32, types.voidptr, types.voidptr), cache=True)  # type: ignore[untyped-decorator]
def on_fill(_engine: Any, raw_address: Any, access: Any, entry: Any, user: Any) -> Any:
    """UC_HOOK_TLB_FILL: map a page to itself. User data is a byte for each page of the SRAM region, 1 where code ran.

    A page of SRAM that no code ran from yet is not executable: Unicorn makes every store to a page that may hold code a slow one (40 ns
    instead of 3), and with the core's own map all of SRAM may.
    """
    executed = carray(user, (SRAM_PAGES,), np.uint8)
    result = carray(entry, (2,), np.uint64)  # uc_tlb_entry: the physical address, then the permissions as an int
    page = np.int64(raw_address) // PAGE_BYTES
    data_only = False
    if SRAM_BEGIN <= page * PAGE_BYTES < SRAM_END:
        place = page - SRAM_BEGIN // PAGE_BYTES
        if access == _FETCH:
            executed[place] = 1
        data_only = executed[place] == 0
    result[0] = page * PAGE_BYTES
    result[1] = _READ_WRITE if data_only else _ALL
    return 1


on_block = _make_on_block(_SOURCES)
on_code = _make_on_code(_SOURCES)
fetch_for_region, read_for_region = _make_for_regions(_SOURCES)
