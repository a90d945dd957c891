"""Primitives over whole layers and over channels: fully connected, softmax, batch normalisation, residual addition."""

from __future__ import annotations

from dataclasses import replace

from bench.domain.primitives.base import CMSIS_NN, DSP, NAIVE, SCALING, Parameter, Primitive, Values, integer, one_layer
from bench.domain.workload import DType, Shape

FULLY_CONNECTED = Primitive(
    name="fully_connected",
    summary="matrix times vector, with bias",
    application="one layer of n_in inputs and n_out outputs",
    parameters=(
        Parameter("n_in", 400, "inputs", maximum=16384),
        Parameter("n_out", 120, "outputs", maximum=16384),
        replace(SCALING, default="per_tensor"),
    ),
    flavors={DType.FP32: (NAIVE,), DType.INT8: (NAIVE, DSP, CMSIS_NN)},
    published=tuple({"n_in": n_in, "n_out": n_out} for n_in, n_out in ((400, 120), (120, 84), (84, 10), (64, 10))),
    shape=lambda values: Shape(in_c=integer(values, "n_in"), out_c=integer(values, "n_out")),
    applications=one_layer,
    operations=lambda values: integer(values, "n_in") * integer(values, "n_out"),
)

SOFTMAX = Primitive(
    name="softmax",
    summary="exponentials, normalised to a sum of one",
    application="one layer of n values",
    parameters=(Parameter("n", 10, "values", minimum=2, maximum=4096),),
    flavors={DType.FP32: (NAIVE,), DType.INT8: (NAIVE, CMSIS_NN)},
    published=({"n": 10},),
    shape=lambda values: Shape(in_c=integer(values, "n"), out_c=integer(values, "n")),
    applications=one_layer,
    operations=lambda values: 64 * integer(values, "n"),
)


def _elements(values: Values) -> int:
    return integer(values, "n") * integer(values, "in_c")


def _channels(values: Values) -> Shape:
    return Shape(in_c=integer(values, "in_c"), out_c=integer(values, "in_c"))


_ELEMENTS_AND_CHANNELS = (
    Parameter("n", 64, "elements of a channel", maximum=65536),
    Parameter("in_c", 16, "channels", maximum=1024),
)

BATCHNORM = Primitive(
    name="batchnorm",
    summary="batch normalisation at inference: each channel times its scale plus its offset",
    application="one element",
    parameters=_ELEMENTS_AND_CHANNELS,
    flavors={DType.FP32: (NAIVE,), DType.INT8: (NAIVE,)},
    published=({},),
    shape=_channels,
    applications=_elements,
    operations=_elements,
)

RESIDUAL_ADD = Primitive(
    name="residual_add",
    summary="sum of two activations, rescaled to a common scale in int8",
    application="one element",
    parameters=_ELEMENTS_AND_CHANNELS,
    flavors={DType.FP32: (NAIVE,), DType.INT8: (NAIVE, CMSIS_NN)},
    published=({},),
    shape=_channels,
    applications=_elements,
    operations=_elements,
)
