"""Between the values of ``bench.domain`` and the rows of the tables."""

from __future__ import annotations

import json
import math
import sys
import zlib
from array import array
from dataclasses import fields
from typing import Any

from bench.domain.clock import ClockConfiguration
from bench.domain.event import Action, Event
from bench.domain.measurement import (
    CurrentStats,
    CycleRun,
    EnergyRun,
    ImageInfo,
    Point,
    Result,
    Run,
    Trace,
    UncertaintyTerm,
    Verdict,
)
from bench.domain.station import Source
from bench.domain.workload import DType, OptLevel, Workload
from bench.store.models import (
    Base,
    ClockRow,
    CycleRow,
    EnergyRow,
    EventRow,
    ImageRow,
    ResultRow,
    RunRow,
    StationRow,
    TermRow,
    TraceRow,
    WindowRow,
    WorkloadRow,
)


def columns_of(value: Any, *leave_out: str) -> dict[str, Any]:
    """Return the fields of a domain value as columns of the same names. Raises ValueError for a number that is not finite."""
    found = {}
    for entry in fields(value):
        if entry.name in leave_out:
            continue
        content = getattr(value, entry.name)
        if isinstance(content, float) and not math.isfinite(content):
            raise ValueError(f"{type(value).__name__}.{entry.name} is {content}, only finite numbers are recorded")
        found[entry.name] = content
    return found


def station_columns(point: Point) -> dict[str, Any]:
    """Return the station's row."""
    return {
        "name": point.station,
        "source": str(point.source),
        "board": point.board,
        "mcu": point.mcu,
        "core": point.core,
    }


def workload_columns(work: Workload) -> dict[str, Any]:
    """Return the workload's row."""
    return {
        "primitive": work.primitive,
        "params": json.dumps(dict(work.params), separators=(",", ":")),
        "dtype": str(work.dtype),
        "flavor": work.flavor,
        "opt_level": str(work.opt_level),
    }


def clock_columns(clock: ClockConfiguration) -> dict[str, Any]:
    """Return the clock configuration's row."""
    return {"clock_id": clock.id, "hclk_hz": clock.hclk_hz}


def run_columns(run: Run) -> dict[str, Any]:
    """Return the run's own columns, without those that refer to other rows. Raises ValueError for an environment with a name twice."""
    environment = dict(run.environment)
    if len(environment) != len(run.environment):
        raise ValueError("the environment holds a name twice")
    return {
        "measured_at": run.measured_at,
        "verdict": str(run.verdict),
        "failure_class": run.failure_class,
        "reason": run.reason,
        "detail": run.detail,
        "bench_version": run.bench_version,
        "environment": environment,
        "order_seed": run.order_seed,
        "order_position": run.order_position,
        "attempts": run.attempts,
        "sentinel": run.sentinel,
    }


def children(run: Run, run_id: int) -> list[tuple[type[Base], list[dict[str, Any]]]]:
    """Return all rows that belong to ``run`` alone, by table, parents before children."""
    found: list[tuple[type[Base], list[dict[str, Any]]]] = []

    def add(table: type[Base], *rows: dict[str, Any]) -> None:
        if rows:
            found.append((table, [{"run_id": run_id, **row} for row in rows]))

    if (cycles := run.cycle_run) is not None:
        counts = {"kernel_cycles": list(cycles.kernel_cycles), "empty_cycles": list(cycles.empty_cycles)}
        add(CycleRow, columns_of(cycles, "kernel_cycles", "empty_cycles") | counts)
    if (energy := run.energy_run) is not None:
        add(EnergyRow, columns_of(energy, "active", "idle", "trace"))
        windows = (("active", energy.active), ("idle", energy.idle))
        add(WindowRow, *({"kind": kind, **columns_of(window)} for kind, window in windows))
        if energy.trace is not None:
            add(TraceRow, trace_columns(energy.trace))
    if (result := run.result) is not None:
        add(ResultRow, columns_of(result, "budget"))
        add(TermRow, *({"position": i, **columns_of(term)} for i, term in enumerate(result.budget)))
    return found


def trace_columns(trace: Trace) -> dict[str, Any]:
    """Return the trace's row, packed: little-endian float32, zlib level 6 (a noisy trace shrinks by about a third, higher levels gain nothing)."""
    samples = array("f", trace.samples_a)
    if sys.byteorder == "big":
        samples.byteswap()
    return {
        "sample_rate_hz": trace.sample_rate_hz,
        "samples": len(samples),
        "data": zlib.compress(samples.tobytes(), 6),
    }


def trace_of(row: TraceRow) -> Trace:
    """Return the trace of ``row``. Raises ValueError when its data is damaged."""
    samples = array("f")
    try:
        samples.frombytes(zlib.decompress(row.data))
    except zlib.error as error:
        raise ValueError(f"the trace of run {row.run_id} is damaged: {error}") from error
    if sys.byteorder == "big":
        samples.byteswap()
    if len(samples) != row.samples:
        raise ValueError(f"the trace of run {row.run_id} is damaged: {len(samples)} samples instead of {row.samples}")
    return Trace(row.sample_rate_hz, samples)


def _values(cls: type[Any], row: Base, *leave_out: str) -> dict[str, Any]:
    return {entry.name: getattr(row, entry.name) for entry in fields(cls) if entry.name not in leave_out}


def event_of(row: EventRow, point: Point) -> Event:
    """Return the event."""
    return Event(row.at, point, row.failure_class, Action(row.action), row.attempt, row.cause, row.detail)


def workload_of(row: WorkloadRow) -> Workload:
    """Return the workload of ``row``, as it was recorded: its primitive need not be known any more."""
    return Workload(
        row.primitive, tuple(json.loads(row.params).items()), DType(row.dtype), row.flavor, OptLevel(row.opt_level)
    )


def place_of(row: StationRow) -> tuple[str, Source, str, str, str]:
    """Return the first fields of a point: station, source, board, MCU, core."""
    return row.name, Source(row.source), row.board, row.mcu, row.core


def point_of(station: StationRow, work: Workload, clock: ClockConfiguration) -> Point:
    """Return the point."""
    return Point(*place_of(station), work, clock)


def image_of(row: ImageRow) -> ImageInfo:
    """Return the image of ``row``."""
    return ImageInfo(**_values(ImageInfo, row))


def clock_of(row: ClockRow) -> ClockConfiguration:
    """Return the clock configuration of ``row``."""
    return ClockConfiguration.parse(row.clock_id)


def cycles_of(row: CycleRow) -> CycleRun:
    """Return the attached run of ``row``."""
    return CycleRun(
        kernel_cycles=tuple(row.kernel_cycles),
        empty_cycles=tuple(row.empty_cycles),
        **_values(CycleRun, row, "kernel_cycles", "empty_cycles"),
    )


def energy_of(row: EnergyRow, active: WindowRow, idle: WindowRow, trace: Trace | None) -> EnergyRun:
    """Return the detached run."""
    return EnergyRun(
        active=CurrentStats(**_values(CurrentStats, active)),
        idle=CurrentStats(**_values(CurrentStats, idle)),
        trace=trace,
        **_values(EnergyRun, row, "active", "idle", "trace"),
    )


def result_of(row: ResultRow, terms: list[TermRow]) -> Result:
    """Return the derived values; ``terms`` in the budget's order."""
    budget = tuple(UncertaintyTerm(**_values(UncertaintyTerm, term)) for term in terms)
    return Result(budget=budget, **_values(Result, row, "budget"))


def run_of(
    row: RunRow,
    point: Point,
    image: ImageInfo | None,
    cycle_run: CycleRun | None,
    energy_run: EnergyRun | None,
    result: Result | None,
) -> Run:
    """Return the run."""
    return Run(
        point=point,
        measured_at=row.measured_at,
        verdict=Verdict(row.verdict),
        bench_version=row.bench_version,
        image=image,
        cycle_run=cycle_run,
        energy_run=energy_run,
        result=result,
        failure_class=row.failure_class,
        reason=row.reason,
        detail=row.detail,
        environment=tuple(row.environment.items()),
        order_seed=row.order_seed,
        order_position=row.order_position,
        attempts=row.attempts,
        sentinel=row.sentinel,
    )
