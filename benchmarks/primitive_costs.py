"""What one application of every primitive costs in cycles, and what the SIMD kernels gain, on the virtual NUCLEO-F446ZE.

Measures every data type and flavor of the published set at one clock, as the bench does, but without the current: cycles only. Prints the tables of
docs/primitives.md.

    python benchmarks/primitive_costs.py [MHZ]
"""

from __future__ import annotations

import sys
from collections import defaultdict
from dataclasses import replace

from bench.boards import load_board
from bench.boards.stations import all_stations, find_station
from bench.build import BuildCache, find_toolchain
from bench.clocktree import solve
from bench.domain.lut import LutRow, row
from bench.domain.primitives import EXTERNAL_FLAVORS, PRIMITIVES, published_set
from bench.domain.workload import DType, Workload
from bench.measure.image import prepare
from bench.measure.procedure import Procedure
from bench.measure.settings import Settings
from bench.measure.station import open_station

DEFAULT_MHZ = 180.0


class Quiet:
    """Hears nothing."""

    def event(self, text: str) -> None:
        """Ignore."""

    def step(self, text: str) -> None:
        """Ignore."""


def measure(mhz: float) -> dict[Workload, LutRow]:
    """Return the look-up table's row of every workload of the published set."""
    station = replace(find_station(all_stations(None), "virtual-nucleo_f446ze"), current_probe=None)
    board = load_board(station.board)
    settings, toolchain, cache, clocks = (
        Settings(repeats=2),
        find_toolchain(),
        BuildCache.default(),
        [solve(board, mhz * 1e6)],
    )
    works = [
        work
        for entry in PRIMITIVES.values()
        for dtype, flavors in entry.flavors.items()
        for flavor in flavors
        if flavor not in EXTERNAL_FLAVORS
        for work in published_set(entry, dtype, flavor)
    ]
    rows = {}
    with open_station(station, board, settings) as (under_test, meter):
        for work in works:
            image = prepare(work, board, clocks, toolchain, cache)
            (run,) = Procedure(station, image, under_test, meter, settings, Quiet()).runs()
            if run.result is None:
                raise SystemExit(f"{work}: {run.reason}")
            rows[work] = row(run)
    return rows


def varied(work: Workload) -> str:
    """Return the parameters of ``work`` in which the published sets of its primitive differ; of those of one data type only what is no default."""
    entry = PRIMITIVES[work.primitive]
    names = {name for values in entry.published for name in values}
    known = {parameter.name: parameter for parameter in entry.parameters}
    shown = [
        f"{name} = {value}"
        for name, value in work.params
        if name in names and (known[name].dtypes == tuple(DType) or value != known[name].default)
    ]
    return ", ".join(shown)


def main() -> None:
    """Print the table of costs and that of memory."""
    mhz = float(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_MHZ
    table: dict[tuple[str, str], dict[tuple[DType, str], LutRow]] = defaultdict(dict)
    for work, measured in measure(mhz).items():
        table[work.primitive, varied(work)][work.dtype, work.flavor] = measured
    columns = [(DType.FP32, "naive"), (DType.INT8, "naive"), (DType.INT8, "dsp")]
    print("| primitive | parameters | fp32 | int8 | int8 dsp | dsp is faster by |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    for (name, text), kernels in table.items():
        cells = [f"{kernels[key].cycles_per_application:,.2f}" if key in kernels else "" for key in columns]
        gain = kernels[columns[1]].cycles / kernels[columns[2]].cycles if columns[2] in kernels else None
        print(f"| {name} | {text} | {' | '.join(cells)} | {f'{gain:.2f}' if gain else ''} |")
    print()
    print(
        "| primitive | parameters | data type, flavor | flash, bytes | of which constants | RAM, bytes | stack, bytes |"
    )
    print("| --- | --- | --- | ---: | ---: | ---: | ---: |")
    for (name, text), kernels in table.items():
        for (dtype, flavor), measured in kernels.items():
            sizes = (measured.flash_bytes, measured.rodata_bytes, measured.ram_bytes, measured.stack_bytes)
            print(f"| {name} | {text} | {dtype} {flavor} | {' | '.join(f'{size:,}' for size in sizes)} |")


if __name__ == "__main__":
    main()
