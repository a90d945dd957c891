"""The driver of the static mode against dialogues as users' programs show them: every byte it sends, in order, and what it makes of the answers."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bench.errors import (
    BenchError,
    ParameterError,
    ProbeDisconnected,
    ProbeProtocolError,
    ProbeRangeError,
    ProbeSaturated,
    ProbeTimeout,
    SamplesLost,
)
from bench.probes import powershield
from bench.probes.base import Capture, CaptureRequest
from bench.probes.lpm01a_static import Lpm01aStatic
from tests.probes.scripted_port import ScriptedPort, Step, acknowledged

SETUP = (
    "acqmode stat", "output current", "trigsrc d7", "trigdelay 0", "pwrend on", "acqtime 250m"
)  # fmt: skip
DONE = b"\r\nPowerShield > Acquisition completed\r\n\r\n"
SUMMARY = b"summary beg\r\nAcquisition mode: static\r\nsummary end\r\n"
REFUSAL = b"error: Static acquisition: current not constant (current peak low). Acquisition stopped.\r\n"
ENDED = [(b"stop\n", b""), (b"status\n", b"")]
REQUEST = CaptureRequest(4.0, 5.9, 1.0, planned_fall_s=3.0, fall_between_s=(2.6, 3.3))


class TimedPort(ScriptedPort):
    """Its own clock: what an acquisition gives comes ``reading_s`` after its ``start``, a wait in vain takes what it takes."""

    def __init__(self, steps: list[Step], reading_s: float = 0.4) -> None:
        super().__init__(steps)
        self.time_s, self._reading_s, self._later = 100.0, reading_s, b""

    def write(self, data: bytes) -> int:
        written = super().write(data)
        if data == b"start\n":
            accepted = len(acknowledged("start")[0][1])
            self._later = bytes(self._incoming[accepted:])
            del self._incoming[accepted:]
        return written

    def read(self, size: int = 1) -> bytes:
        if not self._incoming and self._later:
            self.time_s += self._reading_s
            self._incoming += self._later
            self._later = b""
        elif not self._incoming:
            self.time_s += self.timeout or 0.0
        return super().read(size)


def reading(value: bytes, summary: bytes = SUMMARY) -> Step:
    start, answer = acknowledged("start")[0]
    return start, answer + value + b"\r\nend\r\n" + summary + DONE


def opening(sample_format: str = "ascii_dec") -> list[Step]:
    return acknowledged("htc", f"format {sample_format}", *SETUP)


Opener = Callable[..., Lpm01aStatic]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Opener:
    def open_probe(port: ScriptedPort, url: str = "/dev/ttyACM0") -> Lpm01aStatic:
        monkeypatch.setattr(powershield, "open_serial", lambda url, baudrate: port)
        probe = Lpm01aStatic(url)
        probe.open()
        return probe

    return open_probe


def captured(probe: Lpm01aStatic) -> Capture:
    probe.arm(REQUEST)
    return probe.collect()


ACTIVE = [reading(b"100%d-04" % number) for number in range(6)]
"""As many readings of 0.4 s as are over within the 2.6 s after arming."""
IDLE = [reading(b"200%d-05" % number) for number in range(5)]
"""From 3.7 s to 5.9 s."""


def test_a_whole_session(opened: Opener) -> None:
    port = TimedPort(
        [
            *opening(),
            *acknowledged("volt 3300m", "pwr on nostatus"),
            (b"temp degc\n", b"\r\nPowerShield > ack temp degc 28.0\r\n\r\n"),
            *acknowledged("trigsrc sw"),
            reading(b"1084-04"),  # after power-up too high: thrown away
            *acknowledged("trigsrc d7"),
            ACTIVE[0],
            *acknowledged("trigsrc sw"),
            *ACTIVE[1:],
            *IDLE,
            *acknowledged("pwr off"),
            (b"hrc\n", b""),
        ]
    )
    probe = opened(port)
    probe.power_on(3.3)
    capture = captured(probe)
    probe.power_off()
    probe.close()
    assert port.steps == []
    assert capture.averages is not None
    assert capture.averages.active_a == pytest.approx([0.1000, 0.1001, 0.1002, 0.1003, 0.1004, 0.1005])
    assert capture.averages.idle_a == pytest.approx([0.02000, 0.02001, 0.02002, 0.02003, 0.02004])
    assert capture.current_a.size == 0
    assert capture.trigger_fall_s == 3.0
    assert capture.trigger_resolution_s == pytest.approx(0.8)
    assert (capture.vdd_v, capture.vdd_measured, capture.temperature_degc) == (3.3, False, 28.0)
    assert capture.captured_s == pytest.approx(5.31, abs=0.01)  # since the first reading came


def test_a_binary_session(opened: Opener) -> None:
    start, answer = acknowledged("start")[0]
    step = (start, answer + b"\xf0\xf7\x0c\xe2\xff\xff\x31\x9a\xf0\xf4\xff\xff" + DONE)
    port = TimedPort([*opening("bin_hexa"), step, *acknowledged("trigsrc sw"), *10 * [step]])
    capture = captured(opened(port, "/dev/ttyACM0?format=binary"))
    assert capture.averages is not None
    assert capture.averages.active_a == pytest.approx([0x19A / 16**3] * 6)
    assert capture.vdd_v == pytest.approx(3.298)
    assert capture.vdd_measured


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (REFUSAL + b"1200-04\r\nend\r\n" + DONE, ProbeRangeError, "not constant"),
        (b"1200-04\r\nend\r\n" + REFUSAL + DONE, ProbeRangeError, "not constant"),
        (b"1200-04\r\nend\r\nPowerShield > " + REFUSAL + DONE, ProbeRangeError, "not constant"),
        (b"1200-04\r\nend\r\n", ProbeProtocolError, "did not conclude"),
        (b"end\r\n" + DONE, SamplesLost, "without a value"),
        (b"1200-04\r\n1200-04\r\nend\r\n" + DONE, ProbeProtocolError, "2 values"),
        (b"2010-04\r\nend\r\n" + DONE, ProbeSaturated, "201 mA is above 200 mA"),
        (b"error: Overcurrent >200mA, static acquisition stopped\r\n", ProbeSaturated, "overcurrent"),
        (b"", ProbeTimeout, "no rising edge on D7"),
        (b"\xff\x13\x80\n", ProbeProtocolError, "no text"),
        (b"what\r\n", ProbeProtocolError, "unknown line"),
    ],
)
@pytest.mark.parametrize("later", [False, True])
def test_what_is_no_reading(opened: Opener, answer: bytes, error: type[BenchError], words: str, *, later: bool) -> None:
    start, accepted = acknowledged("start")[0]
    before = [reading(b"1001-04"), *acknowledged("trigsrc sw"), reading(b"1001-04")] if later else []
    port = TimedPort([*opening(), *before, (start, accepted + answer), *ENDED], 0.4)
    probe = opened(port)
    if later and not answer:
        words = "no static reading"
    with pytest.raises(error, match=words) as caught:
        captured(probe)
    assert type(caught.value) is error
    assert caught.value.hint
    assert port.steps == []  # stopped, and the refusal taken note of


@pytest.mark.parametrize(("reading_s", "good", "tried"), [(0.8, 3, 3), (1.5, 1, 2), (4.0, 0, 1)])
def test_readings_that_may_reach_beyond_the_window_do_not_count(
    opened: Opener, reading_s: float, good: int, tried: int
) -> None:
    """The plan's earliest end is 2.6 s after arming. Once the instrument's pace is known, what would be over too late is not tried."""
    steps = [ACTIVE[0], *acknowledged("trigsrc sw"), *ACTIVE[1:tried]]
    port = TimedPort([*opening(), *steps, *ENDED], reading_s)
    with pytest.raises(ProbeRangeError, match=f"only {good} static readings") as caught:
        captured(opened(port))
    assert "--window" in caught.value.hint
    assert port.steps == []


def test_a_refusal_that_may_come_of_the_windows_end_ends_the_readings(opened: Opener) -> None:
    class SlowingPort(TimedPort):
        """Takes longer for what it refuses."""

        def read(self, size: int = 1) -> bytes:
            self._reading_s = 0.9 if b"not constant" in self._later else 0.4
            return super().read(size)

    start, accepted = acknowledged("start")[0]
    refused = (start, accepted + REFUSAL + b"1200-04\r\nend\r\n" + DONE)
    port = SlowingPort([*opening(), ACTIVE[0], *acknowledged("trigsrc sw"), *ACTIVE[1:5], refused, *ENDED, *IDLE])
    capture = captured(opened(port))
    assert capture.averages is not None
    assert len(capture.averages.active_a) == 5


def test_a_core_that_sleeps_too_short_gives_no_idle_current(opened: Opener) -> None:
    port = TimedPort([*opening(), ACTIVE[0], *acknowledged("trigsrc sw"), *ACTIVE[1:], *ENDED])
    probe = opened(port)
    probe.arm(CaptureRequest(4.0, 3.7, 1.0, planned_fall_s=3.0, fall_between_s=(2.6, 3.3)))
    with pytest.raises(ProbeRangeError, match="fits into the core's sleep"):
        probe.collect()


def test_a_first_reading_that_fails_after_power_up_does_no_harm(opened: Opener) -> None:
    start, accepted = acknowledged("start")[0]
    refused = (start, accepted + REFUSAL + b"1200-04\r\nend\r\n" + DONE)
    port = TimedPort(
        [*opening(), *acknowledged("volt 3300m", "pwr on nostatus", "temp degc", "trigsrc sw"), refused, *ENDED]
    )
    opened(port).power_on(3.3)
    assert port.steps == []


def test_requests_without_a_plan_and_calls_out_of_order(opened: Opener) -> None:
    port = TimedPort([*opening(), (b"hrc\n", b"")])
    probe = opened(port)
    with pytest.raises(ParameterError, match="no end of the window"):
        probe.arm(CaptureRequest(4.0, 5.0, 1.0))
    with pytest.raises(ParameterError, match="without arm"):
        probe.collect()
    probe.close()
    with pytest.raises(ProbeDisconnected):
        probe.arm(REQUEST)
    assert probe.rate_for(100e3, 1.0) == 4.0


def test_a_port_that_dies(opened: Opener) -> None:
    port = TimedPort([*opening(), *acknowledged("start")])
    probe = opened(port)
    probe.arm(REQUEST)
    port._dies = True
    with pytest.raises(ProbeDisconnected):
        probe.collect()
