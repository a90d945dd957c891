"""The mailbox: the one place where host and target talk, and the one place where its layout is written down.

``firmware_templates/mailbox.h.j2`` is rendered from ``FIELDS`` and asserts every offset when it is compiled. All fields are little-endian
32-bit words. The host writes its fields while the core is halted, counts ``sequence`` up and lets the core run; the target answers by
``done_sequence`` and stops.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, fields
from enum import IntEnum

MAGIC = 0x42454E43
MAX_REPEATS = 64
CLOCK_AS_RESET = 0xFFFFFFFF
"""Clock index that leaves the clock as reset left it."""

STACK_PAINT = 0xC5C5C5C5
"""What the harness fills the free stack with before it looks how deep a call goes."""


class State(IntEnum):
    """What the target is doing."""

    READY = 1
    RUNNING = 2
    DONE = 3
    FAULT = 4


class Command(IntEnum):
    """What the host asks for."""

    CYCLES = 1
    ENERGY = 2


class TargetErrorCode(IntEnum):
    """Why the target gave up, with what to do in ``explain``."""

    NONE = 0
    ARGUMENT = 1
    CLOCK_INDEX = 2
    HSI = 3
    HSE = 4
    PLL = 5
    OVERDRIVE = 6
    VOLTAGE_SCALE = 7
    WAIT_STATES = 8
    CLOCK_SWITCH = 9
    STILL_ATTACHED = 10
    UNSTABLE_OUTPUT = 11
    MSI = 12
    LIBRARY_SCRATCH = 13
    LIBRARY_STATUS = 14


EXPLANATION = {
    TargetErrorCode.ARGUMENT: "the host sent an argument out of range",
    TargetErrorCode.CLOCK_INDEX: "the image has no such clock",
    TargetErrorCode.HSI: "the internal oscillator (HSI) did not start",
    TargetErrorCode.MSI: "the multi-speed oscillator (MSI) did not get ready",
    TargetErrorCode.HSE: "the external clock (HSE) did not start: check the ST-LINK's MCO and the solder bridges that carry it",
    TargetErrorCode.PLL: "the PLL did not lock or did not stop",
    TargetErrorCode.OVERDRIVE: "the over-drive did not switch",
    TargetErrorCode.VOLTAGE_SCALE: "the regulator did not reach its voltage scale",
    TargetErrorCode.WAIT_STATES: "FLASH_ACR did not take the wait states",
    TargetErrorCode.CLOCK_SWITCH: "the system clock did not switch over",
    TargetErrorCode.STILL_ATTACHED: "the debug port was not released before the energy run",
    TargetErrorCode.UNSTABLE_OUTPUT: "the kernel's output changed between repetitions",
    TargetErrorCode.LIBRARY_SCRATCH: "this version of the kernel library asks for more scratch memory than its adapter gives it",
    TargetErrorCode.LIBRARY_STATUS: "the kernel library refused its arguments: this version does not do what its adapter asks for",
}


@dataclass(frozen=True, slots=True)
class Field:
    """A field of ``count`` words at byte ``offset``."""

    name: str
    count: int
    help: str
    offset: int


_SPEC: tuple[tuple[str, int, str], ...] = (
    ("magic", 1, "MAILBOX_MAGIC once the harness runs"),
    ("image_id", 2, "first words of the digest of the sources"),
    ("state", 1, "STATE_"),
    ("error", 1, "ERROR_ of the last command"),
    ("sequence", 1, "host: counts commands"),
    ("done_sequence", 1, "the last command that was finished"),
    ("command", 1, "host: COMMAND_"),
    ("clock_index", 1, "host: entry of the clock table"),
    ("input_seed", 1, "host: seed of the inputs"),
    ("input_pattern", 1, "host: 0 random, 1 edge values at random, 2 + i edge value i"),
    ("warmup", 1, "host: calls before the first that counts"),
    ("repeats", 1, "host: calls counted one by one, 1..MAX_REPEATS"),
    ("loops", 1, "host: calls in the energy window"),
    ("settle_ticks", 1, "host: sleep before the window, ticks of the APB1 timers"),
    ("idle_ticks", 1, "host: sleep after the window, ticks of the APB1 timers"),
    ("window_cycles", 1, "cycles counted over the energy window"),
    ("loop_empty_cycles", 1, "cycles of the same loop around min(loops, 16) calls of the empty kernel"),
    ("output_digest", 1, "FNV-1a of the output"),
    ("stack_bytes", 1, "how deep one call of the kernel goes"),
    ("clock_registers", 6, "read back after a switch: clock, regulator and flash registers, the family's choice"),
    ("fault_exc_return", 1, "LR on entry to the fault handler"),
    ("fault_sp", 1, "stack pointer on entry"),
    ("fault_cfsr", 1, "configurable fault status"),
    ("fault_hfsr", 1, "hard fault status"),
    ("fault_mmfar", 1, "memory management fault address"),
    ("fault_bfar", 1, "bus fault address"),
    ("fault_frame_valid", 1, "whether the stacked frame lay in the stack"),
    ("fault_frame", 8, "r0 r1 r2 r3 r12 lr pc xpsr"),
    ("kernel_cycles", MAX_REPEATS, "cycles of each call of the kernel"),
    ("empty_cycles", MAX_REPEATS, "cycles of each call of the empty kernel"),
)


def _place() -> tuple[Field, ...]:
    placed, offset = [], 0
    for name, count, text in _SPEC:
        placed.append(Field(name, count, text, offset))
        offset += 4 * count
    return tuple(placed)


FIELDS: tuple[Field, ...] = _place()
SIZE_BYTES: int = FIELDS[-1].offset + 4 * FIELDS[-1].count
OFFSET = {field.name: field.offset for field in FIELDS}


def constants() -> list[tuple[str, int]]:
    """Return the names and values that the C side needs."""
    return [
        ("MAILBOX_MAGIC", MAGIC),
        ("MAX_REPEATS", MAX_REPEATS),
        ("CLOCK_AS_RESET", CLOCK_AS_RESET),
        ("STACK_PAINT", STACK_PAINT),
        *((f"STATE_{state.name}", int(state)) for state in State),
        *((f"COMMAND_{command.name}", int(command)) for command in Command),
        *((f"ERROR_{code.name}", int(code)) for code in TargetErrorCode),
    ]


@dataclass(frozen=True, slots=True)
class Request:
    """What the host writes: each field is the mailbox's of the same name."""

    sequence: int
    command: Command
    clock_index: int
    input_seed: int
    warmup: int = 0
    repeats: int = 0
    loops: int = 0
    settle_ticks: int = 0
    idle_ticks: int = 0
    input_pattern: int = 0

    def words(self) -> dict[str, int]:
        """Return the value of every field that the host writes."""
        return {field.name: int(getattr(self, field.name)) & 0xFFFFFFFF for field in fields(self)}


class Report:
    """What the target wrote: every field of the mailbox by name, one word as an int, several as a tuple."""

    def __init__(self, data: bytes) -> None:
        if len(data) != SIZE_BYTES:
            raise ValueError(f"a mailbox has {SIZE_BYTES} bytes, got {len(data)}")
        words = struct.unpack(f"<{SIZE_BYTES // 4}I", data)
        self._words = {field.name: words[field.offset // 4 : field.offset // 4 + field.count] for field in FIELDS}

    def word(self, name: str) -> int:
        """Return the first word of field ``name``."""
        return int(self._words[name][0])

    def words(self, name: str) -> tuple[int, ...]:
        """Return all words of field ``name``."""
        return self._words[name]
