"""Damaged model files: a network or a ModelFileError, nothing else, within a limit of memory and time."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.errors import ModelFileError
from bench.estimate.importers import from_onnx, from_tflite
from bench.estimate.importers.graph import Imported
from tests.estimate.models import small_onnx, small_tflite

ONNX, TFLITE = small_onnx(), small_tflite()
CASES = pytest.mark.parametrize(("read", "model"), [(from_onnx, ONNX), (from_tflite, TFLITE)], ids=["onnx", "tflite"])
MORE_BYTES = 1 << 30
"""Address space that reading may take on top of what the interpreter has."""


@pytest.fixture(autouse=True)
def _limited() -> Iterator[None]:
    """Let a read that would take gigabytes fail instead of taking them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - no path of the bench's
        now = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + MORE_BYTES, hard))
    yield
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def tried(read: Callable[[bytes], Imported], data: bytes) -> str:
    """Read ``data``; an error is one that people can read. Returns the error, "" where there was none."""
    made: Imported | None = None
    message = ""
    try:
        made = read(data)
    except ModelFileError as error:
        message = str(error)
    assert len(message) < 1000
    assert made is None or all(layer.applications > 0 for layer in made.network.layers)
    return message


@CASES
@settings(max_examples=80, deadline=5000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_bits_flipped(read: Callable[[bytes], Imported], model: bytes, data: st.DataObject) -> None:
    """Some bytes replaced."""
    damaged = bytearray(model)
    places = st.tuples(st.integers(0, len(model) - 1), st.integers(0, 255))
    for at, value in data.draw(st.lists(places, min_size=1, max_size=8)):
        damaged[at] = value
    tried(read, bytes(damaged))


@CASES
def test_truncated(read: Callable[[bytes], Imported], model: bytes) -> None:
    """Cut off anywhere; what misses more than its end is refused."""
    refused = [length for length in range(0, len(model), 7) if tried(read, model[:length])]
    assert set(range(0, len(model) // 2, 7)) <= set(refused)


@CASES
@settings(max_examples=40, deadline=5000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_spliced(read: Callable[[bytes], Imported], model: bytes, data: st.DataObject) -> None:
    """A part repeated or taken out; 32-bit offsets and counts made huge."""
    first = data.draw(st.integers(0, len(model)))
    last = data.draw(st.integers(first, len(model)))
    times = data.draw(st.sampled_from([0, 2, 50]))
    tried(read, model[:first] + model[first:last] * times + model[last:])
    at = data.draw(st.integers(0, len(model) - 4))
    huge = data.draw(st.sampled_from([b"\xff\xff\xff\x7f", b"\xff\xff\xff\xff", b"\x00\x00\x00\x80"]))
    tried(read, model[:at] + huge + model[at + 4 :])


@given(noise=st.binary(max_size=400))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_noise(noise: bytes) -> None:
    """Anything at all, with and without the right beginning."""
    tried(from_onnx, noise)
    tried(from_onnx, b"\x3a" + bytes([len(noise) & 127]) + noise)
    tried(from_tflite, noise)
    tried(from_tflite, noise[:4] + b"TFL3" + noise[4:])
