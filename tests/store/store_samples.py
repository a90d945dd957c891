"""Runs to record: one by hand, and hypothesis strategies for any."""

from __future__ import annotations

from array import array
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from hypothesis import strategies as st
from sqlalchemy import Engine, text

from bench.domain.clock import ClockConfiguration
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
from bench.domain.primitives import workload
from bench.domain.station import Source
from bench.domain.workload import DType, OptLevel, Workload

CLOCK = ClockConfiguration.parse("hsebyp8-m4n180r2-ahb1-apb4.2-scale1od-ws5-pid")
SLOW = ClockConfiguration.parse("hsi16-ahb1-apb1.1-scale3-ws0-pid")
NOON = datetime(2025, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)

IMAGE = ImageInfo("ab" * 32, "arm-none-eabi-gcc 12.2.1", "O3", 9000, 8000, 1000, 16, 8192, 400, 20, 104, 7360)
CYCLES = CycleRun((225_100, 225_101, 225_100), (30, 30, 30), 2, 42, 96, "cd" * 32)
ACTIVE = CurrentStats(0.0, 0.1, 1000, 0.031, 1e-5, 0.0309, 0.0312, 0.0031)
IDLE = CurrentStats(0.11, 0.16, 500, 0.004, 1e-6, 0.0039, 0.0041, 0.0002)
TRACE = Trace(10_000.0, array("f", [0.031, 0.0310001, 0.004, 0.0]))
ENERGY = EnergyRun("lpm01a", 80, 18_008_000, 2400, 0.100044, 1e-5, 3.3, False, 25.0, ACTIVE, IDLE, TRACE)
BUDGET = (
    UncertaintyTerm("energy_j", "probe gain", 0.0115, True, "UM2243"),
    UncertaintyTerm("energy_j", "repeatability", 0.0001, False, "20 block means", 19.0),
)
RESULT = Result(225_070.0, 30.0, 1.25e-3, 1e-6, 180.0001e6, 3.3, 0.031, 0.004, 0.1023, 1.279e-4, 3e-6, BUDGET)


def a_point(
    k: int = 5,
    clock: ClockConfiguration = CLOCK,
    station: str = "virtual-nucleo_f446ze",
    source: Source = Source.VIRTUAL,
    board: str = "nucleo_f446ze",
) -> Point:
    return Point(station, source, board, "STM32F446ZE", "cortex-m4f", workload("conv2d", {"k": k}), clock)


def a_run(point: Point | None = None, minutes: float = 0.0, **changes: Any) -> Run:
    """An accepted run, ``minutes`` after noon."""
    run = Run(
        point=point or a_point(),
        measured_at=NOON + timedelta(minutes=minutes),
        verdict=Verdict.ACCEPTED,
        bench_version="0.1.0",
        image=IMAGE,
        cycle_run=CYCLES,
        energy_run=ENERGY,
        result=RESULT,
        environment=(("host", "lab-3"), ("python", "3.11")),
    )
    return replace(run, **changes)


def a_failure(point: Point | None = None, minutes: float = 0.0, **changes: Any) -> Run:
    """A rejected run with nothing but its cause."""
    failed: dict[str, Any] = {
        "verdict": Verdict.REJECTED,
        "image": None,
        "cycle_run": None,
        "energy_run": None,
        "result": None,
    }
    return a_run(point, minutes, **{**failed, "failure_class": "flash", "reason": "sector 3 does not erase", **changes})


def without_trace(run: Run) -> Run:
    return run if run.energy_run is None else replace(run, energy_run=replace(run.energy_run, trace=None))


def for_table(run: Run) -> Run:
    assert run.result is not None
    return replace(run, energy_run=None, environment=(), result=replace(run.result, budget=()))


# Text as PostgreSQL can hold it; what it cannot is tested by itself.
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=10)
numbers = st.floats(allow_nan=False, allow_infinity=False)
counts = st.integers(0, 2**63 - 1)
shas = st.text("0123456789abcdef", min_size=64, max_size=64)

stats = st.builds(CurrentStats, numbers, numbers, counts, numbers, numbers, numbers, numbers, numbers)
samples = st.lists(st.floats(width=32, allow_nan=False), max_size=50).map(lambda values: array("f", values))
traces = st.builds(Trace, numbers, samples)
energies = st.builds(
    EnergyRun,
    probe=names,
    loops=counts,
    window_cycles=counts,
    loop_empty_cycles=counts,
    window_s=numbers,
    window_resolution_s=numbers,
    vdd_v=numbers,
    vdd_measured=st.booleans(),
    temperature_degc=st.none() | numbers,
    active=stats,
    idle=stats,
    trace=st.none() | traces,
)
cycle_runs = st.builds(
    CycleRun,
    kernel_cycles=st.lists(counts, max_size=20).map(tuple),
    empty_cycles=st.lists(counts, max_size=20).map(tuple),
    warmup=counts,
    seed=counts,
    stack_bytes=counts,
    output_sha256=shas,
)
images = st.builds(ImageInfo, shas, texts, texts, *[counts] * 9)
terms = st.builds(UncertaintyTerm, names, names, numbers, st.booleans(), texts, st.none() | numbers)
results = st.builds(Result, *[numbers] * 4, *[st.none() | numbers] * 7, budget=st.lists(terms, max_size=5).map(tuple))
workloads = st.builds(
    Workload,
    primitive=names,
    params=st.dictionaries(names, st.integers() | texts, max_size=5).map(lambda found: tuple(found.items())),
    dtype=st.sampled_from(DType),
    flavor=names,
    opt_level=st.sampled_from(OptLevel),
)
points = st.builds(
    Point, names, st.sampled_from(Source), names, names, names, workloads, st.sampled_from([CLOCK, SLOW])
)
moments = st.builds(
    lambda microseconds, zone: (NOON + timedelta(microseconds=microseconds)).astimezone(zone),
    st.integers(-(10**15), 10**15),
    st.sampled_from([UTC, timezone(timedelta(hours=-7))]),
)
environments = st.dictionaries(names, texts, max_size=4).map(lambda found: tuple(found.items()))
common = {
    "point": points,
    "measured_at": moments,
    "bench_version": texts,
    "detail": texts,
    "environment": environments,
    "order_seed": st.none() | counts,
    "order_position": st.none() | counts,
    "attempts": counts,
    "sentinel": st.booleans(),
}
accepted = st.builds(
    Run,
    verdict=st.just(Verdict.ACCEPTED),
    image=images,
    cycle_run=cycle_runs,
    energy_run=st.none() | energies,
    result=results,
    **common,
)
rejected = st.builds(
    Run,
    verdict=st.just(Verdict.REJECTED),
    image=st.none() | images,
    cycle_run=st.none() | cycle_runs,
    energy_run=st.none() | energies,
    failure_class=names,
    reason=names,
    **common,
)
runs = accepted | rejected


def execute(engine: Engine, *statements: str) -> None:
    """Run SQL past the store, as somebody else would."""
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
