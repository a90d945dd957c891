"""Golden reference of avgpool2d: the mean of every window, without padding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from bench.domain.workload import Workload
from bench.firmware.golden.convolution import Reference
from bench.firmware.golden.external import average_scratch_bytes, library_scratch
from bench.firmware.golden.pooling import mean, window_layout, windows
from bench.firmware.layout import KernelLayout


def layout(work: Workload) -> KernelLayout:
    """Return the kernel's arguments."""
    layout = window_layout(work)
    return replace(layout, tensors=layout.tensors + library_scratch(work, average_scratch_bytes(work.integer("in_c"))))


def reference(work: Workload, tensors: Mapping[str, NDArray[Any]]) -> Reference:
    """Return the mean of every window, see ``pooling.mean``."""
    return mean(work, windows(work, tensors["input"]), (-2, -1), work.integer("k") ** 2)
