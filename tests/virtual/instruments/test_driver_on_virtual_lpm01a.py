"""The real driver, over pyserial, on the virtual instrument."""

from __future__ import annotations

from contextlib import closing
from itertools import pairwise

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
from bench.probes.lpm01a import Lpm01a
from bench.virtual.instruments.frontend import Errors
from bench.virtual.instruments.lpm01a import VirtualLpm01a
from bench.virtual.timeline import Timeline
from tests.virtual.instruments.instrument_fakes import FakeBoard, FakeTimeline, board_with_window

REQUEST = CaptureRequest(sample_rate_hz=100e3, duration_s=0.15, trigger_timeout_s=1.0)


def gain(seed: int) -> float:
    """The gain of the range from 5 mA on."""
    return Errors.of(VirtualLpm01a.sheet, seed).gains[-1]


def measure(
    url: str, request: CaptureRequest = REQUEST, sample_format: str = "bin_hexa", vdd_v: float = 3.3
) -> Capture:
    probe = Lpm01a(url, sample_format)
    probe.open()
    with closing(probe):
        probe.power_on(vdd_v)
        probe.arm(request)
        return probe.collect()


@pytest.mark.parametrize(
    ("sample_format", "rate_hz"), [("bin_hexa", 100e3), ("bin_hexa", 20e3), ("ascii_dec", 20e3), ("ascii_dec", 5e3)]
)
@pytest.mark.parametrize("seed", [0, 1, 7])
def test_current_and_window_are_recovered_within_the_data_sheet(
    board: FakeBoard, sample_format: str, rate_hz: float, seed: int
) -> None:
    capture = measure(f"virtual://fake/lpm01a?seed={seed}", CaptureRequest(rate_hz, 0.15, 1.0), sample_format)
    assert capture.sample_rate_hz == rate_hz
    assert capture.current_a.shape == (round(0.15 * rate_hz),)
    assert capture.current_a.dtype == np.float32
    fall = int(capture.trigger_fall_s * rate_hz)
    spec = Lpm01a.spec
    for samples, true_a in ((capture.current_a[10 : fall - 10], 20e-3), (capture.current_a[fall + 10 :], 2e-3)):
        assert float(samples.mean()) == pytest.approx(true_a, rel=spec.gain_error, abs=spec.offset_error_a)
        assert float(samples.std()) > 0
    assert capture.trigger_fall_s == pytest.approx(0.1, abs=capture.trigger_resolution_s / 2 + 0.1 * 100e-6)
    assert capture.trigger_resolution_s == 1 / rate_hz
    if sample_format == "bin_hexa":
        assert capture.vdd_measured
        assert capture.vdd_v == pytest.approx(3.3, rel=2e-2)
        assert capture.vdd_v == pytest.approx(board.supplies[-1], rel=1e-2)
    else:
        assert (capture.vdd_measured, capture.vdd_v) == (False, 3.3)
    assert capture.temperature_degc == pytest.approx(27, abs=4)


class RecordingBoard:
    """Draws 8 mA, 30 mA while its pin is high, and records it on the virtual boards' own timeline as time passes."""

    trigger_pin = "PA3"

    def __init__(self, rise_s: float, fall_s: float) -> None:
        self.time_s = 0.0
        self.timeline = Timeline()
        self._rise_s, self._fall_s = rise_s, fall_s

    def advance(self, seconds: float) -> None:
        end_s = self.time_s + seconds
        corners_s = [self.time_s, *(t for t in (self._rise_s, self._fall_s) if self.time_s <= t < end_s), end_s]
        for start_s, stop_s in pairwise(corners_s):
            high = self._rise_s <= start_s < self._fall_s
            self.timeline.add_level("PA3", start_s, high)
            self.timeline.append(start_s, stop_s, 30e-3 if high else 8e-3)
        self.time_s = end_s

    def set_supply(self, volts: float | None) -> None:
        pass


def test_on_the_timeline_of_the_virtual_boards(boards: dict[str, FakeBoard]) -> None:
    boards["fake"] = RecordingBoard(0.0423456789, 0.1323456789)  # type: ignore[assignment]
    capture = measure("virtual://fake/lpm01a?seed=4")
    assert capture.trigger_fall_s == pytest.approx(0.09, abs=5e-6 + 0.09 * 100e-6)
    assert float(capture.current_a[:8990].mean()) == pytest.approx(30e-3 * gain(4), rel=1e-3)
    assert float(capture.current_a[9010:].mean()) == pytest.approx(8e-3 * gain(4), rel=1e-3)


def test_instruments_differ_by_seed_and_repeat_themselves(boards: dict[str, FakeBoard]) -> None:
    means = []
    for seed in (1, 2, 1):
        boards["fake"] = board_with_window()
        means.append(float(measure(f"virtual://fake/lpm01a?seed={seed}").current_a.astype(float).mean()))
    assert means[0] == means[2]
    assert means[0] != means[1]
    assert means[0] / means[1] == pytest.approx(gain(1) / gain(2), rel=1e-3)


def test_two_captures_in_one_session_need_one_command_more(board: FakeBoard, monkeypatch: pytest.MonkeyPatch) -> None:
    board.timeline.windows.append((1.0, 1.05))
    probe = Lpm01a("virtual://fake/lpm01a?seed=3")
    probe.open()
    probe.power_on(3.3)
    sent: list[str] = []
    link = probe._link
    assert link is not None
    send = link.send

    def record(line: str) -> None:
        sent.append(line)
        send(line)

    monkeypatch.setattr(link, "send", record)
    falls = []
    for _ in range(2):
        probe.arm(REQUEST)
        falls.append(probe.collect().trigger_fall_s)
    assert falls == pytest.approx([0.1, 0.05], abs=2e-5)
    assert sent == ["freq 100k", "acqtime 150m", "start", "start"]
    probe.power_off()
    assert board.supplies[-1] is None
    probe.close()
    probe.close()


def test_supply_follows_and_survives_a_closed_port(board: FakeBoard) -> None:
    measure("virtual://fake/lpm01a", vdd_v=1.8)
    assert board.supplies == [pytest.approx(1.8, rel=1e-2)]
    probe = Lpm01a("virtual://fake/lpm01a")
    probe.open()
    assert len(board.supplies) == 1
    probe.close()


def test_waiting_costs_few_steps_and_only_virtual_time(board: FakeBoard) -> None:
    measure("virtual://fake/lpm01a")
    assert 0.2 <= board.time_s < 0.25
    assert board.advances < 100


@pytest.mark.parametrize("sample_format", ["bin_hexa", "ascii_dec"])
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("silent", ProbeTimeout),
        ("mute", ProbeTimeout),
        ("garbage", ProbeProtocolError),
        ("lost_samples", SamplesLost),
        ("lost", SamplesLost),
        ("disconnect", ProbeDisconnected),
        ("overcurrent", ProbeSaturated),
    ],
)
def test_every_fault_has_its_class(
    board: FakeBoard, sample_format: str, fault: str, error: type[CurrentProbeError]
) -> None:
    rate_hz = 100e3 if sample_format == "bin_hexa" else 20e3
    with pytest.raises(error) as caught:
        measure(f"virtual://fake/lpm01a?faults={fault}", CaptureRequest(rate_hz, 0.15, 1.0), sample_format)
    assert type(caught.value) is error
    assert caught.value.hint
    assert board.time_s < 10


@pytest.mark.parametrize("rate_hz", [100, 1000, 50e3])
def test_loss_is_noticed_at_any_rate(board: FakeBoard, rate_hz: float) -> None:
    with pytest.raises(SamplesLost):
        measure("virtual://fake/lpm01a?faults=lost", CaptureRequest(rate_hz, 0.15, 1.0))


def test_after_a_failure_the_next_capture_is_good(board: FakeBoard) -> None:
    board.timeline.windows.append((1.0, 1.05))
    probe = Lpm01a("virtual://fake/lpm01a")
    probe.open()
    with closing(probe):
        probe.power_on(3.3)
        probe.arm(CaptureRequest(100e3, 0.01, 1.0))  # ends inside the window
        with pytest.raises(ProbeTimeout, match="did not fall"):
            probe.collect()
        probe.arm(REQUEST)
        assert probe.collect().trigger_fall_s == pytest.approx(0.05, abs=2e-5)


def test_no_trigger_is_a_timeout_and_the_instrument_stays_usable(boards: dict[str, FakeBoard]) -> None:
    boards["fake"] = FakeBoard(FakeTimeline([(5.0, 5.1)]))
    probe = Lpm01a("virtual://fake/lpm01a")
    probe.open()
    with closing(probe):
        probe.power_on(3.3)
        probe.arm(REQUEST)
        with pytest.raises(ProbeTimeout, match="no rising edge"):
            probe.collect()
        probe.arm(CaptureRequest(100e3, 0.15, 5.0))
        assert probe.collect().trigger_fall_s == pytest.approx(0.1, abs=2e-5)


def test_second_window_in_one_acquisition_is_refused(boards: dict[str, FakeBoard]) -> None:
    boards["fake"] = FakeBoard(FakeTimeline([(0.05, 0.06), (0.08, 0.09)]))
    with pytest.raises(ProbeProtocolError, match="fell 2 times"):
        measure("virtual://fake/lpm01a")


@pytest.mark.parametrize("inside_a", [50.9e-3, 60e-3, 0.3])
def test_current_beyond_the_dynamic_range_is_saturation(boards: dict[str, FakeBoard], inside_a: float) -> None:
    seed = next(seed for seed in range(100) if gain(seed) > 1.0)
    boards["fake"] = board_with_window(inside_a=inside_a)
    with pytest.raises(ProbeSaturated, match="50 mA"):
        measure(f"virtual://fake/lpm01a?seed={seed}")


def test_a_running_acquisition_of_an_earlier_run_is_ended(board: FakeBoard) -> None:
    board.timeline.windows.append((3.0, 3.05))
    first = Lpm01a("virtual://fake/lpm01a")
    first.open()
    first.power_on(3.3)
    first.arm(CaptureRequest(100e3, 10.0, 1.0))
    assert first._link is not None
    first._link.chunk(1.0)
    first._link.close()  # as after a crash: nobody said stop
    capture = measure("virtual://fake/lpm01a", CaptureRequest(100e3, 0.1, 5.0))
    assert capture.trigger_fall_s == pytest.approx(0.05, abs=2e-5)


@pytest.mark.parametrize(
    "url",
    [
        "virtual://nobody/lpm01a",
        "virtual://fake/lpm02",
        "virtual://fake/lpm01a?seed=x",
        "virtual://fake/lpm01a?seed=-1",
        "virtual://fake/lpm01a?faults=fire",
        "virtual://fake/lpm01a?colour=red",
        "virtual:///lpm01a",
    ],
)
def test_wrong_urls_are_refused(board: FakeBoard, url: str) -> None:
    with pytest.raises(ProbeDisconnected, match="cannot open"):
        Lpm01a(url).open()


@pytest.mark.parametrize("vdd_v", [1.7, 3.4, float("nan"), -1.0])
def test_supply_outside_the_range(board: FakeBoard, vdd_v: float) -> None:
    with pytest.raises(ParameterError):
        measure("virtual://fake/lpm01a", vdd_v=vdd_v)
    assert board.supplies == []
