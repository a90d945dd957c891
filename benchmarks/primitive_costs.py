"""What one application of every primitive costs in cycles, and what the SIMD kernels gain, on the virtual NUCLEO-F446ZE.

Measures every data type and flavor of the published set at one clock, as the bench does, but without the current: cycles only. Prints the tables of
docs/primitives.md; with a folder of Arm's CMSIS-NN the table of docs/kernel-libraries.md instead, which has shapes of networks besides.

    python benchmarks/primitive_costs.py [--mhz MHZ] [--cmsis-nn PATH]
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from bench.boards import load_board
from bench.boards.stations import all_stations, find_station
from bench.build import BuildCache, find_toolchain
from bench.clocktree import solve
from bench.domain.lut import LutRow, row
from bench.domain.primitives import EXTERNAL_FLAVORS, PRIMITIVES, Values, published_set, workload
from bench.domain.primitives.base import CMSIS_NN, DSP, NAIVE
from bench.domain.workload import DType, Workload
from bench.firmware.library import choose_library
from bench.measure.image import prepare
from bench.measure.procedure import Procedure
from bench.measure.settings import Settings
from bench.measure.station import open_station

DEFAULT_MHZ = 180.0

NETWORK_SHAPES: dict[str, tuple[Values, ...]] = {
    "conv2d": (
        {"k": 3, "in_h": 16, "in_w": 16, "in_c": 16, "out_c": 16, "padding": "same"},
        {"k": 1, "in_h": 16, "in_w": 16, "in_c": 16, "out_c": 16},
    ),
    "depthwise_conv2d": ({"k": 3, "in_c": 16}, {"k": 5, "in_c": 16, "stride": 2, "padding": "same"}),
    "avgpool2d": ({"k": 3, "in_h": 16, "in_w": 16, "in_c": 8, "stride": 1},),
    "maxpool2d": ({"k": 3, "in_h": 16, "in_w": 16, "in_c": 8, "stride": 1},),
}


class Quiet:
    """Hears nothing."""

    def event(self, text: str) -> None:
        """Ignore."""

    def step(self, text: str) -> None:
        """Ignore."""


def published() -> list[Workload]:
    """Return the published set in every data type and flavor of the bench's own."""
    return [
        work
        for entry in PRIMITIVES.values()
        for dtype, flavors in entry.flavors.items()
        for flavor in flavors
        if flavor not in EXTERNAL_FLAVORS
        for work in published_set(entry, dtype, flavor)
    ]


def beside_a_library() -> list[Workload]:
    """Return the int8 workloads that CMSIS-NN has, published and of networks, in every flavor."""
    works = []
    for entry in PRIMITIVES.values():
        flavors = entry.flavors[DType.INT8]
        if CMSIS_NN in flavors:
            sets = [dict(work.params) for work in published_set(entry, DType.INT8, CMSIS_NN)]
            for params in (*sets, *NETWORK_SHAPES.get(entry.name, ())):
                works += [workload(entry.name, params, DType.INT8, flavor) for flavor in flavors]
    return works


def measure(works: Iterable[Workload], mhz: float, library: Path | None) -> dict[Workload, LutRow]:
    """Return the look-up table's row of every workload."""
    station = replace(find_station(all_stations(None), "virtual-nucleo_f446ze"), current_probe=None)
    board = load_board(station.board)
    settings, toolchain, cache = Settings(repeats=2), find_toolchain(), BuildCache.default()
    clocks = [solve(board, mhz * 1e6)]
    rows = {}
    with open_station(station, board, settings) as (under_test, meter):
        for work in works:
            source = choose_library(work, {CMSIS_NN: library if work.flavor == CMSIS_NN else None})
            image = prepare(work, board, clocks, toolchain, cache, source)
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
    """Print the tables."""
    parser = argparse.ArgumentParser(description="Cycles of every primitive on the virtual NUCLEO-F446ZE.")
    parser.add_argument("--mhz", type=float, default=DEFAULT_MHZ)
    parser.add_argument("--cmsis-nn", type=Path, metavar="PATH")
    given = parser.parse_args()
    if given.cmsis_nn is None:
        print_costs(measure(published(), given.mhz, None))
    else:
        print_comparison(measure(beside_a_library(), given.mhz, given.cmsis_nn))


def print_comparison(rows: dict[Workload, LutRow]) -> None:
    """Print cycles of one call by flavor."""
    table: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for work, measured in rows.items():
        defaults = {parameter.name: parameter.default for parameter in PRIMITIVES[work.primitive].parameters}
        names = {name for values in PRIMITIVES[work.primitive].published for name in values}
        shown = [f"{name} = {value}" for name, value in work.params if name in names or value != defaults.get(name)]
        text = ", ".join(part for part in shown if not part.startswith("arithmetic"))
        table[work.primitive, text][work.flavor] = measured.cycles
    print("| primitive | parameters | naive | dsp | cmsis-nn | naive / cmsis-nn | dsp / cmsis-nn |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for (name, text), cycles in table.items():
        cells = [f"{cycles[flavor]:,.0f}" if flavor in cycles else "" for flavor in (NAIVE, DSP, CMSIS_NN)]
        ratios = [f"{cycles[flavor] / cycles[CMSIS_NN]:.2f}" if flavor in cycles else "" for flavor in (NAIVE, DSP)]
        print(f"| {name} | {text} | {' | '.join(cells + ratios)} |")


def print_costs(rows: dict[Workload, LutRow]) -> None:
    """Print cycles of one application, and memory."""
    table: dict[tuple[str, str], dict[tuple[DType, str], LutRow]] = defaultdict(dict)
    for work, measured in rows.items():
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
