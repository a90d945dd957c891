"""Golden reference of sigmoid: 1 / (1 + exp(-x)) from a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.domain.workload import DType, Workload
from bench.firmware.golden.convolution import Reference
from bench.firmware.golden.elementwise import WIDE, Quantization, exact, int8_table, look_up, unary
from bench.firmware.layout import Element, KernelLayout, Role, Tensor

ENTRIES, REACH = 1024, 8.0
"""Entries of the fp32 table, which covers [-REACH, REACH) in cells of equal width, 1/64."""
STEPS = ENTRIES / (2 * REACH)
"""Entries for each unit of the input, a power of two."""
OUTPUT = Quantization(1 / 256, -128)
"""Of the int8 output, as deployed runtimes demand."""

_EDGES = (0.0, -0.0, 2.0**-149, -(2.0**-149), -8.0, 8.0, -7.9999995, 7.9999995, 7.984375, 1 / 64, -1 / 64, 1e30, -1e30)
"""The table's ends from both sides, cell borders, and values far outside."""


def sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1 / (1 + exp(-x)), without overflow."""
    small = np.exp(-np.abs(x))
    return np.where(x < 0, small, 1.0) / (1.0 + small)


def _table(work: Workload) -> Tensor:
    if work.dtype is DType.INT8:
        return int8_table(sigmoid, WIDE, OUTPUT)
    middles = (np.arange(ENTRIES, dtype=np.float64) + 0.5) / STEPS - REACH
    return Tensor("table", Role.CONSTANT, (ENTRIES,), contents=sigmoid(middles).astype(Element.FLOAT.numpy))


def layout(work: Workload) -> KernelLayout:
    """Return the kernel's arguments: input, table, output."""
    integers = () if work.dtype is DType.INT8 else (("entries", ENTRIES),)
    return unary(work, _table(work), integers=integers, scale=8.0, edges=_EDGES)


def reference(work: Workload, tensors: Mapping[str, NDArray[Any]]) -> Reference:
    """Return the table's entry, exactly.

    fp32: an entry is the sigmoid of the middle of its cell, and the index is x * 64 + 512 truncated, so the nearest entry is taken; beyond
    the table's ends the first or the last. The table is within 0.00196 of the sigmoid inside (slope 1/4 at most, half a cell). The
    product is by a power of two and exact, so only the sum is rounded, fused or not, and the index is the same everywhere.
    int8: 256 entries, one for each input, as deployed runtimes do.
    """
    if work.dtype is DType.INT8:
        return look_up(tensors)
    position = tensors["input"] * np.float32(STEPS) + np.float32(ENTRIES / 2)
    return exact(tensors["table"][np.clip(position, 0, ENTRIES - 1).astype(np.int64)])
