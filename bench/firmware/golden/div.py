"""Golden reference of div: a / b."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.domain.workload import DType, Workload
from bench.firmware.fixed_point import reciprocal_of_one_plus
from bench.firmware.golden.convolution import Reference
from bench.firmware.golden.elementwise import A, B, Quantization, affine, binary, exact, wrapped
from bench.firmware.layout import KernelLayout
from bench.firmware.quantization import (
    INT8_MAX,
    INT8_MIN,
    OUTPUT_ZERO_POINT,
    Integers,
    quantized_multiplier,
    rounding_divide_by_power_of_two,
    saturating_rounding_doubling_high_mul,
)

OUTPUT = Quantization(33 / 1024, OUTPUT_ZERO_POINT)
"""-4.3 .. 3.9; quotients by small numbers saturate."""
_MULTIPLIER, _SHIFT = quantized_multiplier(A.scale / (B.scale * OUTPUT.scale))

_DIVISORS = {
    DType.FP32: (1.0, -1.0, 3.0, -3.0, 0.1, 2.0**-126, -(2.0**-126), 2.0**126, -(2.0**126), 16777215.0),
    DType.INT8: (0, -128, 127, B.zero_point, B.zero_point - 1, B.zero_point + 1, -1, 1, 2, -127),
}
"""No zero in fp32; in int8 the real zero, its neighbours, and what is zero in plain arithmetic."""


def layout(work: Workload) -> KernelLayout:
    """Return the kernel's arguments; fp32 divisors are drawn in [1, 3)."""
    return binary(
        work,
        integers=(
            ("a_offset", -A.zero_point),
            ("b_offset", -B.zero_point),
            ("output_zero_point", OUTPUT.zero_point),
            ("multiplier", _MULTIPLIER),
            ("shift", _SHIFT),
        ),
        b_offset=2.0,
        b_edges=_DIVISORS,
    )


def reference(work: Workload, tensors: Mapping[str, NDArray[Any]]) -> Reference:
    """Return the quotient, exactly.

    fp32: numpy rounds the quotient in single precision as the target's FPU does (IEEE 754): also with -Ofast gcc makes a VDIV of it, since no
    divisor is used twice. Plain int8: truncated, modulo 256 (-128 / -1), and 0 where the divisor is 0, as SDIV gives it. Affine int8: see ``_quantized``.
    """
    a, b = tensors["a"], tensors["b"]
    if work.dtype is DType.FP32:
        return exact(a / b)
    a, b = a.astype(np.int64), b.astype(np.int64)
    if affine(work):
        return exact(_quantized(a - A.zero_point, b - B.zero_point))
    magnitude = np.abs(a) // np.where(b == 0, 1, np.abs(b))
    return wrapped(np.where(b == 0, 0, np.sign(a) * np.sign(b) * magnitude))


def _quantized(a: Integers, b: Integers) -> Integers:
    """Return int8 quotients of centred inputs: what TensorFlow Lite's ``reference_ops::Div`` computes for a divisor that is not zero.

    The divisor is brought between 1 and 2 by a shift, and the dividend, shifted up as far as it goes, is multiplied with its reciprocal; the product
    is requantised with all shifts made good at once. Shifts beyond 31 leave less than half a step, so 0. A divisor of zero saturates to the dividend's
    side, 0 / 0 is 0. (The original leaves both cases undefined.)
    """
    divisor = np.abs(np.where(b == 0, 1, b))
    dividend = np.where(b < 0, -a, a)
    divisor_bits = _bit_length(divisor)
    reciprocal = reciprocal_of_one_plus((divisor << (32 - divisor_bits)) - 2**31)
    headroom = 31 - _bit_length(np.where(dividend < 0, ~dividend, dividend))
    quotient = saturating_rounding_doubling_high_mul(dividend << headroom, reciprocal)
    exponent = divisor_bits - 1 + headroom - _SHIFT
    scaled = saturating_rounding_doubling_high_mul(quotient, _MULTIPLIER)
    result = np.where(exponent > 31, 0, rounding_divide_by_power_of_two(scaled, np.minimum(exponent, 31)))
    defined = np.where(b == 0, np.sign(a) * 256, result)
    output: Integers = np.clip(defined + OUTPUT.zero_point, INT8_MIN, INT8_MAX)
    return output


def _bit_length(x: Integers) -> Integers:
    """Return the number of bits of ``x`` >= 0."""
    return np.frexp(x.astype(np.float64))[1].astype(np.int64)
