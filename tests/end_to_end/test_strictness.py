"""What a kernel must not do faults at the very instruction, and the bench names the function and the line."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from bench.boards import data_dir
from bench.build import BuildCache
from bench.domain.primitives import workload
from bench.errors import TargetFault
from bench.measure.image import Image
from bench.target.board_under_test import BoardUnderTest
from tests.end_to_end.kernels import call, load, net_cycles

KERNEL = "relu_fp32_naive.c.j2"
MARK = "/* misuse {} */"
FIRST_OVERFLOW, STACK_END = 101, 201


@dataclass(frozen=True)
class Misuse:
    """A statement of C, and what is said of it."""

    statement: str
    said: tuple[str, ...]


MISUSES = {
    "clock switch": Misuse("*(volatile uint32_t *)0x40023808U &= ~0x1C00U;", ("PRECISERR", "APB1 180 MHz is above 45 MHz")),
    "wait states": Misuse("*(volatile uint32_t *)0x40023C00U &= ~15U;", ("PRECISERR", "wait state", "RM0390")),
    "erase without unlock": Misuse("*(volatile uint32_t *)0x40023C10U = 0x10002U;", ("PRECISERR", "FLASH_CR written while it is locked")),
    "store beyond RAM": Misuse("*(volatile uint32_t *)0x20020000U = 1U;", ("PRECISERR", "0x20020000")),
    "store into flash": Misuse("*(volatile uint32_t *)0x08000000U = 1U;", ("PRECISERR", "0x08000000")),
    "unaligned VLDR": Misuse('__asm volatile("vldr s0, [%0]" : : "r"(0x20000002U) : "s0");', ("UNALIGNED",)),
    "undefined instruction": Misuse('__asm volatile("udf #0");', ("UNDEFINSTR",)),
    "double precision": Misuse('__asm volatile(".inst.w 0xEE310B02");', ("UNDEFINSTR",)),
}  # fmt: skip

OVERFLOWS = {
    "array": "int array(int n) { volatile char large[20000]; large[0] = (char)n; return large[0]; }",
    "recursion": "int recursion(int n) { volatile int some[9]; some[0] = n; return n == 0 ? 0 : recursion(n - 1) + some[0]; }",
    "leaf": "int leaf(int n) { volatile char large[6000]; large[0] = (char)n; return large[0]; }",
    "saving_leaf": 'int saving_leaf(int n) { __asm volatile("" ::: "r4", "r5", "r6", "r8", "r9", "r10", "r11", "s16", "s31"); return n; }',
    "floating": "int floating(int n) { volatile float large[5500]; large[0] = (float)n * 0.5F; return (int)large[0]; }",
}
"""Functions that overflow the stack, each called with 10,000 once the stack is full up to a few bytes where its own frame is not large."""
FILL = """
__attribute__((noipa)) int fill_{0}(int n)
{{
    volatile char most[{1}];
    most[0] = (char)n;
    return {0}(n) + most[0];
}}
"""
FILLING_BYTES = {"leaf": 4000, "saving_leaf": 8112}


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory, virtual_board: BoardUnderTest, build_cache: BuildCache) -> Image:
    """Return one image with all misuses: the seed of the inputs chooses, beginning at 1."""
    folder = tmp_path_factory.mktemp("templates")
    text = (data_dir("firmware_templates") / "kernels" / KERNEL).read_text(encoding="utf-8")
    cases = [
        f"    case {number}U: {misuse.statement} break; {MARK.format(number)}"
        for number, misuse in enumerate(MISUSES.values(), 1)
    ]
    cases.append(f"    case {STACK_END}U: stack_bottom[0] = 0U; break;")
    functions = "extern uint32_t stack_bottom[];\n"
    for number, (name, function) in enumerate(OVERFLOWS.items(), FIRST_OVERFLOW):
        functions += f"__attribute__((noipa)) {function} {MARK.format(number)}\n"
        functions += FILL.format(name, FILLING_BYTES[name]) if name in FILLING_BYTES else ""
        call = f"fill_{name}" if name in FILLING_BYTES else name
        cases.append(f"    case {number}U: args->output[0] = {call}(10000); break;")
    body, brace, _ = text.rpartition("}")
    body = body.replace(
        '#include "harness.h"',
        '#include "harness.h"\n#include "mailbox.h"\nextern volatile struct mailbox mailbox;\n' + functions,
    )
    (folder / "kernels").mkdir()
    (folder / "kernels" / KERNEL).write_text(
        "\n".join([body, "    switch (mailbox.input_seed) {", *cases, "    default: break;", "    }", brace, ""]),
        encoding="utf-8",
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_TEMPLATES", str(folder))
        return load(virtual_board, workload("relu", {"n": 16}), build_cache)


def line_of(image: Image, number: int) -> int:
    """Return the line of kernel.c that holds misuse ``number``."""
    lines = image.firmware.tree.files["kernel.c"].splitlines()
    return next(at for at, line in enumerate(lines, 1) if MARK.format(number) in line)


@pytest.mark.parametrize("name", MISUSES)
def test_a_misuse_faults_at_its_line(name: str, image: Image, virtual_board: BoardUnderTest) -> None:
    number = list(MISUSES).index(name) + 1
    virtual_board.boot(image.mailbox_address, image.firmware.image_id, image.locate, image.frames)
    with pytest.raises(TargetFault) as caught:
        call(virtual_board, image, number)
    assert f"kernel.c:{line_of(image, number)}" in caught.value.message
    assert "kernel" in caught.value.message.split("fault at")[1].split("kernel.c")[0]
    for words in MISUSES[name].said:
        assert words in caught.value.detail


@pytest.mark.parametrize("name", OVERFLOWS)
def test_an_overflow_of_the_stack_names_the_function_that_took_too_much(
    name: str, image: Image, virtual_board: BoardUnderTest
) -> None:
    number = list(OVERFLOWS).index(name) + FIRST_OVERFLOW
    virtual_board.boot(image.mailbox_address, image.firmware.image_id, image.locate, image.frames)
    with pytest.raises(TargetFault) as caught:
        call(virtual_board, image, number)
    message, detail = caught.value.message, caught.value.detail
    assert f" in {name}+0x0 at kernel.c:{line_of(image, number)}: stack overflow, SP 0x" in message
    assert "STKERR" in detail
    assert "called from: " in detail
    assert "which takes" in detail


def test_a_stack_used_to_its_last_word_is_refused(image: Image, virtual_board: BoardUnderTest) -> None:
    virtual_board.boot(image.mailbox_address, image.firmware.image_id, image.locate, image.frames)
    with pytest.raises(TargetFault, match=r"used to its end, by .*: its lowest word, at 0x20000000, reads 0x00000000"):
        call(virtual_board, image, STACK_END)


def test_without_misuse_the_kernel_runs(image: Image, virtual_board: BoardUnderTest) -> None:
    virtual_board.boot(image.mailbox_address, image.firmware.image_id, image.locate, image.frames)
    report, _ = call(virtual_board, image, len(MISUSES) + 1)
    assert net_cycles(report) > 0
