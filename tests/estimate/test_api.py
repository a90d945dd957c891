"""The Python API: the same numbers as the command, and many candidates at once."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest

from bench.domain.network import Network
from bench.errors import ParameterError
from bench.estimate import api
from bench.estimate.estimator import Estimator
from bench.estimate.memory import weights
from bench.estimate.networks import network
from bench.estimate.reduction import pruned
from bench.estimate.table import Table
from tests.estimate.laws import CLOCKS, table_rows


@cache
def table() -> Table:
    """Return the law's table."""
    return api.table(table_rows(clocks=CLOCKS[::3]))


def frame(networks: list[Network]) -> pd.DataFrame:
    """Return the layers of all networks as ``candidates`` takes them."""
    return pd.DataFrame(
        [
            {"candidate": at, "primitive": layer.primitive} | dict(layer.params)
            for at, made in enumerate(networks)
            for layer in made.layers
        ]
    )


def test_candidates_cost_what_networks_cost() -> None:
    """Vectorised or one by one."""
    networks = [network(name) for name in ("lenet5", "resnet8", "dscnn")]
    networks += [pruned(network("resnet8"), rate) for rate in (30, 55, 80)]
    found = api.candidates(table(), frame(networks), board="nucleo_f446ze", clock_id=CLOCKS[0].id)
    estimator = Estimator.at_measured_clocks(table(), "nucleo_f446ze")
    for at, made in enumerate(networks):
        single = estimator.estimate(made)[0]
        assert found.latency_s_estimated[at] == pytest.approx(single.latency_s, rel=1e-9)
        assert found.energy_j_estimated[at] == pytest.approx(single.energy_j, rel=1e-9)
        assert found.weights[at] == sum(sum(weights(layer)) for layer in made.layers)


def test_candidates_are_checked() -> None:
    """Missing columns, impossible values, sizes outside the table."""
    layers = frame([network("lenet5")])
    for bad, message in (
        (layers.drop(columns="candidate"), "no column 'candidate'"),
        (layers.drop(columns="stride"), "need a column 'stride'"),
        (layers.assign(n_in=np.nan), "no valid n_in"),
        (layers.assign(padding="full"), "no valid padding"),
        (layers.assign(n=layers.n * 1000), "measured were"),
    ):
        with pytest.raises(ParameterError, match=message):
            api.candidates(table(), bad, board="nucleo_f446ze", clock_id=CLOCKS[0].id)


def test_estimates_as_a_frame() -> None:
    """One row for each network, reduction and clock."""
    found = api.estimate(table(), ["lenet5", "autoencoder"], reductions=["", "prune=50"])
    assert len(found) == 2 * 2 * 2
    assert list(found.columns[:3]) == ["network", "board", "source"]
    assert found.latency_s_estimated.gt(0).all()
    counts = api.applications("resnet8").set_index("primitive")["applications"]
    assert counts["residual_add"] == 28672
