"""How many cycles the cycle model of the Cortex-M4 leaves out because it does not know of unaligned data, kernel by kernel.

    python benchmarks/unaligned_data.py

The core splits a word at an odd halfword and a halfword at an odd address in two (one cycle more), a word at an odd address in three (two
more): ARM DDI 0439 3.3, and measured (docs/cycle-model.md). Every access of the int8 kernels with SIMD instructions, which alone read
words from anywhere, is looked at by a hook, in the published parameter sets and in shapes of networks; their cycles at zero wait states
on the virtual NUCLEO-F446ZE for comparison.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from primitive_costs import NETWORK_SHAPES, Quiet  # type: ignore[import-not-found]
from unicorn import arm_const
from unicorn import unicorn_const as uc

from bench.boards import load_board
from bench.boards.stations import VIRTUAL_PREFIX, all_stations, find_station
from bench.build import BuildCache, find_toolchain
from bench.clocktree import solve
from bench.domain.primitives import PRIMITIVES, published_set, workload
from bench.domain.primitives.base import DSP
from bench.domain.workload import DType, Workload
from bench.measure.image import Image, prepare
from bench.measure.procedure import Procedure
from bench.measure.settings import Settings
from bench.measure.station import open_station
from bench.virtual import world

BOARD = "nucleo_f446ze"
SETTINGS = Settings(repeats=2, warmup=1)
CALLS = 4  # one for the stack, one to warm up, two that count


def works() -> list[Workload]:
    """Return the workloads that read words from byte addresses."""
    found: list[Workload] = []
    for entry in PRIMITIVES.values():
        if DSP in entry.flavors[DType.INT8]:
            found += published_set(entry, DType.INT8, DSP)
            found += [workload(entry.name, params, DType.INT8, DSP) for params in NETWORK_SHAPES.get(entry.name, ())]
    return found


class Splits:
    """Counts the cycles that unaligned accesses of the kernel would cost on silicon, while it is entered."""

    def __init__(self, image: Image) -> None:
        section = next(section for section in image.built.elf.sections if section.name == ".kernel_text")
        self._code = range(section.address, section.address + section.size_bytes)
        board = world.peek(f"{VIRTUAL_PREFIX}{BOARD}")
        assert board is not None
        self._engine: Any = board.cpu._engine._uc  # noqa: SLF001  (the emulator itself: no other way sees every access)
        self.cycles = 0

    def __enter__(self) -> Splits:
        self._hook = self._engine.hook_add(uc.UC_HOOK_MEM_READ | uc.UC_HOOK_MEM_WRITE, self._look)
        self._engine.ctl_flush_tb()
        return self

    def __exit__(self, *_: object) -> None:
        self._engine.hook_del(self._hook)
        self._engine.ctl_flush_tb()

    def _look(self, engine: Any, _kind: int, address: int, size: int, _value: int, _user: object) -> None:
        if address % size and engine.reg_read(arm_const.UC_ARM_REG_PC) in self._code:
            self.cycles += 2 if size == 4 and address & 1 else 1


def main() -> None:
    """Print the table."""
    station = replace(find_station(all_stations(None), f"{VIRTUAL_PREFIX}{BOARD}"), current_probe=None)
    board = load_board(station.board)
    clocks, toolchain, cache = [solve(board, 16e6)], find_toolchain(), BuildCache.default()
    print("| kernel | cycles | left out | % |\n| --- | ---: | ---: | ---: |")
    with open_station(station, board, SETTINGS) as (under_test, meter):
        for work in works():
            image = prepare(work, board, clocks, toolchain, cache)
            procedure = Procedure(station, image, under_test, meter, SETTINGS, Quiet())
            (run,) = procedure.runs()
            if run.result is None:
                raise SystemExit(f"{work}: {run.reason}")
            with Splits(image) as splits:
                list(procedure.runs())
            left_out = splits.cycles / CALLS
            print(
                f"| {work} | {run.result.cycles:.0f} | {left_out:.0f} | {100 * left_out / run.result.cycles:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
