"""The reference of conv2d, against the definition written out in loops, and its bound against single precision in every order."""

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


@st.composite
def workloads(draw: st.DrawFn) -> Workload:
    k = draw(st.sampled_from([1, 3, 5, 7, 9]))
    size = st.integers(1, 14)
    params: dict[str, int | str] = {
        "k": k,
        "in_h": draw(size),
        "in_w": draw(size),
        "in_c": draw(st.integers(1, 3)),
        "out_c": draw(st.integers(1, 3)),
        "stride": draw(st.integers(1, 3)),
        "padding": draw(st.sampled_from(["valid", "same"])),
    }
    assume(k <= min(int(params["in_h"]), int(params["in_w"])))
    return workload("conv2d", params)


def tensors_of(work: Workload, seed: int) -> dict[str, NDArray[np.float32]]:
    layout = golden("conv2d").layout(work)
    return {
        tensor.name: np.asarray(generator.values(tensor, seed, layout.stream(tensor.name)), dtype=np.float32)
        for tensor in layout.tensors
        if not tensor.written
    }


def by_definition(work: Workload, tensors: dict[str, NDArray[np.float32]], dtype: Any) -> NDArray[Any]:
    """Cross-correlate with explicit zero padding, tap by tap, in ``dtype``."""
    layout = golden("conv2d").layout(work)
    integers = dict(layout.integers)
    k, stride = integers["k"], integers["stride"]
    image, weights, bias = (np.asarray(tensors[name], dtype=dtype) for name in ("input", "weights", "bias"))
    out: NDArray[Any] = np.zeros(layout.output.shape, dtype)
    for oc, oy, ox in np.ndindex(*out.shape):
        total = bias[oc]
        for ic, ky, kx in np.ndindex(integers["in_c"], k, k):
            y, x = oy * stride - integers["pad_top"] + ky, ox * stride - integers["pad_left"] + kx
            if 0 <= y < integers["in_h"] and 0 <= x < integers["in_w"]:
                total = total + image[ic, y, x] * weights[oc, ic, ky, kx]
        out[oc, oy, ox] = total
    return out


@settings(max_examples=60, deadline=None)
@given(work=workloads(), seed=st.integers(0, 2**32 - 1))
def test_reference_equals_the_definition(work: Workload, seed: int) -> None:
    tensors = tensors_of(work, seed)
    expected, bound = golden("conv2d").reference(work, tensors)
    np.testing.assert_allclose(expected, by_definition(work, tensors, np.float64), rtol=0, atol=1e-12)
    single = by_definition(work, tensors, np.float32).astype(np.float64)
    assert (np.abs(single - expected) <= bound).all()
    assert (bound < 1e-3).all()  # a bound so wide that it accepts anything would check nothing


@settings(max_examples=60, deadline=None)
@given(work=workloads())
def test_applications_count_windows(work: Workload) -> None:
    layout = golden("conv2d").layout(work)
    assert applications(work) == layout.output.elements * work.integer("in_c")


@pytest.mark.parametrize(
    ("size", "k", "stride", "expected"), [(28, 5, 1, 28), (28, 5, 2, 14), (7, 3, 2, 4), (9, 9, 3, 3)]
)
def test_same_padding_gives_the_output_size_of_the_definition(size: int, k: int, stride: int, expected: int) -> None:
    work = workload("conv2d", {"k": k, "in_h": size, "in_w": size, "stride": stride, "padding": "same"})
    assert golden("conv2d").layout(work).output.shape == (1, expected, expected)
