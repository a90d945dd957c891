"""Estimates that are sums of layers, and their comparison with a measured network."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bench.boards import load_board
from bench.boards.stations import all_stations, find_station
from bench.clocktree import solve
from bench.domain.lut import LutRow, row
from bench.domain.measurement import CycleRun, ImageInfo, Point, Result, Run, Verdict
from bench.domain.workload import DType, Workload
from bench.errors import ParameterError
from bench.estimate.models import MissingPoints
from bench.estimate.networks import network
from bench.sweep.layers import Cost, compose, distinct, index, key, layer_cycles, missing, refuse_missing
from bench.sweep.validate import NetworkPlan, compare, estimates, mean_absolute_errors, plan_network

BOARD = load_board("nucleo_f446ze")
STATION = find_station(all_stations(None), "virtual-nucleo_f446ze")
CLOCKS = (solve(BOARD, 16e6), solve(BOARD, 180e6))
START = datetime(2024, 1, 1, tzinfo=UTC)
CODE_BYTES = 100


def plan(dtype: DType = DType.FP32) -> NetworkPlan:
    return plan_network(STATION, BOARD, network("lenet5"), dtype, CLOCKS)


def run(work: Workload, clock: object, cycles: float, constants: int, at: int = 0) -> Run:
    """Return a run of ``cycles`` at 10 mA and 3 V, whose image holds ``CODE_BYTES`` of code."""
    assert clock in CLOCKS
    point = Point(STATION.name, STATION.source, BOARD.name, BOARD.mcu, BOARD.core, work, clock)
    latency_s = cycles / point.clock.hclk_hz
    return Run(
        point,
        START + timedelta(seconds=at),
        Verdict.ACCEPTED,
        "0",
        ImageInfo("00", "gcc", "O3", 0, 0, 0, 0, 0, CODE_BYTES, 0, constants, 64),
        CycleRun((1,), (1,), 1, 1, 0, "00"),
        result=Result(cycles, 1.0, latency_s, 0.0, vdd_v=3.0, current_a=0.01, energy_j=0.03 * latency_s),
    )


def table(of: NetworkPlan) -> list[LutRow]:
    """Return rows of every layer: a thousand cycles times its place."""
    constants = {step.work: step.layout.constant_bytes for step in of.laid_out.steps}
    return [
        row(run(work, clock, 1000.0 * (at + 1), constants[work]))
        for at, work in enumerate(distinct(of.laid_out))
        for clock in CLOCKS
    ]


def test_costs_of_layers_add_up_and_code_counts_once() -> None:
    lenet = plan()
    rows = index(table(lenet), STATION.name)
    cost = compose(lenet.laid_out, CLOCKS[0], rows)
    cycles = sum(layer_cycles(lenet.laid_out, CLOCKS[0], rows))
    assert cycles == sum(1000.0 * (distinct(lenet.laid_out).index(step.work) + 1) for step in lenet.laid_out.steps)
    assert cost.latency_s == pytest.approx(cycles / 16e6)
    assert cost.energy_j == pytest.approx(0.03 * cycles / 16e6)
    assert cost.current_a == pytest.approx(0.01)
    assert cost.flash_bytes == 5 * CODE_BYTES + lenet.laid_out.weight_bytes  # five kernels for twelve layers
    assert cost.ram_bytes == lenet.laid_out.arena.size_bytes


def test_without_current_there_is_no_energy() -> None:
    lenet = plan()
    first, *others = table(lenet)
    rows = index([replace(first, current_a=None, energy_j=None), *others], STATION.name)
    cost = compose(lenet.laid_out, CLOCKS[0], rows)
    assert (cost.energy_j, cost.current_a) == (None, None)
    assert cost.latency_s > 0


def test_missing_points_are_named_with_the_command_that_measures_them() -> None:
    lenet = plan(DType.INT8)
    rows = index(table(lenet)[1:], STATION.name)
    lacking = missing(lenet.laid_out, CLOCKS, rows)
    assert lacking == [(lenet.laid_out.steps[0].work, CLOCKS[:1])]
    with pytest.raises(MissingPoints, match="lacks 1 points of 1 layers") as refusal:
        refuse_missing(lacking, STATION.name, "virtual", "--sweep")
    assert "bench run --station virtual-nucleo_f446ze --primitive conv2d --param k=5" in refusal.value.hint
    assert CLOCKS[0].id in refusal.value.hint
    refuse_missing([], STATION.name, "virtual", "--sweep")


def test_the_stations_own_rows_come_first_then_the_latest() -> None:
    work = plan().laid_out.steps[0].work
    own, later = (row(run(work, CLOCKS[0], cycles, 0, at)) for cycles, at in ((1.0, 0), (2.0, 1)))
    other = replace(row(run(work, CLOCKS[0], 3.0, 0, 2)), station="virtual-other")
    assert index([other, later, own], STATION.name)[key(work, CLOCKS[0])].cycles == 2.0


def test_errors_are_relative_to_the_measurement() -> None:
    lenet = plan()
    runs = [run(lenet.laid_out.work, clock, 1e6, 900) for clock in reversed(CLOCKS)]
    expected = {clock.id: Cost(1.1e6 / clock.hclk_hz, None, 0.009, 1000, 32) for clock in CLOCKS}
    compared = compare(lenet, runs, expected)
    assert [comparison.run.point.clock for comparison in compared] == list(CLOCKS)
    errors = compared[0].errors()
    assert errors["latency_s"] == pytest.approx(0.1)
    assert errors["energy_j"] is None
    assert errors["flash_bytes"] == 0.0
    assert mean_absolute_errors(compared) == {
        "latency_s": pytest.approx(0.1),
        "energy_j": None,
        "current_a": pytest.approx(0.1),
        "flash_bytes": 0.0,
        "ram_bytes": 0.5,
    }
    assert mean_absolute_errors([])["latency_s"] is None


def test_rows_have_the_columns_of_the_contract() -> None:
    lenet = plan(DType.INT8)
    runs = [run(lenet.laid_out.work, CLOCKS[0], 1e6, 900)]
    (comparison,) = compare(lenet, runs, {CLOCKS[0].id: Cost(1.0, 1.0, 1.0, 1, 1)})
    quantities = ("latency_s", "energy_j", "current_a", "flash_bytes", "ram_bytes")
    assert list(comparison.row()) == [
        *("network", "board", "source", "dtype", "reduce", "clock_id", "sysclk_hz"),
        *(f"{name}_estimated" for name in quantities),
        *(f"{name}_measured" for name in quantities),
    ]


def test_rejected_runs_are_not_compared() -> None:
    lenet = plan()
    good = run(lenet.laid_out.work, CLOCKS[0], 1e6, 0)
    bad = replace(good, verdict=Verdict.REJECTED, result=None, reason="broken", failure_class="run")
    assert compare(lenet, [bad], {}) == []


def test_the_models_of_estimates_say_what_they_lack() -> None:
    lenet = plan()
    rows = index(table(lenet), STATION.name)
    assert set(estimates(lenet, rows, "layers")) == {clock.id for clock in CLOCKS}
    with pytest.raises(MissingPoints):
        estimates(lenet, rows, "fitted")


def test_a_network_that_does_not_fit_is_refused_when_it_is_planned() -> None:
    with pytest.raises(ParameterError, match="of RAM"):
        plan_network(STATION, BOARD, network("resnet8"), DType.FP32, CLOCKS)
