"""Golden reference of relu: max(x, 0)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.domain.workload import DType, Workload
from bench.firmware.golden.convolution import Reference
from bench.firmware.golden.elementwise import WIDE, exact, unary
from bench.firmware.layout import KernelLayout


def layout(work: Workload) -> KernelLayout:
    """Return the kernel's arguments; in int8 input and output share scale and zero point."""
    integers = () if work.dtype is DType.FP32 else (("zero_point", WIDE.zero_point),)
    return unary(work, integers=integers, scale=8.0)


def reference(work: Workload, tensors: Mapping[str, NDArray[Any]]) -> Reference:
    """Return the greater of input and zero, exactly: nothing is rounded. In int8 zero is the zero point.

    That is TensorFlow Lite's ``reference_ops::ReluX`` where input and output have one scale, as they have in a network: its multiplier is 1 then.
    """
    return exact(np.maximum(tensors["input"], 0 if work.dtype is DType.FP32 else WIDE.zero_point))
