"""Golden reference of global_avgpool2d: the mean of every channel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from bench.domain.workload import Workload
from bench.firmware.golden.convolution import Reference, in_memory_order, planar
from bench.firmware.golden.pooling import mean
from bench.firmware.layout import Element, KernelLayout, Role, Tensor


def layout(work: Workload) -> KernelLayout:
    """Return the kernel's arguments."""
    in_h, in_w, in_c = work.integer("in_h"), work.integer("in_w"), work.integer("in_c")
    element = Element.of(work)
    return KernelLayout(
        tensors=(
            Tensor("input", Role.INPUT, in_memory_order(work, in_c, in_h, in_w), element),
            Tensor("output", Role.OUTPUT, (in_c,), element),
        ),
        integers=(("in_h", in_h), ("in_w", in_w), ("in_c", in_c)),
    )


def reference(work: Workload, tensors: Mapping[str, NDArray[Any]]) -> Reference:
    """Return the mean of every channel, see ``pooling.mean``."""
    axes = (1, 2) if planar(work) else (0, 1)
    return mean(work, tensors["input"], axes, work.integer("in_h") * work.integer("in_w"))
