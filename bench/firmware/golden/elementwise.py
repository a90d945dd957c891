"""What the primitives over single elements share: layouts of one and two inputs, int8 tables, and sums of quantised activations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.domain.workload import DType, Workload
from bench.firmware.golden.convolution import Reference
from bench.firmware.layout import Element, KernelLayout, Role, Tensor
from bench.firmware.quantization import (
    INPUT_ZERO_POINT,
    INT8_MAX,
    INT8_MIN,
    OUTPUT_ZERO_POINT,
    Integers,
    multiply_by_quantized_multiplier,
    quantized_multiplier,
)

Named = tuple[tuple[str, int], ...]
"""Integers that a kernel is told."""


@dataclass(frozen=True, slots=True)
class Quantization:
    """How an int8 activation stands for reals: ``scale * (q - zero_point)``. The scale is a single-precision number, as networks store it."""

    scale: float
    zero_point: int

    def __post_init__(self) -> None:
        if not (self.scale > 0 and float(np.float32(self.scale)) == self.scale):
            raise ValueError(f"a scale is a positive number of single precision, got {self.scale!r}")
        if not INT8_MIN <= self.zero_point <= INT8_MAX:
            raise ValueError(f"a zero point is an int8, got {self.zero_point}")

    def dequantize(self, q: NDArray[Any]) -> NDArray[np.float64]:
        """Return the reals that ``q`` stands for."""
        return self.scale * (q.astype(np.float64) - self.zero_point)

    def quantize(self, real: NDArray[np.float64]) -> NDArray[np.int8]:
        """Return the nearest int8 of ``real``, ties away from zero (C's ``round``), saturated."""
        scaled = real / self.scale
        rounded = np.trunc(scaled + np.copysign(0.5, scaled)) + self.zero_point
        quantized: NDArray[np.int8] = np.clip(rounded, INT8_MIN, INT8_MAX).astype(np.int8)
        return quantized


WIDE = Quantization(65 / 1024, INPUT_ZERO_POINT)
"""-7.9 .. 8.3, of inputs that saturate a sigmoid or a clipped rectifier."""
NARROW = Quantization(33 / 1024, INPUT_ZERO_POINT)
"""-4.0 .. 4.2, of inputs of tanh and exp."""
A = Quantization(51 / 1024, INPUT_ZERO_POINT)
B = Quantization(31 / 1024, 11)
"""The two inputs of the operations: of different scales and zero points on purpose."""
SUM = Quantization(61 / 1024, OUTPUT_ZERO_POINT)
"""Of sums and differences of A and B: the whole range is used, some values saturate."""

SUM_LEFT_SHIFT = 20
"""Bits by which 8-bit inputs are shifted up before they are rescaled, so that nothing is lost (TensorFlow Lite's ADD and SUB)."""


def unary(
    work: Workload,
    *constants: Tensor,
    integers: Named = (),
    scale: float = 1.0,
    edges: tuple[float, ...] = (),
) -> KernelLayout:
    """Return the arguments of a kernel of one input: ``input``, ``constants``, ``output``, ``n`` and ``integers``.

    ``scale`` and ``edges`` are those of fp32 inputs.
    """
    n, element = work.integer("n"), Element.of(work)
    real = work.dtype is DType.FP32
    return KernelLayout(
        (
            Tensor("input", Role.INPUT, (n,), element, scale if real else 1.0, edges=edges if real else ()),
            *constants,
            Tensor("output", Role.OUTPUT, (n,), element),
        ),
        (("n", n), *integers),
    )


def binary(
    work: Workload,
    *,
    integers: Named = (),
    b_offset: float = 0.0,
    b_edges: Mapping[DType, tuple[float, ...]] | None = None,
) -> KernelLayout:
    """Return the arguments of a kernel of two inputs: ``a``, ``b``, ``output``, ``n``, and where it is affine ``integers``.

    ``b_offset`` is added to fp32 values of ``b``, ``b_edges`` are its edge values by data type.
    """
    n, element = work.integer("n"), Element.of(work)
    offset = b_offset if work.dtype is DType.FP32 else 0.0
    return KernelLayout(
        (
            Tensor("a", Role.INPUT, (n,), element),
            Tensor("b", Role.INPUT, (n,), element, offset=offset, edges=(b_edges or {}).get(work.dtype, ())),
            Tensor("output", Role.OUTPUT, (n,), element),
        ),
        (("n", n), *(integers if affine(work) else ())),
    )


def affine(work: Workload) -> bool:
    """Whether ``work`` computes on int8 with scales and zero points."""
    return work.dtype is DType.INT8 and dict(work.params).get("arithmetic") != "plain"


def exact(values: NDArray[Any]) -> Reference:
    """Return ``values`` as what must come out to the bit."""
    expected = values.astype(np.float64)
    return expected, np.zeros_like(expected)


def wrapped(values: NDArray[np.int64]) -> Reference:
    """Return ``values`` modulo 256 as int8: what plain C leaves of an ``int`` that is stored into an ``int8_t``."""
    return exact(values.astype(np.int8))


def int8_table(
    function: Callable[[NDArray[np.float64]], NDArray[np.float64]], given: Quantization, result: Quantization
) -> Tensor:
    """Return the constant ``table``, shape (256,): entry 128 + q is ``function`` of input q, quantised.

    As TensorFlow Lite fills its tables for int8 activations (``LUTPopulate``), save that the function is evaluated in double precision.
    """
    inputs = np.arange(INT8_MIN, INT8_MAX + 1)
    contents = result.quantize(function(given.dequantize(inputs)))
    return Tensor("table", Role.CONSTANT, contents.shape, Element.INT8, contents=contents)


def look_up(tensors: Mapping[str, NDArray[Any]]) -> Reference:
    """Return the int8 table entries of the input."""
    return exact(tensors["table"][tensors["input"].astype(np.int64) - INT8_MIN])


def sum_integers(a: Quantization, b: Quantization, output: Quantization) -> Named:
    """Return what an int8 kernel needs to know to add or subtract: as TensorFlow Lite's ADD and SUB prepare it (``PrepareGeneralAddOp``).

    Both inputs are shifted up by ``SUM_LEFT_SHIFT`` bits and brought to twice the greater scale, so that the sum cannot overflow.
    """
    common = 2 * max(a.scale, b.scale)
    a_multiplier, a_shift = quantized_multiplier(a.scale / common)
    b_multiplier, b_shift = quantized_multiplier(b.scale / common)
    multiplier, shift = quantized_multiplier(common / (2**SUM_LEFT_SHIFT * output.scale))
    return (
        ("a_offset", -a.zero_point),
        ("b_offset", -b.zero_point),
        ("output_zero_point", output.zero_point),
        ("left_shift", SUM_LEFT_SHIFT),
        ("a_multiplier", a_multiplier),
        ("a_shift", a_shift),
        ("b_multiplier", b_multiplier),
        ("b_shift", b_shift),
        ("multiplier", multiplier),
        ("shift", shift),
    )


def rescaled_terms(a: NDArray[Any], b: NDArray[Any], integers: Mapping[str, int]) -> tuple[Integers, Integers]:
    """Return the two int8 inputs of a sum on their common scale; ``integers`` as of ``sum_integers``."""
    terms = (
        multiply_by_quantized_multiplier(
            (values.astype(np.int64) + integers[f"{name}_offset"]) << integers["left_shift"],
            integers[f"{name}_multiplier"],
            integers[f"{name}_shift"],
        )
        for name, values in (("a", a), ("b", b))
    )
    return next(terms), next(terms)
