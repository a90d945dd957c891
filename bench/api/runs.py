"""One run, with all its numbers, its uncertainty budget and its current trace."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from bench.api.envelope import envelope
from bench.api.problems import refused_as, responses
from bench.api.values import RunNumber, TheService
from bench.domain.measurement import CurrentStats, EnergyRun, Run
from bench.errors import UnknownName

MAX_STEPS = 4000

router = APIRouter(prefix="/runs", tags=["runs"])


class TermView(BaseModel):
    """One term of the uncertainty budget: relative standard uncertainty of ``quantity``; null degrees of freedom are infinite ones."""

    quantity: str
    name: str
    standard_relative: float
    systematic: bool
    source: str
    degrees_of_freedom: float | None


class ResultView(BaseModel):
    """Derived values of one call, net of the empty loop."""

    cycles: float
    cycles_overhead: float
    latency_s: float
    latency_u95_s: float
    sysclk_measured_hz: float | None
    vdd_v: float | None
    current_a: float | None
    idle_current_a: float | None
    power_w: float | None
    energy_j: float | None
    energy_u95_j: float | None
    budget: list[TermView]


class CyclesView(BaseModel):
    """The attached run: every count, around the kernel and around an empty one."""

    kernel_cycles: list[int]
    empty_cycles: list[int]
    warmup: int
    stack_bytes: int


class WindowView(BaseModel):
    """The current in one window; times are seconds after the trigger."""

    start_s: float
    end_s: float
    samples: int
    mean_a: float
    std_a: float
    min_a: float
    max_a: float


class EnergyView(BaseModel):
    """The detached run."""

    probe: str
    loops: int
    window_cycles: int
    window_s: float
    vdd_v: float
    vdd_measured: bool
    temperature_degc: float | None
    active: WindowView
    idle: WindowView


class RunView(BaseModel):
    """A run. What a rejected one does not have is null."""

    run: int
    measured_at: datetime
    verdict: str
    failure_class: str
    reason: str
    detail: str
    source: str
    station: str
    board: str
    mcu: str
    core: str
    workload: str
    clock_id: str
    sysclk_hz: float
    compiler: str | None
    firmware_sha256: str | None
    bench_version: str
    result: ResultView | None
    cycles: CyclesView | None
    energy: EnergyView | None
    environment: dict[str, str]


class TraceView(BaseModel):
    """A range of the current trace as an envelope, see ``steps``; times are seconds after the trigger's rising edge.

    ``duration_s`` and ``total_samples`` are those of the whole trace, ``samples`` that of the range. Step ``i`` begins at
    ``start_s + i * step_s``. ``active`` and ``idle`` are the windows that the result was made from.
    """

    run: int
    sample_rate_hz: float
    duration_s: float
    total_samples: int
    start_s: float
    step_s: float
    samples: int
    min_a: list[float]
    mean_a: list[float]
    max_a: list[float]
    active: list[float] | None
    idle: list[float] | None


@router.get("/{run}", responses=responses(404))
def get_run(run: RunNumber, service: TheService) -> RunView:
    """Return a run with its raw counts and its uncertainty budget."""
    return _run_view(run, service.store.repository.run(run))


@router.get("/{run}/trace", responses=responses(404))
def get_trace(
    run: RunNumber,
    service: TheService,
    from_s: Annotated[float, Query(ge=0, le=1e6, allow_inf_nan=False)] = 0.0,
    to_s: Annotated[float | None, Query(ge=0, le=1e6, allow_inf_nan=False)] = None,
    steps: Annotated[int, Query(ge=1, le=MAX_STEPS)] = 1000,
) -> TraceView:
    """Return the current trace of a run between two times, in at most ``steps`` steps with minimum, mean and maximum of each.

    Ask for a shorter range to see more: where it has no more samples than ``steps``, all of them are there as they were recorded.
    """
    found = service.store.repository.run(run, trace=True)
    energy = found.energy_run
    if energy is None or energy.trace is None:
        raise UnknownName(
            f"run {run} has no current trace",
            hint="its station has no current probe, or the run ended before the window",
        )
    trace = energy.trace
    with refused_as(422):
        shown = envelope(trace, from_s, to_s, steps)
    return TraceView(
        run=run,
        sample_rate_hz=trace.sample_rate_hz,
        duration_s=len(trace.samples_a) / trace.sample_rate_hz,
        total_samples=len(trace.samples_a),
        start_s=shown.start_s,
        step_s=shown.step_s,
        samples=shown.samples,
        min_a=list(shown.min_a),
        mean_a=list(shown.mean_a),
        max_a=list(shown.max_a),
        active=[energy.active.start_s, energy.active.end_s],
        idle=[energy.idle.start_s, energy.idle.end_s],
    )


def _run_view(number: int, run: Run) -> RunView:
    point, image, counted = run.point, run.image, run.cycle_run
    return RunView(
        run=number,
        measured_at=run.measured_at,
        verdict=run.verdict,
        failure_class=run.failure_class,
        reason=run.reason,
        detail=run.detail,
        source=point.source,
        station=point.station,
        board=point.board,
        mcu=point.mcu,
        core=point.core,
        workload=str(point.workload),
        clock_id=point.clock.id,
        sysclk_hz=point.clock.hclk_hz,
        compiler=None if image is None else image.compiler,
        firmware_sha256=None if image is None else image.sha256,
        bench_version=run.bench_version,
        result=_result_view(run),
        cycles=None
        if counted is None
        else CyclesView(
            kernel_cycles=list(counted.kernel_cycles),
            empty_cycles=list(counted.empty_cycles),
            warmup=counted.warmup,
            stack_bytes=counted.stack_bytes,
        ),
        energy=None if run.energy_run is None else _energy_view(run.energy_run),
        environment=dict(run.environment),
    )


def _result_view(run: Run) -> ResultView | None:
    result = run.result
    if result is None:
        return None
    return ResultView(
        cycles=result.cycles,
        cycles_overhead=result.cycles_overhead,
        latency_s=result.latency_s,
        latency_u95_s=result.latency_u95_s,
        sysclk_measured_hz=result.sysclk_measured_hz,
        vdd_v=result.vdd_v,
        current_a=result.current_a,
        idle_current_a=result.idle_current_a,
        power_w=result.power_w,
        energy_j=result.energy_j,
        energy_u95_j=result.energy_u95_j,
        budget=[
            TermView(
                quantity=term.quantity,
                name=term.name,
                standard_relative=term.standard_relative,
                systematic=term.systematic,
                source=term.source,
                degrees_of_freedom=term.degrees_of_freedom,
            )
            for term in result.budget
        ],
    )


def _energy_view(energy: EnergyRun) -> EnergyView:
    return EnergyView(
        probe=energy.probe,
        loops=energy.loops,
        window_cycles=energy.window_cycles,
        window_s=energy.window_s,
        vdd_v=energy.vdd_v,
        vdd_measured=energy.vdd_measured,
        temperature_degc=energy.temperature_degc,
        active=_window_view(energy.active),
        idle=_window_view(energy.idle),
    )


def _window_view(window: CurrentStats) -> WindowView:
    return WindowView(
        start_s=window.start_s,
        end_s=window.end_s,
        samples=window.samples,
        mean_a=window.mean_a,
        std_a=window.std_a,
        min_a=window.min_a,
        max_a=window.max_a,
    )
