"""From points that a virtual station measured to an estimate, against the layer as it is measured itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.boards import load_board
from bench.boards.stations import find_station, virtual_stations
from bench.build import BuildCache
from bench.domain.measurement import Run
from bench.domain.network import Network
from bench.domain.primitives import workload
from bench.estimate.builder import Builder
from bench.estimate.estimator import Estimator
from bench.estimate.table import Table
from bench.lut import rows
from bench.measure.settings import Settings
from bench.store import Selection, open_store
from bench.sweep.execute import execute
from bench.sweep.plan import choose_clocks, plan_image

BOARD = "nucleo_f446ze"
MEASURED, ASKED = (50, 300, 1500), 900


class _Quiet:
    def event(self, text: str) -> None: ...

    def step(self, text: str) -> None: ...

    def recorded(self, run: Run) -> None: ...

    def gave_up(self, points: int) -> None: ...


def _network() -> Network:
    net = Builder("one", (1, 1, ASKED))
    net.add("relu", "relu")
    return net.build()


def test_a_layer_between_measured_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cycles to a thousandth, energy to what the probe's noise allows."""
    monkeypatch.setenv("BENCH_VIRTUAL_STATE", str(tmp_path / "state"))
    station, board = find_station(virtual_stations(), f"virtual-{BOARD}"), load_board(BOARD)
    clocks, settings = choose_clocks(board, "16MHz"), Settings(repeats=2, window_s=0.02, seed=1)
    with open_store(f"sqlite:///{tmp_path / 'm.db'}") as store:
        for n in (*MEASURED, ASKED):
            plan = plan_image(station, board, workload("relu", {"n": n}), clocks, None)
            list(execute(plan, store.repository, settings, BuildCache.default(), _Quiet()))
        made = list(rows(store, Selection()))
    truth = next(row for row in made if row.params == f"n={ASKED}")
    table = Table.of(row for row in made if row is not truth)
    (found,) = Estimator.at_measured_clocks(table, BOARD).estimate(_network())
    assert found.latency_s == pytest.approx(truth.latency_s, rel=1e-3)
    assert found.energy_j == pytest.approx(truth.energy_j, rel=0.01)
    assert abs(found.latency_s - truth.latency_s) <= found.latency_u95_s + truth.latency_u95_s
    assert found.layers[0].basis == "fitted to 3 points, between measured shapes"
