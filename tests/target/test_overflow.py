"""Who overflowed the stack, from what is left of it (bench/target/overflow.py)."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.target.overflow import call_target, find, is_call, stacked_from

BASE, FLASH = 0x2000_0000, 0x0800_0000
STACK_BYTES = 256
PAINT = b"\xc5" * 4


@dataclass(frozen=True)
class Function:
    """A frame; its code calls ``calls`` by BL."""

    address: int
    depths_bytes: tuple[int, ...]
    return_offset: int | None = None
    calls: tuple[int, ...] = ()
    size_bytes: int = 64


def bl(at: int, to: int) -> bytes:
    """Encode BL (ARM DDI 0403E.e A7.7.18, T1)."""
    offset = to - at - 4
    sign, value = int(offset < 0), offset & 0x1FF_FFFF
    j1, j2 = (1 ^ (value >> 23 & 1) ^ sign), (1 ^ (value >> 22 & 1) ^ sign)
    first = 0xF000 | sign << 10 | value >> 12 & 0x3FF
    second = 0xD000 | j1 << 13 | j2 << 11 | value >> 1 & 0x7FF
    return first.to_bytes(2, "little") + second.to_bytes(2, "little")


class Machine:
    """Functions in flash, and a stack on which their frames are put one by one."""

    def __init__(self, functions: list[Function]) -> None:
        self.code = bytearray(b"\x00\xbf" * 2048)
        self.functions = functions
        self.returns: dict[tuple[int, int | None], int] = {}
        for function in functions:
            at = function.address + 4
            for called in function.calls:
                self.code[at - FLASH : at - FLASH + 4] = bl(at, called)
                self.returns[function.address, called] = at + 4
                at += 8
            self.code[at - FLASH : at - FLASH + 2] = b"\x98\x47"  # blx r3
            self.returns[function.address, None] = at + 2
        self.stack = bytearray(PAINT * (STACK_BYTES // 4))
        self.sp = BASE + STACK_BYTES

    def read(self, address: int, size: int) -> bytes:
        return (
            bytes(self.code[address - FLASH : address - FLASH + size]) if 0 <= address - FLASH < len(self.code) else b""
        )

    def enter(self, function: Function, caller: Function | None = None, *, indirectly: bool = False) -> bool:
        """Do a call and the prologue; False: a push left the RAM, and with it SP did not move."""
        saved = function.return_offset
        first = function.depths_bytes[1] if len(function.depths_bytes) > 1 else 0
        if saved is not None and self.sp - first < BASE:
            return False
        if saved is not None:
            back = self.returns[caller.address, None if indirectly else function.address] if caller else 0
            offset = self.sp + saved - BASE
            self.stack[offset : offset + 4] = (back | (1 if caller else 0)).to_bytes(4, "little")
        self.sp -= function.depths_bytes[-1]
        return True

    def found(self, exc_return: int = 0xFFFF_FFF9) -> int | None:
        """The function found after a fault here, where it is exactly known."""
        pushed = self.sp - (32 if exc_return & 0x10 else 104)
        overflow = find(bytes(self.stack), BASE, stacked_from(pushed & ~7, exc_return), self.read, self.functions)
        return overflow.function if overflow is not None and overflow.exactly else None


HARNESS = Function(FLASH + 0x400, (0, 16), -4)
LARGE = Function(FLASH + 0x100, (0, 512, 520))
HELPER = Function(FLASH + 0x180, (0, 8, 64), -4)
RECURSIVE = Function(FLASH + 0x200, (0, 24), -4, calls=(FLASH + 0x200,))
KERNEL = Function(FLASH + 0x300, (0, 24, 40), -4, calls=(LARGE.address, HELPER.address, RECURSIVE.address))
START = Function(FLASH + 0x500, (0, 8), None, calls=(HARNESS.address,))
ALL = [LARGE, HELPER, RECURSIVE, KERNEL, HARNESS, START]


def machine_in(kernel: Function) -> Machine:
    machine = Machine([*ALL[:3], kernel, *ALL[4:]] if kernel is not LARGE else ALL)
    assert machine.enter(START)
    assert machine.enter(HARNESS, START)
    machine.enter(kernel, HARNESS, indirectly=True)
    return machine


def test_a_large_frame_in_the_kernel_itself() -> None:
    assert machine_in(LARGE).found() == LARGE.address


def test_a_large_frame_in_a_function_that_calls_nothing() -> None:
    machine = machine_in(KERNEL)
    machine.enter(LARGE, KERNEL)
    assert machine.found() == LARGE.address
    assert machine.found(exc_return=0xFFFF_FFE9) == LARGE.address


def test_a_large_frame_of_a_kernel_that_saves_its_return_address() -> None:
    kernel = Function(KERNEL.address, (0, 24, 1000), -4)
    assert machine_in(kernel).found() == kernel.address


def test_the_push_of_a_recursion() -> None:
    machine = machine_in(KERNEL)
    assert machine.enter(RECURSIVE, KERNEL)
    while machine.enter(RECURSIVE, RECURSIVE):
        pass
    assert machine.sp >= BASE
    assert machine.found() == RECURSIVE.address


def test_where_sizes_do_not_tell_the_called_function_is_named() -> None:
    machine = machine_in(KERNEL)
    machine.enter(HELPER, KERNEL)
    machine.sp -= 0x1234 & ~7  # as after an alloca
    overflow = find(bytes(machine.stack), BASE, stacked_from(machine.sp - 32, 0xFFFF_FFF9), machine.read, ALL)
    assert overflow is not None
    assert overflow.function == HELPER.address
    assert not overflow.exactly
    assert overflow.where(hex) == f"{HELPER.address:#x}, or what it calls"


def test_two_that_fit_alike_are_not_told_apart() -> None:
    twin = Function(FLASH + 0x280, LARGE.depths_bytes)
    kernel = Function(KERNEL.address, (0, 24), -4, calls=(LARGE.address, twin.address))
    machine = Machine([LARGE, twin, kernel, HARNESS, START])
    machine.enter(START)
    machine.enter(HARNESS, START)
    machine.enter(kernel, HARNESS, indirectly=True)
    machine.enter(LARGE, kernel)
    assert machine.found() is None


def test_a_stack_without_a_call_tells_nothing() -> None:
    assert find(PAINT * 64, BASE, (BASE - 8,), Machine(ALL).read, ALL) is None
    assert find(b"", BASE, (BASE - 8,), Machine(ALL).read, ALL) is None


@pytest.mark.parametrize(
    ("code", "is_one"),
    [
        ("00f012f8", True),  # bl
        ("00bf9847", True),  # nop; blx r3
        ("00bf7047", False),  # nop; bx lr
        ("00f012b8", False),  # b.w
        ("00bf00bf", False),
        ("", False),
    ],
)
def test_calls_are_told_from_jumps(code: str, is_one: bool) -> None:
    assert is_call(bytes.fromhex(code)) == is_one


@given(st.integers(-(1 << 23), (1 << 23) - 1))
def test_the_target_of_a_call_is_read_off_its_code(halfwords: int) -> None:
    at = 0x0900_0000
    to = at + 4 + 2 * halfwords
    assert call_target(bl(at, to), at) == to
    assert call_target(bytes.fromhex("00bf9847"), at) is None
