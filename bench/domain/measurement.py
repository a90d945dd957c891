"""What one run of one point yields: raw values first, derived values after, and always a verdict."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from bench.domain.clock import ClockConfiguration
from bench.domain.station import Source
from bench.domain.workload import Workload


class Verdict(StrEnum):
    """Whether a run may enter a look-up table."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """The firmware image that ran: its identity and its static memory.

    ``flash_bytes`` counts all that the image occupies in flash; ``kernel_code_bytes`` and ``kernel_rodata_bytes`` the share of the kernel
    under test; ``workload_rodata_bytes`` its weights and tables; ``workload_ram_bytes`` its input, output and scratch buffers.
    """

    sha256: str
    compiler: str
    opt_level: str
    flash_bytes: int
    text_bytes: int
    rodata_bytes: int
    data_bytes: int
    bss_bytes: int
    kernel_code_bytes: int
    kernel_rodata_bytes: int
    workload_rodata_bytes: int
    workload_ram_bytes: int


@dataclass(frozen=True, slots=True)
class CycleRun:
    """The attached run: every cycle count, raw.

    ``kernel_cycles`` and ``empty_cycles``: counts of each repetition around one call of the kernel, and of the empty kernel of the same
    signature. ``stack_bytes`` is the high-water mark. ``output_sha256`` is that of the output buffer as it lay in the target's memory.
    """

    kernel_cycles: tuple[int, ...]
    empty_cycles: tuple[int, ...]
    warmup: int
    seed: int
    stack_bytes: int
    output_sha256: str


@dataclass(frozen=True, slots=True)
class CurrentStats:
    """Statistics of the samples of one window. ``std_a`` is the sample standard deviation; times are seconds after the trigger."""

    start_s: float
    end_s: float
    samples: int
    mean_a: float
    std_a: float
    min_a: float
    max_a: float
    charge_c: float


@dataclass(frozen=True, slots=True)
class Trace:
    """A current trace from the trigger's rising edge on: 32-bit floats in ampere, ``sample_rate_hz`` apart."""

    sample_rate_hz: float
    samples_a: array[float]


@dataclass(frozen=True, slots=True)
class EnergyRun:
    """The detached run: the current in the triggered window and in the idle window after it, raw.

    ``window_cycles`` were counted by the target over the ``loops`` calls in the window; ``window_s`` is the window's length by the
    probe's clock.
    """

    probe: str
    loops: int
    window_cycles: int
    loop_empty_cycles: int
    window_s: float
    window_resolution_s: float
    vdd_v: float
    vdd_measured: bool
    temperature_degc: float | None
    active: CurrentStats
    idle: CurrentStats
    trace: Trace | None


@dataclass(frozen=True, slots=True)
class UncertaintyTerm:
    """One term of an uncertainty budget, relative (dimensionless): standard uncertainty of ``quantity`` due to ``name``.

    ``systematic`` terms are errors of the instruments, the same in all points of one station that have a term of that name: they cancel in
    ratios. ``degrees_of_freedom``: of a Student's t distribution, as found from repetitions; None for a rectangular one, as of
    limits taken from a data sheet: its half-width is sqrt(3) times ``standard_relative``.
    """

    quantity: str
    name: str
    standard_relative: float
    systematic: bool
    source: str
    degrees_of_freedom: float | None = None

    @property
    def distribution(self) -> str:
        """``rectangular``, or ``t`` (Student's)."""
        return "rectangular" if self.degrees_of_freedom is None else "t"


@dataclass(frozen=True, slots=True)
class Result:
    """Derived values of one accepted run, per call of the workload, net of the empty loop. ``u95`` is expanded, 95 % coverage."""

    cycles: float
    cycles_overhead: float
    latency_s: float
    latency_u95_s: float
    sysclk_measured_hz: float | None = None
    vdd_v: float | None = None
    current_a: float | None = None
    idle_current_a: float | None = None
    power_w: float | None = None
    energy_j: float | None = None
    energy_u95_j: float | None = None
    budget: tuple[UncertaintyTerm, ...] = ()


@dataclass(frozen=True, slots=True)
class Point:
    """What is measured and where: a workload at a clock configuration on a station."""

    station: str
    source: Source
    board: str
    mcu: str
    core: str
    workload: Workload
    clock: ClockConfiguration

    def __str__(self) -> str:
        return f"{self.station}, {self.workload}, {self.clock.hclk_hz / 1e6:g} MHz ({self.clock.id})"


@dataclass(frozen=True, slots=True)
class Run:
    """One measurement of one point. A rejected run says why in ``failure_class`` and ``reason`` and keeps what raw values there are.

    ``order_seed`` shuffled the points of the image, ``order_position`` (from 0) is where this one came; None where that is not known.
    ``attempts`` is how often the point was tried, the last one included. ``sentinel``: measured again, to see whether the station drifts.
    """

    point: Point
    measured_at: datetime
    verdict: Verdict
    bench_version: str
    image: ImageInfo | None = None
    cycle_run: CycleRun | None = None
    energy_run: EnergyRun | None = None
    result: Result | None = None
    failure_class: str = ""
    reason: str = ""
    detail: str = ""
    environment: tuple[tuple[str, str], ...] = field(default=())
    order_seed: int | None = None
    order_position: int | None = None
    attempts: int = 1
    sentinel: bool = False

    def __post_init__(self) -> None:
        if self.measured_at.tzinfo is None:
            raise ValueError("measured_at needs a time zone")
        if (self.verdict is Verdict.ACCEPTED) != (self.result is not None and not self.reason):
            raise ValueError("an accepted run has a result and no reason, a rejected one a reason and no result")
