"""What the bench itself costs per point, beyond pyOCD, the target and the current probe.

Runs the main job on the virtual NUCLEO-F446ZE in this process, with every call that leaves the bench timed at its border: into pyOCD (the emulated
target runs inside those), into the serial port of the probe, and into the target's own waiting. What is left of the wall time is the bench's own:
planning, checking, reducing, recording. The first image is built before the clock starts; so is everything imported. Processor time is that of the
measuring thread: on a machine that does other work as well it tells more than the wall time.

    python benchmarks/overhead_per_point.py [ROUNDS]
"""

from __future__ import annotations

import functools
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyocd.core.session import Session
from pyocd.core.soc_target import SoCTarget
from pyocd.coresight.dap import DebugPort
from pyocd.flash.loader import FlashLoader

from bench.boards import load_board
from bench.boards.stations import all_stations, find_station
from bench.build import BuildCache
from bench.domain.measurement import Run
from bench.domain.primitives import workload
from bench.measure.settings import Settings
from bench.probes.serial_port import SerialLink
from bench.store import open_store
from bench.sweep.execute import execute
from bench.sweep.plan import choose_clocks, plan_image
from bench.target.board_under_test import BoardUnderTest

ROUNDS = 5


class Border:
    """Adds up the wall time and the thread's processor time spent behind a border; nested calls count once."""

    def __init__(self) -> None:
        self.seconds = self.processor_s = 0.0
        self._depth = 0

    def time(self, owner: type[Any], names: tuple[str, ...]) -> None:
        """Time the methods ``names`` of ``owner`` from now on."""
        for name in names:
            setattr(owner, name, self._timed(getattr(owner, name)))

    def _timed(self, method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def timed(*args: Any, **kwargs: Any) -> Any:
            self._depth += 1
            start, processor = time.perf_counter(), time.thread_time()
            try:
                return method(*args, **kwargs)
            finally:
                self._depth -= 1
                if self._depth == 0:
                    self.seconds += time.perf_counter() - start
                    self.processor_s += time.thread_time() - processor

        return timed


class Quiet:
    """Hears nothing."""

    def event(self, text: str) -> None:
        """Ignore."""

    def step(self, text: str) -> None:
        """Ignore."""

    def recorded(self, run: Run) -> None:
        """Ignore."""

    def gave_up(self, points: int) -> None:
        """Ignore: the error follows."""


def main() -> None:
    """Print the median over the rounds."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    station = find_station(all_stations(None), "virtual-nucleo_f446ze")
    board = load_board(station.board)
    plan = plan_image(station, board, workload("conv2d", {"k": 5}), choose_clocks(board, "all"))
    border = Border()
    border.time(Session, ("open", "close"))
    border.time(
        SoCTarget,
        (
            "read32",
            "read16",
            "write32",
            "read_memory_block8",
            "resume",
            "halt",
            "get_state",
            "reset_and_halt",
            "read_core_register",
            "write_core_register",
            "flush",
        ),
    )
    border.time(DebugPort, ("power_down_debug", "power_up_debug"))
    border.time(FlashLoader, ("commit",))
    border.time(SerialLink, tuple(name for name in vars(SerialLink) if not name.startswith("_")))
    border.time(BoardUnderTest, ("sleep",))
    own_s, wall_s, own_processor_s, processor_s = [], [], [], []
    with tempfile.TemporaryDirectory() as folder:
        cache = BuildCache.default()
        for number in range(rounds + 1):
            border.seconds = border.processor_s = 0.0
            start, processor = time.perf_counter(), time.thread_time()
            with open_store(str(Path(folder) / "m.db")) as store:
                runs = list(execute(plan, store.repository, Settings(), cache, Quiet()))
            elapsed, worked = time.perf_counter() - start, time.thread_time() - processor
            if number:  # the first round builds, compiles the emulator's callbacks, and creates the database
                wall_s.append(elapsed / len(runs))
                own_s.append((elapsed - border.seconds) / len(runs))
                processor_s.append(worked / len(runs))
                own_processor_s.append((worked - border.processor_s) / len(runs))
    print(
        f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, {rounds} rounds of {len(plan.clocks)} points"
    )
    for what, values in (
        ("wall time per point:", wall_s),
        ("processor time per point:", processor_s),
        ("the bench's own, wall:", own_s),
        ("the bench's own, processor:", own_processor_s),
    ):
        low, high = 1e3 * min(values), 1e3 * max(values)
        print(f"{what:28} {1e3 * statistics.median(values):7.1f} ms (min {low:.1f}, max {high:.1f})")


if __name__ == "__main__":
    main()
