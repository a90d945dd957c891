"""The int8 references, to the bit against LiteRT (TensorFlow Lite) with its reference kernels; each case is one operator of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from bench.domain.primitives import PRIMITIVES, published_set, workload
from bench.domain.workload import DType, Workload
from bench.firmware import generator
from bench.firmware.golden import div, exp, golden, hard_swish, mul, sigmoid, softmax, tanh
from bench.firmware.golden.convolution import planar
from bench.firmware.golden.elementwise import NARROW, SUM, WIDE, A, B, Quantization, affine
from bench.firmware.quantization import INPUT_ZERO_POINT, OUTPUT_ZERO_POINT, multiply_by_quantized_multiplier
from tests.firmware.tflite_oracle import Quantized, run

Tensors = Mapping[str, NDArray[Any]]
Oracle = Callable[[Workload, Tensors], Any]


def image(work: Workload, tensor: NDArray[Any]) -> Any:
    """Return an image as TensorFlow Lite has it: (1, row, column, channel)."""
    return (tensor.transpose(1, 2, 0) if planar(work) else tensor)[None]


def back(work: Workload, tensor: NDArray[Any]) -> Any:
    """Return TensorFlow Lite's image as ``work`` has it."""
    return tensor[0].transpose(2, 0, 1) if planar(work) else tensor[0]


def real_multipliers(work: Workload, tensors: Tensors) -> float | NDArray[Any]:
    """Return input scale x weight scale / output scale, with the scales of input and output 1."""
    if "multiplier" in tensors:
        return np.asarray(tensors["multiplier"] / 2.0**31 * 2.0 ** tensors["shift"])
    integers = dict(golden(work.primitive).layout(work).integers)
    return integers["multiplier"] / 2.0**31 * 2.0 ** integers["shift"]


def options(kind: Any, work: Workload, **values: Any) -> Any:
    """Return the options of a windowed operator."""
    made = kind()
    made.padding = schema.Padding.SAME if dict(work.params).get("padding") == "same" else schema.Padding.VALID
    made.strideH = made.strideW = work.integer("stride")
    for name, value in values.items():
        setattr(made, name, value)
    return made


def with_weights(operator: str, work: Workload, tensors: Tensors, weights: NDArray[Any], axis: int, made: Any) -> Any:
    """Run a convolution or a matrix product."""
    scale = real_multipliers(work, tensors)
    shape = golden(work.primitive).layout(work).output.shape
    flat = operator == "FULLY_CONNECTED"
    x = tensors["input"][None] if flat else image(work, tensors["input"])
    output = (1, *shape) if flat else image(work, np.empty(shape)).shape
    bias = Quantized(scale, 0, tensors["bias"], constant=True)
    weighted = Quantized(scale, 0, np.ascontiguousarray(weights), constant=True, axis=axis)
    result = run(
        operator,
        [Quantized(1.0, INPUT_ZERO_POINT, np.ascontiguousarray(x)), weighted, bias],
        Quantized(1.0, OUTPUT_ZERO_POINT, shape=output),
        made,
    )
    return result[0] if flat else back(work, result)


def convolution(work: Workload, tensors: Tensors) -> Any:
    weights = tensors["weights"].transpose(0, 2, 3, 1) if planar(work) else tensors["weights"]
    made = options(schema.Conv2DOptionsT, work, dilationHFactor=1, dilationWFactor=1)
    return with_weights("CONV_2D", work, tensors, weights, 0, made)


def depthwise(work: Workload, tensors: Tensors) -> Any:
    weights = tensors["weights"].transpose(1, 2, 0) if planar(work) else tensors["weights"]
    made = options(schema.DepthwiseConv2DOptionsT, work, depthMultiplier=1, dilationHFactor=1, dilationWFactor=1)
    return with_weights("DEPTHWISE_CONV_2D", work, tensors, weights[None], 3, made)


def fully_connected(work: Workload, tensors: Tensors) -> Any:
    """LiteRT scales the sums of this one operator with one rounding, where its other kernels and CMSIS-NN round twice; what differs is masked."""
    rows = tensors["weights"].T if planar(work) else tensors["weights"]
    got = with_weights("FULLY_CONNECTED", work, tensors, rows, 0, schema.FullyConnectedOptionsT())
    sums = rows.astype(np.int64) @ (tensors["input"].astype(np.int64) - INPUT_ZERO_POINT) + tensors["bias"]
    given = tensors if "multiplier" in tensors else dict(golden(work.primitive).layout(work).integers)
    multiplier, right = np.asarray(given["multiplier"], np.int64), 31 - np.asarray(given["shift"], np.int64)
    once = (sums * multiplier + (np.int64(1) << (right - 1))) >> right
    twice = multiply_by_quantized_multiplier(sums, given["multiplier"], given["shift"])
    assert np.mean(once != twice) < 0.05
    return np.ma.masked_array(got, once != twice)


def batchnorm(work: Workload, tensors: Tensors) -> Any:
    """A depthwise convolution with a window of one element."""
    real = tensors["multiplier"] / 2.0**31 * 2.0 ** tensors["shift"]
    x = tensors["input"].T if planar(work) else tensors["input"]
    made = schema.DepthwiseConv2DOptionsT()
    made.padding, made.strideH, made.strideW = schema.Padding.VALID, 1, 1
    made.depthMultiplier = made.dilationHFactor = made.dilationWFactor = 1
    result = run(
        "DEPTHWISE_CONV_2D",
        [
            Quantized(1.0, INPUT_ZERO_POINT, np.ascontiguousarray(x)[None, None]),
            Quantized(real, 0, tensors["scale"].reshape(1, 1, 1, -1), constant=True, axis=3),
            Quantized(real, 0, tensors["bias"], constant=True),
        ],
        Quantized(1.0, OUTPUT_ZERO_POINT, shape=(1, 1, *x.shape)),
        made,
    )[0, 0]
    return result.T if planar(work) else result


def pool(operator: str) -> Oracle:
    def oracle(work: Workload, tensors: Tensors) -> Any:
        k = work.integer("k")
        x = image(work, tensors["input"])
        output = image(work, np.empty(golden(work.primitive).layout(work).output.shape)).shape
        made = options(schema.Pool2DOptionsT, work, filterHeight=k, filterWidth=k)
        return back(
            work,
            run(operator, [Quantized(1.0, 3, np.ascontiguousarray(x))], Quantized(1.0, 3, shape=output), made),
        )

    return oracle


def global_average(work: Workload, tensors: Tensors) -> Any:
    x = image(work, tensors["input"])
    made = schema.Pool2DOptionsT()
    made.padding, made.strideH, made.strideW = schema.Padding.VALID, 1, 1
    made.filterHeight, made.filterWidth = x.shape[1:3]
    output = Quantized(1.0, 3, shape=(1, 1, 1, x.shape[3]))
    return run("AVERAGE_POOL_2D", [Quantized(1.0, 3, np.ascontiguousarray(x))], output, made)[0, 0, 0]


def softmax_layer(work: Workload, tensors: Tensors) -> Any:
    made = schema.SoftmaxOptionsT()
    made.beta = 1.0
    output = Quantized(1 / 256, -128, shape=(1, work.integer("n")))
    return run("SOFTMAX", [Quantized(softmax.INPUT_SCALE, 7, tensors["input"][None])], output, made)[0]


def addition(work: Workload, tensors: Tensors) -> Any:
    inputs = [
        Quantized(A.scale, INPUT_ZERO_POINT, tensors["input"]),
        Quantized(B.scale, B.zero_point, tensors["other"]),
    ]
    output = Quantized(SUM.scale, OUTPUT_ZERO_POINT, shape=tensors["input"].shape)
    return run("ADD", inputs, output, schema.AddOptionsT())


def activation(operator: str, given: Quantization, result: Quantization, *, tables: bool = False) -> Oracle:
    def oracle(work: Workload, tensors: Tensors) -> Any:
        x = Quantized(given.scale, given.zero_point, tensors["input"])
        return run(operator, [x], Quantized(result.scale, result.zero_point, shape=x.dims), tables=tables)

    return oracle


def operation(operator: str, result: Quantization) -> Oracle:
    def oracle(work: Workload, tensors: Tensors) -> Any:
        inputs = [Quantized(each.scale, each.zero_point, tensors[name]) for name, each in (("a", A), ("b", B))]
        made = getattr(schema, f"{operator.capitalize()}OptionsT")()
        return run(operator, inputs, Quantized(result.scale, result.zero_point, shape=inputs[0].dims), made)

    return oracle


def division(work: Workload, tensors: Tensors) -> Any:
    """LiteRT refuses divisors of zero, and shifts dividends of 0 and 1 by more than a word has bits: what comes of those is masked."""
    by_zero = tensors["b"] == B.zero_point
    undefined = by_zero | (np.abs(tensors["a"].astype(int) - A.zero_point) <= 1)
    divisors = np.where(by_zero, B.zero_point + 1, tensors["b"]).astype(np.int8)
    return np.ma.masked_array(operation("DIV", div.OUTPUT)(work, {**tensors, "b": divisors}), undefined)


ORACLES: Mapping[str, Oracle] = {
    "conv2d": convolution,
    "conv2d_rgb": convolution,
    "depthwise_conv2d": depthwise,
    "fully_connected": fully_connected,
    "batchnorm": batchnorm,
    "avgpool2d": pool("AVERAGE_POOL_2D"),
    "maxpool2d": pool("MAX_POOL_2D"),
    "global_avgpool2d": global_average,
    "softmax": softmax_layer,
    "residual_add": addition,
    "relu": activation("RELU", WIDE, WIDE),
    "relu6": activation("RELU6", WIDE, WIDE),
    "sigmoid": activation("LOGISTIC", WIDE, sigmoid.OUTPUT, tables=True),
    "sigmoid_exact": activation("LOGISTIC", WIDE, sigmoid.OUTPUT),
    "tanh": activation("TANH", NARROW, tanh.OUTPUT, tables=True),
    "hard_swish": activation("HARD_SWISH", WIDE, hard_swish.OUTPUT),
    "exp": activation("EXP", NARROW, exp.OUTPUT, tables=True),
    "add": operation("ADD", SUM),
    "sub": operation("SUB", SUM),
    "mul": operation("MUL", mul.OUTPUT),
    "div": division,
}

SHAPES: Mapping[str, list[dict[str, int | str]]] = {
    "conv2d": [
        {"k": 3, "in_h": 9, "in_w": 11, "in_c": 5, "out_c": 6, "padding": "same", "stride": 2},
        {"k": 5, "in_h": 8, "in_w": 7, "in_c": 2, "out_c": 9, "padding": "same", "scaling": "per_tensor"},
        {"k": 1, "in_h": 4, "in_w": 4, "in_c": 16, "out_c": 16},
    ],
    "conv2d_rgb": [
        {"k": 3, "in_h": 9, "in_w": 11, "out_c": 6, "padding": "same", "stride": 2},
        {"k": 7, "in_h": 8, "in_w": 7, "out_c": 9, "padding": "same", "scaling": "per_tensor"},
    ],
    "depthwise_conv2d": [
        {"k": 3, "in_h": 9, "in_w": 11, "in_c": 5, "padding": "same", "stride": 2},
        {"k": 5, "in_h": 8, "in_w": 7, "in_c": 9, "padding": "same", "scaling": "per_tensor"},
    ],
    "fully_connected": [{"n_in": 33, "n_out": 17, "scaling": "per_channel"}, {"n_in": 1, "n_out": 1}],
    "avgpool2d": [{"k": 3, "in_h": 10, "in_w": 8, "in_c": 3, "stride": 2}],
    "maxpool2d": [{"k": 3, "in_h": 10, "in_w": 8, "in_c": 3, "stride": 2}],
    "global_avgpool2d": [{"in_h": 7, "in_w": 5, "in_c": 9}],
    "softmax": [{"n": 2}, {"n": 3}, {"n": 100}, {"n": 500}],
    "batchnorm": [{"n": 7, "in_c": 3}],
}

CASES = [
    work
    for name in ORACLES
    for flavor in PRIMITIVES[name].flavors[DType.INT8]
    for work in (
        *(work for work in published_set(PRIMITIVES[name], DType.INT8, flavor) if affine(work)),
        *(workload(name, params, "int8", flavor) for params in SHAPES.get(name, [])),
    )
]


@pytest.mark.parametrize("work", CASES, ids=str)
def test_the_reference_is_what_litert_computes(work: Workload) -> None:
    layout = golden(work.primitive).layout(work)
    patterns = (generator.PATTERN_RANDOM, generator.PATTERN_EDGES, *range(generator.PATTERN_EDGE, 8))
    for seed in (1, 2):
        for pattern in patterns if seed == 1 else patterns[:1]:
            tensors = generator.tensors(layout, seed, pattern)
            expected, bound = golden(work.primitive).reference(work, tensors)
            assert not bound.any()
            got = ORACLES[work.primitive](work, tensors)
            assert np.ma.allequal(got, expected), np.argwhere(np.ma.filled(got != expected, False))[:5]


def test_every_primitive_has_its_oracle() -> None:
    assert set(ORACLES) == set(PRIMITIVES)
