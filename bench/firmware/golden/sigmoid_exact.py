"""Golden reference of sigmoid_exact: 1 / (1 + exp(-x)), computed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.domain.workload import DType, Workload
from bench.firmware import fixed_point
from bench.firmware.golden.convolution import UNDERFLOW_UNIT, UNIT_ROUNDOFF, Reference
from bench.firmware.golden.elementwise import WIDE, exact, unary
from bench.firmware.golden.libm import EXPF_ULP
from bench.firmware.golden.sigmoid import OUTPUT, sigmoid
from bench.firmware.layout import KernelLayout
from bench.firmware.quantization import (
    INT8_MAX,
    INT8_MIN,
    multiply_by_quantized_multiplier,
    quantized_multiplier,
    rounding_divide_by_power_of_two,
)

INTEGER_BITS = 4
"""Of the int8 input once it is rescaled; the result has none."""
OUTPUT_BITS = 8
"""Fraction bits that are kept, for a scale of 1/256."""
FLOAT_MAX = float(np.finfo(np.float32).max)

_EDGES = (
    0.0,
    -0.0,
    2.0**-149,
    -(2.0**-126),
    8.0,
    -8.0,
    -17.0,
    17.0,
    -87.25,
    -88.0,
    -88.5,
    -88.75,
    -89.0,
    -104.0,
    89.0,
    104.0,
    -1000.0,
    1000.0,
)
"""With inputs whose exponential overflows, or makes the quotient subnormal or 1."""


def _input_range_radius(shift: int) -> int:
    """Return the distance from zero at which the rescaled input would leave its integer bits (``CalculateInputRadius``)."""
    return math.floor(math.ldexp(2**INTEGER_BITS - 1, 31 - INTEGER_BITS - shift))


def layout(work: Workload) -> KernelLayout:
    """Return the kernel's arguments."""
    if work.dtype is DType.FP32:
        return unary(work, scale=8.0, edges=_EDGES)
    multiplier, shift = quantized_multiplier(WIDE.scale * 2 ** (31 - INTEGER_BITS))
    return unary(
        work,
        integers=(
            ("input_offset", -WIDE.zero_point),
            ("input_range_radius", _input_range_radius(shift)),
            ("multiplier", multiplier),
            ("shift", shift),
        ),
    )


def reference(work: Workload, tensors: Mapping[str, NDArray[Any]]) -> Reference:
    """Return the sigmoid: fp32 in double precision with a derived bound, int8 exactly."""
    return _single(tensors["input"]) if work.dtype is DType.FP32 else _quantized(work, tensors["input"])


def _single(x: NDArray[Any]) -> Reference:
    """Return s = sigmoid(x) and how far 1 / (1 + expf(-x)) may be off.

    With u = 2^-24: ``expf`` is wrong by ``EXPF_ULP`` ulp, relatively 2 u ``EXPF_ULP`` at most, of which the sum inherits the part exp(-x) / (1 + exp(-x)) =
    1 - s; the sum and the quotient add u each. So the relative error is 2 u (1 + (1 - s) ``EXPF_ULP``), that is at most 4 u, times 1 + 2^-20 for the terms of
    higher order; with newlib 3.3 on a Cortex-M4 it stays below 2 u over all 2^24 inputs that are drawn. A quotient that underflows adds half a subnormal step. Where the exponential overflows the quotient is 0, wrong by s < 2^-127.
    """
    expected = sigmoid(x.astype(np.float64))
    relative = 2 * UNIT_ROUNDOFF * (1 + (1 - expected) * EXPF_ULP) * (1 + 2.0**-20)
    overflows = x.astype(np.float64) < -math.log(FLOAT_MAX) * (1 - 2.0**-23)
    bound = expected * relative + UNDERFLOW_UNIT
    return expected, np.where(overflows, np.maximum(bound, expected), bound)


def _quantized(work: Workload, x: NDArray[Any]) -> Reference:
    """Return what TensorFlow Lite's ``reference_integer_ops::Logistic`` computes: the input rescaled to ``INTEGER_BITS``, the logistic function in fixed
    point, rounded to ``OUTPUT_BITS``. Inputs beyond the radius give the end of the output's range.
    """
    given = dict(layout(work).integers)
    centred, radius = x.astype(np.int64) + given["input_offset"], given["input_range_radius"]
    inside = np.clip(centred, 1 - radius, radius - 1)
    rescaled = multiply_by_quantized_multiplier(inside, given["multiplier"], given["shift"])
    fraction = rounding_divide_by_power_of_two(fixed_point.logistic(rescaled, INTEGER_BITS), 31 - OUTPUT_BITS)
    output = np.minimum(fraction + OUTPUT.zero_point, INT8_MAX)
    return exact(np.where(centred <= -radius, INT8_MIN, np.where(centred >= radius, INT8_MAX, output)))
