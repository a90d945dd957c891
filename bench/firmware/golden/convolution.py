"""What the convolutions share: padding, windows, and the two ways a sum of products becomes an output."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from bench.domain.primitives.base import DSP, NAIVE
from bench.domain.primitives.windows import output_size
from bench.domain.workload import DType, Workload
from bench.firmware import generator
from bench.firmware.golden.external import convolution_scratch_bytes, external, library_scratch
from bench.firmware.layout import Element, KernelLayout, Role, Tensor
from bench.firmware.quantization import (
    INPUT_ZERO_POINT,
    OUTPUT_ZERO_POINT,
    biases,
    output_multipliers,
    requantize,
)

UNIT_ROUNDOFF = 2.0**-24
"""Of IEEE 754 binary32, rounding to nearest."""
UNDERFLOW_UNIT = 2.0**-150
"""Greatest error of an operation whose result is subnormal."""

Reference = tuple[NDArray[np.float64], NDArray[np.float64]]


def planar(work: Workload) -> bool:
    """Whether the tensors are (channel, row, column), else (row, column, channel)."""
    return work.flavor == NAIVE


def in_memory_order(work: Workload, channels: int, height: int, width: int) -> tuple[int, int, int]:
    """Return an image's shape as it lies in memory."""
    return (channels, height, width) if planar(work) else (height, width, channels)


def output_shape(work: Workload) -> tuple[int, int]:
    """Return (height, width) of the output."""
    k, stride, mode = work.integer("k"), work.integer("stride"), str(work["padding"])
    return (
        output_size(work.integer("in_h"), k, stride, mode),
        output_size(work.integer("in_w"), k, stride, mode),
    )


def padding(size: int, k: int, stride: int, mode: str) -> tuple[int, int]:
    """Return the zeros before and after: none for valid; for same so many that the output has ceil(size / stride), the odd one after."""
    if mode == "valid":
        return 0, 0
    total = max((output_size(size, k, stride, mode) - 1) * stride + k - size, 0)
    return total // 2, total - total // 2


def geometry(work: Workload) -> tuple[tuple[str, int], ...]:
    """Return the integers that every convolution is told."""
    k, stride, mode = work.integer("k"), work.integer("stride"), str(work["padding"])
    in_h, in_w = work.integer("in_h"), work.integer("in_w")
    out_h, out_w = output_shape(work)
    return (
        ("in_h", in_h),
        ("in_w", in_w),
        ("out_h", out_h),
        ("out_w", out_w),
        ("k", k),
        ("stride", stride),
        ("pad_top", padding(in_h, k, stride, mode)[0]),
        ("pad_left", padding(in_w, k, stride, mode)[0]),
    )


_TILE = 4
"""Neighbouring outputs that the dsp kernels sum at a time (firmware_templates/convolution_dsp.h)."""
_READ_BEHIND = 5
"""How many values behind the windows of a tile the dsp kernels may read."""


def _whole_tiles(outputs: int) -> int:
    return -(-outputs // _TILE) * _TILE


def line_pitch(work: Workload, channels: int) -> int:
    """Return the 16-bit values from one line of the dsp kernels' ring to the next, even: a padded row of ``channels``, as long as whole tiles reach."""
    k, stride = work.integer("k"), work.integer("stride")
    columns = (_whole_tiles(output_shape(work)[1]) - 1) * stride + k
    return (columns * channels + _READ_BEHIND + 1) // 2 * 2


def scratch(work: Workload, lines: tuple[int, ...], weights: tuple[int, ...]) -> tuple[Tensor, ...]:
    """Return the working memory of a dsp kernel, none for other flavors: its ring of ``lines``, the sums of a row, and weights of 16 bits.

    ``weights`` is their shape, rows of an even length last; empty where the kernel widens them on the way, and then sums two channels at a time.
    """
    if work.flavor != DSP:
        return ()
    wide = (Tensor("wide_weights", Role.SCRATCH, weights, Element.INT16),) if weights else ()
    sums = (1 if wide else 2, _whole_tiles(output_shape(work)[1]))
    return (
        Tensor("lines", Role.SCRATCH, lines, Element.INT16),
        Tensor("sums", Role.SCRATCH, sums, Element.INT32),
        *wide,
    )


def scratch_integers(work: Workload, channels: int) -> tuple[tuple[str, int], ...]:
    """Return what a dsp kernel is told of its ring, whose lines hold ``channels``."""
    return (("line_pitch", line_pitch(work, channels)),) if work.flavor == DSP else ()


def windows(work: Workload, image: NDArray[Any]) -> NDArray[Any]:
    """Return the windows of ``image`` (channel, row, column), zeros around it: shape (channel, out_h, out_w, k, k)."""
    k, stride, mode = work.integer("k"), work.integer("stride"), str(work["padding"])
    border = [(0, 0), *(padding(size, k, stride, mode) for size in image.shape[1:])]
    return sliding_window_view(np.pad(image, border), (k, k), axis=(1, 2))[:, ::stride, ::stride]


def scaling(work: Workload, channels: int, terms: int, stream: int) -> tuple[Tensor, ...]:
    """Return the constants by which sums of ``terms`` products become outputs of ``channels``: the bias, in int8 also the multipliers.

    ``stream`` draws the biases. With one multiplier for all channels there are no such tensors, see ``scaling_integers``; a library gets them all the
    same, each channel's alike, because that is how it is told.
    """
    if work.dtype is DType.FP32:
        return (Tensor("bias", Role.CONSTANT, (channels,)),)
    words = generator.draw(generator.CONSTANT_SEED, stream, channels)
    bias = Tensor("bias", Role.CONSTANT, (channels,), Element.INT32, contents=biases(terms, words))
    if work["scaling"] == "per_tensor":
        if not external(work):
            return (bias,)
        multipliers, shifts = (np.repeat(values, channels) for values in output_multipliers(terms, 1))
    else:
        multipliers, shifts = output_multipliers(terms, channels)
    return (
        bias,
        Tensor("multiplier", Role.CONSTANT, (channels,), Element.INT32, contents=multipliers),
        Tensor("shift", Role.CONSTANT, (channels,), Element.INT32, contents=shifts),
    )


def scaling_integers(work: Workload, terms: int) -> tuple[tuple[str, int], ...]:
    """Return what an int8 kernel is told besides: ``input_offset`` is the negated zero point, as deployed kernels want it."""
    if work.dtype is DType.FP32:
        return ()
    common = (("input_offset", -INPUT_ZERO_POINT), ("output_zero_point", OUTPUT_ZERO_POINT))
    if work["scaling"] == "per_channel" or external(work):
        return common
    (multiplier,), (shift,) = output_multipliers(terms, 1)
    return (*common, ("multiplier", int(multiplier)), ("shift", int(shift)))


def rescale(
    work: Workload, accumulator: NDArray[np.int64], tensors: Mapping[str, NDArray[Any]], terms: int
) -> Reference:
    """Return the int8 output of 32-bit sums (channel, ...), bias not yet added, and its bound, zero."""
    per_channel = (-1,) + (1,) * (accumulator.ndim - 1)
    total = accumulator + tensors["bias"].astype(np.int64).reshape(per_channel)
    if work["scaling"] == "per_channel":
        multiplier, shift = (tensors[name].reshape(per_channel) for name in ("multiplier", "shift"))
    else:
        multiplier, shift = output_multipliers(terms, 1)
    expected = requantize(total, multiplier, shift).astype(np.float64)
    return expected, np.zeros_like(expected)


def dense_layout(work: Workload, in_c: int) -> KernelLayout:
    """Return the arguments of a convolution of ``in_c`` input channels into every output channel.

    Weights are (out_c, in_c, k, k) planar, (out_c, k, k, in_c) interleaved. The dsp kernel keeps k lines of padded rows; unless four weights always
    meet four values of one pixel it also keeps the weights in 16 bits, every row of a window of even length.
    """
    k, out_c = work.integer("k"), work.integer("out_c")
    element, terms = Element.of(work), k * k * in_c
    image = in_memory_order(work, in_c, work.integer("in_h"), work.integer("in_w"))
    weights = (out_c, in_c, k, k) if planar(work) else (out_c, k, k, in_c)
    wide = () if in_c % 4 == 0 else (out_c, k, (k * in_c + 1) // 2 * 2)
    channels = (("in_c", in_c),) if "in_c" in dict(work.params) else ()
    return KernelLayout(
        tensors=(
            Tensor("input", Role.INPUT, image, element),
            Tensor("weights", Role.CONSTANT, weights, element),
            *scaling(work, out_c, terms, stream=3),
            Tensor("output", Role.OUTPUT, in_memory_order(work, out_c, *output_shape(work)), element),
            *scratch(work, (k, line_pitch(work, in_c)), wide),
            *library_scratch(work, convolution_scratch_bytes(k, in_c)),
        ),
        integers=(
            *geometry(work),
            *channels,
            ("out_c", out_c),
            *scaling_integers(work, terms),
            *scratch_integers(work, in_c),
        ),
    )


def dense_reference(work: Workload, tensors: Mapping[str, NDArray[Any]]) -> Reference:
    """Return the convolution of ``dense_layout``: in fp32 in double precision with the bound of a sum in single precision, in int8 exactly."""
    image, weights = tensors["input"], tensors["weights"]
    if not planar(work):
        image, weights = image.transpose(2, 0, 1), weights.transpose(0, 3, 1, 2)
    return convolve(work, image, weights, tensors, "chwyx,ocyx->ohw")


def convolve(
    work: Workload, image: NDArray[Any], weights: NDArray[Any], tensors: Mapping[str, NDArray[Any]], subscripts: str
) -> Reference:
    """Return a convolution of the planar ``image`` with the planar ``weights``; the ``subscripts`` of einsum say what is summed over windows.

    fp32: in double precision, with the bound of a sum in single precision. int8: what the reference kernels of TensorFlow Lite compute
    (kernels/internal/reference/integer_ops/conv.h and depthwise_conv.h): sum of (input - zero point) times weight in 32 bits, plus bias,
    times the channel's multiplier with two roundings, plus the output's zero point, clamped. A product is at most 130 x 128 = 16640 in magnitude
    at the workloads' zero point of -3, so the largest sum, of 9 x 9 x 1024 products, stays below 1.39e9 with its bias: 32 bits suffice.
    """
    terms = weights[0].size
    if work.dtype is DType.FP32:
        patches, weights = windows(work, image.astype(np.float64)), weights.astype(np.float64)
        bias = tensors["bias"].astype(np.float64)[:, None, None]
        expected = np.einsum(subscripts, patches, weights, optimize=True) + bias
        magnitude = np.einsum(subscripts, np.abs(patches), np.abs(weights), optimize=True) + np.abs(bias)
        return expected, sum_bound(magnitude, terms + 2)
    patches = windows(work, image.astype(np.int64) - INPUT_ZERO_POINT)
    total = np.einsum(subscripts, patches, weights.astype(np.int64), optimize=True)
    expected, bound = rescale(work, total, tensors, terms)
    return (expected, bound) if planar(work) else (expected.transpose(1, 2, 0), bound.transpose(1, 2, 0))


def sum_bound(magnitude: NDArray[np.float64], terms: int) -> NDArray[np.float64]:
    """Return how far a single-precision sum of ``terms`` rounded products may be off, in any order, with or without fused multiply-add.

    ``gamma_n * magnitude`` with ``gamma_n = n u / (1 - n u)``, where ``magnitude`` is the sum of the products' magnitudes
    (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 3.1), and for underflow half a subnormal step a term (section 2.2).
    """
    gamma = terms * UNIT_ROUNDOFF / (1 - terms * UNIT_ROUNDOFF)
    return magnitude * gamma + terms * UNDERFLOW_UNIT
