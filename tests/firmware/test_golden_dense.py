"""The references over whole layers and channels, against their definitions in exact arithmetic and against single precision in another order."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bench.domain.primitives import workload
from bench.domain.workload import Workload
from bench.firmware import generator
from bench.firmware.golden import golden, softmax
from bench.firmware.quantization import INPUT_ZERO_POINT, OUTPUT_ZERO_POINT

SEEDS = st.integers(0, 2**32 - 1)
few = settings(max_examples=40, deadline=None)


def drawn(work: Workload, seed: int, pattern: int = 0) -> tuple[dict[str, NDArray[Any]], dict[str, int]]:
    """Return what the kernel of ``work`` is given: tensors and integers."""
    layout = golden(work.primitive).layout(work)
    return generator.tensors(layout, seed, pattern), dict(layout.integers)


def real(accumulator: int, multiplier: Any, shift: Any) -> Fraction:
    """Return the output that ``accumulator`` stands for, not yet rounded, saturated."""
    scaled = accumulator * Fraction(int(multiplier), 2**31) * Fraction(2) ** int(shift) + OUTPUT_ZERO_POINT
    return min(max(scaled, Fraction(-128)), Fraction(127))


def assert_rounded(expected: Any, exact: Fraction) -> None:
    """Assert that an int8 output is ``exact`` after two roundings, of which the first is the finer one."""
    assert abs(Fraction(float(expected)) - exact) <= Fraction(1, 2) + Fraction(1, 2**7)


@few
@given(n_in=st.integers(1, 40), n_out=st.integers(1, 9), seed=SEEDS, pattern=st.integers(0, 11))
def test_a_single_precision_product_lies_within_the_bound(n_in: int, n_out: int, seed: int, pattern: int) -> None:
    work = workload("fully_connected", {"n_in": n_in, "n_out": n_out})
    tensors, _ = drawn(work, seed, pattern)
    expected, bound = golden("fully_connected").reference(work, tensors)
    for o in range(n_out):
        single, exact = np.float32(0), Fraction(float(tensors["bias"][o]))
        for i in reversed(range(n_in)):
            single = np.float32(single + tensors["input"][i] * tensors["weights"][i, o])
            exact += Fraction(float(tensors["input"][i])) * Fraction(float(tensors["weights"][i, o]))
        single = np.float32(single + tensors["bias"][o])
        assert expected[o] == pytest.approx(float(exact), abs=1e-13)
        assert abs(Fraction(float(single)) - exact) <= bound[o]
    assert (bound < 1e-3).all()


@few
@given(
    n_in=st.integers(1, 40),
    n_out=st.integers(1, 9),
    flavor=st.sampled_from(["naive", "dsp"]),
    scaling=st.sampled_from(["per_tensor", "per_channel"]),
    seed=SEEDS,
)
def test_an_int8_product_is_the_rounded_real_one(n_in: int, n_out: int, flavor: str, scaling: str, seed: int) -> None:
    work = workload("fully_connected", {"n_in": n_in, "n_out": n_out, "scaling": scaling}, "int8", flavor)
    tensors, integers = drawn(work, seed)
    expected, bound = golden("fully_connected").reference(work, tensors)
    given_to = (
        tensors
        if scaling == "per_channel"
        else {name: np.full(n_out, integers[name]) for name in ("multiplier", "shift")}
    )
    rows = tensors["weights"].T if flavor == "naive" else tensors["weights"]
    for o in range(n_out):
        total = int(tensors["bias"][o])
        for i in range(n_in):
            total += (int(tensors["input"][i]) - INPUT_ZERO_POINT) * int(rows[o, i])
        assert_rounded(expected[o], real(total, given_to["multiplier"][o], given_to["shift"][o]))
    assert not bound.any()


@few
@given(n=st.integers(1, 9), in_c=st.integers(1, 9), seed=SEEDS)
def test_batch_normalisation_scales_every_channel_on_its_own(n: int, in_c: int, seed: int) -> None:
    work = workload("batchnorm", {"n": n, "in_c": in_c}, "int8")
    tensors, _ = drawn(work, seed)
    expected, bound = golden("batchnorm").reference(work, tensors)
    for c, i in np.ndindex(in_c, n):
        x, scale, bias = int(tensors["input"][c, i]), int(tensors["scale"][c]), int(tensors["bias"][c])
        total = (x - INPUT_ZERO_POINT) * scale + bias
        assert_rounded(expected[c, i], real(total, tensors["multiplier"][c], tensors["shift"][c]))
    assert not bound.any()


@few
@given(n=st.integers(1, 9), in_c=st.integers(1, 9), seed=SEEDS, pattern=st.integers(0, 11))
def test_single_precision_batch_normalisation_lies_within_the_bound(n: int, in_c: int, seed: int, pattern: int) -> None:
    work = workload("batchnorm", {"n": n, "in_c": in_c})
    tensors, _ = drawn(work, seed, pattern)
    expected, bound = golden("batchnorm").reference(work, tensors)
    single = (tensors["input"] * tensors["scale"][:, None] + tensors["bias"][:, None]).astype(np.float64)
    assert (np.abs(single - expected) <= bound).all()
    assert (bound < 1e-6).all()


@few
@given(n=st.integers(1, 9), in_c=st.integers(1, 9), seed=SEEDS, pattern=st.integers(0, 8))
def test_an_int8_residual_is_the_rounded_sum_of_the_reals(n: int, in_c: int, seed: int, pattern: int) -> None:
    work = workload("residual_add", {"n": n, "in_c": in_c}, "int8")
    tensors, integers = drawn(work, seed, pattern)
    expected, bound = golden("residual_add").reference(work, tensors)
    for c, i in np.ndindex(in_c, n):
        total = sum(
            Fraction(integers[f"{name}_multiplier"], 2**31)
            * Fraction(2) ** (integers[f"{name}_shift"] + integers["left_shift"])
            * (int(tensors[name][c, i]) + integers[f"{name}_offset"])
            for name in ("input", "other")
        )
        exact = total * Fraction(integers["multiplier"], 2**31) * Fraction(2) ** integers["shift"] + OUTPUT_ZERO_POINT
        assert_rounded(expected[c, i], min(max(exact, Fraction(-128)), Fraction(127)))
    assert not bound.any()


def single_softmax(x: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return softmax computed in single precision, summed from the end, with correctly rounded exponentials."""
    exponential = np.exp((x - x.max()).astype(np.float64)).astype(np.float32)
    total = np.float32(0)
    for value in exponential[::-1]:
        total = np.float32(total + value)
    quotient: NDArray[np.float64] = (exponential / total).astype(np.float64)
    return quotient


@few
@given(n=st.integers(2, 300), seed=SEEDS, pattern=st.integers(0, 15))
def test_a_single_precision_softmax_lies_within_the_bound(n: int, seed: int, pattern: int) -> None:
    work = workload("softmax", {"n": n})
    tensors, _ = drawn(work, seed, pattern)
    expected, bound = golden("softmax").reference(work, tensors)
    assert expected.sum() == pytest.approx(1.0, abs=1e-12)
    assert (np.abs(single_softmax(tensors["input"]) - expected) <= bound).all()
    assert (bound <= expected * (n + 250) * 2.0**-24 + 2.0**-147).all()


@pytest.mark.parametrize(
    "x",
    [
        [0.0, -1000.0],
        [-1000.0, -1000.0, -1000.0],
        [88.0, -16.0, -15.9],
        [0.0, -87.3, -87.4, -103.2, -103.9, -104.0],
        [1e30, -1e30, 0.0],
    ],
)
def test_softmax_survives_spreads_that_underflow(x: list[float]) -> None:
    work = workload("softmax", {"n": len(x)})
    values = np.array(x, np.float32)
    expected, bound = golden("softmax").reference(work, {"input": values})
    assert np.isfinite(expected).all()
    assert expected.sum() == pytest.approx(1.0)
    assert (np.abs(single_softmax(values) - expected) <= bound).all()


def int8_softmax(q: list[int]) -> NDArray[np.float64]:
    work = workload("softmax", {"n": len(q)}, "int8")
    expected, bound = golden("softmax").reference(work, {"input": np.array(q, np.int8)})
    assert not bound.any()
    return expected


@few
@given(st.lists(st.integers(-128, 127), min_size=2, max_size=400))
def test_an_int8_softmax_is_the_rounded_real_one(q: list[int]) -> None:
    exponential = np.exp(softmax.INPUT_SCALE * (np.array(q, np.float64) - max(q)))
    exact = np.clip(256 * exponential / exponential.sum() - 128, -128, 127)
    assert np.abs(int8_softmax(q) - exact).max() <= 0.501


@pytest.mark.parametrize(
    ("q", "expected"),
    [
        ([127, -128], [127, -128]),  # a probability of one saturates: 256/256 has no code
        ([0, 0], [0, 0]),
        ([-128] * 4, [-64] * 4),
        ([5] * 512, [-128] * 512),  # a 512th is half a step, less the rounding of the reciprocal
        ([5] * 511, [-127] * 511),
        ([-7] * 4096, [-128] * 4096),  # the sum takes all 32 bits
    ],
)
def test_the_ends_of_an_int8_softmax(q: list[int], expected: list[int]) -> None:
    np.testing.assert_array_equal(int8_softmax(q), expected)


def test_differences_beyond_the_radius_do_not_count() -> None:
    assert softmax.difference_minimum() == -248
    _, shift = softmax.multiplier()
    assert softmax.difference_minimum() << shift >= -(2**31)
    assert int8_softmax([127, 127 - 249])[1] == -128
