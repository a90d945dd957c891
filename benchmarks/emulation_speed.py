"""How fast the emulated Cortex-M4 runs: without hooks, with the timing model, translated or in its native hook or in Python, and QEMU.

    python benchmarks/emulation_speed.py [--runs 5] [--instructions 100000000]

Compiles C kernels (float convolution, int8 dense layer, integer mix) with arm-none-eabi-gcc -O3, runs each from emulated flash, and
prints medians in million emulated instructions per second. ``qemu-system-arm -icount shift=0`` (machine netduinoplus2, an STM32F405) runs
the same ELF, which ends by semihosting; its start-up is taken off by a run of one repeat. The ways take turns, so that a busy machine
slows all of them; what is counted is processor time. The Python callback does per block what the native hook does at zero wait states: look the
edge's cost up and add. It is not asked for the alignment checks. Translated code is compiled by a run that is not counted, as an earlier
process would have done; how long that takes is printed.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import unicorn
from elftools.elf.elffile import ELFFile
from unicorn import arm_const

from bench.virtual.cpu import CodeBlock, CortexM4Timing, Cpu, Memory, Region, StopReason, allocate

FLASH, RAM, CODE, STACK = 0x0800_0000, 0x2000_0000, 0x0800_0100, 0x2000_8000
SIZE, CPACR = 0x1_0000, 0xE000_ED88
START = """
void start(void);
__attribute__((section(".vectors"), used)) const unsigned vectors[64] = {0x20008000u, 0x08000101u};
__attribute__((naked, used, section(".start"))) void start(void) {
  __asm("ldr r1, =0xE000ED88\\n ldr r0, [r1]\\n orr r0, #0xF00000\\n str r0, [r1]\\n dsb\\n isb\\n ldr r0, =REPEATS\\n bl work\\n"
        "movs r0, #0x18\\n ldr r1, =0x20026\\n .global finish\\n finish: bkpt 0xab");
}
"""
KERNELS = {
    "convolution, float": """
static float in[24 * 24], weights[25], out[20 * 20];
__attribute__((noipa)) void kernel(const float *in, const float *w, float *out, int n, int k) {
  for (int y = 0; y <= n - k; y++) for (int x = 0; x <= n - k; x++) {
    float sum = 0;
    for (int i = 0; i < k; i++) for (int j = 0; j < k; j++) sum += in[(y + i) * n + x + j] * w[i * k + j];
    out[y * (n - k + 1) + x] = sum;
  }
}
void work(unsigned r) { for (; r; r--) kernel(in, weights, out, 24, 5); }
""",
    "dense layer, int8": """
static signed char in[256], weights[64 * 256];
static int out[64];
__attribute__((noipa)) void kernel(const signed char *in, const signed char *w, int *out, int n, int m) {
  for (int o = 0; o < m; o++) { int sum = 0; for (int i = 0; i < n; i++) sum += in[i] * w[o * n + i]; out[o] = sum; }
}
void work(unsigned r) { for (; r; r--) kernel(in, weights, out, 256, 64); }
""",
    "integer mix": """
static unsigned data[256];
__attribute__((noipa)) unsigned kernel(unsigned *p, int n, unsigned h) {
  for (int i = 0; i < n; i++) { h = (h ^ p[i]) * 16777619u; if (h & 64) p[i] += h >> 7; else p[i] ^= h << 3; }
  return h;
}
void work(unsigned r) { unsigned h = 1; for (; r; r--) h = kernel(data, 256, h); data[0] = h; }
""",
}


def compile_kernel(source: str, repeats: int, place: Path) -> Program:
    """START and a kernel that runs ``repeats`` times; there is no initialised data. Leaves the ELF file in ``place``."""
    compiler, objcopy = (shutil.which(f"arm-none-eabi-{tool}") for tool in ("gcc", "objcopy"))
    if compiler is None or objcopy is None:
        sys.exit("arm-none-eabi-gcc is missing: apt install gcc-arm-none-eabi")
    start = START.replace("REPEATS", str(repeats))
    script = (
        f"SECTIONS {{ . = {FLASH:#x}; .text : {{ *(.vectors) *(.start) *(.text*) *(.rodata*) }}"
        f" . = {RAM:#x}; .bss (NOLOAD) : {{ *(.data*) *(.bss*) *(COMMON) }} }}"
    )
    flags = "-O3 -mcpu=cortex-m4 -mthumb -mfpu=fpv4-sp-d16 -mfloat-abi=hard -ffreestanding -nostdlib -Wl,-e,start -Wl,-T,kernel.ld"
    (place / "kernel.c").write_text(start + source)
    (place / "kernel.ld").write_text(script)
    elf = place / f"kernel-{repeats}.elf"
    subprocess.run([compiler, *flags.split(), "kernel.c", "-o", elf.name], cwd=place, check=True)
    subprocess.run([objcopy, "-O", "binary", "-j", ".text", elf.name, "kernel.bin"], cwd=place, check=True)
    with elf.open("rb") as file:
        symbols = ELFFile(file).get_section_by_name(".symtab")
        finish = symbols.get_symbol_by_name("finish")[0]["st_value"] & ~1
    return Program((place / "kernel.bin").read_bytes(), finish, elf)


@dataclass(frozen=True, slots=True)
class Program:
    """An image at FLASH, the address at which it has ended, and its ELF file."""

    image: bytes
    finish: int
    elf: Path


class CpacrOnly:
    """The one register that the start code needs."""

    cpu: Cpu

    def read(self, _address: int, _size: int) -> int:
        return self.cpu.system.cpacr

    def write(self, _address: int, _size: int, value: int) -> None:
        self.cpu.system.cpacr = value


def make_cpu(program: Program, translate: bool = False) -> Cpu:
    """The emulated core with the program in its flash."""
    flash, ram = allocate(SIZE, 0xFF), allocate(SIZE)
    flash[: len(program.image)] = program.image
    bus = CpacrOnly()
    memories = [
        Memory(FLASH, SIZE, executable=True, writable=False, data=flash, kind="flash", aliases=(0,)),
        Memory(RAM, SIZE, executable=True, writable=True, data=ram, kind="ram"),
    ]
    bus.cpu = Cpu(memories, [Region(0xE000_0000, 0x10_0000)], bus, CortexM4Timing(), translate=translate)
    return bus.cpu


def with_model(program: Program, wait_states: int, caches: bool, *, translate: bool = True) -> float:
    """Processor seconds of a run with the native timing model; the blocks are known beforehand."""
    cpu = make_cpu(program, translate)
    cpu.set_flash_access(wait_states, caches, caches, caches)
    cpu.run(20_000)
    begin, before = time.process_time(), cpu.instructions
    if cpu.run(1 << 60) is not StopReason.BREAKPOINT:
        sys.exit(f"the kernel did not end: fault status {cpu.system.cfsr:#x}")
    return (time.process_time() - begin) * cpu.instructions / (cpu.instructions - before)


def with_qemu(program: Program, once: Program) -> float:
    """Processor seconds of a run in QEMU, less those of a program that does next to nothing."""
    command = ["qemu-system-arm", "-M", "netduinoplus2", "-nographic", "-semihosting", "-icount", "shift=0", "-kernel"]
    spent = []
    for elf in (program.elf, once.elf):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([*command, str(elf)], check=True, stdin=subprocess.DEVNULL, timeout=120)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return spent[0] - spent[1]


def bare(program: Program, block_hook: Callable[[unicorn.Uc, int, int, object], None] | None) -> float:
    """Processor seconds of a run on Unicorn alone, with a Python block hook or none."""
    engine = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB)
    engine.ctl_set_cpu_model(arm_const.UC_CPU_ARM_CORTEX_M4)
    for base in (FLASH, RAM, 0xE000_0000):
        engine.mem_map(base, SIZE)
    engine.mem_write(FLASH, program.image)
    engine.reg_write(arm_const.UC_ARM_REG_SP, STACK)
    if block_hook is not None:
        engine.hook_add(unicorn.UC_HOOK_BLOCK, block_hook)
    begin = time.process_time()
    engine.emu_start(CODE | 1, program.finish)
    return time.process_time() - begin


def python_model(program: Program) -> Callable[[unicorn.Uc, int, int, object], None]:
    """The block hook's work at zero wait states, in Python."""
    timing = CortexM4Timing()
    edges: dict[tuple[tuple[int, int] | None, int], int] = {}
    previous: tuple[int, int] | None = None
    cycles = 0

    def block(place: tuple[int, int]) -> CodeBlock:
        return CodeBlock(place[0], program.image[place[0] - FLASH : place[0] - FLASH + place[1]])

    def hook(_engine: unicorn.Uc, address: int, size: int, _user: object) -> None:
        nonlocal previous, cycles
        cost = edges.get((previous, address))
        if cost is None:
            cost = timing.edge(block(previous) if previous else None, block((address, size))).total_cycles
            edges[previous, address] = cost
        cycles += cost
        previous = address, size

    return hook


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--instructions", type=int, default=100_000_000, help="emulated instructions of one run, about")
    options = parser.parse_args()
    start = "import time; t = time.process_time(); import bench.virtual.cpu; print(time.process_time() - t)"
    warm = [float(subprocess.check_output([sys.executable, "-c", start])) for _ in range(options.runs)]
    print(
        f"{platform.machine()}, {platform.system()}, {cpu_name()}, Python {platform.python_version()}, unicorn {unicorn.__version__}"
    )
    print(f"import of the core with its compiled hooks cached: {statistics.median(warm):.2f} s\n")
    print(
        "| kernel | hooks | million instructions/s | min | max | of QEMU |\n| --- | --- | ---: | ---: | ---: | ---: |"
    )
    for name, source in KERNELS.items():
        with tempfile.TemporaryDirectory() as folder:
            measure(name, source, options.runs, options.instructions, Path(folder))


def measure(name: str, source: str, runs: int, instructions: int, place: Path) -> None:
    """Print the rows of one kernel."""
    once = compile_kernel(source, 1, place)
    alone = instructions_of(once)
    program = compile_kernel(source, max(2, instructions // alone), place)
    done = instructions_of(program)
    small = compile_kernel(source, max(2, instructions // 50 // alone), place)
    few = instructions_of(small)
    ways: dict[str, Callable[[], float]] = {
        "none": lambda: done / bare(program, None),
        "timing model, 0 wait states": lambda: done / with_model(program, 0, caches=False),
        "timing model, 5 wait states, ART": lambda: done / with_model(program, 5, caches=True),
        "not translated, 0 wait states": lambda: done / with_model(program, 0, caches=False, translate=False),
        "not translated, 5 wait states, ART": lambda: done / with_model(program, 5, caches=True, translate=False),
        "Python callback": lambda: few / bare(small, python_model(small)),
    }
    if shutil.which("qemu-system-arm"):
        ways["QEMU, -icount shift=0"] = lambda: (done - alone) / with_qemu(program, once)
    os.environ["BENCH_CACHE"] = str(place)
    before = [with_model(program, wait_states, bool(wait_states)) for wait_states in (0, 5)]
    after = [with_model(program, wait_states, bool(wait_states)) for wait_states in (0, 5)]
    print(f"{name}: compiling took {before[0] - after[0]:.2f} s and {before[1] - after[1]:.2f} s", file=sys.stderr)
    speeds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(runs):
        for way, run in ways.items():
            speeds[way].append(run() / 1e6)
    qemu = statistics.median(speeds.get("QEMU, -icount shift=0", [0.0]))
    for way, values in speeds.items():
        print(
            f"| {name} | {way} | {statistics.median(values):.1f} | {min(values):.1f} | {max(values):.1f} |"
            f" {statistics.median(values) / qemu if qemu else float('nan'):.2f} |",
            flush=True,
        )


def instructions_of(program: Program) -> int:
    """How many instructions a run of the program has."""
    cpu = make_cpu(program)
    if cpu.run(1 << 60) is not StopReason.BREAKPOINT:
        sys.exit(f"the kernel did not end: fault status {cpu.system.cfsr:#x}")
    return cpu.instructions


def cpu_name() -> str:
    """Model name of the host's processor, and how many of them."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} x {names[0]}" if names else platform.processor() or "unknown processor"


if __name__ == "__main__":
    main()
