"""Awkward shapes on the virtual board: odd sizes, channels that fill no SIMD word, strides, borders, one multiplier for all channels.

The default parameters of the registry are round numbers; the kernels' remainders, their last tiles and their clipped windows show here.
One list for each primitive. Where there is a dsp kernel it runs them all, and the straight loops, which have no remainders, the first two.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pytest

from bench.build import BuildCache
from bench.domain.primitives import EXTERNAL_FLAVORS, primitive, workload
from bench.domain.primitives.base import DSP
from bench.domain.workload import Workload
from bench.target.board_under_test import BoardUnderTest
from tests.end_to_end.kernels import assert_conforms

Shape = dict[str, int | str]

SAME: Shape = {"padding": "same"}
PER_TENSOR: Shape = {"scaling": "per_tensor"}
PER_CHANNEL: Shape = {"scaling": "per_channel"}


def image(in_h: int, in_w: int, k: int, **others: int) -> Shape:
    """Return the parameters of a window of ``k`` over an image of ``in_h`` x ``in_w``."""
    return {"in_h": in_h, "in_w": in_w, "k": k, **others}


SHAPES: Mapping[str, Sequence[Shape]] = {
    "conv2d": (
        image(6, 7, 3, in_c=3, out_c=2, stride=2) | SAME | PER_TENSOR,
        image(6, 9, 5, in_c=1, out_c=3) | SAME,
        image(5, 7, 1, in_c=1, out_c=2, stride=2),
        image(1, 1, 1, in_c=4, out_c=3),
        image(6, 11, 3, in_c=1, out_c=3) | SAME,
        image(7, 8, 7, in_c=1, out_c=2) | SAME | PER_TENSOR,
        image(10, 13, 9, in_c=1),
        image(9, 10, 9, in_c=2, out_c=3) | SAME,
        image(6, 7, 5, in_c=5, out_c=3, stride=3) | SAME,
        image(5, 6, 3, in_c=4, out_c=1) | SAME,
        image(6, 5, 3, in_c=4, out_c=2, stride=2) | SAME | PER_TENSOR,
        image(5, 7, 5, in_c=8, out_c=3) | SAME,
    ),
    "conv2d_rgb": (
        image(6, 7, 3, out_c=3) | SAME,
        image(9, 8, 5, out_c=2, stride=2) | SAME | PER_TENSOR,
        image(3, 5, 1, out_c=2),
        image(9, 10, 9, out_c=1, stride=3) | SAME,
    ),
    "depthwise_conv2d": (
        image(6, 7, 3, in_c=3, stride=2) | SAME | PER_TENSOR,
        image(5, 7, 5, in_c=8) | SAME,
        image(3, 3, 3, in_c=1),
        image(5, 6, 3, in_c=2) | SAME,
        image(9, 5, 5, in_c=5, stride=2),
        image(6, 11, 3, in_c=9, stride=3) | SAME,
    ),
    "avgpool2d": (
        image(8, 7, 3, in_c=5, stride=2),
        image(2, 2, 2),
        image(5, 9, 4, in_c=2, stride=1),
        image(23, 21, 10, in_c=2, stride=7),
    ),
    "maxpool2d": (
        image(8, 7, 3, in_c=5, stride=2),
        image(3, 3, 3),
        image(5, 9, 4, in_c=2, stride=1),
        image(11, 7, 2, in_c=3, stride=5),
    ),
    "global_avgpool2d": ({"in_h": 1, "in_w": 1, "in_c": 5}, {"in_h": 7, "in_w": 3, "in_c": 3}),
    "fully_connected": (
        PER_CHANNEL | {"n_in": 7, "n_out": 5},
        {"n_in": 1, "n_out": 1},
        PER_CHANNEL | {"n_in": 3, "n_out": 2},
        {"n_in": 4, "n_out": 3},
        {"n_in": 33, "n_out": 9},
        PER_CHANNEL | {"n_in": 1030, "n_out": 6},
    ),
    "softmax": ({"n": 2}, {"n": 3}, {"n": 1000}),
    "batchnorm": ({"n": 1, "in_c": 33}, {"n": 7, "in_c": 5}),
    "residual_add": ({"n": 1, "in_c": 1}, {"n": 7, "in_c": 5}),
}


def cases() -> Iterator[Workload]:
    """Yield every shape in the data types and flavors that run it."""
    for name, shapes in SHAPES.items():
        kernels = primitive(name).flavors
        has_dsp = any(DSP in flavors for flavors in kernels.values())
        for dtype, flavors in kernels.items():
            known = {parameter.name for parameter in primitive(name).parameters if dtype in parameter.dtypes}
            for flavor in flavors:
                if flavor in EXTERNAL_FLAVORS:
                    continue
                for shape in shapes[:2] if has_dsp and flavor != DSP else shapes:
                    yield workload(name, {key: shape[key] for key in shape if key in known}, dtype, flavor)


@pytest.mark.parametrize("work", dict.fromkeys(cases()), ids=str)
def test_an_awkward_shape_is_computed_as_the_reference_says(
    virtual_board: BoardUnderTest, work: Workload, build_cache: BuildCache
) -> None:
    assert_conforms(virtual_board, work, build_cache, thoroughly=False)
