"""The fitted cost model of one primitive: coefficients of its terms at every clock, from measured points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.domain.workload import DType
from bench.estimate.memory import ELEMENT_BYTES
from bench.estimate.nonnegative import solve
from bench.estimate.table import Point
from bench.estimate.terms import CACHES, FETCH, Array, Cache, Columns, columns_of, counts, fetches

_IMPORTANCE = ("mac", "output", "call", "window", "line", "row", "plane")

_CACHED = frozenset({"conv2d", "conv2d_rgb", "fully_connected"})
"""Primitives whose weights may be more than a cache of the flash holds."""

_TRIED = 4
"""Caches that are fitted, those that explain most at first sight."""

_WORTH = 0.98
"""What a cache must reduce the residual to."""

COVERAGE = 2.0
"""Standard deviations of the fit's residual that stand for 95 % coverage."""


@dataclass(frozen=True, slots=True)
class Fit:
    """Coefficients, shape (terms, clocks): seconds and joules of one count of each term; joules are NaN where no current was measured.

    ``kernel`` is the window that the points share, None where all windows were fitted together. ``spread_*`` are relative root mean square
    residuals, ``u95_*`` the largest relative expanded uncertainties of the points, by clock. ``ranges`` are the least and greatest value of every
    integer parameter among the ``points``, ``choices`` the values of the others.
    """

    primitive: str
    dtype: DType
    kernel: int | None
    terms: tuple[str, ...]
    cache: Cache | None
    clocks: tuple[str, ...]
    latency_s: Array
    energy_j: Array
    spread_latency: Array
    spread_energy: Array
    u95_latency: Array
    u95_energy: Array
    ranges: Mapping[str, tuple[int, int]]
    choices: Mapping[str, frozenset[str]]
    points: int

    def counts(self, columns: Columns) -> Array:
        """Return the counts of the fit's terms, shape (layers, terms)."""
        found = counts(self.primitive, columns, ELEMENT_BYTES[self.dtype], self.cache)
        return np.stack([found[name] for name in self.terms], axis=1)

    def outside(self, params: Mapping[str, int | str]) -> list[str]:
        """Return which parameters lie outside the measured range, as text; empty where the model interpolates."""
        found = []
        for name, value in params.items():
            if isinstance(value, str):
                if value not in self.choices.get(name, {value}):
                    found.append(f"{name} = {value} (measured {', '.join(sorted(self.choices[name]))})")
            elif name in self.ranges and not self.ranges[name][0] <= value <= self.ranges[name][1]:
                found.append(f"{name} = {value} (measured {self.ranges[name][0]} .. {self.ranges[name][1]})")
        return found


def fit(
    primitive: str,
    dtype: DType,
    points: Sequence[Point],
    kernel: int | None,
    clocks: Sequence[str],
    caches: Sequence[Cache] = CACHES,
) -> Fit | None:
    """Return the fit of ``points``, None where they are too few: one more than terms that they tell apart is needed.

    Points without a row at every one of ``clocks`` are left out. Every point counts by its relative error, so that small layers are met as well as
    large ones. The cache of the flash is the one of ``caches`` that leaves the least residual at the last clock.
    """
    complete = [point for point in points if all(clock in point.rows for clock in clocks)]
    if not complete or not clocks:
        return None
    columns = columns_of([point.params for point in complete])
    latency = np.array([[point.rows[clock].latency_s for clock in clocks] for point in complete])
    energy = np.array([[point.rows[clock].energy_j or np.nan for clock in clocks] for point in complete])
    element = ELEMENT_BYTES[dtype]
    plain = counts(primitive, columns, element, None)
    weight = 1 / np.exp(np.log(latency).mean(axis=1))[:, None]
    names = _independent(plain, weight)
    if len(complete) < len(names) + 1:
        return None
    matrix = np.stack([plain[name] for name in names], axis=1)
    cache = None
    if primitive in _CACHED and len(complete) > len(names) + 1:
        found = np.stack([fetches(primitive, columns, plain, element, tried) for tried in caches], axis=1)
        cache = _best_cache(caches, matrix * weight, found * weight, latency[:, -1:] * weight)
    if cache is not None:
        names = (*names, FETCH)
        matrix = np.column_stack([matrix, fetches(primitive, columns, plain, element, cache)])
    there = ~np.isnan(energy).any(axis=0)
    coefficients_s = solve(matrix * weight, latency * weight)
    coefficients_j = np.full_like(coefficients_s, np.nan)
    if there.any():
        coefficients_j[:, there] = solve(matrix * weight, energy[:, there] * weight)
    freedom = max(1, len(complete) - len(names))
    return Fit(
        primitive=primitive,
        dtype=dtype,
        kernel=kernel,
        terms=names,
        cache=cache,
        clocks=tuple(clocks),
        latency_s=coefficients_s,
        energy_j=coefficients_j,
        spread_latency=np.sqrt((((matrix @ coefficients_s) / latency - 1) ** 2).sum(axis=0) / freedom),
        spread_energy=np.sqrt((((matrix @ coefficients_j) / energy - 1) ** 2).sum(axis=0) / freedom),
        u95_latency=_u95(complete, clocks, "latency"),
        u95_energy=_u95(complete, clocks, "energy"),
        ranges=_ranges(complete),
        choices={
            name: frozenset(str(point.params[name]) for point in complete if name in point.params)
            for name, value in complete[0].params.items()
            if isinstance(value, str)
        },
        points=len(complete),
    )


def _independent(found: Mapping[str, Array], weight: Array) -> tuple[str, ...]:
    """Return the terms that the points can tell apart, the most telling first: windows of one size without padding make lines and outputs one."""
    kept: list[str] = []
    directions: list[Array] = []
    for name in _IMPORTANCE:
        if name not in found:
            continue
        column = found[name] * weight[:, 0]
        length = float(np.linalg.norm(column))
        rest = column.copy()
        for _ in range(2):
            for direction in directions:
                rest = rest - direction * float(direction @ rest)
        if length and float(np.linalg.norm(rest)) > 1e-9 * length:
            kept.append(name)
            directions.append(rest / np.linalg.norm(rest))
    return tuple(kept)


def _best_cache(caches: Sequence[Cache], matrix: Array, found: Array, values: Array) -> Cache | None:
    """Return which of ``caches``, whose fetches are the columns of ``found``, leaves the least residual; None where none is worth a term."""
    basis = np.linalg.qr(matrix)[0]
    rest, left = found - basis @ (basis.T @ found), values - basis @ (basis.T @ values)
    length = np.linalg.norm(rest, axis=0)
    there = length > 1e-6 * np.maximum(np.linalg.norm(found, axis=0), 1e-300)
    gain = np.where(there, (rest.T @ left)[:, 0] / np.where(there, length, 1.0), 0.0)
    best, chosen = _WORTH * _residual(matrix, values), None
    for at in np.argsort(-gain)[:_TRIED]:
        if gain[at] <= 0:
            break
        error = _residual(np.column_stack([matrix, found[:, at]]), values)
        if error < best:
            best, chosen = error, caches[at]
    return chosen


def _residual(matrix: Array, values: Array) -> float:
    return float(np.linalg.norm(matrix @ solve(matrix, values) - values))


def _u95(points: Sequence[Point], clocks: Sequence[str], what: str) -> Array:
    unit = {"latency": ("latency_u95_s", "latency_s"), "energy": ("energy_u95_j", "energy_j")}[what]
    made = []
    for clock in clocks:
        pairs = [(getattr(point.rows[clock], unit[0]), getattr(point.rows[clock], unit[1])) for point in points]
        made.append(max((u95 / value for u95, value in pairs if u95 is not None and value), default=float("nan")))
    return np.array(made)


def _ranges(points: Sequence[Point]) -> dict[str, tuple[int, int]]:
    values: dict[str, list[int]] = {}
    for point in points:
        for name, value in point.params.items():
            if isinstance(value, int):
                values.setdefault(name, []).append(value)
    return {name: (min(found), max(found)) for name, found in values.items()}
