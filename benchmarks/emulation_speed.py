"""How fast the emulated Cortex-M4 runs: without hooks, with the timing model in its native hook, and with the model's work in Python.

    python benchmarks/emulation_speed.py [--runs 5] [--instructions 3000000]

Compiles two C kernels (float convolution, integer mix) with arm-none-eabi-gcc -O3, runs each from emulated flash, and prints medians in
million emulated instructions per second. The Python callback does per block what the native hook does at zero wait states: look the
edge's cost up and add. It is not asked for the alignment checks.
"""

from __future__ import annotations

import argparse
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import unicorn
from unicorn import arm_const

from bench.virtual.cpu import CodeBlock, CortexM4Timing, Cpu, Memory, Region, StopReason, allocate

FLASH, RAM, CODE, STACK = 0x0800_0000, 0x2000_0000, 0x0800_0100, 0x2000_8000
SIZE, CPACR = 0x1_0000, 0xE000_ED88
START = """
__attribute__((naked, section(".start"))) void start(void) {
  __asm("ldr r1, =0xE000ED88\\n ldr r0, [r1]\\n orr r0, #0xF00000\\n str r0, [r1]\\n dsb\\n isb\\n ldr r0, =REPEATS\\n bl work\\n wfi");
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
    "integer mix": """
static unsigned data[256];
__attribute__((noipa)) unsigned kernel(unsigned *p, int n, unsigned h) {
  for (int i = 0; i < n; i++) { h = (h ^ p[i]) * 16777619u; if (h & 64) p[i] += h >> 7; else p[i] ^= h << 3; }
  return h;
}
void work(unsigned r) { unsigned h = 1; for (; r; r--) h = kernel(data, 256, h); data[0] = h; }
""",
}


def compile_kernel(source: str, repeats: int) -> bytes:
    """Binary of START and a kernel that runs ``repeats`` times, linked at CODE; there is no initialised data."""
    compiler, objcopy = (shutil.which(f"arm-none-eabi-{tool}") for tool in ("gcc", "objcopy"))
    if compiler is None or objcopy is None:
        sys.exit("arm-none-eabi-gcc is missing: apt install gcc-arm-none-eabi")
    start = START.replace("REPEATS", str(repeats))
    script = f"SECTIONS {{ . = {CODE:#x}; .text : {{ *(.start) *(.text*) *(.rodata*) }} . = {RAM:#x}; .bss : {{ *(.data*) *(.bss*) }} }}"
    flags = "-O3 -mcpu=cortex-m4 -mthumb -mfpu=fpv4-sp-d16 -mfloat-abi=hard -ffreestanding -nostdlib -Wl,-e,start -Wl,-T,kernel.ld"
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "kernel.c").write_text(start + source)
        (place / "kernel.ld").write_text(script)
        subprocess.run([compiler, *flags.split(), "kernel.c", "-o", "kernel.elf"], cwd=place, check=True)
        subprocess.run([objcopy, "-O", "binary", "-j", ".text", "kernel.elf", "kernel.bin"], cwd=place, check=True)
        return (place / "kernel.bin").read_bytes()


class CpacrOnly:
    """The one register that the start code needs."""

    cpu: Cpu

    def read(self, _address: int, _size: int) -> int:
        return self.cpu.system.cpacr

    def write(self, _address: int, _size: int, value: int) -> None:
        self.cpu.system.cpacr = value


def make_cpu(code: bytes) -> Cpu:
    """The emulated core with ``code`` at CODE."""
    flash, ram = allocate(SIZE, 0xFF), allocate(SIZE)
    flash[:8] = STACK.to_bytes(4, "little") + (CODE | 1).to_bytes(4, "little")
    flash[CODE - FLASH : CODE - FLASH + len(code)] = code
    bus = CpacrOnly()
    memories = [
        Memory(FLASH, SIZE, executable=True, writable=False, data=flash, kind="flash", aliases=(0,)),
        Memory(RAM, SIZE, executable=True, writable=True, data=ram, kind="ram"),
    ]
    bus.cpu = Cpu(memories, [Region(0xE000_0000, 0x10_0000)], bus, CortexM4Timing())
    return bus.cpu


def with_model(code: bytes, wait_states: int, caches: bool) -> float:
    """Seconds of a run with the native timing model; the blocks are known beforehand."""
    cpu = make_cpu(code)
    cpu.set_flash_access(wait_states, caches, caches, caches)
    cpu.run(20_000)
    begin, before = time.perf_counter(), cpu.instructions
    if cpu.run(1 << 60) is not StopReason.SLEEP:
        sys.exit(f"the kernel did not end: fault status {cpu.system.cfsr:#x}")
    return (time.perf_counter() - begin) * cpu.instructions / (cpu.instructions - before)


def bare(code: bytes, block_hook: Callable[[unicorn.Uc, int, int, object], None] | None) -> float:
    """Seconds of a run on Unicorn alone, with a Python block hook or none."""
    engine = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB)
    engine.ctl_set_cpu_model(arm_const.UC_CPU_ARM_CORTEX_M4)
    for base in (FLASH, RAM, 0xE000_0000):
        engine.mem_map(base, SIZE)
    engine.mem_write(CODE, code)
    engine.reg_write(arm_const.UC_ARM_REG_SP, STACK)
    if block_hook is not None:
        engine.hook_add(unicorn.UC_HOOK_BLOCK, block_hook)
    begin = time.perf_counter()
    engine.emu_start(CODE | 1, 0xFFFF_FFFE)
    return time.perf_counter() - begin


def python_model(code: bytes) -> Callable[[unicorn.Uc, int, int, object], None]:
    """The block hook's work at zero wait states, in Python."""
    timing = CortexM4Timing()
    edges: dict[tuple[tuple[int, int] | None, int], int] = {}
    previous: tuple[int, int] | None = None
    cycles = 0

    def block(place: tuple[int, int]) -> CodeBlock:
        return CodeBlock(place[0], code[place[0] - CODE : place[0] - CODE + place[1]])

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
    parser.add_argument("--instructions", type=int, default=3_000_000, help="emulated instructions of one run, about")
    options = parser.parse_args()
    start = "import time; t = time.perf_counter(); import bench.virtual.cpu; print(time.perf_counter() - t)"
    warm = [float(subprocess.check_output([sys.executable, "-c", start])) for _ in range(options.runs)]
    print(
        f"{platform.machine()}, {platform.system()}, {cpu_name()}, Python {platform.python_version()}, unicorn {unicorn.__version__}"
    )
    print(f"import of the core with its compiled hooks cached: {statistics.median(warm):.2f} s\n")
    print("| kernel | hooks | million instructions/s | min | max |\n| --- | --- | ---: | ---: | ---: |")
    for name, source in KERNELS.items():
        trial = make_cpu(compile_kernel(source, 1))
        trial.run(1 << 60)
        code = compile_kernel(source, max(1, options.instructions // trial.instructions))
        cpu = make_cpu(code)
        cpu.run(1 << 60)
        done = cpu.instructions
        ways: dict[str, Callable[[], float]] = {
            "none": lambda code=code: bare(code, None),  # type: ignore[misc]
            "timing model, 0 wait states": lambda code=code: with_model(code, 0, False),  # type: ignore[misc]
            "timing model, 5 wait states, ART": lambda code=code: with_model(code, 5, True),  # type: ignore[misc]
            "Python callback": lambda code=code: bare(code, python_model(code)),  # type: ignore[misc]
        }
        for way, run in ways.items():
            speeds = sorted(done / run() / 1e6 for _ in range(options.runs))
            print(
                f"| {name} | {way} | {statistics.median(speeds):.1f} | {speeds[0]:.1f} | {speeds[-1]:.1f} |", flush=True
            )


def cpu_name() -> str:
    """Model name of the host's processor, and how many of them."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} x {names[0]}" if names else platform.processor() or "unknown processor"


if __name__ == "__main__":
    main()
