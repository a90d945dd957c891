"""Primitives that move a window over an image: convolutions and poolings."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bench.domain.primitives.base import CMSIS_NN, DSP, NAIVE, SCALING, Parameter, Primitive, Values, integer
from bench.domain.workload import DType, Shape
from bench.errors import ParameterError

CONVOLUTION_FLAVORS = {DType.FP32: (NAIVE,), DType.INT8: (NAIVE, DSP, CMSIS_NN)}


def output_size(size: int, k: int, stride: int, padding: str) -> int:
    """Return the output height or width: ``floor((size - k) / stride) + 1`` for valid, ``ceil(size / stride)`` for same padding."""
    return (size - k) // stride + 1 if padding == "valid" else -(-size // stride)


def output_area(values: Values) -> int:
    """Return the output's height x width; without a parameter ``padding`` it is valid."""
    k, stride, padding = integer(values, "k"), integer(values, "stride"), str(values.get("padding", "valid"))
    return output_size(integer(values, "in_h"), k, stride, padding) * output_size(
        integer(values, "in_w"), k, stride, padding
    )


def _check_window(name: str) -> Callable[[Values], None]:
    def check(values: Values) -> None:
        k, in_h, in_w = integer(values, "k"), integer(values, "in_h"), integer(values, "in_w")
        if k > min(in_h, in_w):
            raise ParameterError(
                f"{name}: the {k} x {k} window is larger than the {in_h} x {in_w} input",
                hint="use a smaller --k or a larger --size",
            )

    return check


def _shape(in_c: Callable[[Values], int], out_c: Callable[[Values], int]) -> Callable[[Values], Shape]:
    def shape(values: Values) -> Shape:
        k = integer(values, "k")
        return Shape(
            k,
            k,
            integer(values, "stride"),
            integer(values, "in_h"),
            integer(values, "in_w"),
            in_c(values),
            out_c(values),
        )

    return shape


def _in_c(values: Values) -> int:
    return integer(values, "in_c")


def _out_c(values: Values) -> int:
    return integer(values, "out_c")


RGB_CHANNELS = 3


def _rgb(_values: Values) -> int:
    return RGB_CHANNELS


def _k(default: int, choices: Sequence[int]) -> Parameter:
    return Parameter("k", default, "window height and width", choices=tuple(choices))


def _image(size: int, in_c: int | None) -> tuple[Parameter, ...]:
    plane = (
        Parameter("in_h", size, "input height", maximum=512),
        Parameter("in_w", size, "input width", maximum=512),
    )
    return plane if in_c is None else (*plane, Parameter("in_c", in_c, "input channels", maximum=1024))


_OUT_C = Parameter("out_c", 1, "output channels", maximum=1024)
_STRIDE = Parameter("stride", 1, "step of the window", maximum=8)
_PADDING = Parameter(
    "padding",
    "valid",
    "border: none, or zeros so that the output keeps the input's size over the stride",
    choices=("valid", "same"),
)

CONV2D = Primitive(
    name="conv2d",
    summary="2-D convolution (cross-correlation) with bias",
    application="one k x k window into one output value of one input channel",
    parameters=(_k(5, (1, 3, 5, 7, 9)), *_image(32, 1), _OUT_C, _STRIDE, _PADDING, SCALING),
    flavors=CONVOLUTION_FLAVORS,
    published=tuple({"k": k} for k in (1, 3, 5, 7, 9)),
    shape=_shape(_in_c, _out_c),
    applications=lambda values: output_area(values) * _in_c(values) * _out_c(values),
    operations=lambda values: output_area(values) * _in_c(values) * _out_c(values) * integer(values, "k") ** 2,
    check=_check_window("conv2d"),
)

CONV2D_RGB = Primitive(
    name="conv2d_rgb",
    summary="2-D convolution of an image of three channels, all three in one pass over the window",
    application="one k x k window into one output value of one of the three input channels",
    parameters=(_k(5, (1, 3, 5, 7, 9)), *_image(32, None), _OUT_C, _STRIDE, _PADDING, SCALING),
    flavors=CONVOLUTION_FLAVORS,
    published=tuple({"k": k} for k in (1, 3, 5, 7, 9)),
    shape=_shape(_rgb, _out_c),
    applications=lambda values: output_area(values) * RGB_CHANNELS * _out_c(values),
    operations=lambda values: output_area(values) * RGB_CHANNELS * _out_c(values) * integer(values, "k") ** 2,
    check=_check_window("conv2d_rgb"),
)

DEPTHWISE_CONV2D = Primitive(
    name="depthwise_conv2d",
    summary="2-D convolution of every channel with a kernel of its own, with bias",
    application="one k x k window into one output value",
    parameters=(_k(3, (3, 5)), *_image(16, 8), _STRIDE, _PADDING, SCALING),
    flavors=CONVOLUTION_FLAVORS,
    published=({"k": 3}, {"k": 5}),
    shape=_shape(_in_c, _in_c),
    applications=lambda values: output_area(values) * _in_c(values),
    operations=lambda values: output_area(values) * _in_c(values) * integer(values, "k") ** 2,
    check=_check_window("depthwise_conv2d"),
)

_POOL_STRIDE = Parameter("stride", 2, "step of the window", maximum=16, same_as="k")

AVGPOOL2D = Primitive(
    name="avgpool2d",
    summary="2-D average pooling",
    application="one k x k window into one output value",
    parameters=(_k(2, range(2, 11)), *_image(32, 1), _POOL_STRIDE),
    flavors={DType.FP32: (NAIVE,), DType.INT8: (NAIVE, CMSIS_NN)},
    published=tuple({"k": k} for k in (2, 4, 6, 8, 10)),
    shape=_shape(_in_c, _in_c),
    applications=lambda values: output_area(values) * _in_c(values),
    operations=lambda values: output_area(values) * _in_c(values) * integer(values, "k") ** 2,
    check=_check_window("avgpool2d"),
)

MAXPOOL2D = Primitive(
    name="maxpool2d",
    summary="2-D maximum pooling",
    application="one k x k window into one output value",
    parameters=(_k(2, range(2, 11)), *_image(32, 1), _POOL_STRIDE),
    flavors={DType.FP32: (NAIVE,), DType.INT8: (NAIVE, CMSIS_NN)},
    published=({"k": 2}, {"k": 3}),
    shape=_shape(_in_c, _in_c),
    applications=lambda values: output_area(values) * _in_c(values),
    operations=lambda values: output_area(values) * _in_c(values) * integer(values, "k") ** 2,
    check=_check_window("maxpool2d"),
)

GLOBAL_AVGPOOL2D = Primitive(
    name="global_avgpool2d",
    summary="mean of every channel",
    application="one channel into one output value",
    parameters=_image(8, 64),
    flavors={DType.FP32: (NAIVE,), DType.INT8: (NAIVE,)},
    published=({"in_h": 8, "in_w": 8}, {"in_h": 4, "in_w": 4}),
    shape=lambda values: Shape(
        in_h=integer(values, "in_h"), in_w=integer(values, "in_w"), in_c=_in_c(values), out_c=_in_c(values)
    ),
    applications=_in_c,
    operations=lambda values: _in_c(values) * integer(values, "in_h") * integer(values, "in_w"),
)
