"""How far the Cortex-M4 cycle model is from silicon: public cycle counts of real parts against the virtual core running the same programs.

    python benchmarks/cycle_accuracy.py --suite embench-2.0 --embench PATH [--gcc arm-none-eabi-gcc] [--newlib PATH] [--wait-states 0] [--csv FILE]

PATH is a checkout of github.com/embench/embench-iot (main for embench-2.0, tag embench-1.0 for embench-1.0); none of it is part of this
project. The programs are built with the flags, start-up code and linker script of the checkout, and with ``--gcc``, which has to be the
compiler that the published counts were made with, or the nearest to be had: compiler versions shift single programs by tens of percent.
``--newlib`` is the folder with the C library's ``include`` and ``lib`` (for a compiler unpacked somewhere else than installed).
Silicon counts with their sources are in data/cortex_m4_silicon.csv. Printed for every program: silicon, model, and counting
instructions; then median and worst of the absolute errors.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from bench.virtual.cpu import CortexM4Timing, Cpu, Memory, Region, StopReason, allocate

DATA = Path(__file__).parent / "data" / "cortex_m4_silicon.csv"
FLASH, RAM, CCM = 0x0800_0000, 0x2000_0000, 0x1000_0000
FLASH_BYTES, RAM_BYTES = 1 << 20, 128 << 10
LIMIT_CYCLES = 400_000_000
CPU_FLAGS = ("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=soft")


@dataclass(frozen=True, slots=True)
class Silicon:
    """One published count: ``cycles`` known to ``resolution_cycles``."""

    suite: str
    program: str
    cycles: float
    wait_states: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the virtual core counted between the program's triggers."""

    cycles: int
    instructions: int


def published(suite: str) -> list[Silicon]:
    """The rows of the data file that belong to ``suite``."""
    with DATA.open() as file:
        return [
            Silicon(suite, row["program"], float(row["cycles"]), int(row["wait_states"]))
            for row in csv.DictReader(file)
            if row["suite"] == suite
        ]


def build(checkout: Path, suite: str, program: str, gcc: str, newlib: Path | None, folder: Path) -> Path:
    """Compile and link one program as the checkout's own build does, scaled to one sixteenth of the published run."""
    flags = [*CPU_FLAGS, "-O2", "-ffunction-sections", "-fdata-sections"]
    if suite == "embench-2.0":
        board = checkout / "examples/arm/stm32f4-discovery"
        sources = [checkout / "support/main.c", checkout / "support/beebsc.c", board / "boardsupport.c"]
        startup = [board / "startup_stm32f407xx.s", board / "system_stm32f4xx.c"]
        script, defines = board / "STM32F407IGHX_FLASH.ld", ["-DWARMUP_HEAT=1", "-DGLOBAL_SCALE_FACTOR=1"]
        includes = [f"-I{checkout / 'support'}", f"-I{board}", f"-I{board / 'Include'}", "-DSTM32F407xx"]
    else:
        flags = [*CPU_FLAGS, "-march=armv7e-m", "-O2", "-ffunction-sections"]
        board = checkout / "config/arm/boards/stm32f4-discovery"
        support = checkout / "support"
        sources = [support / "main.c", support / "beebsc.c", support / "board.c", support / "chip.c"]
        startup = [board / "startup_stm32f407xx.S"]
        script, defines = board / "STM32F407XG.ld", ["-DWARMUP_HEAT=1", "-DCPU_MHZ=1", "-DHAVE_BOARDSUPPORT_H"]
        (folder / "config.h").write_text("#define HAVE_BOARDSUPPORT_H 1\n#define HAVE_CHIPSUPPORT_H 1\n")
        chip = checkout / "config/arm/chips/cortex-m4"
        defines.append("-DHAVE_CONFIG_H")
        includes = [f"-I{folder}", f"-I{support}", f"-I{board}", f"-I{chip}", "-D__START=main"]
    own = sorted((checkout / "src" / program).glob("*.c"))
    libraries = []
    if newlib is not None:
        includes += ["-isystem", str(newlib / "include")]
        libraries = [f"-L{newlib / 'lib'}"]
    elf = folder / f"{program}.elf"
    stubs = folder / "stubs.c"
    stubs.write_text(
        "void _exit(int c) { (void) c; for (;;); }\nvoid __assert_func(void) { for (;;); }\nint main(void);\n__attribute__((weak)) void _init(void) {}\n__attribute__((weak)) void _fini(void) {}\n__attribute__((weak)) void _start(void) { main(); for (;;); }\n"
    )
    objects = []
    for source in (*own, *sources, *startup, stubs):
        objects.append(folder / f"{len(objects)}.o")
        command = [gcc, *flags, *defines, *includes, "-w", "-c", str(source), "-o", str(objects[-1])]
        subprocess.run(command, check=True)
    objects.append(folder / "library.o")
    library = [gcc, *CPU_FLAGS, "-Os", "-ffunction-sections", "-fno-builtin", "-fno-tree-loop-distribute-patterns"]
    subprocess.run([*library, "-c", str(DATA.parent / "size_library.c"), "-o", str(objects[-1])], check=True)
    command = [gcc, *flags, "-Wl,--gc-sections", "-nostartfiles", "-T", str(script), f"-L{board}", *map(str, objects)]
    subprocess.run([*command, *libraries, "-lm", "-lc", "-lgcc", "-lnosys", "-o", str(elf)], check=True)
    return elf


class Registers:
    """Peripherals and system registers as plain memory: start-up code writes a few of them."""

    def __init__(self) -> None:
        self._words: dict[int, int] = {}

    def read(self, address: int, _size: int) -> int:
        """Return what was written last."""
        return self._words.get(address, 0)

    def write(self, address: int, _size: int, value: int) -> None:
        """Keep the value; the FPU is enabled through CPACR."""
        self._words[address] = value
        if address == 0xE000_ED88:
            self.cpu.system.cpacr = value

    cpu: Cpu


def run(elf: Path, wait_states: int) -> Outcome:
    """Run the program and count between start_trigger and stop_trigger. Exits when it does not verify its own result."""
    flash = allocate(FLASH_BYTES, 0xFF)
    bus = Registers()
    with elf.open("rb") as file:
        image = ELFFile(file)
        for segment in image.iter_segments("PT_LOAD"):
            begin, data = segment["p_paddr"] - FLASH, segment.data()
            if 0 <= begin < FLASH_BYTES:
                flash[begin : begin + len(data)] = data
        symbols: dict[str, int] = {}
        for section in image.iter_sections():
            if isinstance(section, SymbolTableSection):
                symbols |= {symbol.name: symbol["st_value"] for symbol in section.iter_symbols()}
    memories = [
        Memory(FLASH, FLASH_BYTES, executable=True, writable=False, data=flash, kind="flash", aliases=(0,)),
        Memory(RAM, RAM_BYTES, executable=True, writable=True, data=allocate(RAM_BYTES), kind="ram"),
        Memory(CCM, 64 << 10, executable=False, writable=True, data=allocate(64 << 10), kind="ram"),
    ]
    regions = [Region(0x4000_0000, 0x1000_0000), Region(0xE000_0000, 0x10_0000)]
    cpu = Cpu(memories, regions, bus, CortexM4Timing())
    bus.cpu = cpu
    cpu.set_flash_access(wait_states, icache=bool(wait_states), dcache=bool(wait_states), prefetch=bool(wait_states))
    marks = []
    for symbol in ("start_trigger", "stop_trigger"):
        cpu.set_breakpoint(symbols[symbol])
        reason = cpu.run(LIMIT_CYCLES)
        if reason is not StopReason.BREAKPOINT:
            sys.exit(
                f"{elf.stem}: stopped by {reason.value} at {cpu.read_register('pc'):#x}, cfsr {cpu.system.cfsr:#x}, before {symbol}"
            )
        marks.append((cpu.cycles, cpu.instructions))
        cpu.clear_breakpoint(symbols[symbol])
    cpu.set_breakpoint(symbols["verify_benchmark"])
    cpu.run(LIMIT_CYCLES)
    after = cpu.read_register("lr") & ~1
    cpu.clear_breakpoint(symbols["verify_benchmark"])
    cpu.set_breakpoint(after)
    cpu.run(LIMIT_CYCLES)
    if cpu.read_register("r0") == 0:
        print(f"{elf.stem}: the result does not verify", file=sys.stderr)
    return Outcome(marks[1][0] - marks[0][0], marks[1][1] - marks[0][1])


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--suite", choices=("embench-2.0", "embench-1.0"), default="embench-2.0")
    parser.add_argument("--embench", type=Path, required=True, help="checkout of embench-iot")
    parser.add_argument("--gcc", default="arm-none-eabi-gcc")
    parser.add_argument("--newlib", type=Path, help="folder with include and lib of the C library")
    parser.add_argument("--only", help="one program")
    parser.add_argument("--keep", type=Path, help="folder to leave the ELF files in")
    options = parser.parse_args()
    errors, counting = [], []
    print(
        "| program | silicon | model | error % | instructions | counting, error % |\n| --- | ---: | ---: | ---: | ---: | ---: |"
    )
    for row in published(options.suite):
        if options.only and row.program != options.only:
            continue
        with tempfile.TemporaryDirectory() as folder:
            place = options.keep or Path(folder)
            elf = place / f"{row.program}.elf"
            if not elf.exists():
                elf = build(options.embench, row.suite, row.program, options.gcc, options.newlib, place)
            found = run(elf, row.wait_states)
        errors.append(100 * (found.cycles / row.cycles - 1))
        counting.append(100 * (found.instructions / row.cycles - 1))
        print(
            f"| {row.program} | {row.cycles:.0f} | {found.cycles} | {errors[-1]:+.1f} | {found.instructions} | {counting[-1]:+.1f} |",
            flush=True,
        )
    for name, values in (("model", errors), ("counting instructions", counting)):
        sizes = sorted(map(abs, values))
        print(f"{name}: median {statistics.median(sizes):.1f} %, worst {sizes[-1]:.1f} %, of {len(sizes)} programs")


if __name__ == "__main__":
    main()
