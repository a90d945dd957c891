"""How far the Cortex-M4 cycle model is from silicon where the FPU is used: public cycle counts against the virtual core running the same code.

    python benchmarks/cycle_accuracy_m4f.py [--gls254 PATH] [--gcc arm-none-eabi-gcc]

PATH is a checkout of github.com/pornin/gls254-cm4, no part of this project: elliptic-curve arithmetic in hand-written assembly that keeps
values in FPU registers, with a thin layer of C around it, which is built with ``--gcc`` and the flags of the checkout. The sequences of
one or two instructions are written out below. All run from zero-wait memory. Silicon counts with their sources are in
data/cortex_m4f_silicon.csv. Printed for every program: silicon, model, and counting instructions; then median and worst of the errors.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cycle_accuracy import Outcome  # type: ignore[import-not-found]
from cycle_accuracy_m7 import DTCM, RETURN, Program, link  # type: ignore[import-not-found]

from bench.virtual.cpu import CortexM4Timing

DATA = Path(__file__).parent / "data" / "cortex_m4f_silicon.csv"
CPU_FLAGS = ("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16")
SEQUENCES = {
    "ldr": ".rept 100\n ldr r1, [r0]\n .endr",
    "ldr, two registers": ".rept 100\n ldr r1, [r0]\n ldr r2, [r0]\n .endr",
    "ldr, address depends": ".rept 100\n ldr r1, [r0]\n ldr r0, [r1]\n .endr",
    "ldrh": ".rept 100\n ldrh r1, [r0]\n .endr",
    "vadd": ".rept 100\n vadd.f32 s1, s0, s0\n vadd.f32 s2, s0, s0\n .endr\n vmov s1, s0",
    "vadd, data depends": ".rept 100\n vadd.f32 s1, s0, s0\n vadd.f32 s0, s1, s1\n .endr\n vmov s1, s0",
}
BUFFER = DTCM + (64 << 10)
SECRET, PEER, SEED, OUT, KEY, POINT, OTHER = (BUFFER + (place << 10) for place in range(7))
SEED_BYTES, MESSAGE_BYTES = 32, 32
#: Functions by the names of the data file: what is called with which arguments. What one writes the next ones read.
CALLS: dict[str, tuple[str, tuple[int, ...]]] = {
    "key pair": ("gls254_keygen", (SECRET, SEED, SEED_BYTES)),
    "load private key": ("gls254_decode_private", (PEER, KEY)),
    "load public key": ("gls254_decode_public", (POINT, OTHER)),
    "key exchange": ("gls254_ECDH", (OUT, SECRET, POINT)),
    "signature": ("gls254_sign", (OUT, SECRET, SEED, 0)),
    "squaring": ("inner_gfb254_square", (OUT, SEED)),
    "multiplication": ("inner_gfb254_mul", (OUT, SEED, KEY)),
    "multiplication of halves": ("inner_gfb127_mul", (OUT, SEED, KEY)),
    "inversion": ("inner_gfb254_invert", (OUT, SEED)),
}
#: Further arguments: no hash, the data and its length.
STACKED = {"signature": (0, SEED, MESSAGE_BYTES)}
#: Where a private key holds the public one.
PUBLIC = 32


def published() -> list[dict[str, str]]:
    """The rows of the data file."""
    with DATA.open() as file:
        return list(csv.DictReader(file))


class Core(Program):  # type: ignore[misc]
    """A linked program on a virtual Cortex-M4."""

    def call(self, function: str, *arguments: int, stacked: tuple[int, ...] = ()) -> Outcome:
        """What one call of ``function`` costs, its return included."""
        self.begin(function, *arguments)
        if stacked:
            sp = self.cpu.read_register("sp") - 4 * (len(stacked) + len(stacked) % 2)
            self.cpu.write_register("sp", sp)
            self.cpu.write_memory(sp, b"".join(word.to_bytes(4, "little") for word in stacked))
        before = Outcome(self.cpu.cycles, self.cpu.instructions)
        after = self.until(RETURN)
        return Outcome(after.cycles - before.cycles, after.instructions - before.instructions)


def sequences(gcc: str, folder: Path) -> Iterator[tuple[str, Outcome]]:
    """Run the sequences, with the return, as published: a function is called and does nothing else."""
    for name, body in SEQUENCES.items():
        source = folder / "sequence.s"
        source.write_text(
            f".syntax unified\n.thumb\n.text\n.global sequence\n.thumb_func\n.balign 4\nsequence:\n {body}\n bx lr\n"
        )
        core = Core(link(gcc, list(CPU_FLAGS), [source], folder, "sequence"), CortexM4Timing(), double_precision=False)
        core.cpu.write_memory(BUFFER, BUFFER.to_bytes(4, "little"))
        yield name, core.call("sequence", BUFFER)


def gls254(checkout: Path, gcc: str, folder: Path) -> Iterator[tuple[str, Outcome]]:
    """Run what CALLS names. Exits when a key or a point is refused."""
    sources = [checkout / name for name in ("gls254-cm4.s", "curve.c", "scalar.c", "blake2s.c")]
    flags = [*CPU_FLAGS, "-Os", "-fno-builtin", f"-I{checkout}"]
    elf = link(gcc, flags, [*sources, DATA.parent / "size_library.c", Path("-lc")], folder, "gls254_ECDH")
    core = Core(elf, CortexM4Timing(), double_precision=False)
    memory = core.cpu
    for place, first in ((SEED, 1), (KEY, 101)):
        memory.write_memory(place, bytes(first + number for number in range(64)))
    core.call("gls254_keygen", PEER, KEY, SEED_BYTES)
    core.call("gls254_keygen", SECRET, SEED, SEED_BYTES)
    core.call("gls254_encode_private", KEY, PEER)
    for name, (function, arguments) in CALLS.items():
        if name == "load public key":
            core.call("gls254_encode_public", OTHER, PEER + PUBLIC)
        found = core.call(function, *arguments, stacked=STACKED.get(name, ()))
        if name in ("load private key", "load public key", "key exchange") and memory.read_register("r0") == 0:
            sys.exit(f"{function} refuses its input")
        yield name, found


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gls254", type=Path, help="checkout of gls254-cm4")
    parser.add_argument("--gcc", default="arm-none-eabi-gcc")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        found = {("sequence", program): outcome for program, outcome in sequences(options.gcc, Path(name))}
        if options.gls254 is not None:
            outcomes = gls254(options.gls254.resolve(), options.gcc, Path(name))
            found |= {("gls254", program): outcome for program, outcome in outcomes}
    errors: dict[str, list[float]] = {}
    print("| program | silicon | model | error % | counting, error % |\n| --- | ---: | ---: | ---: | ---: |")
    for row in published():
        outcome = found.get((row["suite"], row["program"]))
        if outcome is None:
            continue
        cycles = float(row["cycles"])
        error, counting = (100 * (value / cycles - 1) for value in (outcome.cycles, outcome.instructions))
        errors.setdefault(f"{row['suite']}, model", []).append(error)
        errors.setdefault(f"{row['suite']}, counting instructions", []).append(counting)
        print(
            f"| {row['suite']}: {row['program']} | {cycles:.0f} | {outcome.cycles} | {error:+.1f} | {counting:+.1f} |"
        )
    for what, values in errors.items():
        sizes = sorted(map(abs, values))
        print(f"{what}: median {statistics.median(sizes):.1f} %, worst {sizes[-1]:.1f} %, of {len(sizes)}")
    if options.gls254 is None:
        print(
            "without the programs, which are not part of this project: git clone https://github.com/pornin/gls254-cm4, --gls254 PATH"
        )


if __name__ == "__main__":
    main()
