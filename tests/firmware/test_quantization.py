"""Requantisation, against exact rational arithmetic."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.firmware import quantization as q

INT32 = st.integers(q.INT32_MIN, q.INT32_MAX)


def nearest_away(value: Fraction) -> int:
    """Round to the nearest integer, ties away from zero."""
    magnitude = (abs(value) + Fraction(1, 2)).__floor__()
    return magnitude if value >= 0 else -magnitude


@given(st.floats(1e-9, 1e9))
def test_a_multiplier_is_the_nearest_of_31_bits(real: float) -> None:
    multiplier, shift = q.quantized_multiplier(real)
    assert 2**30 <= multiplier < 2**31
    assert abs(Fraction(multiplier, 2**31) * Fraction(2) ** shift / Fraction(real) - 1) <= Fraction(1, 2**31)


@pytest.mark.parametrize("real", [0.0, -1.0, float("inf"), float("nan"), 2.0**-40, 2.0**40])
def test_a_multiplier_that_cannot_be_is_refused(real: float) -> None:
    with pytest.raises(ValueError, match=r"multiplier"):
        q.quantized_multiplier(real)


@given(INT32, INT32)
def test_the_high_product_rounds_to_nearest_and_saturates(a: int, b: int) -> None:
    got = int(q.saturating_rounding_doubling_high_mul(np.array([a]), b)[0])
    exact = Fraction(a * b, 2**31)
    assert got == min(got, q.INT32_MAX)
    # Halves go up for positive products and, as the truncating division has it, towards zero for negative ones.
    assert abs(got - min(exact, Fraction(q.INT32_MAX))) <= Fraction(1, 2)


@given(INT32, st.integers(0, 31))
def test_division_by_a_power_of_two_rounds_half_away_from_zero(x: int, exponent: int) -> None:
    got = int(q.rounding_divide_by_power_of_two(np.array([x]), exponent)[0])
    assert got == nearest_away(Fraction(x, 2**exponent))


@given(st.integers(-(2**24), 2**24), st.floats(1e-6, 0.9))
def test_requantisation_is_within_one_step_of_the_real_product(accumulator: int, real: float) -> None:
    multiplier, shift = q.quantized_multiplier(real)
    got = int(q.multiply_by_quantized_multiplier(np.array([accumulator]), multiplier, shift)[0])
    exact = accumulator * Fraction(multiplier, 2**31) * Fraction(2) ** shift
    assert abs(got - exact) < Fraction(3, 4) + Fraction(1, 2**20)


def test_a_left_shift_that_leaves_32_bits_is_an_error() -> None:
    with pytest.raises(OverflowError):
        q.multiply_by_quantized_multiplier(np.array([2**30]), 2**30, 2)


def test_outputs_saturate_at_the_ends_of_int8() -> None:
    multiplier, shift = q.quantized_multiplier(0.5)
    got = q.requantize(np.array([-(10**6), -266, 0, 244, 10**6]), multiplier, shift, zero_point=5)
    assert got.tolist() == [-128, -128, 5, 127, 127]


@pytest.mark.parametrize("terms", [1, 9, 400, 9216])
def test_typical_outputs_use_the_range_and_rarely_saturate(terms: int) -> None:
    rng = np.random.default_rng(terms)
    multipliers, shifts = q.output_multipliers(terms, 8)
    inputs = rng.integers(-128, 128, (2000, terms)) - q.INPUT_ZERO_POINT
    sums = (inputs * rng.integers(-128, 128, (2000, terms))).sum(axis=1)
    for multiplier, shift in zip(multipliers, shifts, strict=True):
        out = q.requantize(sums, multiplier, shift).astype(float)
        assert 25 < out.std() < 95
        assert np.mean((out == -128) | (out == 127)) < 0.2
