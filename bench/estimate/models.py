"""What layers cost at the clocks of a table, by either model: ``fitted`` per layer, or ``published`` unit cost x applications."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np

from bench.domain.network import Layer
from bench.domain.primitives import PRIMITIVES, operations, workload
from bench.domain.workload import DType, Params
from bench.errors import BenchError, ParameterError
from bench.estimate.decompose import kernel_label
from bench.estimate.fit import Fit, fit
from bench.estimate.table import Point, Scope, Table
from bench.estimate.terms import CACHES, Array, Cache, columns_of

PLAN = "plans/cost-model.yaml"
"""The sweep that measures what the fitted model needs."""


_TELLTALE = "fully_connected"


class Model(StrEnum):
    """How a layer's cost follows from the table."""

    FITTED = "fitted"
    PUBLISHED = "published"


@dataclass(frozen=True, slots=True)
class LayerCost:
    """What one layer costs at every clock, shape (clocks,), NaN at a clock without points. ``u95_*`` are the look-up table's share, relative; ``spread_*`` the model's own.

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
    _fits: dict[tuple[str, int | None], tuple[Fit, ...]] = field(default_factory=dict)
    _points: dict[str, list[Point]] = field(default_factory=dict)
    _costs: dict[tuple[str, Params], LayerCost | None] = field(default_factory=dict)

    def costs(self, layers: Sequence[Layer]) -> list[LayerCost]:
        """Return the cost of every layer. Raises MissingPoints naming all that lacks, ParameterError for sizes outside what was measured."""
        missing: dict[str, str] = {}
        found: dict[tuple[str, Params], LayerCost] = {}
        outside: list[str] = []
        self._cost({(layer.primitive, layer.params): layer for layer in layers})
        for layer in layers:
            key = (layer.primitive, layer.params)
            if key in found:
                continue
            cost = self._costs[key]
            if cost is None:
                missing.setdefault(f"{layer.primitive} {kernel_label(layer)}".strip(), layer.primitive)
                continue
            found[key] = cost
            if cost.extrapolated and not self.extrapolate:
                outside.append(f"{layer.name} ({layer.primitive}): {', '.join(cost.extrapolated)}")
        if missing:
            raise self.missing(missing)
        if outside:
            raise ParameterError(
                f"{len(outside)} of {len(layers)} layers lie outside what was measured ({self.scope})",
                detail="\n".join(outside),
                hint="measure larger shapes with bench sweep, or add --extrapolate",
            )
        return [replace(found[layer.primitive, layer.params], layer=layer) for layer in layers]

    def missing_at(self, clock: str, costs: Sequence[LayerCost]) -> MissingPoints:
        """Return the error that says which of ``costs`` have no points at ``clock``."""
        at = self.clocks.index(clock)
        return self.missing(
            {
                f"{cost.layer.primitive} {kernel_label(cost.layer)}".strip(): cost.layer.primitive
                for cost in costs
                if math.isnan(cost.latency_s[at])
            },
            clock,
        )

    def missing(self, missing: Mapping[str, str], clock: str = "") -> MissingPoints:
        primitives = " ".join(f"--primitive {name}" for name in dict.fromkeys(missing.values()))
        dtype = f"--dtype {self.scope.dtype}" + (
            "" if self.scope.flavor == "naive" else f" --flavor {self.scope.flavor}"
        )
        station = f"--station {'virtual-' if self.table.source == 'virtual' else ''}{self.scope.board}"
        where, freq = (f" at {clock}", f" --freq {clock}") if clock else ("", "")
        if self.model is Model.PUBLISHED:
            command, few = f"bench sweep {station} {primitives} {dtype}", "no points"
        else:
            command, few = f"bench sweep {PLAN} {station} {dtype}", "no or too few points"
        return MissingPoints(
            f"{few} for {', '.join(missing)} ({self.scope}, {self.table.source}){where}",
            hint=f"measure them: {command}{freq}",
        )

    def flavor_scope(self, primitive: str) -> Scope:
        """Return the scope of ``primitive``: a flavor that it does not have falls back to naive, as in a network's firmware."""
        flavors = PRIMITIVES[primitive].flavors[DType(self.scope.dtype)]
        flavor = self.scope.flavor if self.scope.flavor in flavors else "naive"
        return Scope(self.scope.board, self.scope.dtype, flavor, self.scope.opt_level)

    def points(self, primitive: str) -> list[Point]:
        """Return the points of ``primitive`` that have a row at any of the clocks."""
        if primitive not in self._points:
            self._points[primitive] = [
                point
                for point in self.table.of_primitive(self.flavor_scope(primitive), primitive)
                if point.params.get("arithmetic", "affine") == "affine"
                and any(clock in point.rows for clock in self.clocks)
            ]
        return self._points[primitive]

    def fits_of(self, primitive: str, kernel: int | None) -> tuple[Fit, ...]:
        """Return the fits of ``primitive`` for windows of ``kernel``, each for other clocks: one for all clocks at which the same points were measured.

        Where the points of that window are too few those of all windows are fitted together; a clock with too few of both has no fit. The cache
        of the flash is the board's, and fully connected layers, which touch a line for each weight, show it best: the others take it from there.
        """
        key = (primitive, kernel)
        if key not in self._fits:
            points, dtype = self.points(primitive), DType(self.scope.dtype)
            groups: dict[tuple[int, ...], list[str]] = {}
            for clock in self.clocks:
                there = tuple(at for at, point in enumerate(points) if clock in point.rows)
                groups.setdefault(there, []).append(clock)
            made = []
            for there, clocks in groups.items():
                all_windows = [points[at] for at in there]
                own = [point for point in all_windows if kernel is None or point.params.get("k") == kernel]
                caches = self._caches(primitive, clocks)
                found = fit(primitive, dtype, own, kernel, clocks, caches)
                if found is None and kernel is not None:
                    found = fit(primitive, dtype, all_windows, None, clocks, caches)
                if found is not None:
                    made.append(found)
            self._fits[key] = tuple(made)
        return self._fits[key]

    def _caches(self, primitive: str, clocks: Sequence[str]) -> Sequence[Cache]:
        """Return the caches of the flash that fits of ``primitive`` at ``clocks`` may assume."""
        if primitive == _TELLTALE:
            return CACHES
        shown = [part.cache for part in self.fits_of(_TELLTALE, None) if clocks[-1] in part.clocks]
        return [cache for cache in shown if cache is not None] or CACHES

    def _cost(self, layers: Mapping[tuple[str, Params], Layer]) -> None:
        """Find the costs of those of ``layers`` that are not known yet."""
        groups: dict[tuple[str, int | None], list[Layer]] = {}
        for key, layer in layers.items():
            if key in self._costs:
                continue
            if self.model is Model.PUBLISHED:
                self._costs[key] = self._published(layer)
            else:
                kernel = dict(layer.params).get("k")
                groups.setdefault((layer.primitive, None if kernel is None else int(kernel)), []).append(layer)
        for (primitive, window), together in groups.items():
            for layer, cost in zip(together, self._fitted(together, self.fits_of(primitive, window)), strict=True):
                self._costs[layer.primitive, layer.params] = cost

    def _fitted(self, layers: Sequence[Layer], fits: Sequence[Fit]) -> list[LayerCost | None]:
        """Return the costs of ``layers``, all of one primitive and window, by ``fits``."""
        if not fits:
            return [None] * len(layers)
        every = [dict(layer.params) for layer in layers]
        columns = columns_of(every)
        made = {name: np.full((len(layers), len(self.clocks)), np.nan) for name in _ARRAYS}
        for part in fits:
            at, counts = [self.clocks.index(clock) for clock in part.clocks], part.counts(columns)
            made["latency_s"][:, at], made["energy_j"][:, at] = counts @ part.latency_s, counts @ part.energy_j
            for name in _ARRAYS[2:]:
                made[name][:, at] = getattr(part, name)
        points = self.points(layers[0].primitive)
        measured: dict[tuple[str, ...], set[tuple[int | str, ...]]] = {}
        for point in points:
            shared = tuple(name for name in point.params if name in every[0])
            measured.setdefault(shared, set()).add(tuple(point.params[name] for name in shared))
        best = max(fits, key=lambda part: part.points)
        windows = "" if best.kernel is not None or "k" not in every[0] else " of all windows"
        found: list[LayerCost | None] = []
        for row, (layer, params) in enumerate(zip(layers, every, strict=True)):
            outside = tuple(dict.fromkeys(text for part in fits for text in part.outside(params)))
            known = any(tuple(params[name] for name in shared) in values for shared, values in measured.items())
            how = "outside" if outside else "a measured shape" if known else "between measured shapes"
            basis = f"fitted to {best.points} points{windows}, {how}"
            found.append(
                LayerCost(
                    layer, **{name: values[row] for name, values in made.items()}, basis=basis, extrapolated=outside
                )
            )
        return found

    def _published(self, layer: Layer) -> LayerCost | None:
        """Return unit cost x applications; the unit cost is that of the published shape, else of the nearest in size, with the same window.

        A primitive whose application is a whole layer is scaled by operations from the nearest layer.
        """
        params, dtype = dict(layer.params), DType(self.scope.dtype)
        entry = PRIMITIVES[layer.primitive]
        whole_layers = entry.application.startswith("one layer")
        own = [point for point in self.points(layer.primitive) if point.params.get("k") == params.get("k")]
        if not own:
            return None
        size = operations(layer.workload(dtype))
        sizes = [operations(workload(layer.primitive, point.params, dtype)) for point in own]
        standard = (
            [params]
            if whole_layers
            else [dict(workload(layer.primitive, values, DType.FP32).params) for values in entry.published]
        )
        order = sorted(
            range(len(own)),
            key=lambda at: (
                not any(_same(own[at].params, values) for values in standard),
                abs(math.log(sizes[at] / size)),
            ),
        )
        made = {name: np.full(len(self.clocks), np.nan) for name in _ARRAYS}
        made["spread_latency"][:] = made["spread_energy"][:] = 0.0
        for column, clock in enumerate(self.clocks):
            at = next((at for at in order if clock in own[at].rows), None)
            if at is None:
                continue
            row = own[at].rows[clock]
            exact = whole_layers and _same(own[at].params, params)
            share = size / sizes[at] if whole_layers else layer.applications / own[at].applications
            factor = 1.0 if exact else share
            made["latency_s"][column] = row.latency_s * factor
            made["u95_latency"][column] = row.latency_u95_s / row.latency_s
            if row.energy_j:
                made["energy_j"][column] = row.energy_j * factor
                made["u95_energy"][column] = (row.energy_u95_j or 0.0) / row.energy_j
        first = own[order[0]]
        if not whole_layers:
            basis = f"unit cost of {_text(first)}"
        elif _same(first.params, params):
            basis = "a measured layer"
        else:
            basis = f"scaled by operations from {_text(first)}"
        outside: tuple[str, ...] = ()
        if whole_layers and not min(sizes) <= size <= max(sizes):
            outside = (f"{size} operations (measured {min(sizes)} .. {max(sizes)})",)
        return LayerCost(layer, **made, basis=basis, extrapolated=outside)


_ARRAYS = ("latency_s", "energy_j", "u95_latency", "u95_energy", "spread_latency", "spread_energy")


def _same(one: Mapping[str, int | str], other: Mapping[str, int | str]) -> bool:
    """Whether two parameter sets agree in what both have; ``scaling`` and ``arithmetic`` exist in one data type only."""
    return all(other[name] == value for name, value in one.items() if name in other)


def _text(point: Point) -> str:
    return ", ".join(f"{name}={value}" for name, value in point.params.items() if isinstance(value, int))
