"""Measures the points of one image on a connected station: attached for cycles, detached for energy; each once.

What is done when that fails, and in which order points come, is ``campaign``'s business.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from statistics import median
from typing import Protocol

from bench.domain.board import Board
from bench.domain.clock import ClockConfiguration
from bench.domain.measurement import CycleRun, EnergyRun, Point, Run, Verdict
from bench.domain.station import Station
from bench.domain.workload import OptLevel, Workload
from bench.errors import BenchError, DebugProbeError, ProbeDisconnected, Unstable, error_context
from bench.firmware.clock_registers import confirm
from bench.firmware.mailbox import Command, Report, Request
from bench.measure.energy import Call, EnergyMeter
from bench.measure.image import Image
from bench.measure.settings import Settings
from bench.measure.verify import Verifier, refuse_wrap
from bench.stats import reduce
from bench.stats.stability import unstable
from bench.target.board_under_test import BoardUnderTest

TIMEOUT_FACTOR = 3.0
SETUP_CYCLES_PER_BYTE = 100.0
MIN_TIMEOUT_S = 1.0
CYCLES_PER_OPERATION_MAX = 60.0
CALL_CYCLES_MAX = 10_000.0
UNOPTIMISED_FACTOR = 8.0


class Narrator(Protocol):
    """Hears in short sentences what is done: ``event`` what a log should keep, ``step`` every motion."""

    def event(self, text: str) -> None: ...

    def step(self, text: str) -> None: ...


def points(station: Station, board: Board, work: Workload, clocks: Sequence[ClockConfiguration]) -> list[Point]:
    """Return the points of one image on ``station``, one a clock."""
    return [Point(station.name, station.source, board.name, board.mcu, board.core, work, clock) for clock in clocks]


class Procedure:
    """Measures ``image`` on a connected board. ``meter`` is None where the station has no current probe."""

    def __init__(
        self,
        station: Station,
        image: Image,
        under_test: BoardUnderTest,
        meter: EnergyMeter | None,
        settings: Settings,
        narrator: Narrator,
    ) -> None:
        self._station = station
        self._image = image
        self._board = under_test
        self._meter = meter
        self._settings = settings
        self._narrator = narrator
        firmware = image.firmware
        self._verifier = Verifier(image.work, firmware.layout, settings.seed, reference=firmware.reference)

    def runs(self) -> Iterator[Run]:
        """Unattended: flash what differs, start the harness, and yield one run a clock, in the clocks' order, nothing tried twice.

        Raises FlashError, BootError, DebugProbeError and ProbeDisconnected, after which no further clock can be measured.
        """
        self.flash()
        self.boot()
        for index, point in enumerate(points(self._station, self._image.board, self._image.work, self._image.clocks)):
            with error_context(self._station.name):
                run, error = self.attempt(index, point)
                if isinstance(error, DebugProbeError | ProbeDisconnected):
                    raise error
                yield run
                if error is not None:
                    self._narrator.event("resetting the target after the failure")
                    self.boot()

    def flash(self) -> None:
        """Flash what differs. Raises FlashError, DebugProbeError."""
        written = self._board.flash(self._image.segments)
        self._narrator.event(f"flashed {written} bytes" if written else "the flash already holds this image")

    def boot(self) -> None:
        """Reset, and start the harness; that clears whatever the target was doing. Raises BootError, DebugProbeError."""
        image = self._image
        self._board.boot(image.mailbox_address, image.firmware.image_id, image.locate, image.frames)

    def attempt(self, index: int, point: Point) -> tuple[Run, BenchError | None]:
        """Measure ``point``, the image's clock ``index``, once. Returns an accepted run, or a rejected one and the error that ended it."""
        measured_at = datetime.now(UTC)
        cycle_run: CycleRun | None = None
        energy_run: EnergyRun | None = None
        try:
            self._board.expect_clock(point.clock.hclk_hz)
            report, output = self._count_cycles(index, point.clock)
            cycle_run = self._cycle_run(report, output)
            if self._meter is not None:
                self._narrator.step(f"sampling the current at {point.clock.hclk_hz / 1e6:g} MHz")
                call = self._call(cycle_run, report)
                energy_run = self._meter.measure(self._board, index, point.clock, call)
            result = reduce(
                cycle_run,
                energy_run,
                point.clock,
                oscillator_tolerance=self._image.board.limits.oscillator(point.clock.oscillator).tolerance_relative,
                accuracy=self._meter.accuracy if self._meter is not None else None,
            )
            if reason := unstable(cycle_run, energy_run):
                raise Unstable(
                    reason,
                    hint="let the board warm up, keep draughts, light and other loads away, or use a longer --window",
                )
        except BenchError as error:
            return rejected(point, self._image, error, measured_at, cycle_run, energy_run), error
        run = Run(
            point=point,
            measured_at=measured_at,
            verdict=Verdict.ACCEPTED,
            bench_version=version("mcu-bench"),
            image=self._image.built.info,
            cycle_run=cycle_run,
            energy_run=energy_run,
            result=result,
            environment=environment(self._image),
        )
        return run, None

    def _count_cycles(self, index: int, clock: ClockConfiguration) -> tuple[Report, bytes]:
        settings = self._settings
        request = Request(
            sequence=self._board.next_sequence(),
            command=Command.CYCLES,
            clock_index=index,
            input_seed=settings.seed,
            warmup=settings.warmup,
            repeats=settings.repeats,
        )
        self._narrator.step(f"counting cycles at {clock.hclk_hz / 1e6:g} MHz")
        report = self._board.run(request, self._cycles_timeout_s(clock))
        # One call for the stack, then those that warm up and those that count; the empty kernel's are too short to matter.
        calls = 1 + settings.warmup + settings.repeats
        refuse_wrap(self._board.elapsed_s, clock.hclk_hz, calls, f"{calls} calls of the kernel")
        confirm(self._image.firmware.clocks[index], report.words("clock_registers"))
        output = self._board.read(self._image.output_address, self._image.firmware.layout.output.size_bytes)
        self._verifier.check(output)
        return report, output

    def _cycle_run(self, report: Report, output: bytes) -> CycleRun:
        repeats = self._settings.repeats
        return CycleRun(
            kernel_cycles=report.words("kernel_cycles")[:repeats],
            empty_cycles=report.words("empty_cycles")[:repeats],
            warmup=self._settings.warmup,
            seed=self._settings.seed,
            stack_bytes=report.word("stack_bytes"),
            output_sha256=sha256(output).hexdigest(),
        )

    def _call(self, cycle_run: CycleRun, report: Report) -> Call:
        net_cycles = median(cycle_run.kernel_cycles) - median(cycle_run.empty_cycles)
        digest = report.word("output_digest")
        return Call(max(cycle_run.kernel_cycles), self._setup_cycles(), digest, max(0.0, net_cycles))

    def _cycles_timeout_s(self, clock: ClockConfiguration) -> float:
        """Return a generous bound: so many cycles for every operation of the workload, at this clock."""
        work = self._image.work
        per_operation = CYCLES_PER_OPERATION_MAX * (UNOPTIMISED_FACTOR if work.opt_level is OptLevel.O0 else 1.0)
        calls = self._settings.warmup + self._settings.repeats + 1
        cycles = calls * (CALL_CYCLES_MAX + per_operation * self._image.firmware.operations) + self._setup_cycles()
        return MIN_TIMEOUT_S + TIMEOUT_FACTOR * cycles / clock.hclk_hz

    def _setup_cycles(self) -> float:
        """Return at most what filling the buffers and taking the digest of the output costs."""
        return SETUP_CYCLES_PER_BYTE * self._image.firmware.layout.ram_bytes


def rejected(
    point: Point,
    image: Image | None,
    error: BenchError,
    measured_at: datetime | None = None,
    cycle_run: CycleRun | None = None,
    energy_run: EnergyRun | None = None,
) -> Run:
    """Return the run of ``point`` that ``error`` ended, with the raw values there are."""
    return Run(
        point=point,
        measured_at=measured_at or datetime.now(UTC),
        verdict=Verdict.REJECTED,
        bench_version=version("mcu-bench"),
        image=image.built.info if image is not None else None,
        cycle_run=cycle_run,
        energy_run=energy_run,
        failure_class=error.failure_class,
        reason=error.message,
        detail="\n".join(part for part in (error.hint, error.detail) if part),
        environment=environment(image),
    )


def environment(image: Image | None) -> tuple[tuple[str, str], ...]:
    """Return what else may matter for a number: versions and host, and the kernel library of ``image`` where it has one."""
    return _host() if image is None or image.library is None else (*_host(), *image.library.provenance)


@cache
def _host() -> tuple[tuple[str, str], ...]:
    return (
        ("pyocd", version("pyocd")),
        ("python", platform.python_version()),
        ("host", platform.node()),
        ("system", platform.platform()),
    )
