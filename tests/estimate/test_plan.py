"""The shipped plan: it measures what the built-in networks need, and none of their layers."""

from __future__ import annotations

from functools import cache
from itertools import product
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from bench.domain.primitives import workload
from bench.domain.workload import DType
from bench.estimate.estimator import Estimator
from bench.estimate.networks import NETWORKS, network
from bench.estimate.reduction import Reduction
from bench.estimate.table import Table
from tests.estimate.laws import CLOCKS, cycles, table_rows

PLAN = Path(__file__).parents[2] / "plans" / "cost-model.yaml"

Shapes = list[tuple[str, dict[str, int | str]]]


@cache
def shapes() -> Shapes:
    """Return every shape of the plan."""
    found: Shapes = []
    for entry in YAML(typ="safe").load(PLAN)["primitives"]:
        grid = entry["grid"]
        found += [(entry["name"], dict(zip(grid, values, strict=True))) for values in product(*grid.values())]
    return found


@cache
def table() -> Table:
    """Return what the plan would measure if costs followed the law."""
    return Table.of(table_rows(shapes(), clocks=CLOCKS[::3], dtypes=tuple(DType)))


@pytest.mark.parametrize("name", sorted(NETWORKS))
@pytest.mark.parametrize("reduce", ["", "int8", "prune=50", "prune=70", "prune=90", "int8,fold"])
def test_no_built_in_network_is_extrapolated(name: str, reduce: str) -> None:
    """And the law comes out again: the grid tells all its terms apart."""
    reduction = Reduction.parse(reduce)
    reduced, dtype = reduction.apply(network(name)), reduction.dtype or DType.FP32
    estimates = Estimator.at_measured_clocks(table(), "nucleo_f446ze", dtype=dtype).estimate(reduced, dtype)
    for found, clock in zip(estimates, CLOCKS[::3], strict=True):
        law = sum(cycles(layer.workload(dtype), clock.flash_wait_states) for layer in reduced.layers) / clock.hclk_hz
        assert found.latency_s == pytest.approx(law, rel=0.01)


def test_no_layer_is_measured_itself() -> None:
    """Validation would be no test of the model otherwise; softmax of two values is as small as it gets."""
    measured = {workload(name, params).params_text + name for name, params in shapes()}
    for name in NETWORKS:
        for layer in network(name).layers:
            own = layer.workload(DType.FP32).params_text + layer.primitive
            assert own not in measured or layer.primitive == "softmax", (name, layer.name)
