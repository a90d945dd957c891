"""Decoding fault registers (ARM DDI 0403E.e B3.2.15, B3.2.16)."""

import pytest

from bench.target.fault import Fault
from bench.target.overflow import Overflow

FRAME = (1, 2, 3, 4, 5, 0x0800_0101, 0x0800_0200, 0x0100_0000)


def locate(address: int) -> str:
    return {0x0800_0200: "kernel at kernel.c:7", 0x0800_0101: "caller at main.c:3"}[address]


def fault(cfsr: int, hfsr: int = 1 << 30, frame: tuple[int, ...] | None = FRAME) -> Fault:
    return Fault(cfsr=cfsr, hfsr=hfsr, mmfar=0x1111, bfar=0x2222, sp=0x1FFF_FFE0, exc_return=0xFFFF_FFF9, frame=frame)


@pytest.mark.parametrize(
    ("bit", "name"),
    [
        (0, "IACCVIOL"),
        (9, "PRECISERR"),
        (12, "STKERR"),
        (16, "UNDEFINSTR"),
        (19, "NOCP"),
        (24, "UNALIGNED"),
        (25, "DIVBYZERO"),
    ],
)
def test_each_status_bit_has_its_name(bit: int, name: str) -> None:
    causes = fault(1 << bit).causes()
    assert [cause.split(":")[0] for cause in causes] == [name, "FORCED"]


def test_a_precise_bus_error_tells_address_function_and_caller() -> None:
    lines = fault(1 << 9 | 1 << 15).describe(locate).splitlines()
    assert "address: 0x00002222" in lines
    assert "at:      kernel at kernel.c:7" in lines
    assert "from:    caller at main.c:3" in lines


def test_an_address_is_told_only_where_it_is_valid() -> None:
    assert "address" not in fault(1 << 9).describe(locate)
    assert "0x00001111" in fault(1 << 1 | 1 << 7).describe(locate)


def test_without_a_frame_the_stack_pointer_is_told() -> None:
    assert "0x1fffffe0" in fault(1 << 12, frame=None).describe(locate)


def test_no_status_bit_at_all_is_said() -> None:
    assert fault(0, hfsr=0).describe(locate).startswith("no fault status bit")


def test_a_lost_frame_names_the_function_and_the_call() -> None:
    overflow = Overflow(0x0800_0101, 0x0800_0200, 48, exactly=True)
    lost = Fault(1 << 12, 1 << 30, 0, 0, 0x1FFF_FFE0, 0xFFFF_FFF9, None, overflow)
    lines = lost.describe(locate).splitlines()
    assert "in:      kernel at kernel.c:7, which takes 48 bytes of stack" in lines
    assert "called from: caller at main.c:3" in lines
    assert lost.where(locate) == "kernel at kernel.c:7: stack overflow, SP 0x1fffffe0"
    assert fault(1 << 12, frame=None).where(locate) == "an unknown place: stack overflow, SP 0x1fffffe0"
