"""The virtual PPK2, opcode by opcode, and its codes against the driver's conversion."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.probes.ppk2_calibration import convert, parse_metadata
from bench.probes.ppk2_stream import Samples
from bench.virtual.instruments.ppk2 import BUFFER_SAMPLES, VirtualPpk2
from bench.virtual.instruments.ppk2_codes import ADC_MAX, Constants, words
from tests.virtual.instruments.instrument_fakes import FakeBoard, board_with_window

TOPS_A = (50e-6, 500e-6, 5e-3, 50e-3, 1.0)


def samples(instrument: VirtualPpk2) -> Samples:
    return Samples.of(np.frombuffer(instrument.transmit(), "<u4").astype(np.uint32))


def test_metadata_is_what_the_driver_reads() -> None:
    instrument = VirtualPpk2(board_with_window(), seed=4)
    instrument.receive(b"\x19")
    text = instrument.transmit().decode()
    calibration = parse_metadata(text)
    constants = Constants.of(4).values
    assert calibration.r == pytest.approx(constants["R"])
    assert calibration.i == pytest.approx(constants["I"])
    assert calibration.ug == (1.0,) * 5
    assert "VDD: 3300" in text


@given(
    seed=st.integers(0, 500),
    number=st.integers(0, 4),
    share=st.floats(0.05, 1.0),
    vdd_v=st.floats(0.8, 5.0),
)
@settings(max_examples=300)
def test_encode_and_decode_round_trip_within_half_a_step(seed: int, number: int, share: float, vdd_v: float) -> None:
    constants = Constants.of(seed)
    calibration = parse_metadata(constants.metadata(3300, 2))
    current_a = np.array([share * TOPS_A[number]])
    code = constants.codes(current_a, np.array([number]), vdd_v)
    assert 0 < code[0] < ADC_MAX
    ranges = np.array([number], np.uint32)
    low, decoded, high = (
        convert(code + step - 1, ranges, calibration, vdd_v)[0] for step in np.arange(3, dtype=np.uint32)
    )
    assert low < current_a[0] < high
    # A hair over a half: the step grows slowly with the current.
    assert abs(decoded - current_a[0]) <= 0.51 * (high - low) / 2 + 1e-12


def test_codes_end_where_the_adc_ends() -> None:
    codes = Constants.of(0).codes(np.array([-1.0, 1.0]), np.array([0, 0]), 3.3)
    assert codes.tolist() == [0, ADC_MAX]


@given(st.integers(0, ADC_MAX), st.integers(0, 4), st.integers(0, 10**6), st.booleans())
def test_fields_of_a_sample(code: int, number: int, count: int, trigger: bool) -> None:
    sent = words(np.array([code], np.uint32), np.array([number]), count, np.array([trigger]))
    found = Samples.of(sent)
    assert (found.adc[0], found.ranges[0], found.counter[0], found.trigger[0]) == (code, number, count % 64, trigger)


def test_sampling_from_start_to_stop() -> None:
    board = board_with_window(0.05, 0.1)
    instrument = VirtualPpk2(board, seed=1)
    instrument.receive(b"\x0d\x0c\xe4\x0c\x01\x06")
    board.advance(0.1)
    first = samples(instrument)
    board.advance(0.1)
    second = samples(instrument)
    assert first.adc.size == pytest.approx(10000, abs=2)
    assert np.flatnonzero(first.trigger)[0] == pytest.approx(5000, abs=2)
    assert np.flatnonzero(~second.trigger)[0] == pytest.approx(5000, abs=2)
    counters = np.concatenate((first.counter, second.counter)).astype(int)
    assert set((np.diff(counters) % 64).tolist()) == {1}
    instrument.receive(b"\x07")
    board.advance(0.1)
    assert instrument.transmit() == b""
    instrument.receive(b"\x06")
    board.advance(0.01)
    assert int(samples(instrument).counter[0]) == (counters[-1] + 1) % 64


def test_the_stream_does_not_depend_on_how_time_is_cut() -> None:
    streams = []
    for step_s in (0.15, 0.013, 0.0007):
        board = board_with_window()
        instrument = VirtualPpk2(board, seed=5)
        instrument.receive(b"\x06")
        out = bytearray()
        while board.time_s < 0.2:
            board.advance(step_s)
            out += instrument.transmit()
        streams.append(bytes(out[:60000]))
    assert streams[0] == streams[1] == streams[2]


def test_whoever_does_not_read_loses() -> None:
    board = board_with_window()
    instrument = VirtualPpk2(board)
    instrument.receive(b"\x06")
    board.advance(1.0)
    first = samples(instrument)
    board.advance(0.01)
    second = samples(instrument)
    assert first.adc.size == BUFFER_SAMPLES
    assert second.adc.size == pytest.approx(1000, abs=2)
    lost = (int(second.counter[0]) - int(first.counter[-1]) - 1) % 64
    assert lost == (100_000 - BUFFER_SAMPLES) % 64 or lost == pytest.approx((100_000 - BUFFER_SAMPLES) % 64, abs=12)


def supplies(*opcodes: bytes) -> list[float | None]:
    board: FakeBoard = board_with_window()
    instrument = VirtualPpk2(board, seed=0)
    for opcode in opcodes:
        for byte in opcode:  # in pieces, as a slow line would
            instrument.receive(bytes([byte]))
    return board.supplies


def test_supply_in_both_modes() -> None:
    assert supplies(b"\x11\x02", b"\x0d\x0b\xb8", b"\x0c\x01", b"\x0d\x07\x08", b"\x0c\x00") == [
        pytest.approx(3.0, rel=0.02),
        pytest.approx(1.8, rel=0.02),
        None,
    ]
    assert supplies(b"\x11\x01", b"\x0d\x0b\xb8", b"\x0c\x01", b"\x11\x01") == [3.3]
    assert supplies(b"\x0c\x01", b"\x11\x01", b"\x20") == [pytest.approx(3.3, rel=0.02), 3.3, None]
    assert supplies(b"\x0d\x00\x10", b"\x0c\x01") == [pytest.approx(0.8, rel=0.02)]


@given(st.binary(max_size=60))
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_survived(data: bytes) -> None:
    board = board_with_window()
    instrument = VirtualPpk2(board)
    instrument.receive(data)
    board.advance(1e-3)
    sent = instrument.transmit()
    assert len(sent) % 4 == 0 or b"END" in sent  # whole samples, or text
