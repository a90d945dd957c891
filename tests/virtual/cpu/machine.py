"""A small machine for the tests of the emulated core: flash, RAM, a bus with a cycle counter, and an assembler."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from functools import lru_cache
from pathlib import Path

from bench.virtual.cpu import AccessFault, CoreTiming, CortexM4Timing, Cpu, Memory, Region, allocate

FLASH, RAM = 0x0800_0000, 0x2000_0000
FLASH_BYTES, RAM_BYTES = 0x2_0000, 0x8000
CODE = FLASH + 0x200
STACK = RAM + 0x4000
CYCCNT, CPACR, REFUSED, PLAIN = 0xE000_1004, 0xE000_ED88, 0x4000_F000, 0x4000_1234
FOREVER = 10**9


@lru_cache(maxsize=256)
def assemble(source: str, address: int = CODE) -> bytes:
    """Machine code of Thumb assembly ``source`` linked at ``address``."""
    compiler = shutil.which("arm-none-eabi-gcc")
    assert compiler is not None, "arm-none-eabi-gcc is needed for these tests"
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        text = f".syntax unified\n.cpu cortex-m4\n.fpu fpv4-sp-d16\n.thumb\n{source}\n.ltorg\n"
        (place / "code.S").write_text(text)
        flags = [
            "-mcpu=cortex-m4",
            "-mfloat-abi=hard",
            "-mfpu=fpv4-sp-d16",
            "-nostdlib",
            f"-Wl,-Ttext={address:#x},-e,0",
        ]
        subprocess.run([compiler, *flags, "code.S", "-o", "code.elf"], cwd=place, check=True, capture_output=True)
        subprocess.run(
            [shutil.which("arm-none-eabi-objcopy") or "", "-O", "binary", "code.elf", "code.bin"], cwd=place, check=True
        )
        return (place / "code.bin").read_bytes()


class Machine:
    """The core with ``source`` in flash at CODE; handlers are addresses by exception number."""

    def __init__(
        self,
        source: str = "wfi",
        handlers: dict[int, int] | None = None,
        *,
        timing: CoreTiming | None = None,
        direct_registers: bool = True,
        double_precision: bool = False,
        translate: bool | None = None,
    ) -> None:
        self.flash = allocate(FLASH_BYTES, 0xFF)
        self.ram = allocate(RAM_BYTES)
        self.vector(0, STACK)
        self.vector(1, CODE | 1)
        for number, address in (handlers or {}).items():
            self.vector(number, address | 1)
        self.put(source)
        self.reads: list[tuple[int, int]] = []
        self.writes: list[tuple[int, int, int]] = []
        self.flash_writes = False
        self.memories = [
            Memory(FLASH, FLASH_BYTES, executable=True, writable=False, data=self.flash, kind="flash", aliases=(0,)),
            Memory(RAM, RAM_BYTES, executable=True, writable=True, data=self.ram, kind="ram"),
        ]
        self.regions = [Region(0x4000_0000, 0x1_0000), Region(0xE000_0000, 0x10_0000)]
        self.cpu = Cpu(
            self.memories,
            self.regions,
            self,
            timing or CortexM4Timing(),
            direct_registers=direct_registers,
            double_precision=double_precision,
            translate=translate,
        )

    def vector(self, number: int, value: int) -> None:
        self.flash[4 * number : 4 * number + 4] = value.to_bytes(4, "little")

    def put(self, source: str, address: int = CODE) -> None:
        code = assemble(source, address)
        self.flash[address - FLASH : address - FLASH + len(code)] = code

    def read(self, address: int, size: int) -> int:
        self.reads.append((address, self.cpu.cycles))
        if address == REFUSED:
            raise AccessFault("refused")
        if address == CYCCNT:
            return self.cpu.cycles
        return self.cpu.system.cpacr if address == CPACR else 0x8182_8384

    def write(self, address: int, size: int, value: int) -> None:
        if address == REFUSED or (FLASH <= address < FLASH + FLASH_BYTES and not self.flash_writes):
            raise AccessFault("refused")
        self.writes.append((address, value, self.cpu.cycles))
        if address == CPACR:
            self.cpu.system.cpacr = value
        if FLASH <= address < FLASH + FLASH_BYTES:
            self.flash[address - FLASH : address - FLASH + size] = value.to_bytes(size, "little")
            self.cpu.invalidate_code(address, size)

    def register(self, name: str) -> int:
        return self.cpu.read_register(name)

    def word(self, address: int) -> int:
        return int.from_bytes(self.cpu.read_memory(address, 4), "little")


ENABLE_FPU = f"ldr r0, ={CPACR:#x}\n ldr r1, [r0]\n orr r1, #0xF00000\n str r1, [r0]\n dsb\n isb\n"
