"""Golden reference of maxpool2d: the greatest value of every window, without padding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.domain.workload import Workload
from bench.firmware.golden.convolution import Reference
from bench.firmware.golden.pooling import window_layout, windows
from bench.firmware.layout import KernelLayout


def layout(work: Workload) -> KernelLayout:
    """Return the kernel's arguments."""
    return window_layout(work)


def reference(work: Workload, tensors: Mapping[str, NDArray[Any]]) -> Reference:
    """Return the maxima; nothing is rounded, so the bound is zero in either data type (which of two zeros wins does not matter)."""
    expected = windows(work, tensors["input"]).max(axis=(-2, -1)).astype(np.float64)
    return expected, np.zeros_like(expected)
