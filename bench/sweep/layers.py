"""What a network would cost if it were nothing but its layers: the sum of each layer's own measurement, as it was made alone.

No model of sizes comes in between, so what this estimate is off by is what putting layers together changes: caches that the layer before has filled, the
place of tensors in memory, the calls.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bench.domain.clock import ClockConfiguration
from bench.domain.lut import LutRow
from bench.domain.workload import Workload
from bench.estimate.models import MissingPoints
from bench.firmware.network import NetworkLayout, Step
from bench.firmware.network_render import units_of
from bench.units import plural

Key = tuple[str, str, str, str, str, str]
"""Of a row: primitive, parameters, data type, flavor, optimisation level, clock."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one inference costs; energy and current are None where there is no current probe."""

    latency_s: float
    energy_j: float | None
    current_a: float | None
    flash_bytes: int
    ram_bytes: int


def key(work: Workload, clock: ClockConfiguration) -> Key:
    """Return the key of the row of ``work`` at ``clock``."""
    return (work.primitive, work.params_text, str(work.dtype), work.flavor, str(work.opt_level), clock.id)


def index(rows: Iterable[LutRow], station: str) -> dict[Key, LutRow]:
    """Return ``rows`` of one source and board by what they measured: those of ``station`` before others', whose probe reads otherwise; then the latest."""
    return {
        (row.primitive, row.params, row.dtype, row.flavor, row.opt_level, row.clock_id): row
        for row in sorted(rows, key=lambda row: (row.station == station, row.measured_at))
    }


def distinct(laid_out: NetworkLayout) -> list[Workload]:
    """Return the workloads of all layers, each once, in the order of their first use."""
    return list(dict.fromkeys(step.work for step in laid_out.steps))


def missing(
    laid_out: NetworkLayout, clocks: Sequence[ClockConfiguration], table: Mapping[Key, LutRow]
) -> list[tuple[Workload, tuple[ClockConfiguration, ...]]]:
    """Return the layers' workloads that ``table`` lacks at some of ``clocks``, with those clocks."""
    found = []
    for work in distinct(laid_out):
        lacking = tuple(clock for clock in clocks if key(work, clock) not in table)
        if lacking:
            found.append((work, lacking))
    return found


def refuse_missing(
    lacking: Sequence[tuple[Workload, Sequence[ClockConfiguration]]], station: str, source: str, again: str
) -> None:
    """Raise MissingPoints naming what is ``lacking``; ``again`` is the option that measures it first."""
    if not lacking:
        return
    points = sum(len(clocks) for _, clocks in lacking)
    lines = [f"{work}: {plural(len(clocks), 'clock')}" for work, clocks in lacking]
    work, clocks = lacking[0]
    parameters = " ".join(f"--param {name}={value}" for name, value in work.params)
    freq = ",".join(clock.id for clock in clocks) if len(clocks) < 3 else "all"
    raise MissingPoints(
        f"the look-up table of {station} (source: {source}) lacks {points} points of {len(lacking)} layers",
        hint=f"add {again} to measure them first, or measure each alone, as in: bench run --station {station} --primitive {work.primitive} "
        f"{parameters} --dtype {work.dtype} --flavor {work.flavor} --freq {freq}",
        detail="\n".join(lines),
    )


def layer_cycles(laid_out: NetworkLayout, clock: ClockConfiguration, table: Mapping[Key, LutRow]) -> list[float]:
    """Return the cycles of each layer, measured alone, in the order they run."""
    return [table[key(step.work, clock)].cycles for step in laid_out.steps]


def compose(laid_out: NetworkLayout, clock: ClockConfiguration, table: Mapping[Key, LutRow]) -> Cost:
    """Return what the layers' own rows add up to at ``clock``. Raises KeyError for a row that is not there, see ``missing``.

    Latency and energy: sums. Current: the mean over the time of each. Flash: weights and tables of all layers, the code of every distinct kernel
    once. RAM: the arena, in which tensors share what they do not need at the same time.
    """
    rows = [table[key(step.work, clock)] for step in laid_out.steps]
    latency_s = sum(row.latency_s for row in rows)
    energies = [row.energy_j for row in rows if row.energy_j is not None]
    charges = [row.current_a * row.latency_s for row in rows if row.current_a is not None]
    complete = len(energies) == len(charges) == len(rows)
    return Cost(
        latency_s=latency_s,
        energy_j=sum(energies) if complete else None,
        current_a=sum(charges) / latency_s if complete else None,
        flash_bytes=_code_bytes(laid_out, clock, table) + laid_out.weight_bytes,
        ram_bytes=laid_out.arena.size_bytes,
    )


def _code_bytes(laid_out: NetworkLayout, clock: ClockConfiguration, table: Mapping[Key, LutRow]) -> int:
    """Return the code of the kernels, each once, as measured alone: a row's flash without the layer's weights and tables."""
    unit_of = units_of(laid_out)
    firsts: dict[str, Step] = {}
    for step in laid_out.steps:
        firsts.setdefault(unit_of[step.name], step)
    return sum(table[key(step.work, clock)].flash_bytes - step.layout.constant_bytes for step in firsts.values())
