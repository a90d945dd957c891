"""How far the Cortex-M4 cycle model is from silicon with flash wait states: public cycle counts against the virtual core running the same image.

    python benchmarks/cycle_accuracy_waits.py --present PATH [--gcc arm-none-eabi-gcc]

PATH is a checkout of github.com/EncryptedSilence/PresentContinuous at the commit that its results/m4-speed.csv names, no part of this
project: seven block ciphers in up to seven implementations each, in C, with a harness that counts them by DWT on an STM32F407 at 168 MHz
(5 wait states), once with the flash accelerator on and once off. Counts were published with GCC 13.2.1, so ``--gcc`` should be that.
The harness itself runs on the virtual core and prints its own table, with one trial instead of fifteen: all are alike. Printed: median
and worst error of both configurations, and of counting instructions; with ``--rows`` every row.
"""

from __future__ import annotations

import argparse
import csv
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from bench.virtual.cpu import CortexM4Timing, Cpu, Memory, Region, StopReason, allocate

FLASH, RAM, CCM = 0x0800_0000, 0x2000_0000, 0x1000_0000
FLASH_BYTES, RAM_BYTES, CCM_BYTES = 1 << 20, 128 << 10, 64 << 10
RCC_CR, RCC_CFGR, FLASH_ACR, CPACR, CYCCNT = 0x4002_3800, 0x4002_3808, 0x4002_3C00, 0xE000_ED88, 0xE000_1004
LIMIT_CYCLES = 4_000_000_000
SYS_WRITE0, SYS_EXIT = 0x04, 0x18
IMAGES = {"product": "bench_m4", "flash-noart": "flash_noart"}
FLAGS = [
    "-mcpu=cortex-m4",
    "-mthumb",
    "-mfpu=fpv4-sp-d16",
    "-mfloat-abi=hard",
    "-O3",
    "-std=gnu11",
    "-ffreestanding",
    "-DPRESENT_ENC_ONLY",
]
INCLUDES = ("include", "src", "fw/m4", "bench")
BYTES = 2048  # a trial encrypts; a row "keysetup" does not
SOURCES = [
    *(f"fw/m4/{name}" for name in ("startup_stm32f407.s", "system_init.c", "semihost.c", "libc_shim.c", "kat.c")),
    *(f"src/{name}.c" for name in ("variant", "keyschedule_portable", "present_core", "present_ref", "present_table")),
    *(f"src/{name}.c" for name in ("present_table_x", "present_bitslice", "present_bitslice32", "present_avx2")),
    "src/present_neon.c",
    "src/gen/variants_gen.c",
]
"""In the order of the project's Makefile: it decides where in a flash line a function begins."""


class Board:
    """What the harness sees beside the memories: clocks that are ready at once, FLASH_ACR, CYCCNT."""

    cpu: Cpu

    def __init__(self) -> None:
        self._words: dict[int, int] = {}

    def read(self, address: int, _size: int) -> int:
        """Read a register."""
        if address == CYCCNT:
            return self.cpu.cycles & 0xFFFF_FFFF
        word = self._words.get(address, 0)
        if address == RCC_CR:
            return word | (word & 0x0101_0001) << 1
        return word | (word & 3) << 2 if address == RCC_CFGR else word

    def write(self, address: int, _size: int, value: int) -> None:
        """Write a register."""
        self._words[address] = value
        if address == CPACR:
            self.cpu.system.cpacr = value
        elif address == FLASH_ACR:
            icache, dcache, prefetch = (bool(value >> bit & 1) for bit in (9, 10, 8))
            self.cpu.set_flash_access(value & 7, icache=icache, dcache=dcache, prefetch=prefetch)


def build(checkout: Path, config: str, gcc: str, libraries: list[Path], folder: Path) -> Path:
    """Compile and link one image as the project's Makefile does. Exits with the compiler's words when that fails."""
    tree, name = folder / "tree", IMAGES[config]
    if not tree.exists():
        shutil.copytree(checkout, tree, ignore=shutil.ignore_patterns(".git", "build"))
        main = tree / "fw/m4/bench_m4_main.c"
        main.write_text(re.sub(r"#define TRIALS \d+", "#define TRIALS 1", main.read_text()))
    defines = [] if config == "product" else ["-DM4_NO_ART", f'-DM4_CONFIG="{config}"']
    flags = [*FLAGS, *(f"-I{folder}" for folder in INCLUDES), *defines]
    objects = []
    for source in (f"fw/m4/{name}_main.c", *SOURCES):
        objects.append(str(folder / f"{name}_{Path(source).stem}.o"))
        _compile([gcc, *flags, "-c", source, "-o", objects[-1]], tree)
    elf = folder / f"{name}.elf"
    linking = ["-Tfw/m4/link/product.ld", "-nostartfiles", "-Wl,--gc-sections", *(f"-L{where}" for where in libraries)]
    _compile([gcc, *flags, *linking, "-o", str(elf), *objects], tree)
    return elf


def _compile(command: list[str], folder: Path) -> None:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        sys.exit(f"{command[0]} is missing; name the compiler with --gcc")
    if done.returncode:
        sys.exit(f"{' '.join(command)}\nfailed:\n{done.stderr}")


def run(elf: Path) -> Iterator[str]:
    """Run the harness and yield the lines it prints. Exits when it gets stuck."""
    flash, board = allocate(FLASH_BYTES, 0xFF), Board()
    symbols: dict[str, int] = {}
    with elf.open("rb") as file:
        image = ELFFile(file)
        for segment in image.iter_segments("PT_LOAD"):
            begin, data = segment["p_paddr"] - FLASH, segment.data()
            if 0 <= begin < FLASH_BYTES:
                flash[begin : begin + len(data)] = data
        for section in image.iter_sections():
            if isinstance(section, SymbolTableSection):
                symbols |= {symbol.name: symbol["st_value"] & ~1 for symbol in section.iter_symbols()}
    memories = [
        Memory(FLASH, FLASH_BYTES, executable=True, writable=False, data=flash, kind="flash", aliases=(0,)),
        Memory(RAM, RAM_BYTES, executable=True, writable=True, data=allocate(RAM_BYTES), kind="ram"),
        Memory(CCM, CCM_BYTES, executable=False, writable=True, data=allocate(CCM_BYTES), kind="ram"),
    ]
    regions = [Region(0x4000_0000, 0x1000_0000), Region(0xE000_0000, 0x10_0000)]
    board.cpu = cpu = Cpu(memories, regions, board, CortexM4Timing())
    measure = symbols["system_measure_sysclk_hz"]  # of the core clock against a crystal, a second long
    cpu.set_breakpoint(measure)
    text = ""
    while True:
        reason, pc = cpu.run(LIMIT_CYCLES), cpu.read_register("pc")
        if reason is not StopReason.BREAKPOINT:
            sys.exit(f"{elf.stem}: stopped by {reason.value} at {pc:#x}, cfsr {cpu.system.cfsr:#x}")
        if pc == measure:
            cpu.write_register("r0", 0)
            cpu.write_register("pc", cpu.read_register("lr") & ~1)
            continue
        if cpu.read_register("r0") == SYS_EXIT:
            return
        if cpu.read_register("r0") == SYS_WRITE0:
            text += _string(cpu, cpu.read_register("r1"))
            *lines, text = text.split("\n")
            yield from lines
        cpu.write_register("pc", pc + 2)


def _string(cpu: Cpu, address: int) -> str:
    data = b""
    while b"\0" not in data:
        data += cpu.read_memory(address + len(data), 1)
    return data[:-1].decode()


def table(lines: Iterator[str]) -> dict[tuple[str, str], float]:
    """Cycles for each byte by cipher and implementation, of the rows that passed their known-answer test."""
    rows = csv.reader(line for line in lines if not line.startswith("#"))
    return {(row[0], row[2]): float(row[4]) for row in rows if len(row) == 9 and row[8] == "ok"}


def published(checkout: Path, config: str) -> dict[tuple[str, str], float]:
    """The project's own table, of one configuration."""
    with (checkout / "results/m4-speed.csv").open(encoding="utf-8") as file:
        rows = csv.reader(line for line in file if not line.startswith("#"))
        return {(row[0], row[2]): float(row[4]) for row in rows if row[3] == config and row[8] == "ok"}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--present", type=Path, help="checkout of PresentContinuous; without one there is nothing to run"
    )
    parser.add_argument("--gcc", default="arm-none-eabi-gcc")
    parser.add_argument(
        "--libraries",
        type=Path,
        action="append",
        default=[],
        help="folder with libgcc or libc, where the compiler has none",
    )
    parser.add_argument("--rows", action="store_true", help="print every row")
    options = parser.parse_args()
    if options.present is None:
        print(
            "skipped: the programs are not part of this project; git clone https://github.com/EncryptedSilence/PresentContinuous"
        )
        return
    measured, silicon = {}, {}
    with tempfile.TemporaryDirectory() as name:
        for config in IMAGES:
            silicon[config] = published(options.present, config)
            elf = build(options.present.resolve(), config, options.gcc, options.libraries, Path(name))
            measured[config] = table(run(elf))
    for config, rows in measured.items():
        errors = {}
        for key, cycles in rows.items():
            errors[key] = 100 * (cycles / silicon[config][key] - 1)
            if options.rows:
                cells = f"{silicon[config][key]:.2f} | {cycles:.2f} | {errors[key]:+.1f}"
                print(f"| {config} | {key[0]} | {key[1]} | {cells} |")
        sizes = sorted(map(abs, errors.values()))
        print(f"{config}: median {statistics.median(sizes):.1f} %, worst {sizes[-1]:.1f} %, of {len(sizes)}")
    both = measured["product"].keys() & measured["flash-noart"].keys()
    for what, source in (("silicon", silicon), ("model", measured)):
        ratios = sorted(source["flash-noart"][key] / source["product"][key] for key in both)
        print(
            f"accelerator off over on, {what}: {ratios[0]:.2f} to {ratios[-1]:.2f}, median {statistics.median(ratios):.2f}"
        )


if __name__ == "__main__":
    main()
