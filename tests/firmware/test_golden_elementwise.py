"""The references of activations and elementary operations: against the functions they stand for, over every int8 input, and their bounds against single precision."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from bench.domain.primitives import workload
from bench.domain.workload import DType, Workload
from bench.firmware.golden import div, exp, golden, hard_swish, mul, sigmoid, tanh
from bench.firmware.golden.elementwise import NARROW, SUM, WIDE, A, B, Quantization, rescaled_terms, sum_integers
from bench.firmware.layout import Role
from bench.firmware.quantization import requantize

Real = NDArray[np.float64]
EVERY = np.arange(-128, 128, dtype=np.int8)
EVERY_A, EVERY_B = (side.ravel() for side in np.meshgrid(EVERY, EVERY, indexing="ij"))
single = st.floats(-(2.0**60), 2.0**60, width=32)


def reference(work: Workload, *inputs: NDArray[Any]) -> tuple[Real, Real]:
    """Return what ``work`` makes of ``inputs``, with its constants as the layout has them."""
    layout = golden(work.primitive).layout(work)
    names = [tensor.name for tensor in layout.tensors if tensor.role is Role.INPUT]
    constants = {tensor.name: tensor.contents for tensor in layout.tensors if tensor.contents is not None}
    return golden(work.primitive).reference(work, {**dict(zip(names, inputs, strict=True)), **constants})


def exactly(name: str, *inputs: NDArray[Any], **params: str) -> Real:
    """Return the int8 or the correctly rounded fp32 output, which must have no tolerance."""
    dtype = DType.INT8 if inputs[0].dtype == np.int8 else DType.FP32
    output, bound = reference(workload(name, {"n": inputs[0].size, **params}, dtype), *inputs)
    assert not bound.any()
    return output


def hard_swish_of(x: Real) -> Real:
    return x * np.clip(x + 3, 0, 6) / 6


@pytest.mark.parametrize(
    ("name", "function", "given_as", "result_as", "steps"),
    [
        ("relu", lambda x: np.maximum(x, 0), WIDE, WIDE, 0),
        ("relu6", lambda x: np.clip(x, 0, 6), WIDE, WIDE, 0),
        ("sigmoid", sigmoid.sigmoid, WIDE, sigmoid.OUTPUT, 0),
        ("tanh", np.tanh, NARROW, tanh.OUTPUT, 0),
        ("exp", np.exp, NARROW, exp.OUTPUT, 0),
        ("sigmoid_exact", sigmoid.sigmoid, WIDE, sigmoid.OUTPUT, 1),
        ("hard_swish", hard_swish_of, WIDE, hard_swish.OUTPUT, 1),
    ],
)
def test_an_int8_activation_is_the_quantised_function_of_every_input(
    name: str, function: Callable[[Real], Real], given_as: Quantization, result_as: Quantization, steps: int
) -> None:
    output = exactly(name, EVERY)
    ideal = result_as.quantize(function(given_as.dequantize(EVERY))).astype(np.float64)
    assert np.abs(output - ideal).max() <= steps  # fixed point may be off by one where the function lies near a tie
    assert len(set(output.tolist())) > 60


@pytest.mark.parametrize(
    ("name", "function", "result_as"),
    [("add", np.add, SUM), ("sub", np.subtract, SUM), ("mul", np.multiply, mul.OUTPUT), ("div", np.divide, div.OUTPUT)],
)
def test_an_affine_operation_is_the_quantised_one_of_every_pair(
    name: str, function: Callable[[Real, Real], Real], result_as: Quantization
) -> None:
    output = exactly(name, EVERY_A, EVERY_B)
    a, b = A.dequantize(EVERY_A), B.dequantize(EVERY_B)
    defined = (b != 0) if name == "div" else np.ones_like(b, dtype=np.bool_)
    ideal = function(a[defined], b[defined]) / result_as.scale + result_as.zero_point
    # Half a step, and because the reference rounds twice up to half of 2^-7 more.
    assert np.abs(output[defined] - np.clip(ideal, -128, 127)).max() <= 0.5 + 2.0**-8
    assert (output.min(), output.max()) == (-128, 127)


def test_an_affine_quotient_by_zero_saturates_to_the_dividends_side() -> None:
    zeros = np.full_like(EVERY, B.zero_point)
    expected = [-128 if a < A.zero_point else 127 if a > A.zero_point else div.OUTPUT.zero_point for a in EVERY]
    np.testing.assert_array_equal(exactly("div", EVERY, zeros), expected)


def wrap(value: int) -> int:
    return (value + 128) % 256 - 128


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("add", lambda a, b: a + b),
        ("sub", lambda a, b: a - b),
        ("mul", lambda a, b: a * b),
        ("div", lambda a, b: math.trunc(a / b) if b else 0),
    ],
)
def test_plain_operations_wrap_around(name: str, function: Callable[[int, int], int]) -> None:
    expected = [wrap(function(a, b)) for a, b in zip(EVERY_A.tolist(), EVERY_B.tolist(), strict=True)]
    np.testing.assert_array_equal(exactly(name, EVERY_A, EVERY_B, arithmetic="plain"), expected)


@given(st.lists(st.tuples(single, single), min_size=1, max_size=20))
def test_fp32_operations_are_rounded_once(pairs: list[tuple[float, float]]) -> None:
    a, b = (np.array(side, np.float32) for side in zip(*pairs, strict=True))
    b = np.where(np.abs(b) < 2.0**-60, np.float32(1), b)
    exact_a, exact_b = a.astype(np.float64), b.astype(np.float64)
    for name, function in (("add", np.add), ("sub", np.subtract), ("mul", np.multiply), ("div", np.divide)):
        output = exactly(name, a, b)
        assert (output == output.astype(np.float32)).all()
        off = np.abs(output - function(exact_a, exact_b))
        half_step = np.spacing(np.abs(output).astype(np.float32)).astype(np.float64) / 2
        assert (off <= half_step * (1 + 2.0**-20)).all()


def test_fp32_rectifiers() -> None:
    x = np.array([-7.0, -0.0, 0.0, 2.0**-149, 5.9999995, 6.0, 6.0000005, 1e30], np.float32)
    np.testing.assert_array_equal(exactly("relu", x), np.array([0, 0, 0, *x[3:]], np.float64))
    np.testing.assert_array_equal(exactly("relu6", x), np.array([0, 0, 0, x[3], x[4], 6, 6, 6], np.float64))


@given(st.lists(st.floats(-20, 20, width=32), min_size=1, max_size=20))
def test_the_sigmoid_table_is_as_near_as_its_cells_are_wide(values: list[float]) -> None:
    x = np.array(values, np.float32)
    output = exactly("sigmoid", x)
    # Half a cell of 1/64 at a slope of 1/4; a sum that is rounded may take an input to the next cell.
    inside = np.clip(x.astype(np.float64), -8, 8)
    assert np.abs(output - sigmoid.sigmoid(inside)).max() <= 0.25 / 128 + 1e-6


def test_the_sigmoid_table_ends() -> None:
    x = np.array([-1e30, -8.0, -7.99, 7.99, 8.0, 1e30], np.float32)
    output = exactly("sigmoid", x)
    assert output[0] == output[1] == output[2] < 4e-4
    assert output[5] == output[4] == output[3] > 0.9996
    assert output[0] + output[5] == pytest.approx(1, abs=1e-7)


def faithful(function: Callable[[Real], Real], up: bool) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """Return ``function`` in single precision as bad as a library function with an error below one ulp may be: always rounded up, or down."""

    def rounded(x: NDArray[np.float32]) -> NDArray[np.float32]:
        exact = function(x.astype(np.float64))
        nearest = exact.astype(np.float32)
        wrong_side = (nearest < exact if up else nearest > exact) & np.isfinite(nearest)
        return np.where(wrong_side, np.nextafter(nearest, np.float32(np.inf if up else -np.inf)), nearest)

    return rounded


Single = Callable[[NDArray[np.float32]], NDArray[Any]]


def logistic(expf: Single) -> Single:
    return lambda x: 1 / (1 + expf(-x))


def tanhf(expm1f: Single) -> Single:
    """Return the formulas of fdlibm's ``s_tanh.c``."""

    def computed(x: NDArray[np.float32]) -> NDArray[Any]:
        size = np.minimum(np.abs(x), np.float32(22))
        below, above = expm1f(-2 * size), expm1f(2 * size)
        small, large = -below / (below + 2), 1 - 2 / (above + 2)
        return np.copysign(np.where(size < 2.0**-55, size * (1 + size), np.where(size < 1, small, large)), x)

    return computed


ACTIVATIONS: list[tuple[str, Callable[[Real], Real], tuple[Single, ...], float]] = [
    ("sigmoid_exact", sigmoid.sigmoid, tuple(logistic(faithful(np.exp, up)) for up in (False, True)), 4.04),
    ("tanh", np.tanh, tuple(tanhf(faithful(np.expm1, up)) for up in (False, True)), 5.64),
    ("exp", np.exp, tuple(faithful(np.exp, up) for up in (False, True)), 2.04),
    (
        "hard_swish",
        hard_swish_of,
        (
            lambda x: x * np.clip(x + 3, 0, 6) / 6,
            lambda x: (x * np.float32(1 / 6)) * np.clip(x + 3, 0, 6),
            lambda x: x * (np.clip(x + 3, 0, 6) * np.float32(1 / 6)),
        ),
        4.04,
    ),
]


@pytest.mark.parametrize(("name", "function", "computations", "roundoffs"), ACTIVATIONS)
def test_fp32_bounds_hold_for_any_sound_library_and_are_tight(
    name: str, function: Callable[[Real], Real], computations: tuple[Single, ...], roundoffs: float
) -> None:
    work = workload(name)
    edges = golden(name).layout(work).tensors[0].edge_values
    drawn = np.random.default_rng(1).uniform(-8, 8, 20_000).astype(np.float32)
    x = np.concatenate([drawn, edges, np.linspace(-104, 88, 5_000, dtype=np.float32)])
    expected, bound = reference(work, x)
    np.testing.assert_allclose(expected, function(x.astype(np.float64)), rtol=1e-14, atol=1e-300)
    for computed in computations:
        with np.errstate(over="ignore", under="ignore"):
            assert (np.abs(computed(x).astype(np.float64) - expected) <= bound).all()
    normal = np.abs(expected) > 2.0**-120
    assert (bound[normal] <= roundoffs * 2.0**-24 * np.abs(expected[normal])).all()
    assert (bound[~normal] <= 2.0**-126).all()


@given(a=st.integers(-128, 127), b=st.integers(-128, 127), scales=st.tuples(*[st.integers(1, 4095)] * 3))
def test_a_quantised_sum_of_any_scales(a: int, b: int, scales: tuple[int, int, int]) -> None:
    first, second = Quantization(scales[0] / 4096, -7), Quantization(scales[1] / 4096, 100)
    output = Quantization(max(scales) / 2048, 3)
    given_to_kernel = dict(sum_integers(first, second, output))
    terms = rescaled_terms(np.array([a]), np.array([b]), given_to_kernel)
    result = requantize(terms[0] + terms[1], given_to_kernel["multiplier"], given_to_kernel["shift"], output.zero_point)
    real = first.dequantize(np.array([a])) + second.dequantize(np.array([b]))
    assert abs(int(result[0]) - float(np.clip(real[0] / output.scale + output.zero_point, -128, 127))) <= 0.5 + 1e-4


@pytest.mark.parametrize(("scale", "zero_point"), [(0.0, 0), (-1.0, 0), (0.1, 0), (0.5, 128), (math.nan, 0)])
def test_a_quantisation_that_no_network_can_have_is_refused(scale: float, zero_point: int) -> None:
    with pytest.raises(ValueError, match=r"scale|zero point"):
        Quantization(scale, zero_point)


def test_quantising_rounds_ties_away_from_zero_and_saturates() -> None:
    reals = np.array([0.25, -0.25, 0.74, 1000.0, -1000.0])
    np.testing.assert_array_equal(Quantization(0.5, 10).quantize(reals), [11, 9, 11, 127, -128])
