"""Golden reference of add: a + b."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.domain.workload import DType, Workload
from bench.firmware.golden.convolution import Reference
from bench.firmware.golden.elementwise import SUM, A, B, affine, binary, exact, rescaled_terms, sum_integers, wrapped
from bench.firmware.layout import KernelLayout
from bench.firmware.quantization import requantize

_INTEGERS = sum_integers(A, B, SUM)


def layout(work: Workload) -> KernelLayout:
    """Return the kernel's arguments."""
    return binary(work, integers=_INTEGERS)


def reference(work: Workload, tensors: Mapping[str, NDArray[Any]]) -> Reference:
    """Return the sum, exactly.

    fp32: numpy rounds the sum in single precision as the target's FPU does (IEEE 754). Plain int8: modulo 256. Affine int8: what TensorFlow Lite's
    ``reference_integer_ops::Add`` computes, both inputs brought to a common scale, added, requantised.
    """
    a, b = tensors["a"], tensors["b"]
    if work.dtype is DType.FP32:
        return exact(a + b)
    if not affine(work):
        return wrapped(a.astype(np.int64) + b)
    given = dict(_INTEGERS)
    first, second = rescaled_terms(a, b, given)
    return exact(requantize(first + second, given["multiplier"], given["shift"], given["output_zero_point"]))
