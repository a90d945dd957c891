"""Databases of plausible runs, filled through the store: what a few nights of measuring would leave."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cache

from bench.boards import load_board
from bench.domain.board import Board
from bench.domain.clock import ClockConfiguration
from bench.domain.lut import LutRow, row
from bench.domain.measurement import Point, Result, Run
from bench.domain.primitives import applications, operations, workload
from bench.domain.station import Source
from bench.domain.workload import Workload
from bench.store import Store
from bench.sweep.plan import choose_clocks
from tests.store.store_samples import IMAGE, NOON, a_failure, a_run

F446, L496 = "nucleo_f446ze", "nucleo_l496zg"
HOSTILE = "<script>alert('x')</script>&\"$x^2$"
"""A name as somebody might give a station through the database."""
KERNELS = (1, 3, 5, 7, 9)


@cache
def board(name: str) -> Board:
    return load_board(name)


@cache
def clocks(name: str) -> tuple[ClockConfiguration, ...]:
    return tuple(choose_clocks(board(name), "all", "default"))


def workloads() -> list[Workload]:
    """Return convolutions of every size in three variants, and two primitives without a size."""
    variants = (("fp32", "naive"), ("int8", "naive"), ("int8", "dsp"))
    found = [workload("conv2d", {"k": k}, dtype, flavor) for k in KERNELS for dtype, flavor in variants]
    found += [workload("relu", {}, dtype) for dtype in ("fp32", "int8")]
    return found + [workload("fully_connected", {}, dtype, flavor) for dtype, flavor in variants]


def point(
    work: Workload,
    clock: ClockConfiguration,
    name: str = F446,
    source: Source = Source.VIRTUAL,
    station: str | None = None,
) -> Point:
    where = station or f"{source}-{name}"
    described = board(name)
    return Point(where, source, name, described.mcu, described.core, work, clock)


def plausible(at: Point, minutes: float = 0.0, *, energy: bool = True) -> Run:
    """Return an accepted run of ``at``: cycles grow with the work and the wait states, current with clock and voltage."""
    work, clock = at.workload, at.clock
    per_operation = {"naive": 16.0, "dsp": 3.0}[work.flavor] * (1.1 if work.dtype == "int8" else 1.0)
    cycles = round(40 * applications(work) + per_operation * operations(work)) * (1 + 0.002 * clock.flash_wait_states)
    latency_s = cycles / clock.hclk_hz
    level = {"scale1od": 1.25, "scale1": 1.2, "scale2": 1.1, "range1": 1.2}.get(clock.regulator, 1.0)
    current_a = 1.5e-3 + clock.hclk_hz * 0.19e-9 * level
    result = Result(
        cycles=cycles, cycles_overhead=30.0, latency_s=latency_s, latency_u95_s=latency_s * 1e-4, sysclk_measured_hz=clock.hclk_hz
    )  # fmt: skip
    if energy:
        power_w = 3.3 * current_a
        result = replace(
            result,
            vdd_v=3.3,
            current_a=current_a,
            idle_current_a=current_a / 4,
            power_w=power_w,
            energy_j=power_w * latency_s,
            energy_u95_j=0.025 * power_w * latency_s,
        )
    base = a_run(at, minutes, result=result, image=replace(IMAGE, opt_level=str(work.opt_level)))
    return base if energy else replace(base, energy_run=None)


def runs(names: Sequence[str] = (F446, L496), *, every: int = 1) -> Iterator[Run]:
    """Yield accepted runs of every workload on every board, at every ``every``-th clock."""
    for name in names:
        for number, work in enumerate(workloads()):
            for clock in clocks(name)[::every]:
                yield plausible(point(work, clock, name), number)


def rejections() -> Iterator[Run]:
    """Yield rejected runs: one kind that differs in numbers alone, another, and one of a point that is never accepted."""
    work = workload("conv2d", {"k": 5})
    for index, clock in enumerate(clocks(F446)[:3]):
        reason = f"the core runs at {17.1 + index / 10:.1f} MHz instead of 16 MHz"
        yield a_failure(point(work, clock), index, failure_class="verify", reason=reason)
    yield a_failure(point(work, clocks(F446)[0]), 9, failure_class="flash", reason="sector 3 does not erase <b>")
    never = workload("softmax", {})
    yield a_failure(
        point(never, clocks(F446)[0]), 10, failure_class="run", reason="the target did not stop within 2.5 s"
    )


def fill(store: Store, found: Iterable[Run]) -> None:
    for run in found:
        store.repository.record(replace(run, energy_run=run.energy_run and replace(run.energy_run, trace=None)))


def table(found: Iterable[Run]) -> list[LutRow]:
    return [row(run) for run in found if run.result is not None]


def many(count: int) -> Iterator[LutRow]:
    """Yield ``count`` rows as a very large database would: many shapes of one primitive, over all clocks."""
    base = row(plausible(point(workload("conv2d", {"k": 3}), clocks(F446)[0])))
    ids = [(clock.id, clock.hclk_hz) for clock in clocks(F446)]
    for index in range(count):
        number, which = divmod(index, len(ids))
        clock_id, hz = ids[which]
        yield replace(
            base,
            params=f"k=3;in_h={number + 3};in_w=32;in_c=1;out_c=1;stride=1;padding=valid",
            clock_id=clock_id,
            sysclk_hz=hz,
            measured_at=NOON + timedelta(seconds=index),
        )
