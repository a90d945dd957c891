"""How far estimates of whole networks are off: measures the grid of the cost model, then the networks, and prints a table.

All of it, on the three virtual boards at their fourteen clocks each (a night and more on two cores):

    python benchmarks/network_validation.py --db validation.db

A part:

    python benchmarks/network_validation.py --db validation.db --case lenet5 --case lenet5:int8 --station f446=16MHz,90MHz,180MHz

Everything measured is in the database, so that it goes on where it was interrupted, and measures nothing twice: the grid and the networks. Estimates
are made anew each time. ``--estimate-only`` prints the table of what is there.

Stations are the virtual ones that are always there. Model ``fitted`` rests on the grid of plans/cost-model.yaml
alone, even where layers of a network were measured for themselves (``--model layers``, which adds those up). Figures: docs/validation.md.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.boards import load_board
from bench.boards.stations import all_stations, find_station
from bench.boards.sweep_file import load_plan
from bench.build import BuildCache
from bench.cli.progress import progressing
from bench.cli.sweep_progress import sweeping
from bench.domain.lut import LutRow
from bench.domain.measurement import Run
from bench.domain.station import Station
from bench.domain.workload import NETWORK, DType
from bench.errors import BenchError, ParameterError
from bench.estimate.networks import network
from bench.estimate.reduction import Reduction
from bench.measure.settings import Settings
from bench.store import Selection, Store, open_store
from bench.sweep.layers import Key, missing
from bench.sweep.matrix import plan_sweep
from bench.sweep.plan import choose_clocks
from bench.sweep.sweep import execute_sweep
from bench.sweep.validate import (
    LAYERS,
    MODELS,
    Comparison,
    NetworkPlan,
    compare,
    estimates,
    measure_layers,
    measure_network,
    plan_network,
    table_of,
)

PLAN = Path(__file__).parents[1] / "plans" / "cost-model.yaml"
QUANTITIES = ("latency_s", "energy_j", "current_a", "flash_bytes", "ram_bytes")
STATIONS = {"l496": "virtual-nucleo_l496zg", "f446": "virtual-nucleo_f446ze", "f746": "virtual-nucleo_f746zg"}
LENETS = ("lenet5_sigmoid", "lenet5", "lenet5:int8", *(f"lenet5:prune={rate}" for rate in (50, 60, 70, 80, 90)))
RESNETS = ("resnet8", "resnet8:int8", "resnet8:prune=70")
OTHERS = tuple(f"{name}{reduce}" for name in ("dscnn", "mobilenetv1_025", "autoencoder") for reduce in ("", ":int8"))
CASES = (*LENETS, *RESNETS, *OTHERS)


@dataclass(frozen=True, slots=True)
class Bench:
    """Where to measure and how: ``freq`` are the clocks, ``grid`` the workloads of the plan, by primitive and parameters."""

    station: Station
    freq: str
    store: Store
    settings: Settings
    model: str
    grid: frozenset[tuple[str, str]]

    def plan(self, case: str) -> NetworkPlan:
        """Return the plan of ``case``, NETWORK or NETWORK:REDUCTION. Raises ParameterError where it does not fit the board."""
        name, _, text = case.partition(":")
        reduction = Reduction.parse(text)
        board = load_board(self.station.board)
        reduced, dtype = reduction.apply(network(name)), reduction.dtype or DType.FP32
        clocks = choose_clocks(board, self.freq)
        return plan_network(self.station, board, reduced, dtype, clocks, reduce=str(reduction))

    def measured(self, plan: NetworkPlan) -> dict[str, Run]:
        """Return what the database has of the network, by clock."""
        selection = Selection(stations=(self.station.name,), primitives=(NETWORK,))
        wanted = {clock.id for clock in plan.clocks}
        return {
            run.point.clock.id: run
            for run in self.store.repository.latest_accepted(selection)
            if run.point.workload == plan.laid_out.work and run.point.clock.id in wanted
        }

    def rows(self) -> Mapping[Key, LutRow]:
        """Return the rows that the model may use."""
        rows = table_of(self.store.repository, self.station)
        if self.model == LAYERS:
            return rows
        return {key: row for key, row in rows.items() if (row.primitive, row.params) in self.grid}

    def measure(self, plan: NetworkPlan) -> None:
        """Measure what is missing of the network, and of its layers where they are the model."""
        repository, cache = self.store.repository, BuildCache.default()
        if self.model == LAYERS:
            lacking = missing(plan.laid_out, plan.clocks, self.rows())
            with progressing(sum(len(clocks) for _, clocks in lacking)) as listener:
                for _ in measure_layers(plan, lacking, repository, Settings(seed=self.settings.seed), cache, listener):
                    pass
        there = self.measured(plan)
        left = tuple(clock for clock in plan.clocks if clock.id not in there)
        if left:
            with progressing(len(left)) as listener:
                for _ in measure_network(replace(plan, clocks=left), repository, self.settings, cache, listener):
                    pass

    def compared(self, plan: NetworkPlan) -> list[Comparison]:
        """Return the comparisons at all clocks at which the network was measured."""
        runs = self.measured(plan)
        clocks = tuple(clock for clock in plan.clocks if clock.id in runs)
        known = replace(plan, clocks=clocks)
        return compare(known, list(runs.values()), estimates(known, self.rows(), self.model)) if clocks else []


def sweep_grid(path: Path, station: Station, freq: str, db: str, settings: Settings) -> frozenset[tuple[str, str]]:
    """Measure what is missing of the plan in ``path``; with no ``db`` nothing. Return its workloads as primitive and parameters."""
    request = replace(load_plan(path), stations=(station.name,), freq=freq)
    plan = plan_sweep(request, {station.name: station})
    if db:
        with sweeping() as listener:
            execute_sweep(plan, db, settings, BuildCache.default(), listener)
    return frozenset((image.work.primitive, image.work.params_text) for image in plan.images)


def errors(compared: Sequence[Comparison], quantity: str) -> list[float]:
    """Return the relative errors of the estimates."""
    return [error for entry in compared if (error := entry.errors()[quantity]) is not None]


def line(case: str, station: str, compared: Sequence[Comparison]) -> str:
    """Return one row of the table."""
    cells = []
    for quantity in QUANTITIES:
        found = [100 * abs(error) for error in errors(compared, quantity)]
        cells.append(f"{sum(found) / len(found):.2f} % ({max(found):.2f})" if found else "-")
    return f"| {case} | {station} | {len(compared)} | {' | '.join(cells)} |"


def validated(bench: Bench, label: str, cases: Sequence[str], *, measure: bool) -> Iterator[Comparison]:
    """Print a row for every case, and yield its comparisons. What cannot be is said, and left out."""
    for case in cases:
        begun_s = time.monotonic()
        try:
            plan = bench.plan(case)
            if measure:
                bench.measure(plan)
            compared = bench.compared(plan)
        except ParameterError as error:
            print(f"{case} on {label}: {error}", file=sys.stderr)
            continue
        except BenchError as error:
            print(f"{case} on {label} failed: {error}; {error.hint}", file=sys.stderr)
            continue
        yield from compared
        print(line(case, label, compared), flush=True)
        print(f"{case} on {label}: {time.monotonic() - begun_s:.0f} s", file=sys.stderr)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", help="network, or network:reduction; repeated", metavar="CASE")
    parser.add_argument(
        "--station", action="append", help=f"one of {', '.join(STATIONS)}, or NAME=CLOCKS; repeated", metavar="STATION"
    )
    parser.add_argument("--model", default="fitted", choices=MODELS)
    parser.add_argument("--plan", type=Path, default=PLAN, help="the grid to measure and to fit", metavar="FILE")
    parser.add_argument("--db", help="database to use and to keep; default: a temporary one")
    parser.add_argument("--no-sweep", action="store_true", help="measure networks, but nothing of the grid")
    parser.add_argument("--estimate-only", action="store_true", help="measure nothing, compare what is there")
    parser.add_argument("--window", type=float, default=0.02, help="energy window, seconds", metavar="S")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        known = all_stations()
        db = options.db or f"{folder}/measurements.db"
        db = db if "://" in db else f"sqlite:///{db}"
        settings = Settings(repeats=2, warmup=1, window_s=options.window, seed=1)
        print(f"mean absolute error (worst) of the estimate, model {options.model}\n")
        print("| network | board | clocks | latency | energy | current | flash | RAM |")
        print("| --- | --- | --- | --- | --- | --- | --- | --- |", flush=True)
        every: list[Comparison] = []
        with open_store(db) as store:
            for text in options.station or STATIONS:
                label, _, freq = text.partition("=")
                station = find_station(known, STATIONS.get(label, label))
                measure = not options.estimate_only
                sweep_db = db if measure and not options.no_sweep and options.model != LAYERS else ""
                grid = sweep_grid(options.plan, station, freq or "all", sweep_db, settings)
                place = Bench(station, freq or "all", store, settings, options.model, grid)
                every += validated(place, label, options.case or CASES, measure=measure)
        print(line("all", "", every))


if __name__ == "__main__":
    main()
