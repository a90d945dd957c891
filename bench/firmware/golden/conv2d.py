"""Golden reference of conv2d: planar tensors, weights (out_c, in_c, k, k), one bias per output channel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from bench.domain.primitives import conv2d_output_size
from bench.domain.workload import Workload
from bench.firmware.layout import KernelLayout, Role, Tensor

UNIT_ROUNDOFF = 2.0**-24
"""Of IEEE 754 binary32, rounding to nearest."""


def padding(size: int, k: int, stride: int, mode: str) -> tuple[int, int]:
    """Return the zeros before and after: none for valid; for same so many that the output has ceil(size / stride), the odd one after."""
    if mode == "valid":
        return 0, 0
    total = max((conv2d_output_size(size, k, stride, mode) - 1) * stride + k - size, 0)
    return total // 2, total - total // 2


def layout(work: Workload) -> KernelLayout:
    """Return the kernel's arguments."""
    k, stride, mode = work.integer("k"), work.integer("stride"), str(work["padding"])
    in_h, in_w, in_c, out_c = (work.integer(name) for name in ("in_h", "in_w", "in_c", "out_c"))
    out_h, out_w = (conv2d_output_size(size, k, stride, mode) for size in (in_h, in_w))
    return KernelLayout(
        tensors=(
            Tensor("input", Role.INPUT, (in_c, in_h, in_w), work.dtype),
            Tensor("weights", Role.CONSTANT, (out_c, in_c, k, k), work.dtype),
            Tensor("bias", Role.CONSTANT, (out_c,), work.dtype),
            Tensor("output", Role.OUTPUT, (out_c, out_h, out_w), work.dtype),
        ),
        integers=(
            ("in_h", in_h),
            ("in_w", in_w),
            ("in_c", in_c),
            ("out_h", out_h),
            ("out_w", out_w),
            ("out_c", out_c),
            ("k", k),
            ("stride", stride),
            ("pad_top", padding(in_h, k, stride, mode)[0]),
            ("pad_left", padding(in_w, k, stride, mode)[0]),
        ),
    )


def reference(work: Workload, tensors: Mapping[str, NDArray[Any]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the convolution in double precision, and how far single precision may be off.

    The bound is the a-priori one of a sum of n rounded products in any order, with or without fused multiply-add,
    ``gamma_n * sum(|x| |w|)`` with ``gamma_n = n u / (1 - n u)`` (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1);
    n counts a product, an addition and the bias.
    """
    k, stride, mode = work.integer("k"), work.integer("stride"), str(work["padding"])
    image = tensors["input"].astype(np.float64)
    weights, bias = tensors["weights"].astype(np.float64), tensors["bias"].astype(np.float64)
    border = [(0, 0), *(padding(size, k, stride, mode) for size in image.shape[1:])]
    windows = sliding_window_view(np.pad(image, border), (k, k), axis=(1, 2))[:, ::stride, ::stride]
    expected = np.einsum("chwyx,ocyx->ohw", windows, weights, optimize=True) + bias[:, None, None]
    magnitude = (
        np.einsum("chwyx,ocyx->ohw", np.abs(windows), np.abs(weights), optimize=True) + np.abs(bias)[:, None, None]
    )
    n = k * k * work.integer("in_c") + 2
    return expected, magnitude * (n * UNIT_ROUNDOFF / (1 - n * UNIT_ROUNDOFF))
