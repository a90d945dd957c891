"""The parsers take bytes in any portions, and never make a capture of what is none."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.errors import CurrentProbeError
from bench.probes.base import Capture
from bench.probes.lpm01a import Lpm01a
from bench.probes.powershield_check import build_capture
from bench.probes.powershield_stream import AsciiParser, BinaryParser, Mark, MarkKind, decode_samples

DONE = b"\r\nPowerShield > Acquisition completed\r\n\r\n"
SAMPLES = 2500

Parser = type[BinaryParser] | type[AsciiParser]


def binary_stream() -> bytes:
    out = bytearray(b"\r\n\xf0\xf7\x0c\xe4\xff\xff\xf0\xf8\xff\xf6\xff\xff\xf0\xf9\x01\xff\xff")
    for number in range(SAMPLES):
        if number == 1700:
            out += b"\xf0\xf2event 01 ris\r\n\xff\xff"
        out += (0x4100 + 37 * number % 0x500).to_bytes(2, "big")
        if number % 1000 == 999:
            out += b"\xf0\xf3" + ((number + 1) // 100).to_bytes(4, "big") + b"\x04\xff\xff"
    return bytes(out) + b"\xf0\xf4\xff\xff" + DONE


def ascii_stream() -> bytes:
    out = bytearray()
    for number in range(SAMPLES):
        if number == 1700:
            out += b"event 01 ris\r\n"
        out += f"{1000 + number}-05\r\n".encode()
        if number % 1000 == 999:
            out += f"TimeStamp: 000s {(number + 1) // 100:03d}ms, buff 04%\r\n\0".encode()
    return bytes(out) + b"end\r\nsummary beg\r\nx\r\nsummary end\r\n" + DONE


STREAMS: list[tuple[Parser, bytes]] = [(BinaryParser, binary_stream()), (AsciiParser, ascii_stream())]

Outcome = tuple[list[Mark], list[float], bool, str]


def parse(parser: Parser, pieces: list[bytes]) -> Outcome:
    stream, error = parser(), ""
    try:
        for piece in pieces:
            stream.feed(piece)
    except CurrentProbeError as caught:
        error = type(caught).__name__
    return stream.marks, stream.samples().tolist(), stream.completed, error


def capture_of(parser: Parser, data: bytes, expected: int = SAMPLES) -> Capture:
    stream = parser()
    stream.feed(data)
    return build_capture(
        stream, Lpm01a.spec, sample_rate_hz=100e3, expected_samples=expected, vdd_set_v=3.3, temperature_degc=None
    )


@pytest.mark.parametrize(("parser", "data"), STREAMS)
def test_whole_stream(parser: Parser, data: bytes) -> None:
    capture = capture_of(parser, data)
    assert capture.current_a.size == SAMPLES
    assert capture.trigger_fall_s == pytest.approx(1700.5e-5)
    if parser is BinaryParser:
        assert (capture.vdd_v, capture.vdd_measured, capture.temperature_degc) == (3.3, True, -10.0)


@pytest.mark.parametrize(("parser", "data"), STREAMS)
@given(cuts=st.lists(st.integers(0, 6000), max_size=30))
@settings(max_examples=40, deadline=None)
def test_portions_do_not_matter(parser: Parser, data: bytes, cuts: list[int]) -> None:
    borders = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    assert parse(parser, [data[a:b] for a, b in pairwise(borders)]) == parse(parser, [data])


@pytest.mark.parametrize(("parser", "data"), STREAMS)
def test_single_bytes_do(parser: Parser, data: bytes) -> None:
    assert parse(parser, [bytes([byte]) for byte in data]) == parse(parser, [data])


@given(data=st.binary(max_size=600), cuts=st.lists(st.integers(0, 600), max_size=6))
@settings(max_examples=150, deadline=None)
@pytest.mark.parametrize("parser", [BinaryParser, AsciiParser])
def test_portions_of_garbage_do_not_matter(parser: Parser, data: bytes, cuts: list[int]) -> None:
    borders = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    assert parse(parser, [data[a:b] for a, b in pairwise(borders)]) == parse(parser, [data])


PIECES = st.sampled_from(
    [
        b"\x52\xa0", b"\xf0\xf4\xff\xff", b"\xf0\xf5\xff\xff", b"\xf0\xf3\x00\x00\x00\x01\x01\xff\xff", b"\xf0\xf2",
        b"\xff\xff", b"\r\n", b"\0", b"6409-07\r\n", b"end\r\n", b"event 01 ris\r\n", DONE, b"error x\r\n",
        b"pwr off\r\n",
    ]
) | st.binary(max_size=12)  # fmt: skip


@given(pieces=st.lists(PIECES, max_size=60))
@settings(max_examples=200, deadline=None)
@pytest.mark.parametrize("parser", [BinaryParser, AsciiParser])
def test_garbage_never_becomes_a_capture(parser: Parser, pieces: list[bytes]) -> None:
    with pytest.raises(CurrentProbeError):
        capture_of(parser, b"".join(pieces))


@given(at=st.integers(30, 5000), count=st.integers(1, 1500))
@settings(max_examples=100, deadline=None)
@pytest.mark.parametrize(("parser", "data"), STREAMS)
def test_missing_bytes_never_go_unnoticed(parser: Parser, data: bytes, at: int, count: int) -> None:
    damaged = data[:at] + data[at + count :]
    try:
        capture = capture_of(parser, damaged)
    except CurrentProbeError:
        return
    # What may pass: up to two whole samples or a frame nobody needs, and then the window is where it was within those.
    assert abs(capture.current_a.size - SAMPLES) <= 2
    assert abs(capture.trigger_fall_s - 1700.5e-5) <= 2e-5


@given(at=st.integers(30, 5000), inserted=st.binary(min_size=1, max_size=40))
@settings(max_examples=100, deadline=None)
@pytest.mark.parametrize(("parser", "data"), STREAMS)
def test_inserted_bytes_never_go_unnoticed(parser: Parser, data: bytes, at: int, inserted: bytes) -> None:
    try:
        capture = capture_of(parser, data[:at] + inserted + data[at:])
    except CurrentProbeError:
        return
    assert abs(capture.current_a.size - SAMPLES) <= 2
    assert abs(capture.trigger_fall_s - 1700.5e-5) <= 2e-5


@pytest.mark.parametrize(
    ("lost", "after_stamp"), [(1, False), (3, False), (500, False), (1000, False), (3, True), (500, True), (1500, True)]
)
@pytest.mark.parametrize("total", [True, False])
def test_lost_samples(lost: int, after_stamp: bool, total: bool) -> None:
    """Lost before the instrument counts them for its stamps, or behind; the total short, or made up by a longer run."""
    words, stamps = bytearray(), 0
    for number in range(SAMPLES if total else SAMPLES + lost):
        if number == 1800:
            words += b"\xf0\xf2event 01 ris\r\n\xff\xff"
        dropped = 1200 <= number < 1200 + lost
        if not dropped:
            words += b"\x4a\x00"
        if after_stamp:
            if number % 1000 == 999:
                words += b"\xf0\xf3" + ((number + 1) // 100).to_bytes(4, "big") + b"\x04\xff\xff"
        elif not dropped:
            stamps += 1
            if stamps % 1000 == 0:
                words += b"\xf0\xf3" + ((number + 1) // 100).to_bytes(4, "big") + b"\x04\xff\xff"
    data = bytes(words) + b"\xf0\xf4\xff\xff" + DONE
    # Fewer than a millisecond's worth, seen by neither stamp nor total, cannot be told from a shifted acquisition.
    if lost < 150 and not after_stamp and (not total or lost <= 2):
        capture_of(BinaryParser, data)
        return
    with pytest.raises(CurrentProbeError, match=r"lost|arrived|instead of"):
        capture_of(BinaryParser, data)


def test_frames_of_both_instruments() -> None:
    parser = BinaryParser()
    parser.feed(b"\xf0\xf5\xff\xff\xf0\xf5\x00\x01\x02\x03\xff\xff\xf0\xfa\xff\xff\xf0\xfb\xff\xff\x52\xa0")
    kinds = [mark.kind for mark in parser.marks]
    assert kinds == [MarkKind.OVERCURRENT, MarkKind.OVERCURRENT, MarkKind.INFO, MarkKind.INFO]
    assert parser.sample_count == 1


def test_known_sample() -> None:
    assert decode_samples(np.array([0x52A0, 0x0000, 0xE001], np.uint16)) == pytest.approx(
        [640.9e-6, 0.0, 16.0**-14], rel=1e-4
    )


def test_unending_trailer() -> None:
    parser = BinaryParser()
    with pytest.raises(CurrentProbeError, match="behind the end"):
        parser.feed(b"\xf0\xf4\xff\xff" + 1000 * b"blah\r\n")
