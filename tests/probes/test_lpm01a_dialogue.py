"""The driver against recorded dialogues: every byte it sends, in order, and what it makes of the answers."""

from __future__ import annotations

import numpy as np
import pytest

from bench.errors import (
    BenchError,
    CurrentProbeError,
    ParameterError,
    ProbeDisconnected,
    ProbeProtocolError,
    ProbeSaturated,
    ProbeTimeout,
    SamplesLost,
)
from bench.probes import lpm01a, powershield
from bench.probes.base import CaptureRequest
from tests.probes.scripted_port import ScriptedPort, Step, acknowledged

SETUP = (
    "acqmode dyn", "funcmode optim", "output current", "trigsrc d7", "trigdelay 0", "eventsrc d7 fal", "pwrend on"
)  # fmt: skip
DONE = b"\r\nPowerShield > Acquisition completed\r\n\r\n"
REQUEST = CaptureRequest(sample_rate_hz=1000, duration_s=6e-3, trigger_timeout_s=2.5)
SAMPLE = b"\x52\xa0"
EVENT = b"\xf0\xf2event 01 ris\r\n\xff\xff"
END = b"\xf0\xf4\xff\xff"


def opening(sample_format: str = "bin_hexa") -> list[Step]:
    return acknowledged("htc", f"format {sample_format}", *SETUP)


def running(stream: bytes) -> list[Step]:
    start, answer = acknowledged("start")[0]
    return [*acknowledged("freq 1k", "acqtime 6m"), (start, answer + stream)]


def open_probe(
    monkeypatch: pytest.MonkeyPatch, port: ScriptedPort, sample_format: str = "bin_hexa", opens: bool = True
) -> lpm01a.Lpm01a:
    def open_serial(url: str, baudrate: int) -> ScriptedPort:
        assert (url, baudrate) == ("/dev/ttyACM0", 3_686_400)
        return port

    monkeypatch.setattr(powershield, "open_serial", open_serial)
    probe = lpm01a.Lpm01a("/dev/ttyACM0", sample_format)
    if opens:
        probe.open()
    return probe


def test_a_whole_session(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = b"\xf0\xf7\x0c\xe2\xff\xff\xf0\xf8\x00\x1c\xff\xff" + 4 * SAMPLE + EVENT + 2 * SAMPLE + END + DONE
    port = ScriptedPort(
        [
            *opening(),
            *acknowledged("volt 3300m", "pwr on nostatus"),
            (b"temp degc\n", b"\r\nPowerShield > ack temp degc 28.0\r\n\r\n"),
            *running(stream),
            *acknowledged("pwr off"),
            (b"hrc\n", b""),
        ]
    )
    probe = open_probe(monkeypatch, port)
    probe.power_on(3.3)
    probe.arm(REQUEST)
    capture = probe.collect()
    probe.power_off()
    probe.close()
    assert port.steps == []
    assert port.closed
    assert capture.current_a == pytest.approx(np.full(6, 0x2A0 / 16**5))
    assert capture.trigger_fall_s == pytest.approx(4.5e-3)
    assert capture.trigger_resolution_s == 1e-3
    assert (capture.vdd_v, capture.vdd_measured, capture.temperature_degc) == (3.298, True, 28.0)


def test_an_ascii_session(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = (
        b"6409-07\r\n6410-07\r\n\x006411-07\r\nevent 12 ris\r\n6409-07\r\n6409-07\r\n6409-07\r\nend\r\n"
        b"summary beg\r\nanything: 1\r\nsummary end\r\n"
    )
    port = ScriptedPort([*opening("ascii_dec"), *running(stream + DONE)])
    probe = open_probe(monkeypatch, port, "ascii_dec")
    probe.arm(REQUEST)
    capture = probe.collect()
    assert capture.current_a[:3] == pytest.approx([640.9e-6, 641.0e-6, 641.1e-6])
    assert capture.trigger_fall_s == pytest.approx(3.5e-3)
    assert (capture.vdd_measured, capture.temperature_degc) == (False, None)


@pytest.mark.parametrize(
    ("stream", "error", "words"),
    [
        (b"", ProbeTimeout, "no rising edge"),
        (b"\xf0\xf7\x0c\xe2\xff\xff", ProbeTimeout, "no rising edge"),
        (3 * SAMPLE, ProbeTimeout, "after 3 of 6"),
        (3 * SAMPLE + b"\x52", ProbeTimeout, "after 3 of 6"),
        (3 * SAMPLE + b"\xf0\xf3\x00", ProbeTimeout, "after 3 of 6"),
        (3 * SAMPLE + b"\xf0\xf5\xff\xff", ProbeSaturated, "overcurrent"),
        (3 * SAMPLE + b"\xf0\xf1overcurrent\r\n\xff\xff", ProbeSaturated, "overcurrent"),
        (3 * SAMPLE + b"\xf0\xf1buffer overflow\r\n\xff\xff", SamplesLost, "buffer overflow"),
        (3 * SAMPLE + b"\xf0\xf1internal 12\r\n\xff\xff", ProbeProtocolError, "internal 12"),
        (3 * SAMPLE + b"\xf0\xf6\xff\xff", CurrentProbeError, "supply down"),
        (3 * SAMPLE + b"\xf0\xf3\x80\x00\x00\x03\x10\xff\xff", SamplesLost, "overflow"),
        (3 * SAMPLE + b"\xf0\xf3\x00\x00\x00\x03\x64\xff\xff", SamplesLost, "overflow"),
        (3 * SAMPLE + b"\xf3\x00", ProbeProtocolError, "neither a sample"),
        (3 * SAMPLE + b"\xf0\x10", ProbeProtocolError, "neither a sample"),
        (3 * SAMPLE + b"\xf0\xfc", ProbeProtocolError, "neither a sample"),
        (3 * SAMPLE + b"\xf0\xf4\xff\x00", ProbeProtocolError, "FF FF"),
        (3 * SAMPLE + b"\x0d\x0aPower", ProbeProtocolError, "no plausible"),
        (3 * SAMPLE + b"\xf0\xf2" + 300 * b"x", ProbeProtocolError, "without end"),
        (3 * SAMPLE + b"\xf0\xf2\x01\x02\xff\xff", ProbeProtocolError, "no text"),
        (40000 * SAMPLE, ProbeProtocolError, "without end"),
    ],
)
def test_broken_streams(monkeypatch: pytest.MonkeyPatch, stream: bytes, error: type[BenchError], words: str) -> None:
    port = ScriptedPort([*opening(), *running(stream), (b"stop\n", DONE)])
    probe = open_probe(monkeypatch, port)
    probe.arm(REQUEST)
    with pytest.raises(error, match=words) as caught:
        probe.collect()
    assert type(caught.value) is error
    assert caught.value.hint
    assert port.steps == []  # the acquisition was stopped


@pytest.mark.parametrize(
    ("stream", "error", "words"),
    [
        (3 * SAMPLE + EVENT + END, SamplesLost, "3 of 6"),
        (30 * SAMPLE + EVENT + END, ProbeProtocolError, "30 samples arrived"),
        (6 * SAMPLE + END, ProbeTimeout, "did not fall"),
        (SAMPLE + EVENT + SAMPLE + EVENT + 4 * SAMPLE + END, ProbeProtocolError, "fell 2 times"),
        (2 * SAMPLE + EVENT + b"\x4d\x00" + 3 * SAMPLE + END, ProbeSaturated, "1 of 6 samples above 50 mA"),
    ],
)
def test_complete_but_wrong_streams(
    monkeypatch: pytest.MonkeyPatch, stream: bytes, error: type[BenchError], words: str
) -> None:
    port = ScriptedPort([*opening(), *running(stream + DONE)])
    probe = open_probe(monkeypatch, port)
    probe.arm(REQUEST)
    with pytest.raises(error, match=words):
        probe.collect()


def test_missing_closing_words_do_not_spoil_a_complete_capture(monkeypatch: pytest.MonkeyPatch) -> None:
    port = ScriptedPort([*opening(), *running(3 * SAMPLE + EVENT + 3 * SAMPLE + END)])
    probe = open_probe(monkeypatch, port)
    probe.arm(REQUEST)
    assert probe.collect().current_a.size == 6


def test_waits_are_those_of_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    port = ScriptedPort([*opening(), *running(b""), (b"stop\n", DONE)])
    probe = open_probe(monkeypatch, port)
    probe.arm(REQUEST)
    with pytest.raises(ProbeTimeout):
        probe.collect()
    # What arm discards, the trigger, the silence after `stop`.
    assert port.waits_s == [pytest.approx(0.0), pytest.approx(2.502), pytest.approx(0.1)]


def test_a_port_that_dies_in_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    port = ScriptedPort([*opening(), *running(3 * SAMPLE)])
    probe = open_probe(monkeypatch, port)
    probe.arm(REQUEST)
    port._dies = True
    with pytest.raises(ProbeDisconnected):
        probe.collect()


def test_refused_command(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = b"\r\nPowerShield > error format bin_hexa\r\nError detail: no such format\r\n\r\n"
    port = ScriptedPort([*acknowledged("htc"), (b"format bin_hexa\n", refusal), (b"hrc\n", b"")])
    with pytest.raises(ProbeProtocolError, match="refused 'format bin_hexa': no such format"):
        open_probe(monkeypatch, port)
    assert port.closed


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", ProbeTimeout),
        (b"\r\nPowerShield > ac", ProbeTimeout),
        (b"\xff\x00\x13\n", ProbeProtocolError),
        (b"PowerShield > ack hrc\r\n", ProbeProtocolError),
        (b"PowerShield > ack htcx\r\n", ProbeProtocolError),
        (100 * b"hello\r\n", ProbeProtocolError),
        (5000 * b"x", ProbeProtocolError),
        (5000 * b"\r\n", ProbeProtocolError),
    ],
)
def test_what_does_not_answer_htc_is_no_lpm01a(
    monkeypatch: pytest.MonkeyPatch, answer: bytes, error: type[BenchError]
) -> None:
    port = ScriptedPort([(b"htc\n", answer), (b"stop\n", b""), (b"htc\n", answer), (b"hrc\n", b"")])
    with pytest.raises(error):
        open_probe(monkeypatch, port)
    assert port.steps == []
    assert port.closed


def test_an_old_acquisition_is_stopped_at_open(monkeypatch: pytest.MonkeyPatch) -> None:
    port = ScriptedPort([(b"htc\n", 50 * SAMPLE), (b"stop\n", 7 * SAMPLE + END + DONE), *opening()])
    open_probe(monkeypatch, port)
    assert port.steps == []


def test_prompt_and_status_lines_before_the_reply_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    port = ScriptedPort(
        [*opening(), (b"pwr off\n", b"\0\r\nPowerShield > \r\npwr off\r\nPowerShield > ack pwr off\r\n")]
    )
    probe = open_probe(monkeypatch, port)
    probe.power_off()
    assert port.steps == []


@pytest.mark.parametrize(
    ("rate_hz", "duration_s", "sample_format"),
    [
        (3000, 0.1, "bin_hexa"),
        (200e3, 0.1, "bin_hexa"),
        (0.5, 1.0, "bin_hexa"),
        (1000, 50e-6, "bin_hexa"),
        (1000, 86_401.0, "bin_hexa"),
        (1000, 200e-6, "bin_hexa"),
        (50e3, 0.1, "ascii_dec"),
        (20e3, 0.6, "ascii_dec"),
        (10e3, 1.1, "ascii_dec"),
    ],
)
def test_requests_beyond_the_instrument_are_refused_unsent(
    monkeypatch: pytest.MonkeyPatch, rate_hz: float, duration_s: float, sample_format: str
) -> None:
    probe = open_probe(monkeypatch, ScriptedPort(opening(sample_format)), sample_format)
    with pytest.raises(ParameterError):
        probe.arm(CaptureRequest(rate_hz, duration_s, 1.0))


def test_calls_out_of_order() -> None:
    probe = lpm01a.Lpm01a("/dev/ttyACM0")
    probe.close()
    with pytest.raises(ProbeDisconnected, match="not open"):
        probe.power_off()
    with pytest.raises(ParameterError, match="without arm"):
        probe.collect()
    with pytest.raises(ParameterError, match="format"):
        lpm01a.Lpm01a("/dev/ttyACM0", "text")


def test_supply_and_calibration_settle_before_the_next_step(monkeypatch: pytest.MonkeyPatch) -> None:
    late = b"\r\nPowerShield > calibration done\r\n"
    volt, on, temperature = acknowledged("volt 3000m", "pwr on nostatus", "temp degc")
    port = ScriptedPort([*opening(), volt, (on[0], on[1] + late), temperature])
    monkeypatch.setattr(powershield, "open_serial", lambda url, baudrate: port)
    probe = lpm01a.Lpm01a("scripted")
    probe.open()
    probe.power_on(3.0)
    assert powershield._SETTLE_S in port.waits_s
    assert not port.steps
