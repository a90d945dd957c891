"""How far the Cortex-M7 cycle model is from silicon: public cycle counts of real parts against the virtual core running the same programs.

    python benchmarks/cycle_accuracy_m7.py [--coremark PATH [--gcc arm-none-eabi-gcc]] [--aes PATH]

PATHs are checkouts of github.com/eembc/coremark and github.com/jnk0le/cortexm-AES; none of them is part of this project. CoreMark runs at
six optimisation levels and is compared with the published scores of the compiler's own version, so ``--gcc`` has to be 12.2, 13.2 or 14.2;
the AES functions are assembly, so the compiler does not matter. Both run from zero-wait memory (tightly coupled), as published.
Silicon counts with their sources are in data/cortex_m7_silicon.csv. Printed for every program: silicon, model, and counting
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

from cycle_accuracy import Outcome, Registers, compile_or_exit  # type: ignore[import-not-found]
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from bench.virtual.cpu import CoreTiming, Cpu, Memory, Region, StopReason, allocate
from bench.virtual.cpu.timing_m7 import CortexM7Timing

DATA = Path(__file__).parent / "data" / "cortex_m7_silicon.csv"
PORT = Path(__file__).parent / "data" / "coremark_port"
ITCM, DTCM, TCM_BYTES = 0, 0x2000_0000, 128 << 10
RETURN = ITCM + TCM_BYTES - 16  # where a called function returns to: a breakpoint
LIMIT_CYCLES = 400_000_000
ITERATIONS = 10
CPU_FLAGS = ("-mcpu=cortex-m7", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv5-d16")
CALLS = 3  # of an AES function; the last is taken, as published: the first one trains caches and predictor
SCRIPT = f"""
MEMORY {{ itcm (rx) : ORIGIN = {ITCM}, LENGTH = {TCM_BYTES - 1024}
         dtcm (rw) : ORIGIN = {DTCM}, LENGTH = {TCM_BYTES} }}
SECTIONS {{ .text : {{ . = . + 64; KEEP(*(.vectors)) *(.text*) }} > itcm
           .data : {{ *(.rodata*) *(.data*) *(.bss*) *(COMMON) }} > dtcm
           /DISCARD/ : {{ *(.ARM.*) *(.comment) }} }}
"""


@dataclass(frozen=True, slots=True)
class Silicon:
    """One published count."""

    suite: str
    program: str
    compiler: str
    cycles: float


def published(suite: str, compiler: str) -> list[Silicon]:
    """The rows of the data file for ``suite`` that were built with ``compiler``, as in "gcc 12.2"."""
    with DATA.open() as file:
        rows = [
            Silicon(row["suite"], row["program"], row["compiler"], float(row["cycles"])) for row in csv.DictReader(file)
        ]
    return [row for row in rows if row.suite == suite and row.compiler == compiler]


def version(gcc: str) -> str:
    """Of the compiler, as in "gcc 12.2"."""
    try:
        said = subprocess.run([gcc, "-dumpfullversion"], capture_output=True, text=True, check=True).stdout
    except (FileNotFoundError, subprocess.CalledProcessError) as problem:
        sys.exit(f"{gcc} does not say its version ({problem}); name the compiler with --gcc")
    return "gcc " + ".".join(said.split(".")[:2])


class Program:
    """A linked program on a virtual core with nothing but memories without wait states: code in one, data in the other."""

    def __init__(self, elf: Path, timing: CoreTiming | None = None, *, double_precision: bool = True) -> None:
        itcm, dtcm = allocate(TCM_BYTES), allocate(TCM_BYTES)
        self.symbols: dict[str, int] = {}
        with elf.open("rb") as file:
            image = ELFFile(file)
            for segment in image.iter_segments("PT_LOAD"):
                begin, data = segment["p_vaddr"], segment.data()
                memory = dtcm if begin >= DTCM else itcm
                memory[begin % DTCM : begin % DTCM + len(data)] = data
            for section in image.iter_sections():
                if isinstance(section, SymbolTableSection):
                    self.symbols |= {symbol.name: symbol["st_value"] for symbol in section.iter_symbols()}
        memories = [
            Memory(ITCM, TCM_BYTES, executable=True, writable=True, data=itcm, kind="ram"),
            Memory(DTCM, TCM_BYTES, executable=True, writable=True, data=dtcm, kind="ram"),
        ]
        bus = Registers()
        regions = [Region(0xE000_0000, 0x10_0000)]
        self.cpu = bus.cpu = Cpu(memories, regions, bus, timing or CortexM7Timing(), double_precision=double_precision)
        self.cpu.system.cpacr = 0xF0_0000
        self.name = elf.stem

    def begin(self, function: str, *arguments: int) -> None:
        """Put the core at the begin of ``function``, the stack empty."""
        for number, argument in enumerate(arguments):
            self.cpu.write_register(number, argument)
        self.cpu.write_register("xpsr", 1 << 24)
        self.cpu.write_register("sp", DTCM + TCM_BYTES)
        self.cpu.write_register("lr", RETURN | 1)
        self.cpu.write_register("pc", self.symbols[function] & ~1)

    def until(self, *places: int) -> Outcome:
        """Run on to one of ``places``. Exits when the program does not get there."""
        self.cpu.step()
        for place in places:
            self.cpu.set_breakpoint(place & ~1)
        reason = self.cpu.run(LIMIT_CYCLES)
        for place in places:
            self.cpu.clear_breakpoint(place & ~1)
        if reason is not StopReason.BREAKPOINT:
            place = self.cpu.read_register("pc")
            sys.exit(f"{self.name}: stopped by {reason.value} at {place:#x}, cfsr {self.cpu.system.cfsr:#x}")
        return Outcome(self.cpu.cycles, self.cpu.instructions)

    def text(self, address: int) -> bytes:
        """The string at ``address``."""
        return self.cpu.read_memory(address, 64).split(b"\0")[0]


def link(gcc: str, flags: list[str], sources: list[Path], folder: Path, entry: str) -> Path:
    """Compile and link what ``entry`` needs; returns the ELF file. Exits with the compiler's words when that fails."""
    script, elf = folder / "tcm.ld", folder / f"{entry}.elf"
    script.write_text(SCRIPT)
    compile_or_exit(
        [gcc, *CPU_FLAGS, *flags, "-w", "-nostdlib", "-T", str(script), "-e", entry, *map(str, sources), "-o", str(elf)]
    )
    return elf


def coremark(checkout: Path, gcc: str, level: str, folder: Path) -> Outcome:
    """One iteration of CoreMark's performance run, the mean of ten. Exits when CoreMark does not validate its own result."""
    names = ("list_join", "main", "matrix", "state", "util")
    sources = [*(checkout / f"core_{name}.c" for name in names), PORT / "core_portme.c"]
    flags = [
        *(f"-{word}" for word in level.split()),
        "-fomit-frame-pointer",
        "-ffunction-sections",
        "-fno-builtin",
        "-fno-tree-loop-distribute-patterns",
    ]
    flags += [f"-I{PORT}", f"-I{checkout}", f"-DITERATIONS={ITERATIONS}", "-DTOTAL_DATA_SIZE=2000"]
    program = Program(link(gcc, flags, sources, folder, "main"))
    program.begin("main")
    first, last = (program.until(program.symbols[name]) for name in ("start_time", "stop_time"))
    said = []
    while program.cpu.read_register("pc") != RETURN:
        said.append(program.text(program.cpu.read_register("r0")))
        program.until(program.symbols["ee_printf"], RETURN)
    if not any(line.startswith(b"Correct operation validated") for line in said):
        sys.exit(f"CoreMark -{level} does not validate: {said}")
    return Outcome((last.cycles - first.cycles) // ITERATIONS, (last.instructions - first.instructions) // ITERATIONS)


def aes(checkout: Path, gcc: str, program: str, folder: Path) -> Outcome:
    """One call of an AES function. ``program`` is its name, a hyphen, and the bits of the key."""
    function, _, bits = program.partition("-")
    units = sorted((checkout / "aes/target").glob("CM7_*/*.S"))
    elf = link(gcc, ["-O2"], [*units, checkout / "aes/lookup_tables.c"], folder, function)
    running = Program(elf)
    buffer = DTCM + (64 << 10)  # round keys, then text in and out
    text_in, text_out, rounds = buffer + 512, buffer + 544, int(bits) // 32 + 6
    if function.endswith("keyschedule_enc"):
        arguments: tuple[int, ...] = (buffer, text_in)
    elif function.endswith("keyschedule_dec"):
        arguments = (buffer, rounds)
    else:
        arguments = (buffer, text_in, text_out, rounds)
    for _ in range(CALLS):
        running.begin(function, *arguments)
        before = Outcome(running.cpu.cycles, running.cpu.instructions)
        after = running.until(RETURN)
    return Outcome(after.cycles - before.cycles, after.instructions - before.instructions)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--coremark", type=Path, help="checkout of coremark")
    parser.add_argument("--aes", type=Path, help="checkout of cortexm-AES")
    parser.add_argument("--gcc", default="arm-none-eabi-gcc")
    options = parser.parse_args()
    if options.coremark is None and options.aes is None:
        print(
            "skipped: the programs are not part of this project; git clone https://github.com/eembc/coremark, --coremark PATH"
        )
        return
    rows = published("coremark", version(options.gcc)) if options.coremark else []
    rows += published("aes", "assembly") if options.aes else []
    errors, counting = [], []
    print(
        "| program | silicon | model | error % | instructions | counting, error % |\n| --- | ---: | ---: | ---: | ---: | ---: |"
    )
    for row in rows:
        with tempfile.TemporaryDirectory() as name:
            if row.suite == "coremark":
                found = coremark(options.coremark.resolve(), options.gcc, row.program, Path(name))
            else:
                found = aes(options.aes.resolve(), options.gcc, row.program, Path(name))
        errors.append(100 * (found.cycles / row.cycles - 1))
        counting.append(100 * (found.instructions / row.cycles - 1))
        cells = f"{row.cycles:.0f} | {found.cycles} | {errors[-1]:+.1f} | {found.instructions} | {counting[-1]:+.1f}"
        print(f"| {row.suite} {row.program} | {cells} |", flush=True)
    for name, values in (("model", errors), ("counting instructions", counting)):
        sizes = sorted(map(abs, values))
        if sizes:
            print(f"{name}: median {statistics.median(sizes):.1f} %, worst {sizes[-1]:.1f} %, of {len(sizes)} programs")


if __name__ == "__main__":
    main()
