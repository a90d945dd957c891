"""Look-up tables that follow a known law, so that what an estimate must be is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from itertools import product

from bench.domain.clock import ClockConfiguration
from bench.domain.lut import SCHEMA_VERSION, LutRow
from bench.domain.network import Layer
from bench.domain.primitives import applications, shape, workload
from bench.domain.workload import DType, Workload
from bench.estimate.memory import ELEMENT_BYTES, weight_bytes
from bench.estimate.terms import Cache, columns_of, counts

CLOCKS = tuple(
    ClockConfiguration.parse(text)
    for text in (
        "hsi16-ahb1-apb1.1-scale3-ws0-pid",
        "hsebyp8-m4n160r8-ahb1-apb1.1-scale3-ws1-pid",
        "hsebyp8-m4n160r4-ahb1-apb2.1-scale3-ws2-pid",
        "hsebyp8-m4n180r2-ahb1-apb4.2-scale1od-ws5-pid",
    )
)
VDD_V = 3.3
CODE_BYTES = 500
CACHE = Cache(size_bytes=128, line_bytes=16)

COEFFICIENTS = {
    "call": 60.0,
    "plane": 11.0,
    "row": 23.0,
    "output": 37.0,
    "window": 19.0,
    "line": 13.0,
    "mac": 6.0,
}


def cycles(work: Workload, wait_states: int) -> float:
    """Return what a call of ``work`` costs by the law: the terms, and a multiply-accumulate that waits for the flash."""
    found = counts(work.primitive, columns_of([dict(work.params)]), ELEMENT_BYTES[work.dtype], CACHE)
    return float(sum(value[0] * COEFFICIENTS.get(name, 2.0 * wait_states) for name, value in found.items()))


def power_w(clock: ClockConfiguration) -> float:
    """Return the supply power by the law: linear in the core clock."""
    return 0.01 + 0.6e-9 * clock.hclk_hz


def row(work: Workload, clock: ClockConfiguration, board: str = "nucleo_f446ze", source: str = "virtual") -> LutRow:
    """Return the row of ``work`` by the law."""
    made = shape(work)
    count = cycles(work, clock.flash_wait_states)
    latency_s = count / clock.hclk_hz
    energy_j = latency_s * power_w(clock)
    rodata = weight_bytes(Layer("x", work.primitive, work.params, ("input",), (1, 1, 1)), work.dtype)
    applied = workload_applications(work)
    return LutRow(
        schema_version=SCHEMA_VERSION,
        source=source,
        station=f"{source}-{board}",
        board=board,
        mcu="STM32F446ZE",
        core="cortex-m4f",
        vdd_v=VDD_V,
        clock_id=clock.id,
        sysclk_hz=clock.hclk_hz,
        sysclk_measured_hz=clock.hclk_hz,
        flash_wait_states=clock.flash_wait_states,
        primitive=work.primitive,
        params=work.params_text,
        kernel_h=made.kernel_h,
        kernel_w=made.kernel_w,
        stride=made.stride,
        in_h=made.in_h,
        in_w=made.in_w,
        in_c=made.in_c,
        out_c=made.out_c,
        dtype=str(work.dtype),
        flavor=work.flavor,
        compiler="gcc",
        opt_level=str(work.opt_level),
        applications=applied,
        cycles=count,
        cycles_overhead=10,
        cycles_per_application=count / applied,
        latency_s=latency_s,
        latency_u95_s=1e-4 * latency_s,
        latency_per_application_s=latency_s / applied,
        current_a=power_w(clock) / VDD_V,
        idle_current_a=1e-3,
        power_w=power_w(clock),
        energy_j=energy_j,
        energy_u95_j=0.02 * energy_j,
        energy_per_application_j=energy_j / applied,
        flash_bytes=CODE_BYTES + rodata,
        rodata_bytes=rodata,
        ram_bytes=1000,
        stack_bytes=100,
        repeats=10,
        firmware_sha256="0" * 64,
        measured_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def workload_applications(work: Workload) -> int:
    """Return the applications of one call."""
    return applications(work)


def grid(primitive: str, **values: Iterable[int | str]) -> list[tuple[str, dict[str, int | str]]]:
    """Return the product of ``values`` for ``primitive``; ``size`` is height and width."""
    made = []
    for choice in product(*values.values()):
        params = dict(zip(values, choice, strict=True))
        if "size" in params:
            params |= {"in_h": params["size"], "in_w": params.pop("size")}
        made.append((primitive, params))
    return made


SHAPES = [
    *grid("conv2d", size=[7, 40], k=[1, 3, 5, 7], in_c=[1, 5, 32, 64], out_c=[1, 64], padding=["same", "valid"]),
    *grid("conv2d", size=[33], k=[1, 3, 7], in_c=[1, 33, 256], out_c=[1, 256], padding=["same"], stride=[2]),
    *grid("conv2d", size=[9, 50], k=[1, 7], in_c=[1], out_c=[2, 3], padding=["same"], stride=[2]),
    *grid("conv2d", size=[3], k=[1], in_c=[256], out_c=[256]),
    *grid("conv2d_rgb", size=[6, 40, 100], k=[3], out_c=[1, 20], padding=["same"], stride=[1, 2]),
    *grid("depthwise_conv2d", size=[3, 30, 50], k=[3], in_c=[1, 256], padding=["same"], stride=[1, 2]),
    *grid("depthwise_conv2d", size=[5], k=[3], in_c=[9], padding=["same"], stride=[1, 2]),
    *grid("avgpool2d", size=[8, 16, 40], k=[2, 8], in_c=[1, 70]),
    *grid("global_avgpool2d", in_h=[2, 30], in_w=[2, 9], in_c=[3, 300]),
    *grid("fully_connected", n_in=[4, 9, 50, 700], n_out=[2, 20, 700]),
    *grid("softmax", n=[2, 6, 14, 40]),
    *grid("relu", n=[4, 100, 600, 40000]),
    *grid("sigmoid", n=[4, 100, 600, 40000]),
    *grid("batchnorm", n=[4, 30, 2000], in_c=[2, 12, 80]),
    *grid("residual_add", n=[4, 30, 2000], in_c=[2, 12, 80]),
]


def table_rows(
    shapes: Iterable[tuple[str, Mapping[str, int | str]]] = SHAPES,
    *,
    boards: Iterable[str] = ("nucleo_f446ze",),
    dtypes: Iterable[DType] = (DType.FP32,),
    clocks: Iterable[ClockConfiguration] = CLOCKS,
    change: Callable[[LutRow], LutRow] = lambda made: made,
) -> list[LutRow]:
    """Return rows of every shape, board, data type and clock."""
    works = [workload(name, values, dtype) for name, values in shapes for dtype in dtypes]
    return [change(row(work, clock, board)) for board in boards for work in works for clock in clocks]
