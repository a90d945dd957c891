"""Energy windows that may not be measured, or may not be believed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench.boards import load_board
from bench.clocktree import clock_table
from bench.errors import OutputMismatch, ParameterError, ProbeRangeError, VerifyError
from bench.firmware import mailbox
from bench.firmware.mailbox import Report, Request
from bench.measure.energy import Call, EnergyMeter
from bench.measure.settings import Settings
from bench.probes.base import Capture, CaptureRequest
from bench.probes.lpm01a import Lpm01a

BOARD = load_board("nucleo_f446ze")


class ArmedProbe(Lpm01a):
    """A probe whose capture does not matter."""

    def arm(self, request: CaptureRequest) -> None:
        """Do nothing."""

    def collect(self) -> Capture:
        """Return 0.2 s with a window of 0.1 s."""
        return Capture(1000.0, np.zeros(200, np.float32), 0.1, 1e-3, 3.3, False, None)


class SlowPort:
    """A board whose debug port goes down only after ``release_s``."""

    def __init__(self, release_s: float) -> None:
        self.release_s = release_s
        self.reattached = False
        self.slept_s = 0.0

    def next_sequence(self) -> int:
        return 1

    def run_detached(self, request: Request) -> float:
        return self.release_s

    def sleep(self, seconds: float) -> None:
        self.slept_s += seconds

    def reattach(self, request: Request, timeout_s: float) -> Report:
        self.reattached = True
        return Report(bytes(mailbox.SIZE_BYTES))


def test_a_port_released_after_the_settling_time_rejects_the_point() -> None:
    settings = Settings()
    board = SlowPort(2 * settings.settle_s)
    meter = EnergyMeter(ArmedProbe("unused"), "lpm01a", BOARD, settings)
    clock = clock_table(BOARD)[0][1]
    with pytest.raises(VerifyError, match="debug port"):
        meter.measure(board, 0, clock, Call(1000, 0.0, 0))  # type: ignore[arg-type]
    assert board.reattached


def test_an_output_that_changed_without_the_debugger_rejects_the_point() -> None:
    meter = EnergyMeter(ArmedProbe("unused"), "lpm01a", BOARD, Settings())
    with pytest.raises(OutputMismatch, match="0x12345678"):
        meter.measure(SlowPort(0.0), 0, clock_table(BOARD)[0][1], Call(1000, 0.0, 0x12345678))  # type: ignore[arg-type]


def test_a_current_outside_the_probes_range_is_refused_before_anything_runs() -> None:
    class WeakProbe(ArmedProbe):
        """Ends at 20 mA."""

        spec = replace(Lpm01a.spec, max_current_a=20e-3)

    board = SlowPort(0.0)
    fastest = clock_table(BOARD)[-1][1]
    with pytest.raises(ProbeRangeError, match="20 mA") as caught:
        EnergyMeter(WeakProbe("unused"), "lpm01a", BOARD, Settings()).measure(board, 0, fastest, Call(1000, 0.0, 0))  # type: ignore[arg-type]
    assert "STLINK-V3PWR" in caught.value.hint
    assert not board.reattached


def test_a_window_too_short_for_the_probe_is_refused_before_anything_runs() -> None:
    class SlowProbe(ArmedProbe):
        """Some readings a millisecond."""

        spec = replace(Lpm01a.spec, max_sample_rate_hz=2e3)
        asked: CaptureRequest | None = None

        def arm(self, request: CaptureRequest) -> None:
            self.asked = request

    board = SlowPort(0.0)
    slow, clock = SlowProbe("unused"), clock_table(BOARD)[0][1]
    with pytest.raises(ProbeRangeError, match="too short") as caught:
        EnergyMeter(slow, "slow", BOARD, Settings(window_s=10e-3)).measure(board, 0, clock, Call(1000, 0.0, 0))  # type: ignore[arg-type]
    assert "--window 25ms" in caught.value.hint
    assert slow.asked is None
    # With a longer one the probe is asked for its own highest rate, and told the plan.
    with pytest.raises(OutputMismatch):
        EnergyMeter(slow, "slow", BOARD, Settings()).measure(board, 0, clock, Call(1000, 0.0, 1))  # type: ignore[arg-type]
    assert slow.asked is not None
    assert slow.asked.sample_rate_hz == 2e3
    assert slow.asked.planned_fall_s == pytest.approx(0.1)
    assert slow.asked.fall_between_s == (0.0, pytest.approx(0.11))  # nothing is known of the call's overhead


def test_the_core_sleeps_until_the_probe_has_finished_however_early_the_window_ends() -> None:
    class AskedProbe(ArmedProbe):
        """Remembers what it was asked."""

        asked: CaptureRequest | None = None

        def arm(self, request: CaptureRequest) -> None:
            self.asked = request

    class AskedBoard(SlowPort):
        """Remembers what it was asked."""

        asked: Request | None = None

        def run_detached(self, request: Request) -> float:
            self.asked = request
            return super().run_detached(request)

    probe, board, clock = AskedProbe("unused"), AskedBoard(0.0), clock_table(BOARD)[-1][1]
    for net_cycles in (0.0, 500.0, 1000.0):
        with pytest.raises(OutputMismatch):
            EnergyMeter(probe, "lpm01a", BOARD, Settings()).measure(board, 0, clock, Call(1000, 0.0, 1, net_cycles))  # type: ignore[arg-type]
        assert probe.asked is not None
        assert probe.asked.fall_between_s is not None
        assert board.asked is not None
        earliest_s, latest_s = probe.asked.fall_between_s
        assert earliest_s == pytest.approx(0.1 * net_cycles / 1000 / 1.1)
        assert latest_s == pytest.approx(0.11)
        assert earliest_s + board.asked.idle_ticks / clock.timer1_hz > probe.asked.duration_s


def test_the_port_is_taken_when_the_core_has_woken_and_not_much_later() -> None:
    """It sleeps until the capture is over however early the window ends, by its own clock, which may be 5 % slow."""
    # 100 ms of window and 50 of idle time, 10 % and 1 ms for edges; nothing of the net cycles is known, so the window might end at once.
    asleep_s = 1.1 * 0.1 + 0.05 + 1e-3 + 1e-3
    for captured, left_s in ((300, 0.0), (150, 0.1 + asleep_s * 1.05 + 1e-3 - 0.15)):

        class Probe(ArmedProbe):
            samples = captured

            def collect(self) -> Capture:
                return Capture(1000.0, np.zeros(self.samples, np.float32), 0.1, 1e-3, 3.3, False, None)

        board = SlowPort(0.0)
        meter = EnergyMeter(Probe("unused"), "lpm01a", BOARD, Settings())
        with pytest.raises(OutputMismatch):
            meter.measure(board, 0, clock_table(BOARD)[0][1], Call(1000, 0.0, 1))  # type: ignore[arg-type]
        assert board.slept_s == pytest.approx(left_s, abs=1e-4)


def test_a_window_that_would_wrap_the_counter_is_refused() -> None:
    meter = EnergyMeter(ArmedProbe("unused"), "lpm01a", BOARD, Settings())
    with pytest.raises(ParameterError, match="wraps"):
        meter.measure(SlowPort(0.0), 0, clock_table(BOARD)[0][1], Call(2**31 + 1, 0.0, 0))  # type: ignore[arg-type]
