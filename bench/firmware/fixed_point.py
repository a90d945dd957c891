"""Exponential, reciprocal and logistic function in fixed point, in numpy: what ``firmware_templates/fixed_point.h`` computes on the target.

A number with i integer bits (besides its sign) is raw / 2^(31-i). The formulas are those of the library gemmlowp (fixedpoint/fixedpoint.h), which the
reference kernels of TensorFlow Lite use; every step rounds as they do, so the results are bit-exact. Arrays hold 32-bit values in 64 bits.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.firmware.quantization import (
    INT32_MAX,
    INT32_MIN,
    Integers,
    rounding_divide_by_power_of_two,
    saturating_rounding_doubling_high_mul,
)

ONE = INT32_MAX
"""The greatest number without integer bits stands for 1."""

MAX_INTEGER_BITS = 5
_EXP_FACTORS = tuple(round(math.exp(-(2.0**power)) * 2**31) for power in range(-2, MAX_INTEGER_BITS))
"""exp(-1/4), exp(-1/2) ... exp(-16), without integer bits."""
_EXP_OF_MINUS_EIGHTH = round(math.exp(-1 / 8) * 2**31)
_THIRD = round(2**31 / 3)
_START, _SLOPE = round(48 / 17 * 2**29), -round(32 / 17 * 2**29)
"""The line that approximates 1/x best for 1/2 <= x <= 1, with two integer bits."""


def saturating_shift_left(x: NDArray[Any], exponent: int) -> Integers:
    """Return x * 2^exponent, exponent 1..30; what does not fit 32 bits saturates."""
    limit = 2 ** (31 - exponent) - 1
    x = np.asarray(x, np.int64)
    return np.where(x > limit, INT32_MAX, np.where(x < -limit, INT32_MIN, x << exponent))


def exp_of_negative(a: NDArray[Any], integer_bits: int) -> Integers:
    """Return exp(a), without integer bits, of ``a`` <= 0 with ``integer_bits`` 0..5.

    Raises ValueError for positive values or other integer bits.
    """
    a = np.asarray(a, np.int64)
    if not 0 <= integer_bits <= MAX_INTEGER_BITS:
        raise ValueError(f"exp_of_negative has 0..{MAX_INTEGER_BITS} integer bits, got {integer_bits}")
    if (a > 0).any() or (a < INT32_MIN).any():
        raise ValueError(f"exp_of_negative takes 32-bit values of at most zero, got {a.min()}..{a.max()}")
    quarter_bit = 29 - integer_bits
    quarter = 1 << quarter_bit
    last = (a & (quarter - 1)) - quarter
    rest = last - a
    result = _exp_near_zero(last << integer_bits)
    for j in range(integer_bits + 2):
        factored = saturating_rounding_doubling_high_mul(result, _EXP_FACTORS[j])
        result = np.where(rest & (1 << (quarter_bit + j)), factored, result)
    return np.where(a == 0, ONE, result)


def _exp_near_zero(a: Integers) -> Integers:
    """Return exp(a) of -1/4 <= a < 0 by the Taylor series to the fourth power around -1/8."""
    x = a + (1 << 28)
    x2 = saturating_rounding_doubling_high_mul(x, x)
    x3 = saturating_rounding_doubling_high_mul(x2, x)
    x4 = saturating_rounding_doubling_high_mul(x2, x2)
    cubic = saturating_rounding_doubling_high_mul(rounding_divide_by_power_of_two(x4, 2) + x3, _THIRD)
    series = x + rounding_divide_by_power_of_two(cubic + x2, 1)
    return _EXP_OF_MINUS_EIGHTH + saturating_rounding_doubling_high_mul(series, _EXP_OF_MINUS_EIGHTH)


def reciprocal_of_one_plus(a: NDArray[Any]) -> Integers:
    """Return 1 / (1 + a) of 0 <= ``a`` <= 1, both without integer bits, by three Newton steps. Raises ValueError for other values."""
    a = np.asarray(a, np.int64)
    if (a < 0).any() or (a > ONE).any():
        raise ValueError(f"reciprocal_of_one_plus takes 0..1 without integer bits, got {a.min()}..{a.max()}")
    half_denominator = (a + 2**31) >> 1
    x = _START + saturating_rounding_doubling_high_mul(half_denominator, _SLOPE)
    for _ in range(3):
        defect = 2**29 - saturating_rounding_doubling_high_mul(half_denominator, x)
        x = x + saturating_shift_left(saturating_rounding_doubling_high_mul(x, defect), 2)
    return saturating_shift_left(x, 1)


def logistic(a: NDArray[Any], integer_bits: int) -> Integers:
    """Return 1 / (1 + exp(-a)), without integer bits, of ``a`` with ``integer_bits`` 0..5."""
    a = np.asarray(a, np.int64)
    upper = reciprocal_of_one_plus(exp_of_negative(-np.abs(a), integer_bits))
    return np.where(a == 0, 1 << 30, np.where(a > 0, upper, ONE - upper))
