"""Golden reference of hard_swish: x min(max(x + 3, 0), 6) / 6."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.domain.workload import DType, Workload
from bench.firmware.golden.convolution import UNDERFLOW_UNIT, UNIT_ROUNDOFF, Reference
from bench.firmware.golden.elementwise import WIDE, Quantization, exact, unary
from bench.firmware.layout import KernelLayout
from bench.firmware.quantization import (
    INT8_MAX,
    INT8_MIN,
    Integers,
    quantized_multiplier,
    rounding_divide_by_power_of_two,
)

OUTPUT = Quantization(17 / 512, -117)
"""-0.37 .. 8.1; the least value of the function is -3/8."""
INT16_MIN, INT16_MAX = -(2**15), 2**15 - 1
HIGH_RESOLUTION_BITS = 7
"""Bits by which the centred input is shifted up, which still fits 16 bits."""

_EDGES = (
    0.0,
    -0.0,
    3.0,
    -3.0,
    2.9999998,
    -2.9999998,
    -3.0000002,
    -1.5,
    2.0**-149,
    -(2.0**-149),
    2.0**-126,
    -1000.0,
    1000.0,
)
"""Both knees from both sides, the minimum, and subnormal numbers."""


def layout(work: Workload) -> KernelLayout:
    """Return the kernel's arguments."""
    if work.dtype is DType.FP32:
        return unary(work, scale=8.0, edges=_EDGES)
    # In single precision, as TensorFlow Lite's HardSwishPrepare.
    high_resolution = np.float32(WIDE.scale) / np.float32(2**HIGH_RESOLUTION_BITS)
    output_multiplier, output_exponent = _multiplier16(float(high_resolution / np.float32(OUTPUT.scale)))
    relu_multiplier, relu_exponent = _multiplier16(float(high_resolution / np.float32(3 / 2**15)))
    return unary(
        work,
        integers=(
            ("input_offset", -WIDE.zero_point),
            ("output_zero_point", OUTPUT.zero_point),
            ("relu_multiplier", relu_multiplier),
            ("relu_exponent", relu_exponent),
            ("output_multiplier", output_multiplier),
            ("output_exponent", output_exponent),
        ),
    )


def reference(work: Workload, tensors: Mapping[str, NDArray[Any]]) -> Reference:
    """Return the hard swish: fp32 in double precision with a derived bound, int8 exactly.

    fp32, with u = 2^-24: the sum x + 3, the product and the quotient are wrong by u each; with -Ofast the quotient becomes a product with the
    rounded 1/6, and the products may change places: 4 u, plus terms of higher order. A subnormal product adds half a subnormal step, up to six
    times if it is made first, and so does the last operation.
    """
    if work.dtype is DType.INT8:
        return _quantized(work, tensors["input"])
    x = tensors["input"].astype(np.float64)
    expected = x * np.clip(x + 3, 0, 6) / 6
    return expected, np.abs(expected) * (4 * UNIT_ROUNDOFF * (1 + 2.0**-20)) + 7 * UNDERFLOW_UNIT


def _multiplier16(real: float) -> tuple[int, int]:
    """Return (multiplier, exponent) with ``real`` = multiplier / 2^15 * 2^exponent about: the 32-bit multiplier's upper half, rounded."""
    multiplier, exponent = quantized_multiplier(real)
    return min((multiplier + 2**15) >> 16, INT16_MAX), exponent


def _quantized(work: Workload, x: NDArray[Any]) -> Reference:
    """Return what TensorFlow Lite's ``reference_ops::HardSwish`` computes, in 16 bits.

    The input is brought to high resolution; from there once towards the output's scale, and once to where 2^15 stands for 3, saturating: a
    clipped x / 3, moved from -1..1 to 0..1, which is min(max(x + 3, 0), 6) / 6. Their product, truncated, is shifted down to the output's scale.
    """
    given = dict(layout(work).integers)
    centred = (x.astype(np.int64) + given["input_offset"]) << HIGH_RESOLUTION_BITS
    value = _rounding_doubling_high_mul16(centred, given["output_multiplier"])
    exponent = given["relu_exponent"]
    clipped = _saturating_shift_left16(centred, exponent - 1) if exponent > 0 else centred
    clipped = _rounding_doubling_high_mul16(clipped, given["relu_multiplier"])
    clipped = _saturating_shift_left16(clipped, 1) if exponent > 0 else clipped
    clipped = rounding_divide_by_power_of_two(clipped, max(-exponent, 0))
    product = ((clipped + 2**15) >> 1) * value
    high = np.where(product >= 0, product >> 15, -((-product) >> 15))  # C's division truncates
    output = rounding_divide_by_power_of_two(high, -given["output_exponent"]) + given["output_zero_point"]
    return exact(np.clip(output, INT8_MIN, INT8_MAX))


def _saturating_shift_left16(x: Integers, exponent: int) -> Integers:
    shifted: Integers = np.clip(x << exponent, INT16_MIN, INT16_MAX)
    return shifted


def _rounding_doubling_high_mul16(x: Integers, multiplier: int) -> Integers:
    """Return the upper 16 bits of 2 x multiplier, rounded to nearest, ties upwards; no multiplier is negative, so it never overflows."""
    return (x * multiplier + 2**14) >> 15
