"""The references of the convolutions, against the definition written out in loops, and their bound against single precision.

All data types and both layouts: planar (channel, row, column), and interleaved (row, column, channel) of the dsp flavor.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bench.domain.primitives import applications, primitive, workload
from bench.domain.primitives.windows import RGB_CHANNELS
from bench.domain.workload import DType, Workload
from bench.firmware import generator
from bench.firmware.golden import golden
from bench.firmware.layout import Role
from bench.firmware.quantization import INPUT_ZERO_POINT, OUTPUT_ZERO_POINT

CONVOLUTIONS = ("conv2d", "conv2d_rgb", "depthwise_conv2d")
KERNELS = (("fp32", "naive"), ("int8", "naive"), ("int8", "dsp"))


@st.composite
def workloads(draw: st.DrawFn, kernels: tuple[tuple[str, str], ...] = KERNELS) -> Workload:
    name, (dtype, flavor) = draw(st.sampled_from(CONVOLUTIONS)), draw(st.sampled_from(kernels))
    size, channels = st.integers(1, 12), st.integers(1, 5)
    strategies: dict[str, st.SearchStrategy[int | str]] = {
        "in_h": size,
        "in_w": size,
        "in_c": channels,
        "out_c": channels,
        "stride": st.integers(1, 3),
    }
    params = {
        parameter.name: draw(
            strategies[parameter.name] if parameter.name in strategies else st.sampled_from(parameter.choices)
        )
        for parameter in primitive(name).parameters
        if dtype in parameter.dtypes
    }
    assume(int(params["k"]) <= min(int(params["in_h"]), int(params["in_w"])))
    return workload(name, params, dtype, flavor)


def rounded_half_up(numerator: int, bits: int) -> int:
    """Return ``numerator`` / 2^``bits``, rounded to nearest, halves upwards."""
    return (numerator + (1 << bits >> 1)) >> bits


def rounded_half_away(numerator: int, bits: int) -> int:
    """Return ``numerator`` / 2^``bits``, rounded to nearest, halves away from zero."""
    magnitude = rounded_half_up(abs(numerator), bits)
    return magnitude if numerator >= 0 else -magnitude


class Definition:
    """A convolution as written in a textbook, output by output and tap by tap, with explicit padding."""

    def __init__(self, work: Workload, tensors: dict[str, NDArray[Any]]) -> None:
        self.work, self.layout, self.tensors = work, golden(work.primitive).layout(work), tensors
        self.integers = dict(self.layout.integers)
        self.planar, self.depthwise = work.flavor == "naive", work.primitive == "depthwise_conv2d"
        self.in_c = RGB_CHANNELS if work.primitive == "conv2d_rgb" else work.integer("in_c")
        self.out_c = self.in_c if self.depthwise else work.integer("out_c")

    def pixel(self, c: int, y: int, x: int) -> Any:
        """The input there, its zero point taken off; zero outside the image."""
        if not (0 <= y < self.integers["in_h"] and 0 <= x < self.integers["in_w"]):
            return 0
        image = self.tensors["input"]
        value = image[c, y, x] if self.planar else image[y, x, c]
        return value if self.work.dtype is DType.FP32 else int(value) - INPUT_ZERO_POINT

    def weight(self, oc: int, ic: int, ky: int, kx: int) -> Any:
        """The weight from input channel ``ic`` to output channel ``oc``."""
        weights = self.tensors["weights"]
        if self.depthwise:
            value = weights[oc, ky, kx] if self.planar else weights[ky, kx, oc]
        else:
            value = weights[oc, ic, ky, kx] if self.planar else weights[oc, ky, kx, ic]
        return value if self.work.dtype is DType.FP32 else int(value)

    def total(self, oc: int, oy: int, ox: int) -> Any:
        """Bias and products of one output."""
        integers, bias = self.integers, self.tensors["bias"][oc]
        total = bias if self.work.dtype is DType.FP32 else int(bias)
        for ic in [oc] if self.depthwise else range(self.in_c):
            for ky, kx in np.ndindex(integers["k"], integers["k"]):
                y, x = (
                    oy * integers["stride"] - integers["pad_top"] + ky,
                    ox * integers["stride"] - integers["pad_left"] + kx,
                )
                total = total + self.pixel(ic, y, x) * self.weight(oc, ic, ky, kx)
        return total

    def scaled(self, total: int, oc: int) -> int:
        """The int8 output of a sum."""
        if self.work["scaling"] == "per_channel":
            multiplier, shift = int(self.tensors["multiplier"][oc]), int(self.tensors["shift"][oc])
        else:
            multiplier, shift = self.integers["multiplier"], self.integers["shift"]
        assert abs(total) < 2**31
        high = rounded_half_up(total * multiplier, 31)
        return min(max(rounded_half_away(high, -shift) + OUTPUT_ZERO_POINT, -128), 127)

    def outputs(self) -> NDArray[Any]:
        """All outputs, in memory order."""
        dtype = self.tensors["input"].dtype if self.work.dtype is DType.FP32 else np.dtype(np.int64)
        out: NDArray[Any] = np.zeros(self.layout.output.shape, dtype)
        for index in np.ndindex(*out.shape):
            oc, oy, ox = index if self.planar else (index[2], index[0], index[1])
            total = self.total(oc, oy, ox)
            out[index] = total if self.work.dtype is DType.FP32 else self.scaled(total, oc)
        return out


def tensors_of(work: Workload, seed: int, pattern: int = generator.PATTERN_RANDOM) -> dict[str, NDArray[Any]]:
    return generator.tensors(golden(work.primitive).layout(work), seed, pattern)


@settings(max_examples=40, deadline=None)
@given(work=workloads((("fp32", "naive"),)), seed=st.integers(0, 2**32 - 1))
def test_fp32_equals_the_definition_and_single_precision_keeps_the_bound(work: Workload, seed: int) -> None:
    tensors = tensors_of(work, seed)
    expected, bound = golden(work.primitive).reference(work, tensors)
    double = {name: tensor.astype(np.float64) for name, tensor in tensors.items()}
    np.testing.assert_allclose(expected, Definition(work, double).outputs(), rtol=0, atol=1e-12)
    single = Definition(work, tensors).outputs().astype(np.float64)
    assert (np.abs(single - expected) <= bound).all()
    assert (bound < 1e-2).all()  # a bound so wide that it accepts anything would check nothing


@settings(max_examples=60, deadline=None)
@given(
    work=workloads((("int8", "naive"), ("int8", "dsp"))),
    seed=st.integers(0, 2**32 - 1),
    pattern=st.sampled_from([generator.PATTERN_RANDOM, generator.PATTERN_EDGES, generator.PATTERN_EDGE + 1]),
)
def test_int8_equals_the_definition(work: Workload, seed: int, pattern: int) -> None:
    tensors = tensors_of(work, seed, pattern)
    expected, bound = golden(work.primitive).reference(work, tensors)
    np.testing.assert_array_equal(expected, Definition(work, tensors).outputs())
    assert (bound == 0).all()


@settings(max_examples=60, deadline=None)
@given(work=workloads())
def test_applications_count_windows(work: Workload) -> None:
    definition = Definition(work, {})
    windows = 1 if definition.depthwise else definition.in_c
    assert applications(work) == definition.layout.output.elements * windows


@settings(max_examples=60, deadline=None)
@given(work=workloads())
def test_only_dsp_kernels_have_working_memory_and_their_lines_hold_a_padded_row(work: Workload) -> None:
    definition = Definition(work, {})
    scratch = {tensor.name: tensor for tensor in definition.layout.tensors if tensor.role is Role.SCRATCH}
    if work.flavor == "naive":
        assert not scratch
        return
    integers, pitch = definition.integers, definition.integers["line_pitch"]
    channels = 1 if definition.depthwise else definition.in_c
    columns = (integers["out_w"] - 1) * integers["stride"] + integers["k"]
    assert pitch % 2 == 0
    assert pitch >= columns * channels + 5
    assert scratch["lines"].elements == integers["k"] * pitch * (definition.in_c if definition.depthwise else 1)
    assert ("wide_weights" in scratch) == (definition.depthwise or definition.in_c % 4 != 0)


@pytest.mark.parametrize("name", ["conv2d", "depthwise_conv2d"])
def test_the_largest_sum_fits_32_bits(name: str) -> None:
    """The most products that the parameters allow, all of the largest magnitude, and the largest bias."""
    largest = {parameter.name: parameter for parameter in primitive(name).parameters}
    k = max(int(choice) for choice in largest["k"].choices)
    in_c = 1 if name == "depthwise_conv2d" else largest["in_c"].maximum
    work = workload(name, {"k": k, "in_h": k, "in_w": k, "in_c": in_c}, "int8")
    bias = golden(name).layout(work).tensors[2]
    assert bias.name == "bias"
    assert bias.contents is not None
    product = (127 - INPUT_ZERO_POINT) * 128
    reach = 74**2 * round((k * k * in_c) ** 0.5)
    assert np.abs(bias.contents).max() <= reach
    assert k * k * in_c * product + reach < 2**31


@pytest.mark.parametrize(
    ("size", "k", "stride", "expected"), [(28, 5, 1, 28), (28, 5, 2, 14), (7, 3, 2, 4), (9, 9, 3, 3)]
)
def test_same_padding_gives_the_output_size_of_the_definition(size: int, k: int, stride: int, expected: int) -> None:
    work = workload("conv2d", {"k": k, "in_h": size, "in_w": size, "stride": stride, "padding": "same"})
    assert golden("conv2d").layout(work).output.shape == (1, expected, expected)
