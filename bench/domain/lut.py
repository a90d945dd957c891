"""The look-up table: its columns, in order, are a contract with other tools."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from bench.domain.clock import ClockConfiguration
from bench.domain.measurement import ImageInfo, Result, Run, Verdict
from bench.domain.primitives import applications, shape
from bench.domain.station import Source
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


class WorkloadPart(NamedTuple):
    """What a row says of its workload."""

    primitive: str
    params: str
    sizes: Shape
    dtype: str
    flavor: str
    applications: int

    @classmethod
    def of(cls, work: Workload) -> WorkloadPart:
        """Return the part of ``work``."""
        return cls(work.primitive, work.params_text, shape(work), str(work.dtype), work.flavor, applications(work))


class ClockPart(NamedTuple):
    """What a row says of its clock."""

    clock_id: str
    sysclk_hz: float
    flash_wait_states: int

    @classmethod
    def of(cls, clock: ClockConfiguration) -> ClockPart:
        """Return the part of ``clock``."""
        return cls(clock.id, clock.hclk_hz, clock.flash_wait_states)


class PlacePart(NamedTuple):
    """What a row says of the station."""

    source: str
    station: str
    board: str
    mcu: str
    core: str

    @classmethod
    def of(cls, station: str, source: Source, board: str, mcu: str, core: str) -> PlacePart:
        """Return the part of a point's first fields."""
        return cls(str(source), station, board, mcu, core)


# A table has many rows of one workload and of one clock.
_of_workload = lru_cache(maxsize=4096)(WorkloadPart.of)
_of_clock = lru_cache(maxsize=1024)(ClockPart.of)

COLUMNS: tuple[str, ...] = tuple(f.name for f in fields(LutRow))


def row(run: Run) -> LutRow:
    """Return the look-up table's row for ``run``, which must be accepted."""
    if run.verdict is not Verdict.ACCEPTED or run.result is None or run.image is None or run.cycle_run is None:
        raise ValueError(f"only an accepted run has a row: {run.point}")
    point, cycles = run.point, run.cycle_run
    return table_row(
        PlacePart.of(point.station, point.source, point.board, point.mcu, point.core),
        _of_workload(point.workload),
        _of_clock(point.clock),
        run.image,
        run.result,
        cycles.stack_bytes,
        len(cycles.kernel_cycles),
        run.measured_at,
    )


def table_row(
    place: PlacePart,
    work: WorkloadPart,
    clock: ClockPart,
    image: ImageInfo,
    result: Result,
    stack_bytes: int,
    repeats: int,
    measured_at: datetime,
) -> LutRow:
    """Return the row of an accepted run from the parts of it that a row needs."""
    count, sizes = work.applications, work.sizes
    rodata_bytes = image.kernel_rodata_bytes + image.workload_rodata_bytes
    return LutRow(
        schema_version=SCHEMA_VERSION,
        source=place.source,
        station=place.station,
        board=place.board,
        mcu=place.mcu,
        core=place.core,
        vdd_v=result.vdd_v,
        clock_id=clock.clock_id,
        sysclk_hz=clock.sysclk_hz,
        sysclk_measured_hz=result.sysclk_measured_hz,
        flash_wait_states=clock.flash_wait_states,
        primitive=work.primitive,
        params=work.params,
        kernel_h=sizes.kernel_h,
        kernel_w=sizes.kernel_w,
        stride=sizes.stride,
        in_h=sizes.in_h,
        in_w=sizes.in_w,
        in_c=sizes.in_c,
        out_c=sizes.out_c,
        dtype=work.dtype,
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
        flash_bytes=image.kernel_code_bytes + rodata_bytes,
        rodata_bytes=rodata_bytes,
        ram_bytes=image.workload_ram_bytes,
        stack_bytes=stack_bytes,
        repeats=repeats,
        firmware_sha256=image.sha256,
        measured_at=measured_at,
    )
