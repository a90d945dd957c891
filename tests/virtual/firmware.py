"""Tiny firmware for virtual boards, compiled by the tests."""

from __future__ import annotations

import subprocess
from pathlib import Path

_LINKER = """
MEMORY { FLASH (rx) : ORIGIN = 0x08000000, LENGTH = 512K  RAM (rwx) : ORIGIN = 0x20000000, LENGTH = 128K }
ENTRY(Reset_Handler)
SECTIONS {
  .vectors : { KEEP(*(.vectors)) } > FLASH
  .text : { *(.text*) *(.rodata*) } > FLASH
  .bss (NOLOAD) : { *(.bss*) *(.data*) } > RAM
}
"""

_HEADER = """
#include <stdint.h>
#define REG(a) (*(volatile uint32_t *)(a))
"""

_START = (
    _HEADER
    + """
int main(void);
volatile uint32_t fault_seen, fault_cfsr, fault_bfar;
void Reset_Handler(void) { main(); for (;;) __asm volatile("bkpt 0"); }
void HardFault_Handler(void) {
  fault_cfsr = REG(0xE000ED28); fault_bfar = REG(0xE000ED38); fault_seen = 0xFA17u;
  for (;;) __asm volatile("bkpt 1");
}
__attribute__((weak)) void TIM2_Handler(void) { for (;;) __asm volatile("bkpt 2"); }
__attribute__((section(".vectors"), used)) void (*const vectors[16 + 64])(void) = {
  (void (*)(void))0x20020000, Reset_Handler, [3] = HardFault_Handler, [16 + 28] = TIM2_Handler,
};
"""
)


def compile_firmware(directory: Path, source: str, name: str = "firmware") -> Path:
    """Compile C ``source`` (with ``main`` and the macro REG) for a Cortex-M4 and return the ELF; debug information included."""
    c_file, script, elf = directory / f"{name}.c", directory / "link.ld", directory / f"{name}.elf"
    start = directory / "start.c"
    start.write_text(_START)
    c_file.write_text(_HEADER + source)
    script.write_text(_LINKER)
    subprocess.run(
        ["arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb", "-O1", "-g", "-ffreestanding", "-nostdlib", "-nostartfiles",
         f"-T{script}", "-Wl,--build-id=none", "-o", str(elf), str(start), str(c_file)],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    return elf


def symbol(elf: Path, name: str) -> int:
    """Return the address of a symbol."""
    table = subprocess.run(
        ["arm-none-eabi-nm", str(elf)], check=True, capture_output=True, text=True, timeout=60
    ).stdout
    return next(int(line.split()[0], 16) for line in table.splitlines() if line.split()[-1] == name)


def image(elf: Path) -> bytes:
    """Return the flash content from 0x08000000 on."""
    binary = elf.with_suffix(".bin")
    subprocess.run(
        ["arm-none-eabi-objcopy", "-O", "binary", "-j", ".vectors", "-j", ".text", str(elf), str(binary)],
        check=True,
        timeout=60,
    )
    return binary.read_bytes()
