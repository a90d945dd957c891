"""Windows longer than the LPM01A ends by itself: it acquires until it is told to stop."""

from __future__ import annotations

from contextlib import closing

import pytest

from bench.errors import ParameterError
from bench.probes.base import CaptureRequest
from bench.probes.lpm01a import Lpm01a
from bench.probes.stlink_v3pwr import StlinkV3Pwr
from tests.virtual.instruments.instrument_fakes import FakeBoard, board_with_window


def test_an_acquisition_beyond_ten_seconds_is_stopped_when_it_is_long_enough(boards: dict[str, FakeBoard]) -> None:
    boards["fake"] = board_with_window(length_s=40.0)
    probe = Lpm01a("virtual://fake/lpm01a?seed=3")
    probe.open()
    with closing(probe):
        probe.power_on(3.3)
        probe.arm(CaptureRequest(1000.0, 40.1, 1.0))
        capture = probe.collect()
        assert len(capture.current_a) >= 40_100
        assert capture.trigger_fall_s == pytest.approx(40.0, abs=0.01)
        assert float(capture.current_a[10:39_900].mean()) == pytest.approx(20e-3, rel=probe.spec.gain_error)
        probe.arm(CaptureRequest(1000.0, 0.1, 100.0))  # it takes orders again


@pytest.mark.parametrize(
    ("duration_s", "rate_hz"),
    [(0.1, 100e3), (10.0, 100e3), (20.0, 100e3), (21.0, 50e3), (1000.0, 2e3), (1250.0, 1e3), (36_000.0, 1e3)],
)
def test_long_traces_are_sampled_more_slowly(duration_s: float, rate_hz: float) -> None:
    assert Lpm01a("virtual://fake/lpm01a").rate_for(100e3, duration_s) == rate_hz


def test_a_slow_rate_is_not_made_faster() -> None:
    assert Lpm01a("virtual://fake/lpm01a").rate_for(500.0, 1.0) == 500.0


def test_an_instrument_that_is_not_known_to_acquire_without_end_refuses(board: FakeBoard) -> None:
    probe = StlinkV3Pwr("virtual://fake/stlink_v3pwr")
    probe.open()
    with closing(probe):
        probe.power_on(3.3)
        with pytest.raises(ParameterError, match="100 s"):
            probe.arm(CaptureRequest(1000.0, 101.0, 1.0))
