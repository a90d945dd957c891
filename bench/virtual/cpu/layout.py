"""The state that the native hooks share with Python: one array of 64-bit integers, header words (H_*), then tables."""

from __future__ import annotations

from typing import Final

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
H_LAST_LINE: Final = 35  # line in the fetch buffer, or -2; H_FRESH: it is to be taken from the current block instead
H_LINE_TIME: Final = 36  # cycle at which it arrived
H_FRESH: Final = 37  # the current block was found resident and left H_LAST_LINE and H_LINE_TIME alone
H_ILINES: Final = 38
H_DLINES: Final = 39
H_LINE_SHIFT: Final = 40
H_STALL_LINES: Final = 41  # flash lines recorded for the current block
H_STALL_READS: Final = 42  # flash reads recorded for the current block
H_GENERATION: Final = 43  # counts evictions from the instruction cache; see flashport.py
H_TOUCHED: Final = 44  # how many blocks are in TOUCHED
H_TICK: Final = 45  # data reads, for least recently used
H_FILL: Final = 46  # cycles that a line costs besides the wait states
H_IWAYS: Final = 47
H_DWAYS: Final = 48
H_INSTRUCTION_FILLS: Final = 49  # lines fetched from flash for instructions, in all (counted with wait states only)
H_DATA_FILLS: Final = 50  # lines, or words without the data cache, fetched for data
H_DLINE_SLOTS: Final = 51  # index of the table flash line -> 1 + slot in DCACHE
# division.
H_DIVIDE_MINIMUM: Final = 56
H_DIVIDE_MAXIMUM: Final = 57
H_DIVIDE_OVERHEAD: Final = 58
H_DIVIDE_BITS: Final = 59
# translated regions (translate/).
H_TRANSLATE: Final = 64  # regions may be entered
H_SELF: Final = 65  # address of this array
H_READ_REGISTER: Final = 66  # uc_reg_read
H_WRITE_REGISTER: Final = 67  # uc_reg_write
H_FETCH_FUNCTION: Final = 68  # flashport.fetch_stalls
H_READ_FUNCTION: Final = 69  # flashport.data_stall
H_XPSR: Final = 70  # before, and behind a region
H_FPSCR: Final = 71
H_CONTROL: Final = 72
H_NEXT_PC: Final = 73
HEADER_WORDS: Final = 80

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
EDGE_WORDS: Final = 4  # key + 1, block, cycles, 2 x cycles when mispredicted + taken
EDGE_SLOTS: Final = 1 << 16
EDGE_LIMIT: Final = EDGE_SLOTS // 2
BLOCKS: Final = EDGES + EDGE_WORDS * EDGE_SLOTS
BLOCK_WORDS: Final = 32
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
B_NEXT: Final = 14  # address | size << 32 of the block that came next last time, and its edge; then another such pair
B_COUNT: Final = 18  # how often the block was entered
B_GENERATION: Final = 19  # all its lines were in the instruction cache when H_GENERATION was this
B_ENTERED: Final = 20  # cycle at which it was entered last, kept while it is resident
B_CHECKED: Final = 22  # there is something for may_enter to look at
B_SIMPLE: Final = 24  # the windows' (constant, register) when each is a constant + one register: SIMPLE_WINDOWS of them, repeated to fill
B_HAS_SIMPLE: Final = 23
B_COUNTER: Final = (
    30  # index of the B_PREDICTED that serves the branch at the block's end: blocks that end in one branch share it
)
B_PREDICTED: Final = 21  # two-bit counter: 2 and 3 say taken
B_REGION: Final = 31  # 1 + number of the translated region that may be entered here | which of its entries << 32
SIMPLE_WINDOWS: Final = 3
FLAG_FPU: Final = 1
FLAG_MASKS: Final = 2  # ends with an instruction that may unmask exceptions

FORMS: Final = BLOCKS + BLOCK_WORDS * BLOCK_SLOTS
FORM_WORDS: Final = 8  # constant, mask or bytes, (register, coefficient) x 3
FORM_SLOTS: Final = 1 << 16
PAGE_FORMS: Final = 2048  # more forms, or checks, than the instructions of one page can want
LINE_TIMES: Final = FORMS + FORM_WORDS * FORM_SLOTS
LINE_TIME_WORDS: Final = (
    2  # cycle within the block at which a line is needed, and how many cycles before it is asked for
)
LINE_TIME_SLOTS: Final = 1 << 16
CHECKS: Final = LINE_TIMES + LINE_TIME_WORDS * LINE_TIME_SLOTS
CHECK_WORDS: Final = 8  # address + 1, kind bits, base, index (-1), shift, offset, mask, bytes
CHECK_SLOTS: Final = 1 << 13
CHECK_LIMIT: Final = CHECK_SLOTS // 2
CHECK_BREAK: Final = 1  # stop
CHECK_ALIGN: Final = 2
CHECK_READ: Final = 4  # a load that may go to flash
CHECK_FPU: Final = 8  # stop when the FPU is off
CHECK_DIVIDE: Final = 16  # stop when the divisor (register `base`) is zero
CHECK_EVENT: Final = 32  # SEV
CHECK_QUOTIENT: Final = (
    64  # a division: dividend in register `index`, signed when `shift`; costs what its operands make it cost
)
CHECK_DOUBLE: Final = 128  # stop at double precision, which the FPU does not have
CHECK_ADDRESS_BITS: Final = CHECK_ALIGN | CHECK_READ
DCACHE: Final = CHECKS + CHECK_WORDS * CHECK_SLOTS  # (tag, tick) pairs
DCACHE_SLOTS: Final = 256
ICACHE: Final = DCACHE + 2 * DCACHE_SLOTS  # (tag, tick) pairs
ICACHE_SLOTS: Final = 256
TOUCHED: Final = ICACHE + 2 * ICACHE_SLOTS  # blocks found resident since the last eviction
REGIONS: Final = TOUCHED + BLOCK_SLOTS
REGION_WORDS: Final = 8
REGION_SLOTS: Final = 256
R_FUNCTION: Final = 0
R_TABLE: Final = 1
R_FLOATING: Final = 2  # has instructions of the FPU
R_ENTERED: Final = 3  # how often
R_CYCLES: Final = 4  # spent inside
LINE_SLOTS: Final = (
    REGIONS + REGION_WORDS * REGION_SLOTS
)  # flash line -> 1 + slot in ICACHE, 0: not cached; as long as the flash has lines
