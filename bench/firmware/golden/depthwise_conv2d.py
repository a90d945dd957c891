"""Golden reference of depthwise_conv2d, one window of weights for each channel. Planar: weights (in_c, k, k); interleaved: (k, k, in_c)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from bench.domain.workload import Workload
from bench.firmware.golden.convolution import (
    Reference,
    convolve,
    geometry,
    in_memory_order,
    line_pitch,
    output_shape,
    planar,
    scaling,
    scaling_integers,
    scratch,
    scratch_integers,
)
from bench.firmware.golden.external import depthwise_scratch_bytes, library_scratch
from bench.firmware.layout import Element, KernelLayout, Role, Tensor


def layout(work: Workload) -> KernelLayout:
    """Return the kernel's arguments. The dsp kernel keeps k lines of every channel, and the weights in 16 bits, rows of even length."""
    k, in_c = work.integer("k"), work.integer("in_c")
    element, terms = Element.of(work), k * k
    return KernelLayout(
        tensors=(
            Tensor(
                "input", Role.INPUT, in_memory_order(work, in_c, work.integer("in_h"), work.integer("in_w")), element
            ),
            Tensor("weights", Role.CONSTANT, (in_c, k, k) if planar(work) else (k, k, in_c), element),
            *scaling(work, in_c, terms, stream=3),
            Tensor("output", Role.OUTPUT, in_memory_order(work, in_c, *output_shape(work)), element),
            *scratch(work, (k, in_c, line_pitch(work, 1)), (in_c, k, (k + 1) // 2 * 2)),
            *library_scratch(work, depthwise_scratch_bytes(k, in_c)),
        ),
        integers=(*geometry(work), ("in_c", in_c), *scaling_integers(work, terms), *scratch_integers(work, 1)),
    )


def reference(work: Workload, tensors: Mapping[str, NDArray[Any]]) -> Reference:
    """Return the output (channel, row, column), interleaved (row, column, channel), and its bound: that of a single-precision sum, in int8 zero."""
    image, weights = tensors["input"], tensors["weights"]
    if not planar(work):
        image, weights = image.transpose(2, 0, 1), weights.transpose(2, 0, 1)
    return convolve(work, image, weights, tensors, "chwyx,cyx->chw")
