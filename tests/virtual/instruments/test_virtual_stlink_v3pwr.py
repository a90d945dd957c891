"""The virtual STLINK-V3PWR, command by command: where it differs from its elder sister."""

from __future__ import annotations

import pytest

from bench.probes.powershield_stream import BinaryParser, MarkKind
from bench.virtual.instruments.stlink_v3pwr import VirtualStlinkV3Pwr
from tests.virtual.instruments.instrument_fakes import FakeBoard, board_with_window


@pytest.fixture
def board() -> FakeBoard:
    return board_with_window()


@pytest.fixture
def instrument(board: FakeBoard) -> VirtualStlinkV3Pwr:
    return VirtualStlinkV3Pwr(board, seed=3)


def ask(instrument: VirtualStlinkV3Pwr, *commands: str) -> bytes:
    for command in commands:
        instrument.receive(command.encode() + b"\r\n")
    return instrument.transmit()


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("powershield", b"ack STLINK-V3PWR 000000000000000056335003\r\n\r\n"),
        ("version", b"ack version V1J1\r\n\r\n"),
        ("power_monitor", b"ack power_monitor\r\n\r\n"),
        ("volt 1600m", b"ack volt 1600m\r\n\r\n"),
        ("volt 3700m", b"error volt 3700m\r\nError detail: parameter out of range\r\n\r\n"),
        ("format bin_hex", b"ack format bin_hex\r\n\r\n"),
        ("format bin_hexa", b"error format bin_hexa\r\nError detail: parameter not valid\r\n\r\n"),
        ("freq 100000", b"ack freq 100000\r\n\r\n"),
        ("acqtime 100s", b"ack acqtime 100s\r\n\r\n"),
        ("acqtime 101s", b"error acqtime 101s\r\nError detail: parameter out of range\r\n\r\n"),
        ("trigsrc hw", b"ack trigsrc hw\r\n\r\n"),
        ("trigsrc d7", b"error trigsrc d7\r\nError detail: parameter not valid\r\n\r\n"),
        ("trigdelay 0m", b"ack trigdelay 0m\r\n\r\n"),
        ("eventsrc d7 fal", b"error eventsrc d7 fal\r\nError detail: unknown command\r\n\r\n"),
        ("htc", b"error htc\r\nError detail: unknown command\r\n\r\n"),
        ("start", b"error start\r\nError detail: target not powered\r\n\r\n"),
    ],
)
def test_commands(instrument: VirtualStlinkV3Pwr, command: str, answer: bytes) -> None:
    assert ask(instrument, command) == answer


def test_temperature(instrument: VirtualStlinkV3Pwr) -> None:
    assert float(ask(instrument, "temp refresh pcb").split()[-1]) == pytest.approx(27, abs=3.1)


def test_supply_reaches_the_board(instrument: VirtualStlinkV3Pwr, board: FakeBoard) -> None:
    ask(instrument, "volt 3600m", "pwr on", "volt 1600m", "pwr off")
    assert board.supplies == [pytest.approx(3.6, rel=0.01), pytest.approx(1.6, rel=0.01), None]
    assert max(volts for volts in board.supplies if volts is not None) <= 3.6


def test_the_rise_starts_and_nothing_tells_the_fall(instrument: VirtualStlinkV3Pwr, board: FakeBoard) -> None:
    board.timeline.inside_a = 0.3
    ask(instrument, "format bin_hex", "freq 10000", "acqtime 150m", "trigsrc hw", "pwr on", "start")
    board.advance(0.04)
    assert instrument.transmit() == b""
    board.advance(1.0)
    stream = BinaryParser()
    stream.feed(instrument.transmit())
    assert stream.completed
    assert stream.sample_count == 1500
    assert not [mark for mark in stream.marks if mark.kind is MarkKind.EVENT]
    assert float(stream.samples()[10:900].mean()) == pytest.approx(0.3, rel=0.02)
    assert float(stream.samples()[1010:].mean()) == pytest.approx(2e-3, rel=0.02)


def test_overcurrent_frame_is_the_long_one(instrument: VirtualStlinkV3Pwr, board: FakeBoard) -> None:
    board.timeline.inside_a = 0.7
    ask(instrument, "format bin_hex", "freq 10000", "acqtime 150m", "trigsrc hw", "pwr on", "start")
    board.advance(1.0)
    assert b"\xf0\xf5\x00\x00\x00\x00\xff\xff\xf0\xf4\xff\xff" in instrument.transmit()
