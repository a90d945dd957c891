"""One network on one board: latency, energy, current, flash and RAM at every clock, with uncertainty."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bench.domain.network import Layer, Network
from bench.domain.workload import DType
from bench.errors import BenchError
from bench.estimate.clocks import ClockBasis
from bench.estimate.fit import COVERAGE
from bench.estimate.memory import Runtime, linked_bytes, live_ram_bytes, published_ram_bytes
from bench.estimate.models import CostModel, LayerCost, MissingPoints, Model
from bench.estimate.table import Scope, Table
from bench.estimate.terms import Array


@dataclass(frozen=True, slots=True)
class LayerEstimate:
    """One layer's part of an estimate."""

    layer: Layer
    latency_s: float
    energy_j: float | None
    basis: str


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a network will cost on a board at a clock, SI units. Energy and current are None where the table has no current.

    ``u95`` is the expanded uncertainty, 95 % coverage. ``ram_bytes`` is what tensors need that are kept only while needed, with the runtime's
    own; ``ram_published_bytes`` the published rule's. ``clock_basis`` says whether the clock was measured.
    """

    network: str
    board: str
    source: str
    dtype: str
    reduce: str
    clock_id: str
    sysclk_hz: float
    latency_s: float
    energy_j: float | None
    current_a: float | None
    flash_bytes: int
    ram_bytes: int
    latency_u95_s: float
    energy_u95_j: float | None
    ram_published_bytes: int
    model: str
    flavor: str
    clock_basis: str
    interpolated_layers: int
    extrapolated_layers: int
    layers: tuple[LayerEstimate, ...] = field(default=(), repr=False)

    def contract(self) -> dict[str, object]:
        """Return the estimate under the names of ``bench estimate --json``."""
        return {
            "network": self.network,
            "board": self.board,
            "source": self.source,
            "dtype": self.dtype,
            "reduce": self.reduce,
            "clock_id": self.clock_id,
            "sysclk_hz": self.sysclk_hz,
            "latency_s_estimated": self.latency_s,
            "energy_j_estimated": self.energy_j,
            "current_a_estimated": self.current_a,
            "flash_bytes_estimated": self.flash_bytes,
            "ram_bytes_estimated": self.ram_bytes,
            "latency_u95_s": self.latency_u95_s,
            "energy_u95_j": self.energy_u95_j,
            "ram_bytes_published_rule": self.ram_published_bytes,
            "model": self.model,
            "flavor": self.flavor,
            "clock_basis": self.clock_basis,
            "layers_interpolated": self.interpolated_layers,
            "layers_extrapolated": self.extrapolated_layers,
        }


@dataclass(slots=True)
class Estimator:
    """Estimates networks on one board from one table; keeps what it fitted, so that further networks and reductions cost little.

    ``skip_incomplete``: a clock at which some primitive has no points is left out instead of refused, unless all are.
    """

    table: Table
    board: str
    clocks: tuple[ClockBasis, ...]
    model: Model = Model.FITTED
    flavor: str = "naive"
    opt_level: str = "O3"
    extrapolate: bool = False
    runtime: Runtime = field(default_factory=Runtime)
    skip_incomplete: bool = False
    _models: dict[str, CostModel] = field(default_factory=dict)

    @classmethod
    def at_measured_clocks(
        cls, table: Table, board: str, *, dtype: str = DType.FP32, opt_level: str = "O3", **options: Any
    ) -> Estimator:
        """Return an estimator at every usual clock of ``board`` in the table, slowest first; ``options`` are the other fields.

        Raises UnknownName for a board that is not there.
        """
        scope = Scope(board, dtype, opt_level=opt_level)
        table.of_primitive(scope, "conv2d")
        clocks = tuple(ClockBasis(name, hz, name, name) for name, hz in table.usual_clocks(scope).items())
        return cls(table, board, clocks, opt_level=opt_level, skip_incomplete=True, **options)

    def cost_model(self, dtype: str) -> CostModel:
        """Return the costs of ``dtype`` at the measured clocks that the estimator's clocks rest on."""
        if dtype not in self._models:
            needed = tuple(dict.fromkeys(name for clock in self.clocks for name in (clock.low, clock.high)))
            scope = Scope(self.board, dtype, self.flavor, self.opt_level)
            self._models[dtype] = CostModel(self.table, scope, needed, self.model, self.extrapolate)
        return self._models[dtype]

    def estimate(self, network: Network, dtype: str = DType.FP32, reduce: str = "") -> list[Estimate]:
        """Return one estimate a clock of ``network``, already reduced; ``reduce`` is the label that it gets.

        Raises MissingPoints, ParameterError for an extrapolation that was not asked for.
        """
        model = self.cost_model(dtype)
        costs = model.costs(network.layers)
        flash, ram = self.memory_bytes(network, dtype)
        published = published_ram_bytes(network, DType(dtype))
        columns = {name: at for at, name in enumerate(model.clocks)}
        hz = np.array([self.table.clocks[self.board][name] for name in model.clocks])
        latency = np.stack([cost.latency_s for cost in costs])
        energy = np.stack([cost.energy_j for cost in costs])
        u95_s, u95_j = (_u95(costs, what) for what in ("latency", "energy"))
        made: list[Estimate] = []
        refused: MissingPoints | None = None
        for clock in self.clocks:
            low, high = columns[clock.low], columns[clock.high]
            lacking = next(
                (name for name in (clock.low, clock.high) if np.isnan(latency[:, columns[name]]).any()), None
            )
            if lacking is not None:
                refused = refused or model.missing_at(lacking, costs)
                if not self.skip_incomplete:
                    raise refused
                continue
            layer_s, layer_j = _at(clock, latency, energy, hz, low, high)
            total_s, total_j = float(layer_s.sum()), float(layer_j.sum())
            relative_s, relative_j = (float(max(u[low], u[high])) for u in (u95_s, u95_j))
            known = not math.isnan(total_j)
            vdd_v = self.table.vdd_v.get(self.board)
            made.append(
                Estimate(
                    network=network.name,
                    board=self.board,
                    source=self.table.source,
                    dtype=str(dtype),
                    reduce=reduce,
                    clock_id=clock.clock_id,
                    sysclk_hz=clock.sysclk_hz,
                    latency_s=total_s,
                    energy_j=total_j if known else None,
                    current_a=total_j / total_s / vdd_v if known and vdd_v else None,
                    flash_bytes=flash,
                    ram_bytes=ram,
                    latency_u95_s=total_s * relative_s,
                    energy_u95_j=total_j * relative_j if known else None,
                    ram_published_bytes=published,
                    model=str(self.model),
                    flavor=self.flavor,
                    clock_basis=str(clock),
                    interpolated_layers=sum("a measured" not in cost.basis for cost in costs),
                    extrapolated_layers=sum(bool(cost.extrapolated) for cost in costs),
                    layers=tuple(
                        LayerEstimate(layer, float(s), None if math.isnan(j) else float(j), cost.basis)
                        for layer, cost, s, j in zip(network.layers, costs, layer_s, layer_j, strict=True)
                    ),
                )
            )
        if not made and refused is not None:
            raise refused
        return made

    def memory_bytes(self, network: Network, dtype: str) -> tuple[int, int]:
        """Return (flash, RAM): each kernel's code once, weights, tables and calls, the runtime; tensors by need, and the runtime. Raises BenchError."""
        model = self.cost_model(dtype)
        code: dict[str, int] = {}
        for primitive in dict.fromkeys(layer.primitive for layer in network.layers):
            points = model.points(primitive)
            if not points:
                raise BenchError(
                    f"no point tells the code size of {primitive} in {dtype}", hint="measure it: bench sweep"
                )
            code[primitive] = max(point.code_bytes for point in points)
        flash = linked_bytes(network, DType(dtype), code) + self.runtime.flash_bytes
        return flash, live_ram_bytes(network, DType(dtype), self.flavor) + self.runtime.ram_bytes


def _at(clock: ClockBasis, latency: Array, energy: Array, hz: Array, low: int, high: int) -> tuple[Array, Array]:
    """Return latency and energy of every layer at ``clock``: cycles and power taken between two measured clocks."""
    if low == high:
        return latency[:, low], energy[:, low]
    cycles = [latency[:, at] * hz[at] for at in (low, high)]
    with np.errstate(invalid="ignore", divide="ignore"):
        power = [np.where(latency[:, at] > 0, energy[:, at] / latency[:, at], 0.0) for at in (low, high)]
    made_s = (cycles[0] + (cycles[1] - cycles[0]) * clock.share_cycles) / clock.sysclk_hz
    return made_s, (power[0] + (power[1] - power[0]) * clock.share_power) * made_s


def _u95(costs: Sequence[LayerCost], what: str) -> Array:
    """Return the relative expanded uncertainty of the sum of all layers, by clock.

    The look-up table's share is taken as fully correlated (probe gain and clock tolerance are common to all points), so it adds up. The model's own
    residual is common to layers of one shape and independent between shapes.
    """
    values = [cost.latency_s if what == "latency" else cost.energy_j for cost in costs]
    total = np.sum(values, axis=0)
    table = np.sum(
        [v * (c.u95_latency if what == "latency" else c.u95_energy) for v, c in zip(values, costs, strict=True)], axis=0
    )
    by_shape: dict[object, Array] = {}
    for value, cost in zip(values, costs, strict=True):
        spread = value * (cost.spread_latency if what == "latency" else cost.spread_energy)
        key = (cost.layer.primitive, cost.layer.params)
        by_shape[key] = by_shape.get(key, np.zeros_like(total)) + spread
    own = COVERAGE * np.sqrt(np.sum([spread**2 for spread in by_shape.values()], axis=0))
    made: Array = np.hypot(table, own) / np.where(total > 0, total, 1.0)
    return made
