"""The driver of the LPM01A's static mode, over pyserial, on the virtual instrument."""

from __future__ import annotations

from contextlib import closing

import pytest

from bench.errors import (
    CurrentProbeError,
    ProbeDisconnected,
    ProbeProtocolError,
    ProbeRangeError,
    ProbeSaturated,
    ProbeTimeout,
    SamplesLost,
)
from bench.probes.base import Capture, CaptureRequest
from bench.probes.lpm01a_static import Lpm01aStatic
from bench.virtual.instruments.lpm01a import STATIC_SHEET
from tests.virtual.instruments.instrument_fakes import FakeBoard, FakeTimeline, board_with_window

START_S = 1.0
REQUEST = CaptureRequest(4.0, 5.9, 1.0, planned_fall_s=3.0, fall_between_s=(2.6, 3.3))


@pytest.fixture
def board(boards: dict[str, FakeBoard]) -> FakeBoard:
    boards["fake"] = board_with_window(START_S, 3.0, inside_a=95e-3, outside_a=37e-3)
    return boards["fake"]


def measure(options: str = "", request: CaptureRequest = REQUEST) -> Capture:
    probe = Lpm01aStatic(f"virtual://fake/lpm01a?seed=3{options}")
    probe.open()
    with closing(probe):
        probe.power_on(3.3)
        probe.arm(request)
        return probe.collect()


def test_the_virtual_data_sheet_is_the_drivers() -> None:
    spec = Lpm01aStatic.spec
    assert (STATIC_SHEET.gain, STATIC_SHEET.offset_a, STATIC_SHEET.clock) == (
        spec.gain_error,
        spec.offset_error_a,
        spec.timebase_error,
    )
    assert STATIC_SHEET.vdd_set == spec.vdd_error
    assert STATIC_SHEET.range_tops_a == tuple(each.top_a for each in spec.ranges)
    assert STATIC_SHEET.trip_a == spec.max_current_a


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("sample_format", ["", "&format=ascii", "&format=binary"])
def test_currents_are_true_within_the_data_sheet(board: FakeBoard, seed: int, sample_format: str) -> None:
    capture = measure(f"&format={sample_format[8:]}" if sample_format else "")
    assert capture.averages is not None
    assert len(capture.averages.active_a) >= 4
    assert capture.averages.idle_a
    limit = Lpm01aStatic.spec.gain_error + Lpm01aStatic.spec.average_resolution
    assert capture.averages.active_a == pytest.approx([95e-3] * len(capture.averages.active_a), rel=limit)
    assert capture.averages.idle_a == pytest.approx([37e-3] * len(capture.averages.idle_a), rel=limit)
    assert capture.vdd_measured == ("binary" in sample_format)
    assert capture.captured_s <= board.time_s - START_S


def test_a_current_of_two_levels_is_refused_and_the_next_window_is_measured(boards: dict[str, FakeBoard]) -> None:
    """What a network whose layers take long would draw."""
    boards["fake"] = FakeBoard(FakeTimeline([(1.0, 1.7), (1.9, 4.0), (8.0, 11.0)], inside_a=95e-3, outside_a=37e-3))
    probe = Lpm01aStatic("virtual://fake/lpm01a")
    probe.open()
    with closing(probe):
        probe.power_on(3.3)
        probe.arm(REQUEST)
        with pytest.raises(ProbeRangeError, match="not constant"):
            probe.collect()
        boards["fake"].advance(7.0 - boards["fake"].time_s)
        probe.arm(CaptureRequest(4.0, 5.9, 2.0, planned_fall_s=3.0, fall_between_s=(2.6, 3.3)))
        capture = probe.collect()
    assert capture.averages is not None
    assert capture.averages.active_a == pytest.approx([95e-3] * len(capture.averages.active_a), rel=0.025)


@pytest.mark.parametrize("length_s", [0.3, 0.9, 1.5])
def test_a_window_that_ends_far_too_early_gives_no_number(boards: dict[str, FakeBoard], length_s: float) -> None:
    boards["fake"] = board_with_window(START_S, length_s, inside_a=95e-3, outside_a=37e-3)
    with pytest.raises(ProbeRangeError):
        measure()


def test_more_than_200_ma_is_saturation(boards: dict[str, FakeBoard]) -> None:
    boards["fake"] = board_with_window(START_S, 3.0, inside_a=230e-3, outside_a=37e-3)
    with pytest.raises(ProbeSaturated):
        measure()


@pytest.mark.parametrize(
    ("fault", "errors"),
    [
        ("silent", (ProbeTimeout,)),
        ("wrong_baud", (ProbeProtocolError,)),
        ("garbage", (ProbeProtocolError,)),
        ("lost_samples", (SamplesLost,)),
        ("disconnect", (ProbeDisconnected,)),
        ("no_trigger", (ProbeTimeout,)),
        ("overcurrent", (ProbeSaturated,)),
        ("stale", (ProbeProtocolError,)),
    ],
)
def test_every_fault_has_its_class(board: FakeBoard, fault: str, errors: tuple[type[CurrentProbeError], ...]) -> None:
    with pytest.raises(CurrentProbeError) as caught:
        measure(f"&fault={fault}")
    assert type(caught.value) in errors
    assert caught.value.hint
    assert board.time_s < 20
