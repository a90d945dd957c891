"""What the core does in a loop or kernel: runs it on the bare virtual core, behind a given flash interface, and counts."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from elftools.elf.elffile import ELFFile

from bench.boards import load_board
from bench.build import BuildCache, find_toolchain
from bench.clocktree import solve
from bench.domain.workload import Workload
from bench.measure.image import prepare
from bench.virtual.cpu import Activity, CoreTiming, Cpu, Memory, Region, StopReason, allocate

FLASH, RAM = 0x0800_0000, 0x2000_0000
FLASH_BYTES, RAM_BYTES = 1 << 20, 128 << 10
HERE = Path(__file__).parent
LIMIT_CYCLES = 1_000_000_000
CPACR, FPU_ON = 0xE000_ED88, 0xF << 20

#: C type, expression over a[i] and b[i], initial values, by data type and operation. The quotients are of one digit.
OPERATIONS = {
    ("fp32", "addition"): ("float", "a[i] + b[i]", "1.5f + i", "2.5f"),
    ("fp32", "subtraction"): ("float", "a[i] - b[i]", "1.5f + i", "2.5f"),
    ("fp32", "multiplication"): ("float", "a[i] * b[i]", "1.5f + i", "2.5f"),
    ("fp32", "division"): ("float", "a[i] / b[i]", "1.5f + i", "2.6f"),
    ("fp32", "exponential"): ("float", "exp(a[i])", "1.5f", "0"),
    ("int8", "addition"): ("int8_t", "a[i] + b[i]", "10 + i / 8", "7"),
    ("int8", "subtraction"): ("int8_t", "a[i] - b[i]", "10 + i / 8", "7"),
    ("int8", "multiplication"): ("int8_t", "a[i] * b[i]", "10 + i / 8", "7"),
    ("int8", "division"): ("int8_t", "a[i] / b[i]", "10 + i / 8", "7"),
    ("int8", "exponential"): ("int8_t", "exp(a[i])", "3", "0"),
}


@dataclass(frozen=True, slots=True)
class FlashSetting:
    """Switches of the flash interface."""

    wait_states: int
    caches: bool
    prefetch: bool


class _Registers:
    """Swallows writes to peripherals, but for the FPU's switch."""

    cpu: Cpu

    def read(self, _address: int, _size: int) -> int:
        """Nothing is set."""
        return 0

    def write(self, address: int, _size: int, value: int) -> None:
        """Only CPACR does something."""
        if address == CPACR:
            self.cpu.system.cpacr = value


class Program:
    """An ELF on a bare core: its flash, its RAM as the start-up code would leave it, and its symbols."""

    def __init__(self, elf: Path, timing: CoreTiming, flash: FlashSetting) -> None:
        memory, ram = allocate(FLASH_BYTES, 0xFF), allocate(RAM_BYTES)
        with elf.open("rb") as file:
            image = ELFFile(file)
            for segment in image.iter_segments("PT_LOAD"):
                for place, target, size in (
                    (segment["p_paddr"] - FLASH, memory, FLASH_BYTES),
                    (segment["p_vaddr"] - RAM, ram, RAM_BYTES),
                ):
                    if 0 <= place < size:
                        target[place : place + len(segment.data())] = segment.data()
            table = image.get_section_by_name(".symtab")
            self.symbols = {symbol.name: int(symbol["st_value"]) for symbol in table.iter_symbols()}
        registers = _Registers()
        memories = [
            Memory(FLASH, FLASH_BYTES, True, False, memory, "flash", aliases=(0,)),
            Memory(RAM, RAM_BYTES, True, True, ram, "ram"),
        ]
        regions = [Region(0x4000_0000, 0x1000_0000), Region(0xE000_0000, 0x10_0000)]
        self.cpu = registers.cpu = Cpu(memories, regions, registers, timing)
        self.cpu.system.cpacr = FPU_ON
        self.cpu.set_flash_access(flash.wait_states, icache=flash.caches, dcache=flash.caches, prefetch=flash.prefetch)

    def call(self, function: str, *arguments: int) -> Activity:
        """Call a function and return what it did. Raises RuntimeError when it does not come back."""
        cpu, back = self.cpu, self.symbols["start" if "start" in self.symbols else "reset_handler"] & ~1
        cpu.set_breakpoint(back)
        registers: dict[str | int, int] = {
            "sp": RAM + 0x2000,
            "lr": back | 1,
            "pc": self.symbols[function] & ~1,
            **dict(enumerate(arguments)),
        }
        for register, value in registers.items():
            cpu.write_register(register, value)
        before = cpu.activity
        reason = cpu.run(LIMIT_CYCLES)
        if reason is not StopReason.BREAKPOINT or cpu.read_register("pc") != back:
            raise RuntimeError(f"{function}: stopped by {reason.value} at {cpu.read_register('pc'):#x}")
        return cpu.activity - before


def operation_mix(
    dtype: str, operation: str, core: str, timing: CoreTiming, settings: Sequence[FlashSetting]
) -> list[Activity]:
    """What one pass over the loop's 256 elements does, caches warm, for each setting of the flash interface."""
    c_type, expression, first, second = OPERATIONS[dtype, operation]
    fpu = "fpv4-sp-d16" if core == "cortex-m4" else "fpv5-sp-d16"
    with tempfile.TemporaryDirectory() as folder:
        elf = Path(folder) / "loop.elf"
        defines = [f"-DTYPE={c_type}", f"-DOPERATION={expression}", f"-DFIRST={first}", f"-DSECOND={second}"]
        command = ["arm-none-eabi-gcc", f"-mcpu={core}", "-mthumb", f"-mfpu={fpu}", "-mfloat-abi=hard", "-O1", "-fno-ivopts",
                   "-ffunction-sections", "-nostartfiles", *defines, "-T", str(HERE / "loops.ld"), "-Wl,--gc-sections", "-w",
                   "-o", str(elf), str(HERE / "operations.c"), "-lm", "-lc", "-lgcc", "--specs=nosys.specs"]  # fmt: skip
        subprocess.run(command, check=True, capture_output=True)
        mixes = []
        for setting in settings:
            program = Program(elf, timing, setting)
            program.cpu.set_breakpoint(program.symbols["kernel"] & ~1)
            program.cpu.run(LIMIT_CYCLES)
            program.cpu.clear_breakpoint(program.symbols["kernel"] & ~1)
            program.call("kernel")
            mixes.append(program.call("kernel"))
    return mixes


def kernel_mix(work: Workload, timing: CoreTiming, settings: Sequence[FlashSetting], cache: Path) -> list[Activity]:
    """What one call of the project's own kernel for ``work`` does, caches warm, for each setting of the flash interface."""
    board = load_board("nucleo_f446ze")
    image = prepare(work, board, [solve(board, 16e6)], find_toolchain(), BuildCache(cache))
    mixes = []
    with tempfile.TemporaryDirectory() as folder:
        elf = Path(folder) / "kernel.elf"
        elf.write_bytes(image.built.elf_path.read_bytes())
        for setting in settings:
            program = Program(elf, timing, setting)
            program.call("workload_prepare", 1, 0)
            program.call("kernel", program.symbols["kernel_args"])
            mixes.append(program.call("kernel", program.symbols["kernel_args"]))
    return mixes
