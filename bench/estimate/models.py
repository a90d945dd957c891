"""What layers cost at the clocks of a table, by either model: ``fitted`` per layer, or ``published`` unit cost x applications."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from bench.domain.network import Layer
from bench.domain.primitives import PRIMITIVES, operations, workload
from bench.domain.workload import DType
from bench.errors import BenchError, ParameterError
from bench.estimate.decompose import kernel_label
from bench.estimate.fit import COVERAGE, Fit, fit
from bench.estimate.table import Point, Scope, Table
from bench.estimate.terms import Array, columns_of

PLAN = "plans/cost-model.yaml"
"""The sweep that measures what the fitted model needs."""


class Model(StrEnum):
    """How a layer's cost follows from the table."""

    FITTED = "fitted"
    PUBLISHED = "published"


@dataclass(frozen=True, slots=True)
class LayerCost:
    """What one layer costs at every clock, shape (clocks,). ``u95_*`` are the look-up table's share, relative; ``spread_*`` the model's own.

    ``basis`` says in words how it was found; ``extrapolated`` names parameters outside what was measured.
    """

    layer: Layer
    latency_s: Array
    energy_j: Array
    u95_latency: Array
    u95_energy: Array
    spread_latency: Array
    spread_energy: Array
    basis: str
    extrapolated: tuple[str, ...] = ()


class MissingPoints(BenchError):
    """The look-up table lacks points that an estimate needs."""


@dataclass(slots=True)
class CostModel:
    """Costs of layers in one scope at ``clocks``; fits are made when they are first needed and kept."""

    table: Table
    scope: Scope
    clocks: tuple[str, ...]
    model: Model = Model.FITTED
    extrapolate: bool = False
    _fits: dict[tuple[str, int | None], Fit | None] = field(default_factory=dict)

    def costs(self, layers: Sequence[Layer]) -> list[LayerCost]:
        """Return the cost of every layer. Raises MissingPoints naming all that lacks, ParameterError for sizes outside what was measured."""
        missing: dict[str, str] = {}
        found: dict[tuple[str, tuple[tuple[str, int | str], ...]], LayerCost] = {}
        outside: list[str] = []
        for layer in layers:
            key = (layer.primitive, layer.params)
            if key in found:
                continue
            cost = self._published(layer) if self.model is Model.PUBLISHED else self._fitted(layer)
            if cost is None:
                missing.setdefault(f"{layer.primitive} {kernel_label(layer)}".strip(), layer.primitive)
                continue
            found[key] = cost
            if cost.extrapolated and not self.extrapolate:
                outside.append(f"{layer.name} ({layer.primitive}): {', '.join(cost.extrapolated)}")
        if missing:
            raise self._missing(missing)
        if outside:
            raise ParameterError(
                f"{len(outside)} of {len(layers)} layers lie outside what was measured ({self.scope})",
                detail="\n".join(outside),
                hint="measure larger shapes with bench sweep, or add --extrapolate",
            )
        return [_for(layer, found[layer.primitive, layer.params]) for layer in layers]

    def _missing(self, missing: Mapping[str, str]) -> MissingPoints:
        primitives = " ".join(f"--primitive {name}" for name in dict.fromkeys(missing.values()))
        dtype = f"--dtype {self.scope.dtype}"
        station = f"--station {'virtual-' if self.table.source == 'virtual' else ''}{self.scope.board}"
        if self.model is Model.PUBLISHED:
            command, few = f"bench sweep {station} {primitives} {dtype}", "no points"
        else:
            command, few = f"bench sweep {PLAN} {station} {primitives} {dtype}", "no or too few points"
        return MissingPoints(
            f"{few} for {', '.join(missing)} ({self.scope}, {self.table.source})", hint=f"measure them: {command}"
        )

    def flavor_scope(self, primitive: str) -> Scope:
        """Return the scope of ``primitive``: a flavor that it does not have falls back to naive, as in a network's firmware."""
        flavors = PRIMITIVES[primitive].flavors[DType(self.scope.dtype)]
        flavor = self.scope.flavor if self.scope.flavor in flavors else "naive"
        return Scope(self.scope.board, self.scope.dtype, flavor, self.scope.opt_level)

    def points(self, primitive: str) -> list[Point]:
        """Return the points of ``primitive`` that have a row at every clock."""
        found = self.table.of_primitive(self.flavor_scope(primitive), primitive)
        return [
            point
            for point in found
            if point.params.get("arithmetic", "affine") == "affine"
            and all(clock in point.rows for clock in self.clocks)
        ]

    def fit_of(self, primitive: str, kernel: int | None) -> Fit | None:
        """Return the fit of ``primitive`` for windows of ``kernel``, of all windows together where those alone are too few; None where both are."""
        key = (primitive, kernel)
        if key not in self._fits:
            points, dtype = self.points(primitive), DType(self.scope.dtype)
            own = [point for point in points if kernel is None or point.params.get("k") == kernel]
            made = fit(primitive, dtype, own, kernel, self.clocks)
            self._fits[key] = made or (fit(primitive, dtype, points, None, self.clocks) if kernel is not None else None)
        return self._fits[key]

    def _fitted(self, layer: Layer) -> LayerCost | None:
        params = dict(layer.params)
        kernel = params.get("k")
        made = self.fit_of(layer.primitive, int(kernel) if kernel is not None else None)
        if made is None:
            return None
        row = made.counts(columns_of([params]))[0]
        outside = made.outside(params)
        measured = any(_same(point.params, params) for point in self.points(layer.primitive))
        how = "outside" if outside else "a measured shape" if measured else "between measured shapes"
        windows = "" if made.kernel is not None or kernel is None else " of all windows"
        return LayerCost(
            layer,
            row @ made.latency_s,
            row @ made.energy_j,
            made.u95_latency,
            made.u95_energy,
            made.spread_latency,
            made.spread_energy,
            f"fitted to {made.points} points{windows}, {how}",
            tuple(outside),
        )

    def _published(self, layer: Layer) -> LayerCost | None:
        """Return unit cost x applications; the unit cost is that of the measured shape nearest in size, with the same window."""
        params = dict(layer.params)
        dtype = DType(self.scope.dtype)
        whole_layers = PRIMITIVES[layer.primitive].applications(params) == 1 and "k" not in params
        own = [point for point in self.points(layer.primitive) if point.params.get("k") == params.get("k")]
        if not own:
            return None
        size = operations(layer.workload(dtype))
        sizes = [operations(workload(layer.primitive, point.params, dtype)) for point in own]
        standard = [dict(work) for work in PRIMITIVES[layer.primitive].published]
        order = range(len(own))
        if whole_layers:
            at = min(order, key=lambda i: (not _same(own[i].params, params), abs(math.log(sizes[i] / size))))
            factor = 1.0 if _same(own[at].params, params) else size / sizes[at]
            basis = "a measured layer" if factor == 1.0 else f"scaled by operations from {_text(own[at])}"
        else:
            defaults = [dict(workload(layer.primitive, values, dtype).params) for values in standard]
            at = min(
                order,
                key=lambda i: (
                    not any(_same(own[i].params, values) for values in defaults),
                    abs(math.log(sizes[i] / size)),
                ),
            )
            factor = layer.applications / own[at].applications
            basis = f"unit cost of {_text(own[at])}"
        outside = ()
        if whole_layers and not min(sizes) <= size <= max(sizes):
            outside = (f"{size} operations (measured {min(sizes)} .. {max(sizes)})",)
        rows = [own[at].rows[clock] for clock in self.clocks]
        nothing = np.zeros(len(rows))
        energy = np.array([math.nan if row.energy_j is None else row.energy_j for row in rows])
        u95_energy = np.array([math.nan if row.energy_u95_j is None else row.energy_u95_j for row in rows])
        latency = np.array([row.latency_s for row in rows])
        u95_latency = np.array([row.latency_u95_s for row in rows]) / latency
        return LayerCost(
            layer, latency * factor, energy * factor, u95_latency, u95_energy / energy, nothing, nothing, basis, outside
        )


def _same(one: Mapping[str, int | str], other: Mapping[str, int | str]) -> bool:
    """Whether two parameter sets agree in what both have; ``scaling`` and ``arithmetic`` exist in one data type only."""
    return all(other[name] == value for name, value in one.items() if name in other)


def _text(point: Point) -> str:
    return ",".join(f"{name}={value}" for name, value in point.params.items() if isinstance(value, int))


def _for(layer: Layer, cost: LayerCost) -> LayerCost:
    return LayerCost(
        layer,
        cost.latency_s,
        cost.energy_j,
        cost.u95_latency,
        cost.u95_energy,
        cost.spread_latency,
        cost.spread_energy,
        cost.basis,
        cost.extrapolated,
    )


__all__ = ["COVERAGE", "CostModel", "LayerCost", "MissingPoints", "Model"]
