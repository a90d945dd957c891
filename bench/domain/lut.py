"""The look-up table: its columns, in order, are a contract with other tools."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from functools import lru_cache

from bench.domain.clock import ClockConfiguration
from bench.domain.measurement import ImageInfo, Point, Result, Run, Verdict
from bench.domain.primitives import applications, shape
from bench.domain.workload import Shape, Workload

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class LutRow:
    """One point of a look-up table, SI units; ``None`` where not applicable.

    ``cycles``, ``latency_s`` and ``energy_j`` are net, of one call of the workload (``applications`` applications);
    ``u95`` is the expanded uncertainty, 95 % coverage. ``sysclk_hz`` is the core clock; ``clock_id`` names the whole configuration.
    """

    schema_version: int
    source: str
    station: str
    board: str
    mcu: str
    core: str
    vdd_v: float | None
    clock_id: str
    sysclk_hz: float
    sysclk_measured_hz: float | None
    flash_wait_states: int
    primitive: str
    params: str
    kernel_h: int | None
    kernel_w: int | None
    stride: int | None
    in_h: int | None
    in_w: int | None
    in_c: int | None
    out_c: int | None
    dtype: str
    flavor: str
    compiler: str
    opt_level: str
    applications: int
    cycles: float
    cycles_overhead: float
    cycles_per_application: float
    latency_s: float
    latency_u95_s: float
    latency_per_application_s: float
    current_a: float | None
    idle_current_a: float | None
    power_w: float | None
    energy_j: float | None
    energy_u95_j: float | None
    energy_per_application_j: float | None
    flash_bytes: int
    rodata_bytes: int
    ram_bytes: int
    stack_bytes: int
    repeats: int
    firmware_sha256: str
    measured_at: datetime


@lru_cache(maxsize=4096)  # a table has many rows of one workload
def _of_workload(work: Workload) -> tuple[int, Shape, str]:
    return applications(work), shape(work), work.params_text


@lru_cache(maxsize=1024)
def _of_clock(clock: ClockConfiguration) -> tuple[str, float]:
    return clock.id, clock.hclk_hz


COLUMNS: tuple[str, ...] = tuple(f.name for f in fields(LutRow))


def row(run: Run) -> LutRow:
    """Return the look-up table's row for ``run``, which must be accepted."""
    if run.verdict is not Verdict.ACCEPTED or run.result is None or run.image is None or run.cycle_run is None:
        raise ValueError(f"only an accepted run has a row: {run.point}")
    cycles = run.cycle_run
    return table_row(run.point, run.image, run.result, cycles.stack_bytes, len(cycles.kernel_cycles), run.measured_at)


def table_row(
    point: Point, image: ImageInfo, result: Result, stack_bytes: int, repeats: int, measured_at: datetime
) -> LutRow:
    """Return the row of an accepted run from the parts of it that a row needs."""
    work = point.workload
    count, sizes, params = _of_workload(work)
    clock_id, sysclk_hz = _of_clock(point.clock)
    return LutRow(
        schema_version=SCHEMA_VERSION,
        source=str(point.source),
        station=point.station,
        board=point.board,
        mcu=point.mcu,
        core=point.core,
        vdd_v=result.vdd_v,
        clock_id=clock_id,
        sysclk_hz=sysclk_hz,
        sysclk_measured_hz=result.sysclk_measured_hz,
        flash_wait_states=point.clock.flash_wait_states,
        primitive=work.primitive,
        params=params,
        kernel_h=sizes.kernel_h,
        kernel_w=sizes.kernel_w,
        stride=sizes.stride,
        in_h=sizes.in_h,
        in_w=sizes.in_w,
        in_c=sizes.in_c,
        out_c=sizes.out_c,
        dtype=str(work.dtype),
        flavor=work.flavor,
        compiler=image.compiler,
        opt_level=image.opt_level,
        applications=count,
        cycles=result.cycles,
        cycles_overhead=result.cycles_overhead,
        cycles_per_application=result.cycles / count,
        latency_s=result.latency_s,
        latency_u95_s=result.latency_u95_s,
        latency_per_application_s=result.latency_s / count,
        current_a=result.current_a,
        idle_current_a=result.idle_current_a,
        power_w=result.power_w,
        energy_j=result.energy_j,
        energy_u95_j=result.energy_u95_j,
        energy_per_application_j=None if result.energy_j is None else result.energy_j / count,
        flash_bytes=image.kernel_code_bytes + image.kernel_rodata_bytes + image.workload_rodata_bytes,
        rodata_bytes=image.kernel_rodata_bytes + image.workload_rodata_bytes,
        ram_bytes=image.workload_ram_bytes,
        stack_bytes=stack_bytes,
        repeats=repeats,
        firmware_sha256=image.sha256,
        measured_at=measured_at,
    )
