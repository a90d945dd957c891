"""Golden reference of relu6: min(max(x, 0), 6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.domain.workload import DType, Workload
from bench.firmware.golden.convolution import Reference
from bench.firmware.golden.elementwise import WIDE, exact, unary
from bench.firmware.layout import KernelLayout

_ZERO, _SIX = (int(q) for q in WIDE.quantize(np.array([0.0, 6.0])))
_EDGES = (0.0, -0.0, 6.0, -6.0, 5.9999995, 6.0000005, 1000.0, -1000.0, 2.0**-149, -(2.0**-149), 2.0**-126)
"""With both neighbours of six."""


def layout(work: Workload) -> KernelLayout:
    """Return the kernel's arguments; in int8 input and output share scale and zero point."""
    integers = () if work.dtype is DType.FP32 else (("lowest", _ZERO), ("highest", _SIX))
    return unary(work, integers=integers, scale=8.0, edges=_EDGES)


def reference(work: Workload, tensors: Mapping[str, NDArray[Any]]) -> Reference:
    """Return the input clipped to 0..6, exactly: nothing is rounded.

    In int8 the limits are quantised: the zero point, and the zero point + round(6 / scale), as in TensorFlow Lite's ``CalculateActivationRangeQuantized``.
    """
    return exact(np.clip(tensors["input"], *((0, 6) if work.dtype is DType.FP32 else (_ZERO, _SIX))))
