"""Who overflowed the stack, worked out from what the overflow leaves.

The stack lies at the bottom of the RAM, so that running over its end faults, with a debugger or without. But then the core cannot push the
frame that says where it was: the faulting instruction is lost (ARM DDI 0403E.e B1.5.6). What is left is the stack pointer, which was moved
though nothing was stored, and the return addresses that were pushed before. The innermost of these names a call; the function called and
those it calls have frames of known sizes; the one whose frame ends where the stack pointer stood is the one that ran.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

_EXC_RETURN_BASIC = 1 << 4
_BASIC_BYTES, _EXTENDED_BYTES = 32, 104
_PADDING_BYTES = 4

Locator = Callable[[int], str]
"""Turns a code address into text: the address, function, file and line."""

ReadCode = Callable[[int, int], bytes]
"""Returns so many bytes at an address; none where no code can be."""


class Frame(Protocol):
    """What a function, ``size_bytes`` of code at ``address``, takes of the stack; see bench/build/frames.py."""

    @property
    def address(self) -> int: ...
    @property
    def size_bytes(self) -> int: ...
    @property
    def depths_bytes(self) -> tuple[int, ...]: ...
    @property
    def return_offset(self) -> int | None: ...


@dataclass(frozen=True, slots=True)
class Overflow:
    """``call`` is the address of the innermost call that the stack still shows, ``function`` that of the function that overflowed.

    ``frame_bytes`` is what that function takes by itself. None: not found. ``exactly``: sizes and stack pointer fit that function and no
    other; else it is the function that was called, and something that it calls in turn may be meant.
    """

    call: int
    function: int | None = None
    frame_bytes: int | None = None
    exactly: bool = False

    def where(self, locate: Locator) -> str:
        """Return the place, function and line, in one line."""
        if self.function is None:
            return f"what is called from {locate(self.call)}"
        return locate(self.function) if self.exactly else f"{locate(self.function)}, or what it calls"

    def describe(self, locate: Locator) -> list[str]:
        """Return what is known, one fact a line."""
        lines = []
        if self.function is not None:
            size = f", which takes {self.frame_bytes} bytes of stack" if self.frame_bytes is not None else ""
            lines.append(f"in:      {self.where(locate)}{size}")
        return [*lines, f"called from: {locate(self.call)}"]


def stacked_from(sp: int, exc_return: int) -> tuple[int, int]:
    """Return where SP may have stood when the exception frame was pushed that moved it to ``sp``: the frame may be padded to eight bytes."""
    before = sp + (_BASIC_BYTES if exc_return & _EXC_RETURN_BASIC else _EXTENDED_BYTES)
    return before, before + _PADDING_BYTES


def find(
    stack: bytes, base: int, stood: Sequence[int], read_code: ReadCode, frames: Sequence[Frame]
) -> Overflow | None:
    """Find who overflowed ``stack``, the bytes from ``base`` up. ``stood``: where SP may have stood, the likelier first; None: no call is on the stack.

    Nothing below what was in use may hold an old return address: the harness paints it before the first call.
    """
    found = _innermost_call(stack, read_code)
    if found is None:
        return None
    offset, back = found
    at, call = base + offset, back - 2  # inside the call, which is what the debug information is asked for
    target = call_target(read_code(back - 4, 4), back - 4)
    called = [frame for frame in frames if frame.return_offset is not None and target in (None, frame.address)]
    for sp in stood:
        for caller in called:
            assert caller.return_offset is not None
            entry = at - caller.return_offset
            guilty = _deepest(caller, entry, sp, base, read_code, frames)
            if guilty is not None:
                return Overflow(call, guilty.address, guilty.depths_bytes[-1], exactly=True)
    known = next((frame for frame in called if frame.address == target), None)
    return Overflow(call, target, known.depths_bytes[-1] if known else None)


def _deepest(
    caller: Frame, entry: int, sp: int, base: int, read_code: ReadCode, frames: Sequence[Frame]
) -> Frame | None:
    """Return which function ran when SP stood at ``sp``: ``caller``, entered with SP at ``entry``, or one that it calls; None: neither fits."""
    if sp < base and entry - sp in caller.depths_bytes:
        return caller
    end = entry - caller.depths_bytes[-1]
    targets = set(_direct_calls(read_code(caller.address, caller.size_bytes), caller.address))
    called = [frame for frame in frames if frame.address in targets]
    if sp == end:
        # It had room itself: the first push of a function that it calls did not.
        return _only(frame for frame in called if sp - frame.depths_bytes[-1] < base)
    # One that has not saved its return address: it calls nothing, or had not come to that.
    for among in (called, [frame for frame in frames if frame is not caller]):
        guilty = _only(frame for frame in among if end - sp in frame.depths_bytes)
        if guilty is not None:
            return guilty
    return None


def _only(frames: Iterable[Frame]) -> Frame | None:
    found = list(frames)
    return found[0] if len(found) == 1 else None


def _innermost_call(stack: bytes, read_code: ReadCode) -> tuple[int, int] | None:
    """Return offset and value, without the Thumb bit, of the lowest word in ``stack`` that a call would return to."""
    for offset in range(0, len(stack) - 3, 4):
        word = int.from_bytes(stack[offset : offset + 4], "little")
        if word & 1 and is_call(read_code((word & ~1) - 4, 4)):
            return offset, word & ~1
    return None


def is_call(code: bytes) -> bool:
    """Tell whether ``code``, the four bytes before an address, end in a call: BL, or BLX of a register (ARM DDI 0403E.e A7.7.18, A7.7.19)."""
    return _is_bl(code) or int.from_bytes(code[2:4], "little") & 0xFF87 == 0x4780


def _is_bl(code: bytes) -> bool:
    first, second = int.from_bytes(code[:2], "little"), int.from_bytes(code[2:4], "little")
    return first & 0xF800 == 0xF000 and second & 0xD000 == 0xD000


def call_target(code: bytes, address: int) -> int | None:
    """Return where the call ``code`` at ``address`` goes to; None: it is no BL (ARM DDI 0403E.e A7.7.18, encoding T1)."""
    if not _is_bl(code):
        return None
    first, second = int.from_bytes(code[:2], "little"), int.from_bytes(code[2:4], "little")
    sign = first >> 10 & 1
    i1, i2 = (1 ^ (second >> 13 & 1) ^ sign), (1 ^ (second >> 11 & 1) ^ sign)
    offset = i1 << 23 | i2 << 22 | (first & 0x3FF) << 12 | (second & 0x7FF) << 1
    return (address + 4 + offset - (sign << 24)) & 0xFFFF_FFFF


def _direct_calls(code: bytes, address: int) -> Iterable[int]:
    for at in range(0, len(code) - 3, 2):
        target = call_target(code[at : at + 4], address + at)
        if target is not None:
            yield target
