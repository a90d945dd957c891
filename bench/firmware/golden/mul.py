"""Golden reference of mul: a b."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.domain.workload import DType, Workload
from bench.firmware.golden.convolution import Reference
from bench.firmware.golden.elementwise import A, B, Quantization, affine, binary, exact, wrapped
from bench.firmware.layout import KernelLayout
from bench.firmware.quantization import OUTPUT_ZERO_POINT, quantized_multiplier, requantize

OUTPUT = Quantization(205 / 1024, OUTPUT_ZERO_POINT)
"""Evenly drawn inputs use its whole range, the largest products saturate."""

_MULTIPLIER, _SHIFT = quantized_multiplier(A.scale * B.scale / OUTPUT.scale)


def layout(work: Workload) -> KernelLayout:
    """Return the kernel's arguments."""
    return binary(
        work,
        integers=(
            ("a_offset", -A.zero_point),
            ("b_offset", -B.zero_point),
            ("output_zero_point", OUTPUT.zero_point),
            ("multiplier", _MULTIPLIER),
            ("shift", _SHIFT),
        ),
    )


def reference(work: Workload, tensors: Mapping[str, NDArray[Any]]) -> Reference:
    """Return the product, exactly.

    fp32: numpy rounds the product in single precision as the target's FPU does (IEEE 754). Plain int8: modulo 256. Affine int8: what TensorFlow Lite's
    ``reference_integer_ops::Mul`` computes, the product of the centred inputs, requantised.
    """
    a, b = tensors["a"], tensors["b"]
    if work.dtype is DType.FP32:
        return exact(a * b)
    if not affine(work):
        return wrapped(a.astype(np.int64) * b)
    product = (a.astype(np.int64) - A.zero_point) * (b.astype(np.int64) - B.zero_point)
    return exact(requantize(product, _MULTIPLIER, _SHIFT, OUTPUT.zero_point))
