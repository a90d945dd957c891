"""The driver against recorded dialogues: every byte it sends, in order, and what it makes of the answers."""

from __future__ import annotations

import numpy as np
import pytest

from bench.errors import (
    BenchError,
    ParameterError,
    ProbeProtocolError,
    ProbeSaturated,
    ProbeTimeout,
    SamplesLost,
)
from bench.probes import powershield
from bench.probes.base import CaptureRequest
from bench.probes.stlink_v3pwr import StlinkV3Pwr
from tests.probes.scripted_port import ScriptedPort, Step

REQUEST = CaptureRequest(sample_rate_hz=10e3, duration_s=0.01, trigger_timeout_s=2.5)
HIGH, LOW = b"\x36\x00", b"\x34\x00"  # 1536 and 1024 times 16^-3
END = b"\xf0\xf4\xff\xff"
STREAM = 60 * HIGH + 40 * LOW + END


def told(command: str, answer: str = "") -> Step:
    return f"{command}\r\n".encode(), f"ack {answer or command}\r\n\r\n".encode()


OPENING = [
    told("powershield", "STLINK-V3PWR 0039002F3433510237363934"),
    told("version", "version V4J3"),
    told("power_monitor"),
    told("format bin_hex"),
    told("trigsrc hw"),
    told("trigdelay 0m"),
]


def running(stream: bytes) -> list[Step]:
    command, answer = told("start")
    return [told("freq 10000"), told("acqtime 10m"), (command, answer + stream)]


def opened(monkeypatch: pytest.MonkeyPatch, port: ScriptedPort, sample_format: str = "") -> StlinkV3Pwr:
    monkeypatch.setattr(powershield, "open_serial", lambda url, baudrate: port)
    probe = StlinkV3Pwr("/dev/ttyACM2", sample_format)
    probe.open()
    return probe


def test_a_whole_session(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = b"\xf0\xf7\x0c\xe2\xff\xff" + 60 * HIGH + b"\xf0\xf3\x00\x00\x00\x06\x02\xff\xff" + 40 * LOW + END
    port = ScriptedPort(
        [
            *OPENING,
            told("volt 3300m"),
            told("pwr on"),
            told("temp refresh pcb", "temp refresh pcb 31.5"),
            *running(stream + b"Acquisition completed\r\n\r\n"),
            told("pwr off"),
        ],
        portion=41,
    )
    probe = opened(monkeypatch, port)
    probe.power_on(3.3)
    probe.arm(REQUEST)
    capture = probe.collect()
    probe.power_off()
    probe.close()
    assert port.steps == []
    assert port.closed
    assert capture.current_a == pytest.approx(np.repeat([0.375, 0.25], [60, 40]))
    assert capture.trigger_fall_s == pytest.approx(6e-3 - 3.18e-6, abs=1e-8)
    assert capture.trigger_resolution_s == pytest.approx(2e-4)
    assert (capture.vdd_v, capture.vdd_measured, capture.temperature_degc) == (3.298, True, 31.5)


def test_ascii(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = [*OPENING[:3], told("format ascii_dec"), *OPENING[4:]]
    stream = 60 * b"3750-04\r\n" + 40 * b"2500-04\r\n" + b"end\r\n"
    probe = opened(monkeypatch, ScriptedPort([*steps, *running(stream)]), "ascii_dec")
    probe.arm(REQUEST)
    assert probe.collect().current_a[0] == pytest.approx(0.375)
    with pytest.raises(ParameterError, match="keep up"):
        probe.arm(CaptureRequest(20e3, 0.01, 1.0))


@pytest.mark.parametrize(
    ("stream", "error", "words"),
    [
        (b"", ProbeTimeout, "no rising edge on TGI"),
        (100 * HIGH + END, ProbeTimeout, "does not fall"),
        (50 * HIGH + 40 * LOW + END, SamplesLost, "90 of 100"),
        (60 * HIGH + 60 * LOW + END, ProbeProtocolError, "120 samples arrived"),
        (60 * HIGH + b"\xf0\xf5\x00\x00\x00\x00\xff\xff", ProbeSaturated, "overcurrent"),
        (60 * b"\x39\x00" + 40 * LOW + END, ProbeSaturated, "60 of 100 samples above 550 mA"),
        (60 * HIGH + b"\xf0\xf1Overcurrent\r\n\xff\xff", ProbeSaturated, "overcurrent"),
        (60 * HIGH + b"\xf0\xfc\xff\xff", ProbeProtocolError, "known frame"),
        (60 * HIGH + b"\xf0\xf3\x00\x00\x00\x06", ProbeTimeout, "after 60 of 100"),
        (30 * HIGH + 20 * LOW + 20 * HIGH + 30 * LOW + END, ProbeProtocolError, "more than once"),
        (
            b"\xf0\xf3\x00\x00\x00\x00\x00\xff\xff"
            + 60 * HIGH
            + b"\xf0\xf3\x00\x00\x00\x64\x00\xff\xff"
            + 40 * LOW
            + END,
            SamplesLost,
            "samples lost",
        ),
    ],
)
def test_broken_streams(monkeypatch: pytest.MonkeyPatch, stream: bytes, error: type[BenchError], words: str) -> None:
    port = ScriptedPort([*OPENING, *running(stream), (b"stop\r\n", b"")])
    probe = opened(monkeypatch, port)
    probe.arm(REQUEST)
    with pytest.raises(error, match=words) as caught:
        probe.collect()
    assert type(caught.value) is error
    assert caught.value.hint


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", ProbeTimeout),
        (b"ack PowerShield 4C50\r\n\r\n", ProbeProtocolError),
        (b"ack STLINK-V3PWRX\r\n\r\n", ProbeProtocolError),
        (b"error powershield\r\nError detail: busy\r\n\r\n", ProbeProtocolError),
        (b"\xf0\xf3\x80\x00\n", ProbeProtocolError),
    ],
)
def test_another_instrument_is_not_driven(
    monkeypatch: pytest.MonkeyPatch, answer: bytes, error: type[BenchError]
) -> None:
    port = ScriptedPort([(b"powershield\r\n", answer), (b"stop\r\n", b""), (b"powershield\r\n", answer)])
    with pytest.raises(error):
        opened(monkeypatch, port)
    assert port.steps == []
    assert port.closed


@pytest.mark.parametrize("vdd_v", [1.59, 3.61, float("nan")])
def test_supply_outside_the_range(monkeypatch: pytest.MonkeyPatch, vdd_v: float) -> None:
    probe = opened(monkeypatch, ScriptedPort(list(OPENING)))
    with pytest.raises(ParameterError):
        probe.power_on(vdd_v)


def test_long_acquisitions(monkeypatch: pytest.MonkeyPatch) -> None:
    command, answer = told("start")
    port = ScriptedPort([*OPENING, told("freq 100000"), told("acqtime 100000m"), (command, answer)])
    probe = opened(monkeypatch, port)
    probe.arm(CaptureRequest(100e3, 100.0, 1.0))
    with pytest.raises(ParameterError, match=r"100 us to 86\.4 ks"):
        probe.arm(CaptureRequest(1.0, 86_401.0, 1.0))


def test_an_acquisition_that_it_does_not_end_itself_is_told_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = 102 * HIGH + 101 * LOW
    port = ScriptedPort(
        [
            *OPENING,
            told("freq 1"),
            told("acqtime inf"),
            (told("start")[0], told("start")[1] + samples),
            (b"stop\r\n", END),
        ]
    )
    probe = opened(monkeypatch, port)
    probe.arm(CaptureRequest(1.0, 200.0, 1.0))
    assert len(probe.collect().current_a) == 203
    assert port.steps == []
