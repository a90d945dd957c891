"""Integer arithmetic of quantised networks, in numpy: what ``firmware_templates/quantization.h`` computes on the target.

An activation of real value r is ``scale * (q - zero_point)``; weights have zero point 0; an accumulator has 32 bits and scale
``input_scale * weight_scale``, so a real multiplier ``input_scale * weight_scale / output_scale`` takes it to the output (B. Jacob et al.,
Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference, CVPR 2018, sections 2.2 to 2.4). The multiplier is a
fixed-point number, multiplier / 2^31 * 2^shift, applied with two roundings as the reference kernels of TensorFlow Lite do.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

INT8_MIN, INT8_MAX = -128, 127
INT32_MIN, INT32_MAX = -(2**31), 2**31 - 1

Integers = NDArray[np.int64]
"""32-bit values, held in 64 bits, so that every step can say where it saturates."""

INPUT_ZERO_POINT = -3
OUTPUT_ZERO_POINT = 5
"""Of the workloads' activations: asymmetric on purpose, so that a forgotten offset shows."""

UNIFORM_RMS = 74.0
"""Root mean square of evenly drawn int8 values, 255 / sqrt(12) about."""
OUTPUT_RMS = 40.0
"""What the outputs of a workload shall have: the whole range is used, a few values saturate."""


def quantized_multiplier(real: float) -> tuple[int, int]:
    """Return (multiplier, shift) with ``real`` = multiplier / 2^31 * 2^shift, 2^30 <= multiplier < 2^31, for a positive ``real``.

    Raises ValueError for anything else, and for shifts outside -31..30, which the integer kernels cannot apply.
    """
    if not (math.isfinite(real) and real > 0):
        raise ValueError(f"a requantisation multiplier is positive, got {real}")
    fraction, shift = math.frexp(real)
    multiplier = round(fraction * 2**31)
    if multiplier == 2**31:
        multiplier, shift = multiplier // 2, shift + 1
    if not -31 <= shift <= 30:
        raise ValueError(f"the requantisation multiplier {real} needs a shift of {shift}, outside -31..30")
    return multiplier, shift


def saturating_rounding_doubling_high_mul(a: NDArray[Any], b: NDArray[Any] | int) -> Integers:
    """Return the upper 32 bits of 2 a b, rounded to nearest, ties upwards; the one product that overflows saturates."""
    product = np.asarray(a, np.int64) * np.asarray(b, np.int64)
    nudge = np.where(product >= 0, 1 << 30, 1 - (1 << 30))
    total = product + nudge
    high = np.where(total >= 0, total >> 31, -((-total) >> 31))  # C's division truncates
    return np.minimum(high, INT32_MAX)


def rounding_divide_by_power_of_two(x: NDArray[Any], exponent: NDArray[Any] | int) -> Integers:
    """Return x / 2^exponent, rounded to nearest, ties away from zero; ``exponent`` 0..31."""
    x, exponent = np.asarray(x, np.int64), np.asarray(exponent, np.int64)
    mask = (np.int64(1) << exponent) - 1
    threshold = (mask >> 1) + (x < 0)
    rounded: Integers = (x >> exponent) + ((x & mask) > threshold)
    return rounded


def multiply_by_quantized_multiplier(
    x: NDArray[Any], multiplier: NDArray[Any] | int, shift: NDArray[Any] | int
) -> Integers:
    """Return x * multiplier / 2^31 * 2^shift as the reference kernels round it; shapes broadcast.

    Raises OverflowError where x * 2^shift leaves 32 bits for a positive shift: the target would wrap there.
    """
    shift = np.asarray(shift, np.int64)
    shifted = np.asarray(x, np.int64) << np.maximum(shift, 0)
    if ((shifted < INT32_MIN) | (shifted > INT32_MAX)).any():
        raise OverflowError("an accumulator shifted left leaves 32 bits")
    return rounding_divide_by_power_of_two(
        saturating_rounding_doubling_high_mul(shifted, multiplier), np.maximum(-shift, 0)
    )


def requantize(
    accumulator: NDArray[Any],
    multiplier: NDArray[Any] | int,
    shift: NDArray[Any] | int,
    zero_point: int = OUTPUT_ZERO_POINT,
) -> NDArray[np.int8]:
    """Return the int8 outputs of 32-bit accumulators: scaled, moved to ``zero_point``, clamped to -128..127."""
    scaled = multiply_by_quantized_multiplier(accumulator, multiplier, shift) + zero_point
    return np.clip(scaled, INT8_MIN, INT8_MAX).astype(np.int8)


def output_multipliers(terms: int, channels: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return (multipliers, shifts), shape (channels,), for accumulators of ``terms`` products of evenly drawn int8 values.

    The channels differ by up to a factor of two, as those of a network quantised by channel do.
    """
    real = OUTPUT_RMS / (UNIFORM_RMS**2 * math.sqrt(terms))
    # Rounded to single precision, in which networks store their scales.
    pairs = [quantized_multiplier(float(np.float32(real * (1.0 + (channel % 8) / 8.0)))) for channel in range(channels)]
    return (
        np.array([multiplier for multiplier, _ in pairs], np.dtype("<i4")),
        np.array([shift for _, shift in pairs], np.dtype("<i4")),
    )


def biases(terms: int, words: NDArray[np.uint32]) -> NDArray[np.int32]:
    """Return 32-bit biases as large as a typical accumulator of ``terms`` products, from random ``words``, same shape."""
    reach = round(UNIFORM_RMS**2 * math.sqrt(terms))
    return ((words.astype(np.int64) % (2 * reach + 1)) - reach).astype(np.dtype("<i4"))
