"""A hundred thousand damaged streams for the decoders of the drivers: never a crash, never a hang, never a number that is silently wrong.

The streams are short and go straight to what turns bytes into a capture, so that the number is affordable in every run of the tests: 15,000 for each of seven decoders
of bytes, 5,000 streams and 5,000 sequences of messages for the Joulescope's. BENCH_DECODER_CASES=100000 (300000 for the Joulescope's) makes it as many for each. test_probe_fuzz.py sends fewer and longer ones through whole drivers.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.errors import CurrentProbeError
from bench.probes.joulescope_stream import TriggeredStreams
from bench.probes.lpm01a import Lpm01a
from bench.probes.lpm01a_static import Lpm01aStatic, one_value
from bench.probes.powershield_check import WindowEnd, build_capture, by_event
from bench.probes.powershield_stream import AsciiParser, BinaryParser, StreamParser
from bench.probes.ppk2_calibration import convert, parse_metadata
from bench.probes.ppk2_stream import TriggeredStream
from bench.probes.scpi_readings import parse_readings, refuse_beyond
from bench.probes.stlink_v3pwr import StlinkV3Pwr, _by_step
from bench.probes.trace_file import parse_trace
from tests.probes.joulescope_fake import recording
from tests.probes.ppk2_samples import METADATA, pulse, words

CASES = int(os.environ.get("BENCH_DECODER_CASES", "15000"))
SAMPLES, HIGH = 48, 24
KINDS = ("cut", "lose", "insert", "repeat", "swap", "noise", "overwrite", "flip")
Trace = tuple[NDArray[np.float64], float]
"""The current, and where the window ends."""


def damaged(stream: bytes, kind: str, source: random.Random) -> bytes:
    """Return what one kind of damage leaves of ``stream``."""
    size = len(stream)
    at, count = source.randrange(size), source.randint(1, 40)
    match kind:
        case "cut":
            return stream[:at]
        case "lose":
            return stream[:at] + stream[at + count :]
        case "insert":
            return stream[:at] + source.randbytes(count) + stream[at:]
        case "repeat":
            return stream[: at + count] + stream[at:]
        case "swap":
            return (
                stream[:at] + stream[at + count : at + 2 * count] + stream[at : at + count] + stream[at + 2 * count :]
            )
        case "noise":
            return source.randbytes(source.randrange(2 * size))
        case "overwrite":
            return stream[:at] + source.randbytes(count) + stream[at + count :]
        case _:
            return stream[:at] + bytes([stream[at] ^ (1 << source.randrange(8))]) + stream[at + 1 :]


def powershield(
    parser: Callable[[], StreamParser], driver: type[Lpm01a] | type[StlinkV3Pwr], end: WindowEnd, data: bytes
) -> Trace:
    """What LPM01A's and STLINK-V3PWR's ``collect`` does once the bytes are here."""
    stream = parser()
    stream.feed(data)
    capture = build_capture(
        stream,
        driver.spec,
        sample_rate_hz=100e3,
        expected_samples=SAMPLES,
        vdd_set_v=3.3,
        temperature_degc=None,
        window_end=end,
        stamp_every=driver.stamp_every,
    )
    return capture.current_a.astype(np.float64), capture.trigger_fall_s


def binary_stream(*, event: bool) -> bytes:
    out = bytearray(b"\xf0\xf7\x0c\xe4\xff\xff")
    for number in range(SAMPLES):
        if event and number == HIGH:
            out += b"\xf0\xf2event 01 ris\r\n\xff\xff"
        out += ((0x4800 if number < HIGH else 0x4100) + number % 7).to_bytes(2, "big")
    return bytes(out) + b"\xf0\xf4\xff\xff\r\nPowerShield > Acquisition completed\r\n\r\n"


def ascii_stream() -> bytes:
    lines = [f"{8000 - number if number < HIGH else 1000 + number:04d}-06" for number in range(SAMPLES)]
    lines.insert(HIGH, "event 01 ris")
    return ("\r\n".join([*lines, "end", "PowerShield > Acquisition completed"]) + "\r\n").encode()


PPK2_LEVELS = pulse(before=20, high=HIGH, after=SAMPLES)
STATIC_LEVELS = ("1001-04", "1002-04")


def static_stream() -> bytes:
    """Two static acquisitions, each with its answer, one after the other."""
    return "".join(
        f"{value}\r\nend\r\nsummary beg\r\nAcquisition mode: static\r\nsummary end\r\nPowerShield > Acquisition completed\r\n"
        for value in STATIC_LEVELS
    ).encode()


def static(data: bytes) -> Trace:
    """What the static mode's driver does with the bytes of its acquisitions: one value each, concluded, and nothing taken back."""
    found = []
    for answer in data.split(b"Acquisition completed\r\n")[:-1]:
        stream = AsciiParser()
        stream.feed(answer + b"Acquisition completed\r\n")
        found.append(one_value(stream, Lpm01aStatic.spec, "fuzz"))
    if len(found) < len(STATIC_LEVELS):
        raise CurrentProbeError("not complete: the driver times out")
    return np.array(found[: len(STATIC_LEVELS)]), 0.0


CALIBRATION = parse_metadata(METADATA)


def ppk2_stream() -> bytes:
    adc = np.where(PPK2_LEVELS, 400, 100) + np.arange(PPK2_LEVELS.size) % 7
    return words(PPK2_LEVELS, adc=adc, ranges=np.where(PPK2_LEVELS, 3, 2)).tobytes()


def ppk2(data: bytes) -> Trace:
    stream = TriggeredStream(SAMPLES)
    stream.feed(data)
    if not stream.complete:
        raise CurrentProbeError("not complete: the driver times out")
    window = stream.window()
    samples = window.samples
    current_a = convert(samples.adc[window.before :], samples.ranges[window.before :], CALIBRATION, 3.3)
    return current_a, window.fall / 100e3


READINGS = [8e-3 if number < HIGH else 1e-3 + number * 1e-6 for number in range(SAMPLES)]


def scpi_stream() -> bytes:
    return ",".join(f"{value:+.6E}" for value in READINGS).encode() + b"\n"


def scpi(data: bytes) -> Trace:
    current_a = parse_readings(data, SAMPLES, "fuzz")
    refuse_beyond(current_a, 0.1, "fuzz")
    return current_a, 0.0


def csv_stream() -> bytes:
    rows = [f"{number * 1e-5:.5f},{value:.6f}" for number, value in enumerate(READINGS)]
    return "\n".join(["time_s,current_a", *rows]).encode() + b"\n"


def csv(data: bytes) -> Trace:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CurrentProbeError("no text") from error  # what the driver does with it
    trace = parse_trace(text, "fuzz")
    if trace.current_a.size < SAMPLES:
        raise CurrentProbeError("too short for the window")  # what cut() does with it
    return trace.current_a[:SAMPLES], 0.0


BLOCK = 20


def joulescope_stream() -> bytes:
    """Messages as bytes: signal, number of the first sample, number of samples, samples. The host driver's frames hold the same."""
    levels = np.repeat([False, True, False], [16, HIGH, SAMPLES + 16])
    current = np.where(levels, 8e-3, 1e-3).astype("<f4") + np.arange(levels.size, dtype="<f4") * np.float32(1e-6)
    out = bytearray()
    for at in range(0, levels.size, BLOCK):
        part = levels[at : at + BLOCK]
        bits = np.packbits(part, bitorder="little").tobytes()
        for signal, data in ((0, current[at : at + BLOCK].tobytes()), (1, b"\0\0\x50\x40" * part.size), (2, bits)):
            out += bytes((signal, at, len(data))) + data
    return bytes(out)


def joulescope(data: bytes) -> Trace:
    streams = TriggeredStreams(1e6, SAMPLES * 1e-6)
    at = 0
    while at + 3 <= len(data) and not streams.complete:
        signal, start, size = data[at : at + 3]
        body = data[at + 3 : at + 3 + size]
        at += 3 + size
        values = np.frombuffer(body[: len(body) // 4 * 4], "<f4") if signal % 3 < 2 else np.frombuffer(body, np.uint8)
        fields = {"sample_id": start, "sample_rate": 1_000_000, "decimate_factor": 1, "data": values}
        streams.feed(("current", "voltage", "trigger")[signal % 3], fields)
    if not streams.complete:
        raise CurrentProbeError("not complete: the driver times out")
    window = streams.window()
    return window.current_a.astype(np.float64), window.fall_s


@dataclass(frozen=True)
class Subject:
    """A decoder and the bytes of one good capture. ``samples_off``: by so many samples a whole acquisition may be longer or shorter."""

    stream: bytes
    decode: Callable[[bytes], Trace]
    samples_off: int = 0
    samples: int = SAMPLES
    share: int = 1
    """One in so many cases is tried: a decoder that costs more."""
    strict: frozenset[str] = frozenset({"cut", "lose", "insert"})
    """Damage that must not go unseen. Without a checksum, other bytes of the right kind and number are another trace, which nobody can tell from the true one."""


SUBJECTS = {
    "lpm01a": Subject(binary_stream(event=True), partial(powershield, BinaryParser, Lpm01a, by_event), 2),
    "lpm01a_ascii": Subject(ascii_stream(), partial(powershield, AsciiParser, Lpm01a, by_event), 2),
    "lpm01a_static": Subject(static_stream(), static, samples=len(STATIC_LEVELS), strict=frozenset({"cut"})),
    "stlink_v3pwr": Subject(
        binary_stream(event=False), partial(powershield, BinaryParser, StlinkV3Pwr, partial(_by_step, 50e3, 0.0)), 2
    ),
    "ppk2": Subject(ppk2_stream(), ppk2),
    "scpi": Subject(scpi_stream(), scpi, strict=frozenset({"cut", "lose"})),
    "csv": Subject(csv_stream(), csv, strict=frozenset({"cut"})),
    # Its host driver hands over whole messages: bytes shifted within one are other samples. Messages are damaged below.
    "joulescope": Subject(joulescope_stream(), joulescope, share=3, strict=frozenset({"cut"})),
}


@pytest.mark.parametrize("name", sorted(SUBJECTS))
def test_damaged_streams(name: str) -> None:
    subject = SUBJECTS[name]
    good_a, good_end = subject.decode(subject.stream)
    assert good_a.size == subject.samples
    source = random.Random(name)
    refused = 0
    cases = CASES // subject.share
    for case in range(cases):
        kind = KINDS[case % len(KINDS)]
        data = damaged(subject.stream, kind, source)
        try:
            found_a, found_end = subject.decode(data)
        except CurrentProbeError:  # any other exception is a failure
            refused += 1
            continue
        where = f"case {case}: {kind}, {data.hex()}"
        assert abs(found_a.size - subject.samples) <= subject.samples_off, where
        assert np.isfinite(found_a).all(), where
        # The tolerance of the count lets two samples in, whatever they are.
        if kind in subject.strict and (kind != "insert" or found_a.size == subject.samples):
            shared = min(found_a.size, subject.samples)
            moved = subject.samples_off + (1 if kind == "lose" else 2)
            assert abs(found_end - good_end) <= moved * 1e-5, where
            assert abs(float(found_a[:shared].mean()) - float(good_a[:shared].mean())) <= 0.15 * good_a.max(), where
    assert refused > cases / 3


Message = tuple[str, dict[str, object]]
ODD_VALUES = (None, -1, 0, 1, 2**70, 1.5, "7", True, np.zeros(4), np.zeros(4, np.float32), np.zeros((2, 2), np.uint8))


def messages() -> list[Message]:
    """The streams of one window, as the host driver hands them over."""
    names = {"s/i": "current", "s/v": "voltage", "s/gpi/0": "trigger"}
    return [
        (names[name], dict(fields))
        for name, fields in recording(before=16, high=HIGH, after=SAMPLES + 16, block=BLOCK, first=4)
    ]


def decode_messages(stream: list[Message]) -> Trace:
    streams = TriggeredStreams(1e6, SAMPLES * 1e-6)
    for name, fields in stream:
        streams.feed(name, fields)
        if streams.complete:
            window = streams.window()
            return window.current_a.astype(np.float64), window.fall_s
    raise CurrentProbeError("not complete: the driver times out")


def damaged_messages(stream: list[Message], kind: str, source: random.Random) -> list[Message]:
    at, to = source.randrange(len(stream)), source.randrange(len(stream))
    name, fields = stream[at]
    match kind:
        case "cut":
            return stream[:at]
        case "lose":
            return stream[:at] + stream[at + 1 :]
        case "repeat":
            return stream[: at + 1] + stream[at:]
        case "swap":
            out = list(stream)
            out[at], out[to] = out[to], out[at]
            return out
        case "short":
            data = fields["data"]
            assert isinstance(data, np.ndarray)
            return [*stream[:at], (name, fields | {"data": data[: source.randrange(data.size + 1)]}), *stream[at + 1 :]]
        case "other":
            return [*stream[:at], (stream[to][0], fields), *stream[at + 1 :]]
        case _:
            field = source.choice(list(fields))
            return [*stream[:at], (name, fields | {field: source.choice(ODD_VALUES)}), *stream[at + 1 :]]


def test_damaged_messages() -> None:
    stream = messages()
    good_a, good_end = decode_messages(stream)
    assert good_a.size == SAMPLES
    source = random.Random("messages")
    refused, cases = 0, CASES // 3
    for case in range(cases):
        kind = ("cut", "lose", "repeat", "swap", "short", "other", "field")[case % 7]
        try:
            found_a, found_end = decode_messages(damaged_messages(stream, kind, source))
        except CurrentProbeError:  # any other exception is a failure
            refused += 1
            continue
        # Whole messages are numbered: what is let through is right.
        assert np.array_equal(found_a, good_a), f"case {case}: {kind}"
        assert found_end == good_end, f"case {case}: {kind}"
    assert refused > cases / 3
