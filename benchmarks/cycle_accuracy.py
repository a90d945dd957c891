"""How far the Cortex-M4 cycle model is from silicon: public cycle counts of real parts against the virtual core running the same programs.

    python benchmarks/cycle_accuracy.py --suite embench-2.0 --embench PATH [--gcc arm-none-eabi-gcc] [--newlib PATH]

PATH is a checkout of github.com/embench/embench-iot (main for embench-2.0, tag embench-1.0 for embench-1.0); none of it is part of this
project. The programs are built with the flags, start-up code and linker script of the checkout, and with ``--gcc``, which has to be the
compiler that the published counts were made with, or the nearest to be had: compiler versions shift single programs by tens of percent.
Memory functions come from data/size_library.c: the published C library was built for size (embench-iot-results says how), and is not to
be had. ``--newlib`` is the folder with the C library's ``include`` and ``lib`` (for a compiler unpacked somewhere else than installed).
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


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a checkout builds its programs: compiler flags, sources besides the program's own, linker script."""

    flags: tuple[str, ...]
    sources: tuple[Path, ...]
    script: Path


def recipe(checkout: Path, suite: str, folder: Path) -> Recipe:
    """The checkout's own build for the STM32F4 discovery board, scaled to one sixteenth of the published run."""
    common = (*CPU_FLAGS, "-O2", "-ffunction-sections", "-DWARMUP_HEAT=1", f"-I{checkout / 'support'}", "-w")
    support = checkout / "support"
    if suite == "embench-2.0":
        board = checkout / "examples/arm/stm32f4-discovery"
        own = ("-fdata-sections", "-DGLOBAL_SCALE_FACTOR=1", f"-I{board}", f"-I{board / 'Include'}", "-DSTM32F407xx")
        names = ("boardsupport.c", "startup_stm32f407xx.s", "system_stm32f4xx.c")
        sources = (support / "main.c", support / "beebsc.c", *(board / name for name in names))
        return Recipe((*common, *own), sources, board / "STM32F407IGHX_FLASH.ld")
    board, chip = checkout / "config/arm/boards/stm32f4-discovery", checkout / "config/arm/chips/cortex-m4"
    (folder / "config.h").write_text("#define HAVE_BOARDSUPPORT_H 1\n#define HAVE_CHIPSUPPORT_H 1\n")
    own_1 = ("-DCPU_MHZ=1", "-DHAVE_CONFIG_H", f"-I{folder}", f"-I{board}", f"-I{chip}", "-D__START=main")
    sources = (
        *(support / name for name in ("main.c", "beebsc.c", "board.c", "chip.c")),
        board / "startup_stm32f407xx.S",
    )
    return Recipe((*common, *own_1), sources, board / "STM32F407XG.ld")


STUBS = """
int main(void);
void _exit(int code) { (void) code; for (;;); }
void __assert_func(void) { for (;;); }
__attribute__((weak)) void _init(void) {}
__attribute__((weak)) void _fini(void) {}
__attribute__((weak)) void _start(void) { main(); for (;;); }
"""


def build(program: Path, how: Recipe, gcc: str, newlib: Path | None, folder: Path) -> Path:
    """Compile and link the program in the folder ``program``; returns the ELF file. Exits with the compiler's words when that fails."""
    stubs, library = folder / "stubs.c", DATA.parent / "size_library.c"
    stubs.write_text(STUBS)
    includes = ["-isystem", str(newlib / "include")] if newlib else []
    for_size = [*CPU_FLAGS, "-Os", "-ffunction-sections", "-fno-builtin", "-fno-tree-loop-distribute-patterns"]
    objects: list[str] = []
    for source in (*sorted(program.glob("*.c")), *how.sources, stubs, library):
        objects.append(str(folder / f"{len(objects)}.o"))
        flags = for_size if source == library else [*how.flags, *includes]
        compile_or_exit([gcc, *flags, "-c", str(source), "-o", objects[-1]])
    elf = folder / f"{program.name}.elf"
    folders = [f"-L{how.script.parent}"] + ([f"-L{newlib / 'lib'}"] if newlib else [])
    linking = ["-Wl,--gc-sections", "-nostartfiles", "-T", str(how.script), *folders]
    compile_or_exit([gcc, *CPU_FLAGS, *linking, *objects, "-lm", "-lc", "-lgcc", "-lnosys", "-o", str(elf)])
    return elf


def compile_or_exit(command: list[str]) -> None:
    """Run the compiler."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        sys.exit(f"{command[0]} is missing; name the compiler with --gcc")
    if done.returncode:
        sys.exit(f"{' '.join(command)}\nfailed:\n{done.stderr}")


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
    parser.add_argument("--embench", type=Path, help="checkout of embench-iot; without one there is nothing to run")
    parser.add_argument("--gcc", default="arm-none-eabi-gcc")
    parser.add_argument("--newlib", type=Path, help="folder with include and lib of the C library")
    parser.add_argument("--only", help="one program")
    options = parser.parse_args()
    if options.embench is None:
        print(
            "skipped: the programs are not part of this project; git clone https://github.com/embench/embench-iot, --embench PATH"
        )
        return
    errors, counting = [], []
    print(
        "| program | silicon | model | error % | instructions | counting, error % |\n| --- | ---: | ---: | ---: | ---: | ---: |"
    )
    for row in published(options.suite):
        if options.only and row.program != options.only:
            continue
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            how = recipe(options.embench.resolve(), row.suite, folder)
            found = run(
                build(options.embench.resolve() / "src" / row.program, how, options.gcc, options.newlib, folder),
                row.wait_states,
            )
        errors.append(100 * (found.cycles / row.cycles - 1))
        counting.append(100 * (found.instructions / row.cycles - 1))
        cells = f"{row.cycles:.0f} | {found.cycles} | {errors[-1]:+.1f} | {found.instructions} | {counting[-1]:+.1f}"
        print(f"| {row.program} | {cells} |", flush=True)
    for name, values in (("model", errors), ("counting instructions", counting)):
        sizes = sorted(map(abs, values))
        print(f"{name}: median {statistics.median(sizes):.1f} %, worst {sizes[-1]:.1f} %, of {len(sizes)} programs")


if __name__ == "__main__":
    main()
