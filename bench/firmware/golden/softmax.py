"""Golden reference of softmax: exponentials, normalised to a sum of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.domain.workload import DType, Workload
from bench.firmware import fixed_point
from bench.firmware.golden.convolution import UNDERFLOW_UNIT, UNIT_ROUNDOFF, Reference
from bench.firmware.golden.libm import EXPF_ULP
from bench.firmware.layout import Element, KernelLayout, Role, Tensor
from bench.firmware.quantization import (
    INT8_MAX,
    INT8_MIN,
    multiply_by_quantized_multiplier,
    quantized_multiplier,
    rounding_divide_by_power_of_two,
    saturating_rounding_doubling_high_mul,
)

INPUT_SCALE = 0.1
"""Of the int8 logits; beta is 1. The output has scale 1/256 and zero point -128, as deployed runtimes demand."""
DIFFERENCE_BITS = 5
"""Integer bits of a difference to the maximum."""
SUM_BITS = 12
"""Integer bits of the sum of exponentials."""

_EDGES = (0.0, -1000.0, -104.0, -103.0, -88.0, -87.0, 88.0, 87.0, -0.0, 2.0**-149, 2.0**-126, 1.0, -16.0, 16.0)
"""Against a maximum of 0 (and 88) the exponentials are 0, subnormal and small normal numbers, and without subtraction they would overflow."""


def multiplier() -> tuple[int, int]:
    """Return (multiplier, shift) that take a difference of int8 logits to ``DIFFERENCE_BITS`` integer bits (``PreprocessSoftmaxScaling``)."""
    return quantized_multiplier(INPUT_SCALE * 2 ** (31 - DIFFERENCE_BITS))


def difference_minimum() -> int:
    """Return the least difference to the maximum that still counts, a negative number: beyond it the product overflows (``CalculateInputRadius``)."""
    _, shift = multiplier()
    return -((((1 << DIFFERENCE_BITS) - 1) << (31 - DIFFERENCE_BITS)) >> shift)


def layout(work: Workload) -> KernelLayout:
    """Return the kernel's arguments."""
    n = work.integer("n")
    if work.dtype is DType.FP32:
        return KernelLayout(
            (Tensor("input", Role.INPUT, (n,), scale=8.0, edges=_EDGES), Tensor("output", Role.OUTPUT, (n,))),
            (("n", n),),
        )
    scale, shift = multiplier()
    return KernelLayout(
        (
            Tensor("input", Role.INPUT, (n,), Element.INT8),
            Tensor("output", Role.OUTPUT, (n,), Element.INT8),
        ),
        (("n", n), ("multiplier", scale), ("shift", shift), ("difference_minimum", difference_minimum())),
    )


def reference(work: Workload, tensors: Mapping[str, NDArray[Any]]) -> Reference:
    """Return ``exp(x - max) / sum``: fp32 in double precision with a derived bound, int8 exactly."""
    return _single(tensors["input"]) if work.dtype is DType.FP32 else _quantised(tensors["input"])


def _single(x: NDArray[Any]) -> Reference:
    """Return softmax and how far single precision may be off.

    With u = 2^-24, v = 2^-150 and d = x - max, to first order: rounding d makes its exponential wrong by u |d|, relatively; ``expf`` by
    ``EXPF_ULP`` ulp, at most 2 u ``EXPF_ULP`` relatively or, where the exponential is subnormal, 2 v ``EXPF_ULP``, and as much again, since it is
    rounded a second time when it is scaled down. The sum of n positive terms has their relative errors, weighted by the terms, and (n - 1) u of its
    own (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 4.2); the division adds u, or 2 u as a product with the rounded
    reciprocal, which -Ofast makes of it, and v where it underflows. The sum is at least 1, so absolute errors only shrink. For n to 4096 and
    |d| to 104, beyond which exponentials are 0, the relative errors sum to less than 2^-11: a factor of 1 + 2^-10 covers the terms of second order.
    """
    difference = x.astype(np.float64) - float(x.max())
    exponential = np.exp(difference)
    total = exponential.sum()
    expected = exponential / total
    relative = UNIT_ROUNDOFF * (np.abs(difference) + 2 * EXPF_ULP)
    step = 2 * EXPF_ULP * 2 * UNDERFLOW_UNIT
    of_sum = float(expected @ relative) + x.size * step + (x.size - 1) * UNIT_ROUNDOFF
    bound = expected * (relative + of_sum + 2 * UNIT_ROUNDOFF) * (1 + 2.0**-10) + step + UNDERFLOW_UNIT
    return expected, bound


def _quantised(x: NDArray[Any]) -> Reference:
    """Return what TensorFlow Lite's ``reference_ops::Softmax`` computes of int8 logits.

    Differences to the maximum are rescaled to ``DIFFERENCE_BITS`` integer bits; their exponentials are summed with ``SUM_BITS``; the sum is brought
    between 1 and 2 by a shift, its reciprocal multiplies the exponentials, and the shift is made good. From a sum of 512 on, the last
    shift exceeds 31 bits: no output reaches half a step then, and all are zero (the original leaves that case undefined).
    """
    difference = x.astype(np.int64) - int(x.max())
    counts = difference >= difference_minimum()
    scaled = multiply_by_quantized_multiplier(np.where(counts, difference, 0), *multiplier())
    exponential = np.where(counts, fixed_point.exp_of_negative(scaled, DIFFERENCE_BITS), 0)
    total = int(rounding_divide_by_power_of_two(exponential, SUM_BITS).sum())
    headroom = 32 - total.bit_length()
    reciprocal = fixed_point.reciprocal_of_one_plus(np.array((total << headroom) - 2**31))
    shift = SUM_BITS - headroom + 31 - 8
    product = saturating_rounding_doubling_high_mul(exponential, reciprocal)
    output = rounding_divide_by_power_of_two(product, shift) if shift <= 31 else np.zeros_like(product)
    expected = np.clip(output + INT8_MIN, INT8_MIN, INT8_MAX).astype(np.float64)
    return expected, np.zeros_like(expected)
