"""The references of the poolings against their definitions, written out in loops, and the bounds against single precision in another order."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bench.domain.primitives import applications, workload
from bench.domain.workload import Workload
from bench.firmware import generator
from bench.firmware.golden import golden

Tensors = dict[str, NDArray[Any]]


@st.composite
def pools(draw: st.DrawFn, name: str, dtype: str, flavor: str = "naive") -> Workload:
    k = draw(st.integers(2, 5))
    params: dict[str, int | str] = {
        "k": k,
        "in_h": draw(st.integers(2, 12)),
        "in_w": draw(st.integers(2, 12)),
        "in_c": draw(st.integers(1, 4)),
        "stride": draw(st.integers(1, 4)),
    }
    assume(k <= min(int(params["in_h"]), int(params["in_w"])))
    return workload(name, params, dtype, flavor)


def patches(work: Workload, image: NDArray[Any]) -> dict[tuple[int, ...], NDArray[Any]]:
    """Return the window of every output (channel, row, column) of ``image`` (channel, row, column)."""
    k, stride = work.integer("k"), work.integer("stride")
    return {
        (c, y // stride, x // stride): image[c, y : y + k, x : x + k]
        for c in range(image.shape[0])
        for y in range(0, image.shape[1] - k + 1, stride)
        for x in range(0, image.shape[2] - k + 1, stride)
    }


def half_away(value: Fraction) -> int:
    """Round to the nearest integer, ties away from zero."""
    magnitude = (abs(value) + Fraction(1, 2)).__floor__()
    return magnitude if value >= 0 else -magnitude


@settings(max_examples=40, deadline=None)
@given(work=pools("maxpool2d", "fp32"), seed=st.integers(0, 2**32 - 1), pattern=st.integers(0, 3))
def test_the_maximum_of_every_window(work: Workload, seed: int, pattern: int) -> None:
    layout = golden("maxpool2d").layout(work)
    tensors = generator.tensors(layout, seed, pattern)
    expected, bound = golden("maxpool2d").reference(work, tensors)
    windows = patches(work, tensors["input"])
    assert expected.shape == layout.output.shape
    assert applications(work) == len(windows) == expected.size
    assert {where: float(expected[where]) for where in windows} == {
        where: max(map(float, window.ravel())) for where, window in windows.items()
    }
    assert not bound.any()


@settings(max_examples=40, deadline=None)
@given(work=pools("avgpool2d", "int8"), seed=st.integers(0, 2**32 - 1), pattern=st.integers(0, 8))
def test_an_int8_mean_is_rounded_half_away_from_zero(work: Workload, seed: int, pattern: int) -> None:
    tensors = generator.tensors(golden("avgpool2d").layout(work), seed, pattern)
    expected, bound = golden("avgpool2d").reference(work, tensors)
    for where, window in patches(work, tensors["input"]).items():
        assert expected[where] == half_away(Fraction(int(window.sum(dtype=np.int64)), window.size))
    assert not bound.any()


@settings(max_examples=40, deadline=None)
@given(work=pools("avgpool2d", "fp32"), seed=st.integers(0, 2**32 - 1), pattern=st.integers(0, 11))
def test_a_single_precision_mean_lies_within_the_bound(work: Workload, seed: int, pattern: int) -> None:
    tensors = generator.tensors(golden("avgpool2d").layout(work), seed, pattern)
    expected, bound = golden("avgpool2d").reference(work, tensors)
    for where, window in patches(work, tensors["input"]).items():
        single = np.float32(0)
        for value in np.flip(window).ravel():
            single = np.float32(single + value)
        single = np.float32(single / np.float32(window.size))
        exact = sum(map(Fraction, map(float, window.ravel())), Fraction(0)) / window.size
        assert float(expected[where]) == pytest.approx(float(exact), abs=1e-15)
        assert abs(Fraction(float(single)) - exact) <= bound[where]
    assert (bound < 1e-5).all()


@pytest.mark.parametrize("name", ["avgpool2d", "maxpool2d"])
def test_the_memory_order_changes_nothing_but_the_order(name: str) -> None:
    params = {"k": 3, "in_h": 8, "in_w": 7, "in_c": 5, "stride": 2}
    planar, interleaved = (workload(name, params, "int8", flavor) for flavor in ("naive", "cmsis-nn"))
    image = generator.tensors(golden(name).layout(planar), 1)["input"]
    expected, _ = golden(name).reference(planar, {"input": image})
    turned, _ = golden(name).reference(interleaved, {"input": image.transpose(1, 2, 0)})
    assert golden(name).layout(interleaved).output.shape == (3, 3, 5)
    np.testing.assert_array_equal(turned, expected.transpose(1, 2, 0))


@pytest.mark.parametrize("dtype", ["fp32", "int8"])
def test_a_global_mean_is_the_mean_of_one_window_as_large_as_the_image(dtype: str) -> None:
    all_of_it = workload("global_avgpool2d", {"in_h": 7, "in_w": 7, "in_c": 5}, dtype)
    window = workload("avgpool2d", {"in_h": 7, "in_w": 7, "in_c": 5, "k": 7}, dtype)
    for seed in range(20):
        tensors = generator.tensors(golden("avgpool2d").layout(window), seed)
        expected, bound = golden("global_avgpool2d").reference(all_of_it, tensors)
        same, same_bound = golden("avgpool2d").reference(window, tensors)
        np.testing.assert_allclose(expected, same.ravel(), rtol=1e-14, atol=1e-16)
        np.testing.assert_allclose(bound, same_bound.ravel(), rtol=1e-14)
