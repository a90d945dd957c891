"""A small firmware: kernel and workload sections, initialised data, assembler, code that the linker drops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bench.build import BuildCache, BuiltImage, SourceTree, Toolchain, build, find_toolchain

LINKER_SCRIPT = """\
ENTRY(reset_handler)
MEMORY
{
    FLASH (rx) : ORIGIN = 0x08000000, LENGTH = 512K
    RAM (rwx) : ORIGIN = 0x20000000, LENGTH = 128K
}
SECTIONS
{
    .vectors : { KEEP(*(.vectors)) } > FLASH
    .kernel_text : ALIGN(64) { *kernel.o(.text .text.*) } > FLASH
    .kernel_rodata : ALIGN(16) { *kernel.o(.rodata .rodata.*) } > FLASH
    .workload_rodata : ALIGN(16) { *(.workload_rodata) } > FLASH
    .text : ALIGN(16) { *(.text .text.*) } > FLASH
    .rodata : ALIGN(4) { *(.rodata .rodata.*) } > FLASH
    .data : ALIGN(4) { *(.data .data.*) } > RAM AT > FLASH
    .bss (NOLOAD) : ALIGN(4) { *(.bss .bss.*) } > RAM
    .workload_ram (NOLOAD) : ALIGN(16) { *(.workload_ram) } > RAM
    /DISCARD/ : { *(.ARM.exidx*) }
}
"""

MAIN = """\
#include "kernel.h"

extern const float weights[16];
__attribute__((section(".workload_ram"))) float buffer[64];
volatile int counter = 7;
static volatile int zeroed;

int dropped(int x) { return x + 1; }

static __attribute__((noinline)) int local(int x)
{
    counter += x;
    return counter;
}

int main(void)
{
    zeroed = local(3);
    return (int)kernel(buffer, weights, 16);
}
"""

KERNEL = """\
#include "kernel.h"

static const float scale[4] = {1.0f, 2.0f, 3.0f, 5.0f};

static __attribute__((noinline)) float helper(float x, int i)
{
    return x * scale[i & 3];
}

float kernel(const float *input, const float *weights, int n)
{
    float sum = 0.0f;
    for (int i = 0; i < n; i++)
        sum += helper(input[i] * weights[i], i);
    return sum;
}
"""

STARTUP = """\
    .syntax unified
    .thumb
    .section .vectors, "a"
    .word 0x20020000
    .word reset_handler
    .section .text.reset_handler, "ax"
    .global reset_handler
    .thumb_func
    .type reset_handler, %function
reset_handler:
    bl main
    b .
    .size reset_handler, . - reset_handler
"""

WEIGHTS = """\
extern const float weights[16];
__attribute__((section(".workload_rodata"))) const float weights[16] = {0.5f, 1.5f};
"""


@pytest.fixture(scope="session")
def toolchain() -> Toolchain:
    return find_toolchain()


@pytest.fixture(scope="session")
def tree() -> SourceTree:
    return SourceTree(
        files={
            "main.c": MAIN,
            "kernel.c": KERNEL,
            "kernel.h": "float kernel(const float *input, const float *weights, int n);\n",
            "data/weights.c": WEIGHTS,
            "startup.S": STARTUP,
            "link.ld": LINKER_SCRIPT,
        },
        linker_script="link.ld",
        machine_flags=("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"),
        compile_flags=("-O1", "-ffreestanding", "-Wall", "-Wextra", "-Werror"),
        file_flags={"kernel.c": ("-O3",)},
        origins={"main.c": "main.c.j2", "kernel.c": "kernels/conv2d.c.j2", "startup.S": "startup.S.j2"},
    )


@pytest.fixture
def cache(tmp_path: Path) -> BuildCache:
    return BuildCache(tmp_path / "cache")


@pytest.fixture(scope="session")
def image(tree: SourceTree, toolchain: Toolchain, tmp_path_factory: pytest.TempPathFactory) -> BuiltImage:
    return build(tree, toolchain, BuildCache(tmp_path_factory.mktemp("image")))


@pytest.fixture
def edited(tree: SourceTree) -> Callable[..., SourceTree]:
    """The tree with some files replaced: ``edited({"main.c": text}, compile_flags=(...))``."""

    def edit(files: dict[str, str], **changes: object) -> SourceTree:
        return replace(tree, files={**tree.files, **files}, **changes)  # type: ignore[arg-type]

    return edit
