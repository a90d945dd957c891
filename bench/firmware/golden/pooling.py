"""What the poolings share: windows without padding, and the mean."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from bench.domain.primitives.windows import output_size
from bench.domain.workload import DType, Workload
from bench.firmware.golden.convolution import UNDERFLOW_UNIT, Reference, in_memory_order, planar, sum_bound
from bench.firmware.layout import Element, KernelLayout, Role, Tensor


def window_layout(work: Workload) -> KernelLayout:
    """Return the arguments of a kernel that reduces every window of every channel to one value."""
    k, stride, in_c = work.integer("k"), work.integer("stride"), work.integer("in_c")
    in_h, in_w = work.integer("in_h"), work.integer("in_w")
    out_h, out_w = (output_size(size, k, stride, "valid") for size in (in_h, in_w))
    element = Element.of(work)
    return KernelLayout(
        tensors=(
            Tensor("input", Role.INPUT, in_memory_order(work, in_c, in_h, in_w), element),
            Tensor("output", Role.OUTPUT, in_memory_order(work, in_c, out_h, out_w), element),
        ),
        integers=(
            ("in_h", in_h),
            ("in_w", in_w),
            ("in_c", in_c),
            ("out_h", out_h),
            ("out_w", out_w),
            ("k", k),
            ("stride", stride),
        ),
    )


def windows(work: Workload, image: NDArray[Any]) -> NDArray[Any]:
    """Return the windows of ``image``, which lies as in memory: shape (out_h, out_w, k, k) with the channel where the memory order has it."""
    k, stride = work.integer("k"), work.integer("stride")
    rows, columns = (slice(None, None, stride),) * 2
    if planar(work):
        return sliding_window_view(image, (k, k), axis=(1, 2))[:, rows, columns]
    return sliding_window_view(image, (k, k), axis=(0, 1))[rows, columns]


def mean(work: Workload, values: NDArray[Any], axes: tuple[int, ...], terms: int) -> Reference:
    """Return the mean of ``terms`` values over ``axes``, and its bound.

    fp32: a sum in any order, and a division, or the product with the rounded reciprocal that -Ofast makes of it; where the mean is subnormal that
    underflows (additions never do).
    int8: the sum divided by the count, rounded to nearest, ties away from zero, as TensorFlow Lite's ``reference_integer_ops::AveragePool``
    does; input and output have one scale and one zero point, which therefore appear nowhere.
    """
    if work.dtype is DType.FP32:
        exact = values.astype(np.float64)
        magnitude: NDArray[np.float64] = np.abs(exact).mean(axis=axes)
        return exact.mean(axis=axes), sum_bound(magnitude, terms + 1) + UNDERFLOW_UNIT
    total = values.astype(np.int64).sum(axis=axes)
    away = np.where(total > 0, terms // 2, -(terms // 2))
    expected = np.trunc((total + away) / terms)  # exact: the quotient of small integers truncates as in C
    return expected, np.zeros_like(expected)
