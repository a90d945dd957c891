"""The detached run: the current probe samples a window of N calls, triggered by the target, and an idle window after it."""

from __future__ import annotations

from array import array
from contextlib import suppress
from dataclasses import dataclass
from math import ceil
from statistics import fmean, stdev

from bench.domain.board import Board
from bench.domain.clock import ClockConfiguration
from bench.domain.measurement import CurrentStats, EnergyRun, Trace
from bench.errors import (
    BenchError,
    CurrentProbeError,
    DebugProbeError,
    OutputMismatch,
    ParameterError,
    VerifyError,
)
from bench.firmware.mailbox import Command, Request
from bench.measure.settings import Settings
from bench.measure.verify import CLOCK_MARGIN, refuse_wrap
from bench.probes.base import (
    LEAST_AVERAGED_S,
    Averages,
    Capture,
    CaptureRequest,
    CurrentProbe,
    ProbeSpec,
    check_averaging,
    check_range,
    check_sampling,
)
from bench.stats import ProbeAccuracy, window_stats
from bench.target.board_under_test import BoardUnderTest

COUNTER_LIMIT_CYCLES = 2**31
"""Half of what DWT->CYCCNT holds, so that even a clock twice as fast as planned does not wrap it."""

EDGE_GUARD_S = 1e-3
"""Left out after a window's edge before the idle window: supply decoupling (1.11 ohm x 10 uF = 11 us) and the probe's filter settle in it."""

WINDOW_MARGIN = 1.1
"""A window may come out so much longer or shorter than planned: oscillators are a few percent off, and calls in a row hit other caches
than calls alone."""

TRIGGER_MARGIN_S = 1.0
"""Over what the target computes before it raises the trigger: detaching through a slow probe takes tenths of a second."""

SLEEP_ENTRY_CYCLES = 100.0
"""At most, from the trigger's fall until the core sleeps: some stores to a timer, and WFI."""


@dataclass(frozen=True, slots=True)
class Call:
    """What the attached run told of one call: its cycles, at most how many the target needs to set up, and the digest of its output.

    ``net_cycles``: without what calling and counting cost, which calls in a row need less of; 0 where it is not known.
    """

    cycles: int
    setup_cycles: float
    output_digest: int
    net_cycles: float = 0.0


class EnergyMeter:
    """A current probe at one board, and how the window is laid out."""

    def __init__(self, probe: CurrentProbe, driver: str, board: Board, settings: Settings) -> None:
        self._probe = probe
        self._driver = driver
        self._board = board
        self._settings = settings

    @property
    def spec(self) -> ProbeSpec:
        """The probe's data-sheet figures."""
        return self._probe.spec

    @property
    def accuracy(self) -> ProbeAccuracy:
        """What the probe's data sheet promises."""
        return self._probe.spec.accuracy

    def measure(self, under_test: BoardUnderTest, clock_index: int, clock: ClockConfiguration, call: Call) -> EnergyRun:
        """Measure one window of ``call`` at ``clock``, which the image knows as ``clock_index``.

        Raises ProbeRangeError before anything runs where the expected current is outside the probe's range, CurrentProbeError for what goes
        wrong in the window, and what the target raises.
        """
        settings = self._settings
        spec = self._probe.spec
        check_range(spec, self._board.expected_current_a(clock.hclk_hz))
        window_s, idle_s = settings.window_s, settings.idle_s
        if spec.average_s:
            check_averaging(spec, call.cycles / clock.hclk_hz)
            window_s, idle_s = max(window_s, LEAST_AVERAGED_S[0]), max(idle_s, LEAST_AVERAGED_S[1])
        loops = ceil(window_s * clock.hclk_hz / call.cycles)
        planned_s = loops * call.cycles / clock.hclk_hz
        duration_s = planned_s * WINDOW_MARGIN + EDGE_GUARD_S + idle_s
        rate_hz = self._probe.rate_for(settings.sample_rate_hz, duration_s)
        if not spec.average_s:
            check_sampling(spec, rate_hz, min(planned_s, idle_s))
        if loops * call.cycles > COUNTER_LIMIT_CYCLES:
            raise ParameterError(
                f"a window of {planned_s:.3g} s takes {loops * call.cycles} cycles at {clock.hclk_hz / 1e6:g} MHz; the cycle counter wraps",
                hint=f"use a window of at most {COUNTER_LIMIT_CYCLES / clock.hclk_hz:.3g} s, or a smaller workload",
            )
        earliest_s = min(call.net_cycles / call.cycles, 1.0) * planned_s / WINDOW_MARGIN
        # However early the window ends, the core must not wake before the probe has finished: its current would look like a second window.
        sleep_s = duration_s - earliest_s + EDGE_GUARD_S
        request = Request(
            sequence=under_test.next_sequence(),
            command=Command.ENERGY,
            clock_index=clock_index,
            input_seed=settings.seed,
            warmup=settings.warmup,
            loops=loops,
            settle_ticks=round(settings.settle_s * clock.timer1_hz),
            idle_ticks=round(sleep_s * clock.timer1_hz),
        )
        trigger_timeout_s = (
            TRIGGER_MARGIN_S
            + settings.settle_s
            + (call.setup_cycles + (settings.warmup + 1) * call.cycles) / clock.hclk_hz
        )
        tail_s = SLEEP_ENTRY_CYCLES / clock.hclk_hz
        expected_s = (earliest_s, planned_s * WINDOW_MARGIN)
        self._probe.arm(CaptureRequest(rate_hz, duration_s, trigger_timeout_s, tail_s, planned_s, expected_s))
        try:
            release_s = under_test.run_detached(request)
        except BenchError:
            # The probe is armed for a window that need not come: waiting in vain is what makes it ready again.
            with suppress(CurrentProbeError):
                self._probe.collect()
            raise
        reattach_timeout_s = trigger_timeout_s + 2 * duration_s
        try:
            capture = self._probe.collect()
        except CurrentProbeError:
            under_test.sleep(sleep_s + EDGE_GUARD_S)
            # A target that went astray is why the probe complains, and the better thing to say; a debug port that does not answer is not.
            with suppress(DebugProbeError):
                under_test.reattach(request, reattach_timeout_s)
            raise
        # The core may still sleep, and a sleeping core need not answer the debug port; its clock may be off.
        awake_s = capture.trigger_fall_s + sleep_s * (1 + CLOCK_MARGIN) + EDGE_GUARD_S
        under_test.sleep(max(0.0, awake_s - capture.captured_s))
        report = under_test.reattach(request, reattach_timeout_s)
        if release_s > settings.settle_s:
            raise VerifyError(
                f"the debug port was down only {release_s:.3g} s after the target had started; it settles for {settings.settle_s:.3g} s",
                hint="the window may hold the debugger's current: measure again, on a less busy host or without USB hubs",
            )
        if report.word("output_digest") != call.output_digest:
            raise OutputMismatch(
                f"the output after {loops} calls in the energy window has the digest {report.word('output_digest'):#010x}, "
                f"with the debugger attached it was {call.output_digest:#010x}",
                hint="the supply may have dipped without the debugger's own: check the probe's wiring and range",
            )
        refuse_wrap(capture.trigger_fall_s, clock.hclk_hz, 1, f"the window of {loops} calls")
        return self._energy_run(capture, loops, report.word("window_cycles"), report.word("loop_empty_cycles"))

    def _energy_run(self, capture: Capture, loops: int, window_cycles: int, loop_empty_cycles: int) -> EnergyRun:
        active, idle = self._sampled(capture) if capture.averages is None else _averaged(capture, capture.averages)
        return EnergyRun(
            probe=self._driver,
            loops=loops,
            window_cycles=window_cycles,
            loop_empty_cycles=loop_empty_cycles,
            window_s=capture.trigger_fall_s,
            window_resolution_s=capture.trigger_resolution_s,
            vdd_v=capture.vdd_v,
            vdd_measured=capture.vdd_measured,
            temperature_degc=capture.temperature_degc,
            active=active,
            idle=idle,
            trace=None
            if capture.averages is not None
            else Trace(capture.sample_rate_hz, array("f", capture.current_a.tobytes())),
        )

    def _sampled(self, capture: Capture) -> tuple[CurrentStats, CurrentStats]:
        """Return the statistics of the window and of the idle window after it. Raises VerifyError where no room is left for that."""
        idle_start_s = capture.trigger_fall_s + EDGE_GUARD_S
        idle_end_s = min(idle_start_s + self._settings.idle_s, capture.captured_s)
        if idle_end_s - idle_start_s < self._settings.idle_s / 2:
            raise VerifyError(
                f"the window lasted {capture.trigger_fall_s:.4g} s of the {capture.captured_s:.4g} s captured; no room is left for the idle window",
                hint="the core clock is much slower than asked for",
            )
        return (
            window_stats(capture.current_a, capture.sample_rate_hz, 0.0, capture.trigger_fall_s),
            window_stats(capture.current_a, capture.sample_rate_hz, idle_start_s, idle_end_s),
        )


def _averaged(capture: Capture, averages: Averages) -> tuple[CurrentStats, CurrentStats]:
    """Return the statistics of readings that are averages: where in their windows they were taken is not known."""
    fall_s = capture.trigger_fall_s
    return _of_readings(averages.active_a, 0.0, fall_s), _of_readings(averages.idle_a, fall_s, averages.elapsed_s)


def _of_readings(values_a: tuple[float, ...], start_s: float, end_s: float) -> CurrentStats:
    mean_a = fmean(values_a)
    return CurrentStats(
        start_s=start_s,
        end_s=end_s,
        samples=len(values_a),
        mean_a=mean_a,
        std_a=stdev(values_a) if len(values_a) > 1 else 0.0,
        min_a=min(values_a),
        max_a=max(values_a),
        charge_c=mean_a * (end_s - start_s),
    )
