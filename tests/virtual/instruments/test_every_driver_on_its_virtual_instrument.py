"""Every registered driver whose instrument is there as a virtual one: what it measures is true, and what goes wrong has a name."""

from __future__ import annotations

from contextlib import closing

import numpy as np
import pytest

from bench.errors import (
    CurrentProbeError,
    ParameterError,
    ProbeDisconnected,
    ProbeProtocolError,
    ProbeSaturated,
    ProbeTimeout,
    SamplesLost,
)
from bench.probes.base import Capture, CaptureRequest
from bench.probes.registry import create_probe, probe_by_name, probe_names
from bench.virtual.instruments.faults import FAULTS
from bench.virtual.instruments.frontend import DataSheet
from bench.virtual.instruments.lpm01a import VirtualLpm01a
from bench.virtual.instruments.ppk2 import SHEET as PPK2_SHEET
from bench.virtual.instruments.protocol_virtual import INSTRUMENTS
from bench.virtual.instruments.stlink_v3pwr import VirtualStlinkV3Pwr
from tests.virtual.instruments.instrument_fakes import FakeBoard, FakeTimeline, board_with_window

INSTRUMENT_OF = {"ppk2_ampere": "ppk2"} | {name: name for name in INSTRUMENTS}
DRIVERS = [name for name in probe_names() if name in INSTRUMENT_OF]
"""Those that sample; the LPM01A's static mode has a module of its own."""
SHEETS: dict[str, DataSheet] = {
    "lpm01a": VirtualLpm01a.sheet,
    "ppk2": PPK2_SHEET,
    "stlink_v3pwr": VirtualStlinkV3Pwr.sheet,
}
REQUEST = CaptureRequest(sample_rate_hz=100e3, duration_s=0.15, trigger_timeout_s=1.0)
START_S = 0.4


@pytest.fixture
def board(boards: dict[str, FakeBoard]) -> FakeBoard:
    boards["fake"] = board_with_window(START_S)
    return boards["fake"]


def url(driver: str, seed: int = 0, fault: str = "") -> str:
    return f"virtual://fake/{INSTRUMENT_OF[driver]}?seed={seed}&fault={fault}"


def measure(driver: str, seed: int = 0, fault: str = "", request: CaptureRequest = REQUEST) -> Capture:
    probe = create_probe(driver, url(driver, seed, fault))
    probe.open()
    with closing(probe):
        probe.power_on(3.3)
        probe.arm(request)
        return probe.collect()


def test_every_virtual_instrument_has_a_driver() -> None:
    assert set(INSTRUMENT_OF.values()) == {INSTRUMENT_OF[name] for name in DRIVERS} == set(SHEETS)


@pytest.mark.parametrize("name", sorted(SHEETS))
def test_the_virtual_data_sheet_is_the_drivers(name: str) -> None:
    """Written down twice: the virtual side may not import the driver's."""
    spec, sheet = probe_by_name(name).spec, SHEETS[name]
    assert (sheet.gain, sheet.offset_a, sheet.clock, sheet.bandwidth_hz) == (
        spec.gain_error,
        spec.offset_error_a,
        spec.timebase_error,
        spec.bandwidth_hz,
    )
    assert sheet.vdd_set == spec.vdd_error
    assert sheet.vdd_read in (0.0, spec.vdd_error)
    assert sheet.range_tops_a == tuple(each.top_a for each in spec.ranges)
    assert sheet.range_tops_a[-1] == spec.max_current_a


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("driver", DRIVERS)
def test_current_window_and_supply_are_true_within_the_data_sheet(board: FakeBoard, driver: str, seed: int) -> None:
    capture, spec = measure(driver, seed), probe_by_name(driver).spec
    assert capture.current_a.shape == (15000,)
    assert capture.current_a.dtype == np.float32
    fall = int(capture.trigger_fall_s * 1e5)
    for samples, true_a in ((capture.current_a[10 : fall - 10], 20e-3), (capture.current_a[fall + 10 :], 2e-3)):
        assert float(samples.mean()) == pytest.approx(true_a, abs=true_a * spec.gain_error + spec.offset_error_a)
        assert float(samples.std()) > 0
    assert capture.trigger_fall_s == pytest.approx(0.1, abs=capture.trigger_resolution_s + 0.1 * spec.timebase_error)
    supplied_v = board.supplies[-1]
    assert supplied_v is not None
    assert capture.vdd_v == pytest.approx(supplied_v, rel=spec.vdd_error * (1 + 2 * spec.vdd_error))


@pytest.mark.parametrize("driver", DRIVERS)
def test_instruments_differ_by_seed_and_repeat_themselves(boards: dict[str, FakeBoard], driver: str) -> None:
    means = []
    for seed in (1, 2, 1):
        boards["fake"] = board_with_window(START_S)
        means.append(float(measure(driver, seed).current_a.astype(float).mean()))
    assert means[0] == means[2]
    assert means[0] != means[1]


EXPECTED: dict[str, tuple[type[CurrentProbeError], ...]] = {
    "silent": (ProbeTimeout,),
    "wrong_baud": (ProbeProtocolError,),
    "garbage": (ProbeProtocolError, SamplesLost),
    "lost_samples": (SamplesLost,),
    "disconnect": (ProbeDisconnected,),
    "no_trigger": (ProbeTimeout,),
    "overcurrent": (ProbeSaturated,),
}


@pytest.mark.parametrize("fault", sorted(EXPECTED))
@pytest.mark.parametrize("driver", DRIVERS)
def test_every_fault_has_its_class(board: FakeBoard, driver: str, fault: str) -> None:
    with pytest.raises(CurrentProbeError) as caught:
        measure(driver, fault=fault)
    assert type(caught.value) in EXPECTED[fault]
    assert caught.value.hint
    assert board.time_s < 10


def test_every_fault_is_tried() -> None:
    assert {*EXPECTED, "stale"} == FAULTS.keys()


@pytest.mark.parametrize("driver", DRIVERS)
def test_stale_data_is_an_error_or_left_out(boards: dict[str, FakeBoard], driver: str) -> None:
    boards["fake"] = board_with_window(START_S)
    clean = measure(driver, seed=5)
    boards["fake"] = board_with_window(START_S)
    try:
        capture = measure(driver, seed=5, fault="stale")
    except (ProbeProtocolError, SamplesLost):
        return
    assert capture.current_a.tolist() == clean.current_a.tolist()
    assert capture.trigger_fall_s == clean.trigger_fall_s


@pytest.mark.parametrize("fault", ["garbage", "lost_samples", "disconnect", "no_trigger", "overcurrent", "stale"])
@pytest.mark.parametrize("driver", DRIVERS)
def test_after_a_fault_the_instrument_measures_again(board: FakeBoard, driver: str, fault: str) -> None:
    board.timeline.windows.append((5.0, 5.05))
    try:
        measure(driver, fault=fault)
    except CurrentProbeError:
        capture = measure(driver, request=CaptureRequest(100e3, 0.15, 10.0))
        assert capture.trigger_fall_s == pytest.approx(0.05, abs=2e-5)


@pytest.mark.parametrize("driver", DRIVERS)
def test_after_a_failed_capture_the_same_session_goes_on(board: FakeBoard, driver: str) -> None:
    board.timeline.windows.append((3.0, 3.05))
    probe = create_probe(driver, url(driver))
    probe.open()
    with closing(probe):
        probe.power_on(3.3)
        probe.arm(CaptureRequest(100e3, 0.01, 1.0))  # ends inside the window
        with pytest.raises(ProbeTimeout):
            probe.collect()
        probe.arm(CaptureRequest(100e3, 0.15, 5.0))
        assert probe.collect().trigger_fall_s == pytest.approx(0.05, abs=2e-5)
        probe.power_off()
    assert board.supplies[-1] is None


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_session_that_broke_off_does_not_spoil_the_next(board: FakeBoard, driver: str) -> None:
    board.timeline.windows.append((3.0, 3.05))
    first = create_probe(driver, url(driver))
    first.open()
    first.power_on(3.3)
    first.arm(CaptureRequest(100e3, 10.0, 1.0))
    board.advance(0.6)
    link = first._link  # type: ignore[attr-defined]
    link.chunk(0.1)
    link.close()  # as after a crash: nobody said stop
    assert measure(driver, request=CaptureRequest(100e3, 0.1, 5.0)).trigger_fall_s == pytest.approx(0.05, abs=2e-5)


@pytest.mark.parametrize("driver", DRIVERS)
def test_two_windows_in_one_capture_are_refused(boards: dict[str, FakeBoard], driver: str) -> None:
    boards["fake"] = FakeBoard(FakeTimeline([(0.4, 0.42), (0.45, 0.47)]))
    with pytest.raises(ProbeProtocolError):
        measure(driver)


@pytest.mark.parametrize("driver", DRIVERS)
def test_current_beyond_the_range_is_saturation(boards: dict[str, FakeBoard], driver: str) -> None:
    boards["fake"] = board_with_window(START_S, inside_a=1.5 * probe_by_name(driver).spec.max_current_a)
    with pytest.raises(ProbeSaturated):
        measure(driver)


@pytest.mark.parametrize("driver", DRIVERS)
def test_low_and_high_currents_within_the_range(boards: dict[str, FakeBoard], driver: str) -> None:
    spec = probe_by_name(driver).spec
    for inside_a, outside_a in ((40e-6, 8e-6), (0.7 * spec.max_current_a, 3e-3), (1e-3, 0.1e-3)):
        boards["fake"] = board_with_window(START_S, inside_a=inside_a, outside_a=outside_a)
        capture = measure(driver, seed=2)
        inside = float(capture.current_a[20:9980].mean())
        assert inside == pytest.approx(inside_a, abs=inside_a * spec.gain_error + spec.offset_error_a + 50e-9)


@pytest.mark.parametrize("driver", DRIVERS)
def test_supply_limits(board: FakeBoard, driver: str) -> None:
    low_v, high_v = probe_by_name(driver).spec.vdd_range_v
    probe = create_probe(driver, url(driver))
    probe.open()
    with closing(probe):
        for vdd_v in (low_v - 0.01, high_v + 0.01, float("nan")):
            with pytest.raises(ParameterError):
                probe.power_on(vdd_v)
    assert board.supplies == []


def test_more_volts_than_the_board_stands_is_a_loud_end(board: FakeBoard, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(volts: float | None) -> None:
        raise ValueError(f"{volts} V is above 3.6 V")

    monkeypatch.setattr(board, "set_supply", refuse)
    probe = create_probe("ppk2", url("ppk2"))
    probe.open()
    with closing(probe), pytest.raises(ProbeDisconnected, match=r"above 3.6 V"):
        probe.power_on(5.0)
