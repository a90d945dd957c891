"""How much stack each function takes, by the call frame information that the compiler leaves for debuggers.

Ref: DWARF Debugging Information Format, Version 5, §6.4 (call frame information); Arm IHI 0040 (DWARF for the Arm Architecture), §3.1:
13 is SP, 14 is LR; the canonical frame address is what SP was before the call.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

from elftools.dwarf.callframe import FDE, RegisterRule
from elftools.elf.elffile import ELFFile

_SP, _LR = 13, 14


@dataclass(frozen=True, slots=True)
class StackFrame:
    """What the function at ``address``, of ``size_bytes`` of code, has on the stack.

    ``depths_bytes``, ascending from 0: how far SP is below its value at the entry, after each step of the prologue. ``return_offset``: where
    the return address is saved, from SP at the entry (so negative, in bytes); None: it stays in LR.
    """

    address: int
    size_bytes: int
    depths_bytes: tuple[int, ...]
    return_offset: int | None


def read_frames(content: bytes) -> tuple[StackFrame, ...]:
    """Read the frames of an ELF image, sorted by address. Damaged or missing information gives none: it costs only a name in a message."""
    try:
        dwarf = ELFFile(io.BytesIO(content)).get_dwarf_info()
        if not dwarf.has_CFI():
            return ()
        frames = [_frame(entry) for entry in dwarf.CFI_entries() if isinstance(entry, FDE)]
    except Exception:
        return ()
    # What the linker dropped is left at address 0, where no code is.
    return tuple(sorted((frame for frame in frames if frame.address), key=lambda frame: frame.address))


def _frame(entry: FDE) -> StackFrame:
    depths, saved = {0}, None
    for row in entry.get_decoded().table:
        if row["cfa"].reg == _SP and row["cfa"].offset is not None:
            depths.add(row["cfa"].offset)
        rule = row.get(_LR)
        if rule is not None and rule.type == RegisterRule.OFFSET:
            saved = rule.arg
    header = entry.header
    return StackFrame(header["initial_location"] & ~1, header["address_range"], tuple(sorted(depths)), saved)
