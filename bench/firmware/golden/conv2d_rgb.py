"""Golden reference of conv2d_rgb: conv2d over three channels. Planar: weights (out_c, 3, k, k); interleaved: (out_c, k, k, 3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from bench.domain.primitives.windows import RGB_CHANNELS
from bench.domain.workload import Workload
from bench.firmware.golden.convolution import Reference, dense_layout, dense_reference
from bench.firmware.layout import KernelLayout


def layout(work: Workload) -> KernelLayout:
    """Return the kernel's arguments."""
    return dense_layout(work, RGB_CHANNELS)


def reference(work: Workload, tensors: Mapping[str, NDArray[Any]]) -> Reference:
    """Return the output (channel, row, column), interleaved (row, column, channel), and its bound: that of a single-precision sum, in int8 zero."""
    return dense_reference(work, tensors)
