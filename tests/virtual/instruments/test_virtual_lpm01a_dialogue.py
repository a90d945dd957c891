"""The virtual instrument alone: exact bytes in, exact bytes out."""

from __future__ import annotations

import numpy as np
import pytest
import serial
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.probes.powershield_stream import AsciiParser, BinaryParser, MarkKind, decode_samples
from bench.virtual.instruments.encode import AsciiEncoder, BinaryEncoder, binary_words
from bench.virtual.instruments.lpm01a import VirtualLpm01a
from tests.virtual.instruments.instrument_fakes import FakeBoard, board_with_window


@pytest.fixture
def instrument(board: FakeBoard) -> VirtualLpm01a:
    return VirtualLpm01a(board)


def ask(instrument: VirtualLpm01a, *commands: str) -> bytes:
    for command in commands:
        instrument.receive(command.encode() + b"\n")
    return instrument.transmit()


def ack(command: str) -> bytes:
    return f"\r\nPowerShield > ack {command}\r\n\r\n".encode()


def error(command: str, detail: str) -> bytes:
    return f"\r\nPowerShield > error {command}\r\nError detail: {detail}\r\n\r\n".encode()


@pytest.mark.parametrize(
    "command",
    [
        "volt 1800m", "volt 3.3", "volt 33-1", "freq 100k", "freq 1", "acqtime 100u", "acqtime 10", "acqtime inf",
        "acqmode stat", "funcmode high", "output current", "format bin_hexa", "trigsrc d7", "trigdelay 1m",
        "eventsrc d7 fal", "currthre 500u", "pwr on nostatus", "pwrend on", "targrst 10m",
    ],
)  # fmt: skip
def test_commands_are_acknowledged(instrument: VirtualLpm01a, command: str) -> None:
    assert ask(instrument, "htc", command) == ack("htc") + ack(command)


@pytest.mark.parametrize(
    ("command", "detail"),
    [
        ("volt 1700m", "parameter out of range"),
        ("volt", "parameter not valid"),
        ("freq 3k", "parameter out of range"),
        ("freq 200k", "parameter out of range"),
        ("acqtime 11", "parameter out of range"),
        ("trigsrc d8", "parameter not valid"),
        ("output energy", "parameter not valid"),
        ("temp kelvin", "parameter not valid"),
        ("powoff", "unknown command"),
        ("stop", "no acquisition"),
    ],
)
def test_wrong_commands_are_refused(instrument: VirtualLpm01a, command: str, detail: str) -> None:
    assert ask(instrument, "htc", command) == ack("htc") + error(command, detail)


def test_nothing_can_be_set_without_control(instrument: VirtualLpm01a) -> None:
    assert ask(instrument, "freq 1k") == error("freq 1k", "host has no control")
    assert ask(instrument, "start") == error("start", "host has no control")
    assert ask(instrument, "echo abc") == b"\r\nPowerShield > echo abc\r\n"


def test_power_reaches_the_board(instrument: VirtualLpm01a, board: FakeBoard) -> None:
    ask(instrument, "htc", "volt 3000m", "pwr on", "pwr on", "volt 1800m", "targrst 100m", "pwr off")
    assert board.supplies == [
        pytest.approx(3.0, rel=1e-2),
        pytest.approx(1.8, rel=1e-2),
        None,
        pytest.approx(1.8, rel=1e-2),
        None,
    ]
    assert board.time_s == pytest.approx(0.1)
    assert ask(instrument, "pwr get") == ack("pwr get off")


def test_a_software_triggered_acquisition_ends_by_itself(instrument: VirtualLpm01a, board: FakeBoard) -> None:
    out = ask(instrument, "htc", "trigdelay 0", "format ascii_dec", "freq 1k", "acqtime 5m", "eventsrc d7 ris", "start")
    assert out.endswith(ack("start"))
    board.advance(0.1)
    text = instrument.transmit().decode()
    lines = text.split("\r\n")
    assert lines[5] == "end"
    assert all(len(line) == 7 for line in lines[:5])
    assert lines[6:13] == ["summary beg", "Acquisition mode: dynamic", *lines[8:11], "summary end", ""]
    assert text.endswith("\r\nPowerShield > Acquisition completed\r\n\r\n")
    # `pwr auto`: on for the acquisition, off after it.
    assert len(board.supplies) == 2
    assert board.supplies[-1] is None


def test_both_edges_can_be_events_but_not_the_trigger_itself(instrument: VirtualLpm01a, board: FakeBoard) -> None:
    board.timeline.windows.append((0.2, 0.21))
    ask(
        instrument, "htc", "trigdelay 0", "format bin_hexa", "freq 1k", "acqtime 300m", "trigsrc d7", "eventsrc d7 both"
    )
    ask(instrument, "start")
    board.advance(1.0)
    stream = BinaryParser()
    stream.feed(instrument.transmit())
    events = [mark for mark in stream.marks if mark.kind is MarkKind.EVENT]
    assert [mark.text for mark in events] == ["event 01 ris", "event 02 ris", "event 03 ris"]
    # By the instrument's own crystal an edge on the border of two samples may fall into either.
    assert [mark.at_sample for mark in events] == pytest.approx([100, 150, 160], abs=1)


@pytest.mark.parametrize("sample_format", ["bin_hexa", "ascii_dec"])
def test_the_stream_does_not_depend_on_how_time_is_cut(sample_format: str) -> None:
    streams = []
    for step_s in (0.5, 0.013, 0.0007):
        board = board_with_window()
        instrument = VirtualLpm01a(board, seed=5)
        ask(instrument, "htc", "trigdelay 0", f"format {sample_format}", "freq 10k", "acqtime 300m", "trigsrc d7")
        ask(instrument, "eventsrc d7 fal", "start")
        out = bytearray()
        while b"completed" not in out:
            board.advance(step_s)
            out += instrument.transmit()
        streams.append(bytes(out))
    assert streams[0] == streams[1] == streams[2]


def test_range_is_200_ma_in_static_mode(instrument: VirtualLpm01a, board: FakeBoard) -> None:
    board.timeline.inside_a = 150e-3
    ask(instrument, "htc", "trigdelay 0", "format bin_hexa", "freq 1k", "acqtime 50m", "trigsrc d7", "acqmode stat")
    ask(instrument, "start")
    board.advance(1.0)
    stream = BinaryParser()
    stream.feed(instrument.transmit())
    assert stream.ended
    assert float(stream.samples().mean()) == pytest.approx(0.15, rel=0.02)


def test_reset_forgets_everything(instrument: VirtualLpm01a, board: FakeBoard) -> None:
    ask(instrument, "htc", "pwr on", "start", "psrst")
    assert board.supplies[-1] is None
    assert ask(instrument, "freq 1k") == error("freq 1k", "host has no control")


def test_port_without_timeout_gives_up(board: FakeBoard) -> None:
    port = serial.serial_for_url("virtual://fake/lpm01a", timeout=None)
    with pytest.raises(serial.SerialException, match="virtual seconds"):
        port.read(1)
    port.close()
    with pytest.raises(serial.SerialException):
        port.read(1)


def test_a_read_ends_where_less_than_half_a_cycle_is_left(board: FakeBoard, monkeypatch: pytest.MonkeyPatch) -> None:
    def in_whole_cycles(seconds: float) -> None:
        board.timeline.known_to_s += round(seconds * 16e6) / 16e6

    monkeypatch.setattr(board, "advance", in_whole_cycles)
    port = serial.serial_for_url("virtual://fake/lpm01a")
    for step in range(100):
        port.timeout = step * 7.3e-9
        assert port.read(1) == b""


@given(st.lists(st.floats(0, 4095), min_size=1, max_size=50))
def test_binary_samples_round_trip_within_half_a_step(values: list[float]) -> None:
    current_a = np.array(values)
    words = binary_words(current_a)
    decoded = decode_samples(words)
    step = 16.0 ** -(words >> 12).astype(float)
    assert np.all(words < 0xF000)
    assert np.all(np.abs(decoded - current_a) <= 0.5 * step * (1 + 1e-6))
    # Finest exponent: the next finer one would not have held the value.
    assert np.all(((words >> 12) == 14) | (current_a * 16 / step >= 4095.5 * (1 - 1e-9)))


def test_known_samples() -> None:
    assert binary_words(np.array([640.9e-6]))[0] == 0x52A0
    assert AsciiEncoder(59e-3).samples(np.array([640.9e-6])) == b"6409-07\r\n"
    assert binary_words(np.array([-1e-6]))[0] & 0xFFF == 0
    with pytest.raises(ValueError, match="format"):
        binary_words(np.array([5000.0]))


@settings(max_examples=50)
@given(st.lists(st.floats(0, 0.05), min_size=1, max_size=40), st.integers(0, 2**31 - 1), st.integers(0, 99))
def test_streams_round_trip(values: list[float], time_ms: int, percent: int) -> None:
    current_a = np.array(values)
    for encoder, parser, relative in (
        (BinaryEncoder(), BinaryParser(), 1 / 500),
        (AsciiEncoder(59e-3), AsciiParser(), 1 / 1900),
    ):
        parser.feed(encoder.samples(current_a) + encoder.stamp(time_ms, percent) + encoder.event(7))
        parser.feed(encoder.samples(current_a) + encoder.end() + b"\r\nPowerShield > Acquisition completed\r\n\r\n")
        assert parser.completed
        assert parser.samples() == pytest.approx(np.tile(current_a, 2), rel=relative, abs=1e-13)
        stamp, event, end, _ = parser.marks
        assert (stamp.kind, stamp.at_sample) == (MarkKind.TIMESTAMP, len(values))
        assert stamp.value == pytest.approx(time_ms * 1e-3)
        assert stamp.buffer_fill == pytest.approx(percent / 100)
        assert (event.kind, event.at_sample) == (MarkKind.EVENT, len(values))
        assert (end.kind, end.at_sample) == (MarkKind.END, 2 * len(values))
