"""From a few measured shapes to the estimate of a network that holds none of them, and to the network itself, on a virtual station."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.boards import load_board
from bench.boards.stations import find_station, virtual_stations
from bench.build import BuildCache
from bench.domain.measurement import Run
from bench.domain.network import Network
from bench.domain.primitives import workload
from bench.domain.workload import DType
from bench.estimate.builder import Builder
from bench.measure.settings import Settings
from bench.store import open_store
from bench.sweep.execute import execute
from bench.sweep.plan import choose_clocks, plan_image
from bench.sweep.validate import compare, estimates, mean_absolute_errors, measure_network, plan_network, table_of

BOARD = load_board("nucleo_f446ze")
Grid = dict[str, int | str]

STATION = find_station(virtual_stations(), "virtual-nucleo_f446ze")
CLOCKS = choose_clocks(BOARD, "16MHz,48MHz")  # without wait states and with one
SETTINGS = Settings(repeats=2, window_s=0.01, idle_s=0.005, settle_s=0.005, seed=1, sentinel_every=0)
RELUS: list[Grid] = [{"n": n} for n in (10, 40, 400)]
LAYERS: list[Grid] = [{"n_in": n_in, "n_out": n_out} for n_in in (16, 80) for n_out in (4, 40)]
BOUNDS = {"latency_s": 5e-3, "energy_j": 5e-3, "current_a": 5e-3, "flash_bytes": 0.01, "ram_bytes": 0.0}


class _Quiet:
    def event(self, text: str) -> None: ...

    def step(self, text: str) -> None: ...

    def recorded(self, run: Run) -> None: ...

    def gave_up(self, points: int) -> None: ...


def _network() -> Network:
    net = Builder("between", (1, 1, 60))
    net.add("relu", "relu")
    net.add("fc", "fully_connected", n_out=24)
    return net.build()


def test_a_network_between_measured_shapes(
    tmp_path: Path, build_cache: BuildCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_VIRTUAL_STATE", str(tmp_path / "state"))
    plan = plan_network(STATION, BOARD, _network(), DType.FP32, CLOCKS)
    grid = [*(workload("relu", each) for each in RELUS), *(workload("fully_connected", each) for each in LAYERS)]
    assert not {step.work for step in plan.laid_out.steps} & set(grid)
    with open_store(f"sqlite:///{tmp_path / 'm.db'}") as store:
        repository = store.repository
        for work in grid:
            list(execute(plan_image(STATION, BOARD, work, CLOCKS), repository, SETTINGS, build_cache, _Quiet()))
        expected = estimates(plan, table_of(repository, STATION), "fitted")
        runs = list(measure_network(plan, repository, SETTINGS, build_cache, _Quiet()))
    compared = compare(plan, runs, expected)
    assert len(compared) == len(CLOCKS)
    for name, error in mean_absolute_errors(compared).items():
        assert error is not None
        assert error <= BOUNDS[name], (name, error)
