"""The fixed-point functions against the functions that they approximate, and at their ends."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.firmware import fixed_point as f
from bench.firmware.quantization import INT32_MAX, INT32_MIN

BITS = st.integers(0, f.MAX_INTEGER_BITS)


@given(st.integers(INT32_MIN, 0), BITS)
def test_the_exponential_is_good_to_21_bits(raw: int, integer_bits: int) -> None:
    got = int(f.exp_of_negative(np.array(raw), integer_bits))
    assert 0 <= got <= f.ONE
    assert got / 2**31 == pytest.approx(math.exp(raw / 2 ** (31 - integer_bits)), abs=2**-21.5)


@given(st.integers(INT32_MIN, -1), BITS)
def test_the_exponential_does_not_fall_over_a_whole_quarter(raw: int, integer_bits: int) -> None:
    quarter = 1 << (29 - integer_bits)
    lower, upper = f.exp_of_negative(np.array([max(raw - quarter, INT32_MIN), raw]), integer_bits)
    assert lower <= upper


@given(st.integers(0, INT32_MAX))
def test_the_reciprocal_is_good_to_28_bits(raw: int) -> None:
    assert int(f.reciprocal_of_one_plus(np.array(raw))) / 2**31 == pytest.approx(1 / (1 + raw / 2**31), abs=2**-28)


@given(st.integers(-INT32_MAX, INT32_MAX), BITS)
def test_the_logistic_function_is_symmetric_and_good_to_22_bits(raw: int, integer_bits: int) -> None:
    real = raw / 2 ** (31 - integer_bits)
    one_side, other_side = (int(f.logistic(np.array(sign * raw), integer_bits)) for sign in (1, -1))
    assert one_side / 2**31 == pytest.approx(1 / (1 + math.exp(-real)), abs=2**-22)
    assert abs(one_side + other_side - 2**31) <= 1


def test_the_ends_are_exact() -> None:
    assert int(f.exp_of_negative(np.array(0), 5)) == f.ONE
    assert int(f.reciprocal_of_one_plus(np.array(0))) == f.ONE
    assert int(f.logistic(np.array(0), 4)) == 2**30


@given(st.integers(INT32_MIN, INT32_MAX), st.integers(1, 30))
def test_a_left_shift_saturates(x: int, exponent: int) -> None:
    got = int(f.saturating_shift_left(np.array(x), exponent))
    assert got == min(max(x * 2**exponent, INT32_MIN), INT32_MAX)


def test_what_the_functions_do_not_take_is_refused() -> None:
    with pytest.raises(ValueError, match=r"at most zero, got 1\.\.1"):
        f.exp_of_negative(np.array(1), 5)
    with pytest.raises(ValueError, match=r"0\.\.5 integer bits, got 6"):
        f.exp_of_negative(np.array(-1), 6)
    with pytest.raises(ValueError, match=r"without integer bits, got -1\.\.-1"):
        f.reciprocal_of_one_plus(np.array(-1))
