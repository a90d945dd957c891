"""Golden reference of residual_add: the sum of two activations, in int8 of different scales."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.domain.workload import DType, Workload
from bench.firmware.golden.convolution import Reference, planar
from bench.firmware.golden.elementwise import SUM, A, B, exact, rescaled_terms, sum_integers
from bench.firmware.layout import Element, KernelLayout, Role, Tensor
from bench.firmware.quantization import requantize

_INTEGERS = sum_integers(A, B, SUM)
_PREFIXES = {"a": "input", "b": "other"}


def _argument(name: str) -> str:
    """Return what the kernel calls the integer ``name`` of a sum of a and b."""
    prefix, _, rest = name.partition("_")
    return f"{_PREFIXES[prefix]}_{rest}" if prefix in _PREFIXES else name


def layout(work: Workload) -> KernelLayout:
    """Return the kernel's arguments: planar (in_c, n), interleaved (n, in_c)."""
    n, in_c, element = work.integer("n"), work.integer("in_c"), Element.of(work)
    shape = (in_c, n) if planar(work) else (n, in_c)
    integers = _INTEGERS if work.dtype is DType.INT8 else ()
    return KernelLayout(
        (
            Tensor("input", Role.INPUT, shape, element),
            Tensor("other", Role.INPUT, shape, element),
            Tensor("output", Role.OUTPUT, shape, element),
        ),
        (("n", n), ("in_c", in_c), *((_argument(name), value) for name, value in integers)),
    )


def reference(work: Workload, tensors: Mapping[str, NDArray[Any]]) -> Reference:
    """Return ``input + other``, exactly.

    fp32: numpy rounds the sum in single precision as the target's FPU does (IEEE 754). int8: what TensorFlow Lite's
    ``reference_integer_ops::Add`` computes, both inputs shifted up and taken to a common scale, added, requantised.
    """
    if work.dtype is DType.FP32:
        return exact(np.add(tensors["input"], tensors["other"], dtype=np.float32))
    given = dict(_INTEGERS)
    first, second = rescaled_terms(tensors["input"], tensors["other"], given)
    return exact(requantize(first + second, given["multiplier"], given["shift"], given["output_zero_point"]))
