"""Golden reference of batchnorm: every channel times its scale plus its offset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.domain.workload import DType, Workload
from bench.firmware import generator
from bench.firmware.golden.convolution import Reference, planar, sum_bound
from bench.firmware.layout import Element, KernelLayout, Role, Tensor
from bench.firmware.quantization import INPUT_ZERO_POINT, OUTPUT_ZERO_POINT, biases, output_multipliers, requantize


def layout(work: Workload) -> KernelLayout:
    """Return the kernel's arguments: planar (in_c, n), interleaved (n, in_c)."""
    n, in_c, element = work.integer("n"), work.integer("in_c"), Element.of(work)
    shape = (in_c, n) if planar(work) else (n, in_c)
    x, y = Tensor("input", Role.INPUT, shape, element), Tensor("output", Role.OUTPUT, shape, element)
    scale, sizes = Tensor("scale", Role.CONSTANT, (in_c,), element), (("n", n), ("in_c", in_c))
    if work.dtype is DType.FP32:
        return KernelLayout((x, scale, Tensor("bias", Role.CONSTANT, (in_c,)), y), sizes)
    contents = {
        "bias": biases(1, generator.draw(generator.CONSTANT_SEED, 3, in_c)),
        **dict(zip(("multiplier", "shift"), output_multipliers(1, in_c), strict=True)),
    }
    constants = (
        Tensor(name, Role.CONSTANT, (in_c,), Element.INT32, contents=value) for name, value in contents.items()
    )
    zero_points = (("input_offset", -INPUT_ZERO_POINT), ("output_zero_point", OUTPUT_ZERO_POINT))
    return KernelLayout((x, scale, *constants, y), (*sizes, *zero_points))


def reference(work: Workload, tensors: Mapping[str, NDArray[Any]]) -> Reference:
    """Return ``input * scale + bias`` of every channel.

    fp32: in double precision, with the bound of a product and a sum, fused or not. int8: exactly what a depthwise convolution with a 1 x 1 window
    computes, into which a network's batch normalisation is folded (TensorFlow Lite, ``reference_integer_ops::DepthwiseConvPerChannel``).
    """

    def per_channel(name: str) -> NDArray[Any]:
        return tensors[name][:, None] if planar(work) else tensors[name]

    if work.dtype is DType.FP32:
        x, scale, bias = (
            values.astype(np.float64) for values in (tensors["input"], per_channel("scale"), per_channel("bias"))
        )
        return x * scale + bias, sum_bound(np.abs(x * scale) + np.abs(bias), 2)
    shifted = tensors["input"].astype(np.int64) - INPUT_ZERO_POINT
    accumulator = shifted * per_channel("scale").astype(np.int64) + per_channel("bias").astype(np.int64)
    expected = requantize(accumulator, per_channel("multiplier"), per_channel("shift")).astype(np.float64)
    return expected, np.zeros_like(expected)
