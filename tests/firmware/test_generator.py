"""The seeded generator, against a word-by-word transcription of the same formula."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bench.firmware import generator
from bench.firmware.layout import Element, Role, Tensor

WORD = 0xFFFFFFFF


def mix_word(x: int) -> int:
    x ^= x >> 16
    x = x * 0x7FEB352D & WORD
    x ^= x >> 15
    x = x * 0x846CA68B & WORD
    return x ^ x >> 16


@given(seed=st.integers(0, WORD), stream=st.integers(1, 20), count=st.integers(1, 50))
def test_draws_equal_the_formula_word_by_word(seed: int, stream: int, count: int) -> None:
    start = mix_word(seed ^ (stream * 0x9E3779B9 & WORD))
    expected = [mix_word((start + i) & WORD) for i in range(count)]
    assert generator.draw(seed, stream, count).tolist() == expected


@given(seed=st.integers(0, WORD))
def test_floats_are_in_range_and_multiples_of_the_step(seed: int) -> None:
    values = generator.values(Tensor("x", Role.INPUT, (10, 30)), seed, 1)
    assert values.shape == (10, 30)
    assert values.dtype == np.float32
    assert (values >= -1).all()
    assert (values < 1).all()
    assert (values.astype(np.float64) * 2**23 % 1 == 0).all()


def test_floats_fill_their_range_evenly() -> None:
    values = generator.values(Tensor("x", Role.INPUT, (100_000,)), 1, 1)
    counts, _ = np.histogram(values, bins=10, range=(-1, 1))
    assert np.abs(counts - 10_000).max() < 500  # five standard deviations


def test_int8_uses_its_whole_range() -> None:
    values = generator.values(Tensor("x", Role.INPUT, (10_000,), Element.INT8), 1, 1)
    assert values.min() == -128
    assert values.max() == 127


def test_streams_and_seeds_differ() -> None:
    first = generator.draw(1, 1, 100)
    assert (first == generator.draw(1, 1, 100)).all()
    assert (first != generator.draw(1, 2, 100)).mean() > 0.95
    assert (first != generator.draw(2, 1, 100)).mean() > 0.95
