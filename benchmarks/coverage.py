"""How often the stated 95 % interval contains the exact energy, on virtual boards with virtual instruments.

Every point has an instrument of its own: gain and offset of every range, supply, voltmeter and crystal drawn from the limits of its data
sheet by a seed, so that the points are independent of each other. A virtual board knows what it spent: the exact energy of a call is the true
supply voltage, times the true charge of the window over its true length, times the exact net cycles over the true core clock.

The exact net cycles are taken from the board's own record of the trigger pin over 8 and over 16 calls in a row: (W16 - W8) / 8 less the same of
the empty kernel. The attached cycle counts have no part in them.

    python benchmarks/coverage.py [--seeds N] [--first SEED] [--static]

``--static`` takes the LPM01A's static mode instead, at clocks at which its windows of three seconds are affordable.

Prints one line per probe and one in all. Exits 1 where the coverage is outside 93 to 97 % or net cycles are missed.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np

from bench.boards import load_board
from bench.boards.stations import VIRTUAL_PREFIX
from bench.build import BuildCache, find_toolchain
from bench.clocktree import solve
from bench.domain.clock import ClockConfiguration
from bench.domain.measurement import EnergyRun, Point, Result, Verdict
from bench.domain.primitives import workload
from bench.domain.station import CurrentProbeConfig, Source, Station
from bench.domain.workload import Workload
from bench.firmware.mailbox import Command, Request
from bench.measure.energy import Call, EnergyMeter
from bench.measure.image import Image, prepare
from bench.measure.procedure import Procedure
from bench.measure.settings import Settings
from bench.measure.station import open_station
from bench.probes.registry import create_probe
from bench.stats import expand95, reduce
from bench.target.board_under_test import BoardUnderTest
from bench.virtual import world
from bench.virtual.board import VirtualBoard

SETTINGS = Settings(repeats=3, warmup=1, window_s=0.01, idle_s=0.005, settle_s=0.002)
LOW, HIGH = 0.93, 0.97
CASES: tuple[tuple[str, tuple[float, ...], tuple[str, ...]], ...] = (
    ("nucleo_f446ze", (16e6, 64e6, 116e6), ("lpm01a", "stlink_v3pwr", "ppk2")),
    ("nucleo_l496zg", (1e6, 16e6, 80e6), ("lpm01a", "stlink_v3pwr", "ppk2")),
    ("nucleo_f746zg", (48e6, 200e6), ("stlink_v3pwr", "ppk2")),
)
STATIC_CASES: tuple[tuple[str, tuple[float, ...], tuple[str, ...]], ...] = (
    ("nucleo_l496zg", (1e6, 4e6, 16e6), ("lpm01a_static",)),
    ("nucleo_f446ze", (16e6,), ("lpm01a_static",)),
)
INSTRUMENTS = {"lpm01a_static": "lpm01a"}
"""Of drivers that share an instrument, its name."""
WORKLOADS: tuple[Workload, ...] = (
    workload("conv2d", {"k": 3, "in_h": 8, "in_w": 8}),
    workload("fully_connected", {"n_in": 64, "n_out": 8}),
    workload("exp", {"n": 64}),
    workload("relu", {"n": 512}, "int8"),
    workload("maxpool2d", {"k": 2, "in_h": 16, "in_w": 16}),
)


@dataclass(frozen=True, slots=True)
class Check:
    """One point against the truth. Energies in joule; ``cycles_off`` of the net cycles, allowed to be ``cycles_u95``."""

    driver: str
    label: str
    measured_j: float
    u95_j: float
    exact_j: float
    cycles_off: float
    cycles_u95: float

    @property
    def covered(self) -> bool:
        """Whether the interval contains the exact energy."""
        return abs(self.measured_j - self.exact_j) <= self.u95_j


class Deaf:
    """Hears what the procedure does, and forgets it."""

    def event(self, text: str) -> None:
        """Ignore."""

    def step(self, text: str) -> None:
        """Ignore."""


def checks(
    board_name: str,
    clock_hz: float,
    work: Workload,
    drivers: Sequence[str],
    seeds: Sequence[int],
    cache: BuildCache,
) -> Iterator[Check]:
    """Measure one image with every one of ``drivers`` and one instrument for each of ``seeds``; yield what came of each.

    Raises RuntimeError for a point that was rejected: here nothing is broken.
    """
    board = load_board(board_name)
    image = prepare(work, board, [solve(board, clock_hz)], find_toolchain(), cache)
    unique_id, clock = f"{VIRTUAL_PREFIX}{board_name}", image.clocks[0]
    probes = [
        CurrentProbeConfig(driver, f"virtual://{unique_id}/{INSTRUMENTS.get(driver, driver)}?seed={seed}")
        for driver in drivers
        for seed in seeds
    ]
    station = Station("virtual-coverage", board_name, Source.VIRTUAL, unique_id, probes[0])
    with open_station(station, board, SETTINGS) as (under_test, _):
        truth = world.peek(unique_id)
        assert truth is not None
        for index, config in enumerate(probes):
            probe = create_probe(config.driver, config.url)
            probe.open()
            probe.power_on(station.vdd_v)
            meter = _Meter(probe, config.driver, board, SETTINGS)
            if index == 0:
                # The procedure as it is: flash, boot, cycles, energy. The other instruments take part in its last step.
                (run,) = Procedure(station, image, under_test, meter, SETTINGS, Deaf()).runs()
                if run.verdict is not Verdict.ACCEPTED or run.cycle_run is None:
                    raise RuntimeError(f"{run.point}: {run.reason}")
                cycle_run, call, energy_run = run.cycle_run, meter.call, run.energy_run
            else:
                energy_run = meter.measure(under_test, 0, clock, call)
            power_w = exact_power_w(truth)
            if index == 0:
                exact_cycles = exact_net_cycles(under_test, truth, image)
            tolerance = board.limits.oscillator(clock.oscillator).tolerance_relative
            result = reduce(cycle_run, energy_run, clock, oscillator_tolerance=tolerance, accuracy=probe.spec.accuracy)
            probe.close()
            yield _check(config.driver, run.point, result, power_w, exact_cycles)


class _Meter(EnergyMeter):
    """Remembers what it was asked to measure."""

    call: Call

    def measure(self, under_test: BoardUnderTest, clock_index: int, clock: ClockConfiguration, call: Call) -> EnergyRun:
        """Measure."""
        self.call = call
        return super().measure(under_test, clock_index, clock, call)


def exact_power_w(truth: VirtualBoard) -> float:
    """Return the true mean power of the last window."""
    assert truth.vdd_v is not None
    rise, fall = truth.timeline.edges(truth.trigger_pin, 0.0, truth.time_s)[-2:]
    return truth.vdd_v * truth.timeline.charge_c(rise.time_s, fall.time_s) / (fall.time_s - rise.time_s)


def exact_net_cycles(under_test: BoardUnderTest, truth: VirtualBoard, image: Image) -> float:
    """Return the net cycles of a call, by the board's record of the trigger pin over 8 and 16 calls."""
    hclk_hz = image.clocks[0].hclk_hz
    windows, empties = [], []
    for loops in (8, 16):
        request = Request(
            sequence=under_test.next_sequence(),
            command=Command.ENERGY,
            clock_index=0,
            input_seed=SETTINGS.seed,
            warmup=SETTINGS.warmup,
            loops=loops,
            settle_ticks=round(SETTINGS.settle_s * image.clocks[0].timer1_hz),
            idle_ticks=1,
        )
        under_test.run_detached(request)
        under_test.sleep(SETTINGS.settle_s)
        report = under_test.reattach(request, timeout_s=10.0)
        rise, fall = truth.timeline.edges(truth.trigger_pin, 0.0, truth.time_s)[-2:]
        windows.append((fall.time_s - rise.time_s) * hclk_hz)
        empties.append(report.word("loop_empty_cycles"))
    return ((windows[1] - windows[0]) - (empties[1] - empties[0])) / 8


def _check(driver: str, point: Point, result: Result, exact_w: float, exact_cycles: float) -> Check:
    assert result.energy_j is not None
    assert result.energy_u95_j is not None
    cycle_terms = [t for t in result.budget if t.quantity == "latency_s" and t.name.startswith("cycles")]
    return Check(
        driver=driver,
        label=str(point),
        measured_j=result.energy_j,
        u95_j=result.energy_u95_j,
        exact_j=exact_w * exact_cycles / point.clock.hclk_hz,
        cycles_off=result.cycles - exact_cycles,
        cycles_u95=expand95(result.cycles, cycle_terms),
    )


def report(found: Sequence[Check]) -> str:
    """Return one line: number, coverage, mean error with its sign and without, mean half-width."""
    errors = np.array([(each.measured_j / each.exact_j - 1) * 100 for each in found])
    widths = np.array([each.u95_j / each.measured_j * 100 for each in found])
    covered = np.mean([each.covered for each in found])
    cycles = sum(abs(each.cycles_off) <= each.cycles_u95 for each in found)
    return (
        f"{len(found):6d}  {covered * 100:6.1f} %  {errors.mean():+9.2f} %  {np.abs(errors).mean():9.2f} %  "
        f"{np.abs(errors).max():8.2f} %  {widths.mean():8.2f} %  {cycles:6d}"
    )


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10, help="instruments of each kind for every image and clock")
    parser.add_argument("--first", type=int, default=1, help="number of the first instrument")
    parser.add_argument("--static", action="store_true", help="the LPM01A's static mode instead of all others")
    options = parser.parse_args()
    begun = time.perf_counter()
    found: list[Check] = []
    numbers = count(options.first)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["BENCH_VIRTUAL_STATE"] = str(Path(folder) / "virtual")
        cache = BuildCache(Path(folder) / "cache")
        for board_name, clocks_hz, drivers in STATIC_CASES if options.static else CASES:
            for clock_hz in clocks_hz:
                for work in WORKLOADS:
                    # Never the same instrument twice: two points of one share its errors.
                    seeds = [next(numbers) for _ in range(options.seeds)]
                    found.extend(checks(board_name, clock_hz, work, drivers, seeds, cache))
                print(
                    f"{board_name} {clock_hz / 1e6:g} MHz: {len(found)} points, {time.perf_counter() - begun:.0f} s",
                    file=sys.stderr,
                    flush=True,
                )
    print("probe          points  covered  mean error  mean |err|   largest   mean U95  cycles right")
    for driver in sorted({each.driver for each in found}):
        print(f"{driver:13}{report([each for each in found if each.driver == driver])}")
    print(f"{'all':13}{report(found)}")
    for label in sorted({f"{each.label}: {each.cycles_off:+.1f}" for each in found if abs(each.cycles_off) >= 0.5}):
        print(f"net cycles of a call alone against calls in a row: {label}")
    right = all(abs(each.cycles_off) <= each.cycles_u95 for each in found)
    return 0 if right and LOW <= sum(each.covered for each in found) / len(found) <= HIGH else 1


if __name__ == "__main__":
    sys.exit(main())
