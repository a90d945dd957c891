"""Estimates for programs, as pandas DataFrames with the names and units of ``bench estimate --json``.

from pathlib import Path
from bench.estimate import api
from bench.lut import read

table = api.table(read(Path("lut.csv")))
frame = api.estimate(table, ["lenet5", "resnet8"], boards=["nucleo_f446ze"], reductions=["", "int8,prune=70"])
costs = api.candidates(table, layers, board="nucleo_f446ze", clock_id=frame.clock_id[0])
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from bench.domain.lut import LutRow
from bench.domain.network import Network
from bench.domain.primitives import PRIMITIVES, primitive
from bench.domain.workload import DType
from bench.errors import ParameterError
from bench.estimate.decompose import decompose
from bench.estimate.estimator import Estimator
from bench.estimate.fit import Fit
from bench.estimate.models import CostModel, Model
from bench.estimate.networks import network
from bench.estimate.reduction import Reduction
from bench.estimate.table import Scope, Table
from bench.estimate.terms import Array

CANDIDATE = "candidate"


def table(rows: Iterable[LutRow], sources: Sequence[str] = ()) -> Table:
    """Return the look-up table to estimate from. Raises UsageError for rows of several sources, unless ``sources`` names them."""
    return Table.of(rows, tuple(sources))


def applications(net: Network | str) -> pd.DataFrame:
    """Return how often a network applies each primitive: columns primitive, kernel, applications."""
    counts = decompose(network(net) if isinstance(net, str) else net)
    return pd.DataFrame(
        [(name, kernel, count) for (name, kernel), count in counts.items()],
        columns=["primitive", "kernel", "applications"],
    )


def estimate(
    table: Table,
    networks: Sequence[Network | str],
    *,
    boards: Sequence[str] = (),
    reductions: Sequence[str] = ("",),
    dtype: str = DType.FP32,
    flavor: str = "naive",
    model: str = Model.FITTED,
    extrapolate: bool = False,
) -> pd.DataFrame:
    """Return one row for each network, board (default: all), reduction and measured clock; columns as ``bench estimate --json``.

    A reduction that names a data type overrides ``dtype``. Raises MissingPoints, ParameterError, UnknownName.
    """
    rows: list[dict[str, object]] = []
    for board in boards or table.boards:
        made: dict[str, Estimator] = {}
        for net in networks:
            whole = network(net) if isinstance(net, str) else net
            for text in reductions:
                reduction = Reduction.parse(text)
                kind = str(reduction.dtype or dtype)
                if kind not in made:
                    made[kind] = Estimator.at_measured_clocks(
                        table, board, dtype=kind, flavor=flavor, model=Model(model), extrapolate=extrapolate
                    )
                found = made[kind].estimate(reduction.apply(whole), kind, str(reduction))
                rows.extend(entry.contract() for entry in found)
    return pd.DataFrame(rows)


def candidates(
    table: Table,
    layers: pd.DataFrame,
    *,
    board: str,
    clock_id: str,
    dtype: str = DType.FP32,
    flavor: str = "naive",
    extrapolate: bool = False,
) -> pd.DataFrame:
    """Return latency, energy and weights of many networks at once, for architecture search.

    ``layers`` has one row a layer: ``candidate`` (any key), ``primitive``, and the primitive's parameters by name as columns (empty where a
    primitive does not have it, defaults are not filled in). The result has one row a candidate, in order of its key: ``latency_s_estimated``,
    ``energy_j_estimated``, ``weights``. With the fitted model alone. Raises MissingPoints, and ParameterError for parameters that are missing or
    outside what was measured, unless ``extrapolate``.
    """
    for needed in (CANDIDATE, "primitive"):
        if needed not in layers.columns:
            raise ParameterError(
                f"layers have no column {needed!r}", hint="one row a layer: candidate, primitive, k ..."
            )
    model = CostModel(table, Scope(board, str(dtype), flavor), (clock_id,), Model.FITTED, extrapolate)
    keys, inverse = np.unique(layers[CANDIDATE].to_numpy(), return_inverse=True)
    latency, energy, weights = (np.zeros(len(layers)) for _ in range(3))
    names = layers["primitive"].to_numpy()
    kernels = layers["k"].to_numpy(dtype=float) if "k" in layers else np.full(len(layers), np.nan)
    for name in pd.unique(names):
        rows = np.flatnonzero(names == name)
        columns = _columns(name, layers, rows)
        windows = np.unique(kernels[rows]) if "k" in columns else np.array([np.nan])
        for window in windows:
            part = np.flatnonzero(kernels[rows] == window) if "k" in columns else np.arange(len(rows))
            of = {column: values[part] for column, values in columns.items()}
            fits = model.fits_of(name, None if np.isnan(window) else int(window))
            if not fits:
                raise model.missing(
                    {f"{name} {'' if np.isnan(window) else f'k={int(window)}'}".strip(): name}, clock_id
                )
            if not extrapolate:
                _refuse_outside(name, of, fits[0])
            counts = fits[0].counts(of)
            at = rows[part]
            latency[at], energy[at] = counts @ fits[0].latency_s[:, 0], counts @ fits[0].energy_j[:, 0]
            weights[at] = _weights(name, of)
    return pd.DataFrame(
        {
            "latency_s_estimated": np.bincount(inverse, latency),
            "energy_j_estimated": np.bincount(inverse, energy),
            "weights": np.bincount(inverse, weights).astype(np.int64),
        },
        index=pd.Index(keys, name=CANDIDATE),
    )


def _columns(name: str, layers: pd.DataFrame, rows: np.ndarray[tuple[int], np.dtype[np.intp]]) -> dict[str, Array]:
    """Return the parameters of ``rows`` as the terms take them. Raises UnknownName, ParameterError for a missing or impossible one."""
    made: dict[str, Array] = {}
    for parameter in primitive(name).parameters:
        if parameter.name in ("scaling", "arithmetic"):
            continue
        if parameter.name not in layers.columns:
            raise ParameterError(
                f"layers of {name} need a column {parameter.name!r}", hint=f"{parameter.name}: {parameter.range_text}"
            )
        values = layers[parameter.name].to_numpy()[rows]
        if parameter.name == "padding":
            known = np.isin(values.astype(str), ["same", "valid"])
            made["same"] = (values == "same").astype(float)
        else:
            made[parameter.name] = values.astype(float)
            known = made[parameter.name] >= 1
        if not known.all():
            bad = layers[CANDIDATE].to_numpy()[rows[np.flatnonzero(~known)[0]]]
            raise ParameterError(
                f"candidate {bad}: a layer of {name} has no valid {parameter.name}",
                hint=f"{parameter.name}: {parameter.range_text}",
            )
    return made


def _refuse_outside(name: str, columns: dict[str, Array], fit: Fit) -> None:
    for parameter, values in columns.items():
        low, high = fit.ranges.get(parameter, (0, 1 << 62))
        if values.min() < low or values.max() > high:
            raise ParameterError(
                f"{name}: {parameter} = {values.min():g} .. {values.max():g}, measured were {low} .. {high}",
                hint="measure larger shapes with bench sweep, or pass extrapolate=True",
            )


def _weights(name: str, columns: dict[str, Array]) -> Array:
    """Return weights and biases."""
    if name in ("conv2d", "conv2d_rgb"):
        return columns["out_c"] * (columns.get("in_c", np.float64(3)) * columns["k"] ** 2 + 1)
    if name == "depthwise_conv2d":
        return columns["in_c"] * (columns["k"] ** 2 + 1)
    if name == "fully_connected":
        return columns["n_out"] * (columns["n_in"] + 1)
    if name == "batchnorm":
        return 2 * columns["in_c"]
    assert name in PRIMITIVES
    return np.zeros(len(next(iter(columns.values()))))
