"""How many points a minute ``bench sweep`` measures, against the script that people write: side by side, on the same virtual board.

The sweep: the whole primitive set in fp32 and int8 at the fourteen clocks of the virtual NUCLEO-F446ZE, in this process, with an empty build
cache, an empty database and an erased flash; cycles and energy. Calls that leave the bench are timed at their border (see overhead_per_point.py);
what is left is the bench's own time.

The script: for every point it renders the sources with Jinja2, compiles them with one call of gcc, and calls ``pyocd flash`` and ``pyocd commander``, which
starts the kernel and reads the cycle counts; no energy, no check of the output, no record. It takes the first points of the same plan,
in the same order.

    python benchmarks/sweep_rate.py [--images N] [--script-points N]
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from math import ceil
from pathlib import Path
from typing import Any

from bench.boards.stations import all_stations
from bench.build import BuildCache, find_toolchain
from bench.domain.clock import ClockConfiguration
from bench.domain.measurement import Run
from bench.domain.primitives import operations
from bench.domain.sweep import SweepRequest
from bench.errors import BenchError
from bench.firmware import mailbox
from bench.firmware.mailbox import Command, Request
from bench.firmware.render import render
from bench.measure.settings import Settings
from bench.sweep.matrix import SweepPlan, plan_sweep
from bench.sweep.missing import Comparison
from bench.sweep.plan import ImagePlan
from bench.sweep.sweep import execute_sweep
from benchmarks.overhead_per_point import Border

STATION = "virtual-nucleo_f446ze"
SETTINGS = Settings()
BOOT_LOOKS = 40
"""How often the script looks whether the harness is up; every look lets a millisecond pass on the board."""


class Quiet:
    """Hears nothing but failures."""

    def planned(self, comparison: Comparison) -> None:
        """Ignore."""

    def station(self, name: str, points: int) -> Quiet:  # noqa: ARG002
        """Return itself."""
        return self

    def event(self, text: str) -> None:
        """Ignore."""

    def step(self, text: str) -> None:
        """Ignore."""

    def recorded(self, run: Run) -> None:
        """Say what was rejected."""
        if run.reason:
            print(f"rejected: {run.point}: {run.reason}")

    def gave_up(self, points: int) -> None:
        """Ignore: the error follows."""

    def failed(self, plan: ImagePlan, error: BenchError) -> None:
        """Say what failed."""
        print(f"failed: {plan.work}: {error}")

    def left_out(self, cause: str, points: int) -> None:  # noqa: ARG002
        """Say why."""
        print(f"left out: {cause}")


def main() -> None:
    """Print both rates."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, help="only every so many-th image, so that N are measured")
    parser.add_argument("--script-points", type=int, default=14, help="points that the script measures")
    options = parser.parse_args()
    plan = plan_sweep(SweepRequest(stations=(STATION,)), all_stations(None))
    if options.images:
        plan = SweepPlan(plan.images[:: max(1, len(plan.images) // options.images)][: options.images])
    border = Border()
    _time_borders(border)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["BENCH_VIRTUAL_STATE"] = str(Path(folder) / "virtual")
        cache = BuildCache(Path(folder) / "cache")
        began, cpu, thread = time.perf_counter(), time.process_time(), time.thread_time()
        outcome = execute_sweep(plan, str(Path(folder) / "m.db"), SETTINGS, cache, Quiet())
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        own_processor_s = time.thread_time() - thread - border.processor_s
        done = sum(tally.accepted for tally in outcome.tallies)
        rate = 60 * done / seconds
        print(
            f"bench sweep: {done} of {plan.points} points, {len(plan.images)} images in {seconds:.1f} s: {rate:.1f} points/min"
        )
        print(f"  1,000 points take {1000 / rate:.2f} min; processor time per point {1e3 * cpu / done:.0f} ms")
        print(
            f"  the bench's own per point: {1e3 * (seconds - border.seconds) / done:.1f} ms of wall time (waiting for builds and for a core included), "
            f"{1e3 * own_processor_s / done:.1f} ms of processor time"
        )
        script_rate, measured = _script(plan, options.script_points, Path(folder))
    print(f"script:      {measured} points: {script_rate:.2f} points/min")
    print(f"the sweep is {rate / script_rate:.1f} times as fast")


def _time_borders(border: Border) -> None:
    from pyocd.core.session import Session  # noqa: PLC0415
    from pyocd.core.soc_target import SoCTarget  # noqa: PLC0415
    from pyocd.coresight.dap import DebugPort  # noqa: PLC0415
    from pyocd.flash.loader import FlashLoader  # noqa: PLC0415

    from bench.probes.serial_port import SerialLink  # noqa: PLC0415
    from bench.target.board_under_test import BoardUnderTest  # noqa: PLC0415

    memory = ("read32", "read16", "write32", "read_memory_block8")
    core = ("resume", "halt", "get_state", "reset_and_halt", "read_core_register", "write_core_register", "flush")
    border.time(Session, ("open", "close"))
    border.time(SoCTarget, (*memory, *core))
    border.time(DebugPort, ("power_down_debug", "power_up_debug"))
    border.time(FlashLoader, ("commit",))
    border.time(SerialLink, tuple(name for name in vars(SerialLink) if not name.startswith("_")))
    border.time(BoardUnderTest, ("sleep",))


def _script(plan: SweepPlan, points: int, folder: Path) -> tuple[float, int]:
    """Return the script's points per minute, and how many it measured."""
    pairs = [(image, clock) for image in plan.images for clock in image.clocks][:points]
    began = time.perf_counter()
    for number, (image, clock) in enumerate(pairs):
        _script_point(image, clock, folder / f"script{number}")
    return 60 * len(pairs) / (time.perf_counter() - began), len(pairs)


def _script_point(image: ImagePlan, clock: ClockConfiguration, folder: Path) -> tuple[int, ...]:
    """Render, compile, flash and run one point as the script does, and return the kernel's cycle counts."""
    firmware = render(image.work, image.board, [clock])
    folder.mkdir()
    for name, text in firmware.tree.files.items():
        (folder / name).write_text(text)
    tree, gcc = firmware.tree, find_toolchain().gcc
    command = [str(gcc), *tree.machine_flags, *tree.unit_flags("kernel.c"), "-T", tree.linker_script, *tree.units]
    _call([*command, *tree.link_flags, "-o", "image.elf"], folder)
    names = {
        line.split()[2]: int(line.split()[0], 16)
        for line in _call([str(gcc)[:-3] + "nm", "image.elf"], folder).splitlines()
        if len(line.split()) == 3
    }
    box = names["mailbox"]
    pyocd = [sys.executable, "-m", "pyocd"]
    target = ("-u", image.station.debug_probe, "-t", image.board.pyocd_target)
    _call([*pyocd, "flash", *target, "image.elf"], folder)
    request = Request(1, Command.CYCLES, 0, SETTINGS.seed, SETTINGS.warmup, SETTINGS.repeats)
    cycles = (SETTINGS.warmup + SETTINGS.repeats + 1) * 60 * operations(image.work) + 1e6
    steps = ["reset halt", "go", *["status"] * BOOT_LOOKS]
    steps += [f"write32 {box + mailbox.OFFSET[name]:#x} {value:#x}" for name, value in request.words().items()]
    steps += [
        f"wreg pc {_behind_breakpoint(str(gcc)[:-3], folder):#x}",
        "go",
        *["status"] * (ceil(1e3 * cycles / clock.hclk_hz) + 10),
    ]
    steps += [f"read32 {box + mailbox.OFFSET['done_sequence']:#x} 4"]
    steps += [f"read32 {box + mailbox.OFFSET['kernel_cycles']:#x} {4 * SETTINGS.repeats}"]
    arguments: list[Any] = [part for step in steps for part in ("-c", step)]
    said = _call([*pyocd, "commander", *target, *arguments], folder)
    words = [
        int(word, 16)
        for line in re.findall(r"^[0-9a-f]{8}:((?: +[0-9a-f]{8})+)", said, re.MULTILINE)
        for word in line.split()
    ]
    if len(words) != 1 + SETTINGS.repeats or words[0] != request.sequence:
        sys.exit(f"the script did not measure {image.work} at {clock.id}:\n{said[-1000:]}")
    return tuple(words[1:])


def _behind_breakpoint(prefix: str, folder: Path) -> int:
    """Return the address behind the breakpoint at which the harness waits for a command."""
    lines = _call([prefix + "objdump", "-d", "image.elf"], folder).splitlines()
    found = [index for index, line in enumerate(lines) if "\tbkpt" in line]
    if len(found) != 1:
        sys.exit(f"the harness has {len(found)} breakpoints: {[lines[index] for index in found]}")
    return int(lines[found[0] + 1].split(":")[0], 16)


def _call(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{command[0]} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


if __name__ == "__main__":
    main()
