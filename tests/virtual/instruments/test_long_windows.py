"""Windows longer than ST's instruments end by themselves: they acquire until they are told to stop."""

from __future__ import annotations

from contextlib import closing

import pytest

from bench.errors import ParameterError
from bench.probes.base import CaptureRequest
from bench.probes.lpm01a import Lpm01a
from bench.probes.powershield import PowerShieldProbe
from bench.probes.stlink_v3pwr import StlinkV3Pwr
from tests.virtual.instruments.instrument_fakes import FakeBoard, board_with_window


@pytest.mark.parametrize(
    ("driver", "model", "window_s"), [(Lpm01a, "lpm01a", 40.0), (StlinkV3Pwr, "stlink_v3pwr", 140.0)]
)
def test_an_acquisition_longer_than_it_ends_itself_is_stopped_when_it_is_long_enough(
    boards: dict[str, FakeBoard], driver: type[PowerShieldProbe], model: str, window_s: float
) -> None:
    assert driver.longest_s < window_s
    boards["fake"] = board_with_window(length_s=window_s)
    probe = driver(f"virtual://fake/{model}?seed=3")
    probe.open()
    with closing(probe):
        probe.power_on(3.3)
        probe.arm(CaptureRequest(1000.0, window_s + 0.1, 1.0))
        capture = probe.collect()
        assert len(capture.current_a) >= (window_s + 0.1) * 1000
        assert capture.trigger_fall_s == pytest.approx(window_s, rel=2e-4)  # its crystal: 100 ppm
        inside = capture.current_a[10 : int(window_s * 1000) - 100]
        assert float(inside.mean()) == pytest.approx(20e-3, rel=probe.spec.gain_error)
        probe.arm(CaptureRequest(1000.0, 0.1, 100.0))  # it takes orders again


@pytest.mark.parametrize(
    ("duration_s", "rate_hz"),
    [(0.1, 100e3), (10.0, 100e3), (20.0, 100e3), (21.0, 50e3), (1000.0, 2e3), (1250.0, 1e3), (36_000.0, 1e3)],
)
def test_long_traces_are_sampled_more_slowly(duration_s: float, rate_hz: float) -> None:
    assert Lpm01a("virtual://fake/lpm01a").rate_for(100e3, duration_s) == rate_hz


def test_a_slow_rate_is_not_made_faster() -> None:
    assert Lpm01a("virtual://fake/lpm01a").rate_for(500.0, 1.0) == 500.0


def test_a_window_of_more_than_a_day_is_refused(board: FakeBoard) -> None:
    probe = StlinkV3Pwr("virtual://fake/stlink_v3pwr")
    probe.open()
    with closing(probe):
        probe.power_on(3.3)
        with pytest.raises(ParameterError, match=r"86\.4 ks"):
            probe.arm(CaptureRequest(1.0, 86_401.0, 1.0))
