"""The driver against recorded dialogues: every byte it sends, in order, and what it makes of the answers."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from bench.errors import (
    BenchError,
    ParameterError,
    ProbeDisconnected,
    ProbeProtocolError,
    ProbeSaturated,
    ProbeTimeout,
    SamplesLost,
)
from bench.probes import ppk2
from bench.probes.base import CaptureRequest
from bench.probes.ppk2 import Ppk2, Ppk2Ampere
from tests.probes.ppk2_samples import METADATA, pulse, words
from tests.probes.scripted_port import ScriptedPort, Step

REQUEST = CaptureRequest(sample_rate_hz=100e3, duration_s=100e-5, trigger_timeout_s=0.5)
STOP: Step = (b"\x07", b"")
OPENING: list[Step] = [STOP, (b"\x19", METADATA.encode()), (b"\x11\x02", b""), (b"\x15", b"")]
POWER: list[Step] = [(b"\x0d\x0c\xe4", b""), (b"\x0c\x01", b"")]
LEVELS = pulse(before=20, high=60, after=60)


def running(stream: bytes) -> list[Step]:
    return [STOP, (b"\x06", stream), STOP]


def opened(monkeypatch: pytest.MonkeyPatch, port: ScriptedPort, driver: type[Ppk2] = Ppk2) -> Ppk2:
    monkeypatch.setattr(ppk2, "open_serial", lambda url, baudrate: port)
    probe = driver("/dev/ttyACM0")
    probe.open()
    return probe


def armed(monkeypatch: pytest.MonkeyPatch, port: ScriptedPort) -> Ppk2:
    probe = opened(monkeypatch, port)
    probe.power_on(3.3)
    probe.arm(REQUEST)
    return probe


def test_a_whole_session(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = words(LEVELS, adc=np.where(LEVELS, 400, 100))
    port = ScriptedPort([*OPENING, *POWER, *running(samples.tobytes()), (b"\x0c\x00", b"")], portion=37)
    probe = armed(monkeypatch, port)
    capture = probe.collect()
    probe.power_off()
    probe.close()
    probe.close()
    assert port.steps == []
    assert port.closed
    assert capture.current_a.shape == (100,)
    assert capture.current_a.dtype == np.float32
    assert capture.current_a[:60] == pytest.approx(np.full(60, 0.0179), rel=0.05)
    assert capture.current_a[60:] == pytest.approx(np.full(40, 0.0036), rel=0.1)
    assert capture.trigger_fall_s == pytest.approx(600e-6)
    assert capture.trigger_resolution_s == pytest.approx(10e-6)
    assert (capture.vdd_v, capture.vdd_measured, capture.temperature_degc) == (3.3, False, None)


def test_voltage_code_is_that_of_the_published_formula(monkeypatch: pytest.MonkeyPatch) -> None:
    for millivolts in range(800, 5001, 25):
        beyond = millivolts - 800 + 32
        code = bytes((0x0D, 3 + beyond // 256, beyond % 256))
        port = ScriptedPort([*OPENING, (code, b""), (b"\x0c\x01", b"")])
        opened(monkeypatch, port).power_on(millivolts / 1e3)
        assert port.steps == []


def test_ampere_mode_leaves_the_voltage_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    port = ScriptedPort([*OPENING[:2], (b"\x11\x01", b""), (b"\x15", b""), (b"\x0c\x01", b"")])
    opened(monkeypatch, port, Ppk2Ampere).power_on(3.0)
    assert port.steps == []


def test_a_stream_of_an_earlier_run_is_stopped_and_discarded(monkeypatch: pytest.MonkeyPatch) -> None:
    old = words(np.ones(3000, bool), first=7).tobytes()[2:]
    port = ScriptedPort([(b"\x07", old), *OPENING[1:]])
    opened(monkeypatch, port)
    assert port.steps == []


@pytest.mark.parametrize(
    ("answer", "error", "words_"),
    [
        (b"", ProbeTimeout, "does not tell"),
        (METADATA[:150].encode(), ProbeTimeout, "does not tell"),
        (b"\xff\x13\x00garbage", ProbeProtocolError, "no calibration but"),
        (b"PowerShield > error\r\n" * 500, ProbeProtocolError, "no calibration but"),
        (b"END", ProbeProtocolError, "lacks"),
        (METADATA.replace("R0: 1003.3506", "R0: nan").encode(), ProbeProtocolError, "R0 is nan"),
    ],
)
def test_what_tells_no_calibration_is_no_ppk2(
    monkeypatch: pytest.MonkeyPatch, answer: bytes, error: type[BenchError], words_: str
) -> None:
    port = ScriptedPort([STOP, (b"\x19", answer)])
    with pytest.raises(error, match=words_) as caught:
        opened(monkeypatch, port)
    assert caught.value.hint
    assert port.closed


@pytest.mark.parametrize(
    ("stream", "error", "words_"),
    [
        (b"", ProbeTimeout, "stopped sending, 0 samples after"),
        (words(LEVELS[:50]).tobytes(), ProbeTimeout, "stopped sending, 30 samples after the trigger and 50 in all"),
        (words(LEVELS[:50]).tobytes() + b"\x01\x02", ProbeTimeout, "stopped sending"),
        (words(np.zeros(500, bool)).tobytes(), ProbeTimeout, "stopped sending"),
        (words(np.r_[LEVELS[:30], np.ones(200, bool)]).tobytes(), ProbeTimeout, "did not fall"),
        (np.delete(words(LEVELS), [40, 41]).tobytes(), SamplesLost, "about 2 samples"),
        (words(LEVELS, ranges=5).tobytes(), ProbeProtocolError, "range 5"),
        (words(LEVELS, adc=5000, ranges=4).tobytes(), ProbeSaturated, "of 120 samples beyond"),
        (words(LEVELS, adc=0x3FFF, ranges=0).tobytes(), ProbeSaturated, "beyond the range"),
    ],
)
def test_broken_streams(monkeypatch: pytest.MonkeyPatch, stream: bytes, error: type[BenchError], words_: str) -> None:
    port = ScriptedPort([*OPENING, *POWER, *running(stream)])
    with pytest.raises(error, match=words_) as caught:
        armed(monkeypatch, port).collect()
    assert type(caught.value) is error
    assert caught.value.hint
    assert port.steps == []  # sampling was stopped


def test_a_port_that_dies_in_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    port = ScriptedPort([*OPENING, *POWER, *running(words(LEVELS[:60]).tobytes())])
    probe = armed(monkeypatch, port)
    port._dies = True
    with pytest.raises(ProbeDisconnected):
        probe.collect()
    port._dies = False
    probe.close()


@dataclass
class TimedPort:
    """Hands out ``portions`` of the stream, each with the time at which it arrives."""

    portions: list[tuple[float, bytes]]
    time_s: float = 0.0
    timeout: float | None = 1.0
    _ready: bytearray = field(default_factory=bytearray)

    @property
    def in_waiting(self) -> int:
        return len(self._ready)

    def read(self, size: int = 1) -> bytes:
        if not self._ready and self.portions:
            self.time_s, data = self.portions.pop(0)
            self._ready += data
        data = bytes(self._ready[:size])
        del self._ready[:size]
        return data

    def write(self, data: bytes) -> int:
        if data == b"\x19":
            self._ready += METADATA.encode()
        return len(data)

    def close(self) -> None:
        pass


def timed(monkeypatch: pytest.MonkeyPatch, portions: list[tuple[float, bytes]], duration_s: float) -> Ppk2:
    port = TimedPort([])
    monkeypatch.setattr(ppk2, "open_serial", lambda url, baudrate: port)
    probe = Ppk2("timed")
    probe.open()
    probe.power_on(3.3)
    probe.arm(CaptureRequest(100e3, duration_s, 0.5))
    port.portions = portions
    return probe


def test_a_loss_that_the_counter_cannot_show_shows_in_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = words(pulse(before=100, high=6400, after=6400))
    whole = [(n * 1e-5, stream[n : n + 100].tobytes()) for n in range(0, stream.size, 100)]
    assert timed(monkeypatch, list(whole), 0.1).collect().trigger_fall_s == pytest.approx(0.064)
    missing = whole[:30] + whole[62:]  # 3200 samples = 50 times 64
    with pytest.raises(SamplesLost, match="about 3200 lost"):
        timed(monkeypatch, missing, 0.09).collect()


def test_without_a_trigger_the_wait_ends_by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    for level, told in ((False, "no rising edge on D0 within 500 ms"), (True, "D0 was high all the time")):
        stream = words(np.full(100_000, level))
        portions = [(n * 1e-5, stream[n : n + 1000].tobytes()) for n in range(0, stream.size, 1000)]
        with pytest.raises(ProbeTimeout, match=told):
            timed(monkeypatch, portions, 0.1).collect()


@pytest.mark.parametrize(("rate_hz", "duration_s"), [(50e3, 0.1), (200e3, 0.1), (100e3, 5e-6), (100e3, 101.0)])
def test_requests_beyond_the_instrument_are_refused_unsent(
    monkeypatch: pytest.MonkeyPatch, rate_hz: float, duration_s: float
) -> None:
    probe = opened(monkeypatch, ScriptedPort([*OPENING, *POWER]))
    probe.power_on(3.3)
    with pytest.raises(ParameterError):
        probe.arm(CaptureRequest(rate_hz, duration_s, 1.0))


def test_calls_out_of_order(monkeypatch: pytest.MonkeyPatch) -> None:
    probe = Ppk2("/dev/ttyACM0")
    probe.close()
    with pytest.raises(ProbeDisconnected, match="not open"):
        probe.power_off()
    with pytest.raises(ParameterError, match="without arm"):
        probe.collect()
    probe = opened(monkeypatch, ScriptedPort(list(OPENING)))
    with pytest.raises(ParameterError, match="without power_on"):
        probe.arm(REQUEST)
    for vdd_v in (0.7, 5.1, float("nan")):
        with pytest.raises(ParameterError):
            probe.power_on(vdd_v)


def test_closing_stops_what_was_armed(monkeypatch: pytest.MonkeyPatch) -> None:
    port = ScriptedPort([*OPENING, *POWER, *running(b"")])
    armed(monkeypatch, port).close()
    assert port.steps == []
