"""The fp32 references, against ONNX Runtime's operators: an oracle that shares no code with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from bench.domain.primitives import PRIMITIVES, published_set, workload
from bench.domain.workload import DType, Workload
from bench.firmware import generator
from bench.firmware.golden import golden

Tensors = Mapping[str, NDArray[Any]]
Oracle = Callable[[Workload, Tensors], Any]

OPSET = 17
FEW_ULP = 2.0**-20
"""ONNX Runtime computes in single precision too, with exponentials of its own: sixteen steps, of the result or of one."""


def run(operator: str, inputs: Sequence[NDArray[Any]], **attributes: Any) -> Any:
    """Return what ``operator`` makes of ``inputs``."""
    names = [f"i{index}" for index in range(len(inputs))]
    graph = helper.make_graph(
        [helper.make_node(operator, names, ["o"], **attributes)],
        "one",
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, x.shape)
            for name, x in zip(names, inputs, strict=True)
        ],
        [helper.make_tensor_value_info("o", TensorProto.FLOAT, None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    result: NDArray[Any] = session.run(None, dict(zip(names, inputs, strict=True)))[0]
    return result


def convolution(work: Workload, tensors: Tensors) -> Any:
    stride, k = work.integer("stride"), work.integer("k")
    weights = tensors["weights"]
    grouped = work.primitive == "depthwise_conv2d"
    return run(
        "Conv",
        [tensors["input"][None], weights[:, None] if grouped else weights, tensors["bias"]],
        kernel_shape=[k, k],
        strides=[stride, stride],
        auto_pad="SAME_UPPER" if work["padding"] == "same" else "VALID",
        group=work.integer("in_c") if grouped else 1,
    )[0]


def pool(operator: str) -> Oracle:
    def oracle(work: Workload, tensors: Tensors) -> Any:
        k, stride = work.integer("k"), work.integer("stride")
        return run(operator, [tensors["input"][None]], kernel_shape=[k, k], strides=[stride, stride])[0]

    return oracle


def global_average(work: Workload, tensors: Tensors) -> Any:
    return run("GlobalAveragePool", [tensors["input"][None]])[0, :, 0, 0]


def fully_connected(work: Workload, tensors: Tensors) -> Any:
    return run("Gemm", [tensors["input"][None], tensors["weights"], tensors["bias"]])[0]


def batchnorm(work: Workload, tensors: Tensors) -> Any:
    """With a mean of zero and a variance of one, which is what folding leaves."""
    zeros = np.zeros_like(tensors["scale"])
    inputs = [tensors["input"][None], tensors["scale"], tensors["bias"], zeros, zeros + np.float32(1)]
    return run("BatchNormalization", inputs, epsilon=0.0)[0]


def elementwise(operator: str, **attributes: Any) -> Oracle:
    def oracle(work: Workload, tensors: Tensors) -> Any:
        inputs = [
            tensors[tensor.name]
            for tensor in golden(work.primitive).layout(work).tensors
            if not (tensor.constant or tensor.written)
        ]
        return run(operator, inputs, **attributes)

    return oracle


def relu6(work: Workload, tensors: Tensors) -> Any:
    bounds = [np.array(bound, np.float32) for bound in (0, 6)]
    return run("Clip", [tensors["input"], *bounds])


ORACLES: Mapping[str, Oracle] = {
    "conv2d": convolution,
    "conv2d_rgb": convolution,
    "depthwise_conv2d": convolution,
    "avgpool2d": pool("AveragePool"),
    "maxpool2d": pool("MaxPool"),
    "global_avgpool2d": global_average,
    "fully_connected": fully_connected,
    "softmax": elementwise("Softmax", axis=-1),
    "batchnorm": batchnorm,
    "residual_add": elementwise("Add"),
    "relu": elementwise("Relu"),
    "relu6": relu6,
    "sigmoid": elementwise("Sigmoid"),
    "sigmoid_exact": elementwise("Sigmoid"),
    "tanh": elementwise("Tanh"),
    "hard_swish": elementwise("HardSwish"),
    "add": elementwise("Add"),
    "sub": elementwise("Sub"),
    "mul": elementwise("Mul"),
    "div": elementwise("Div"),
    "exp": elementwise("Exp"),
}

APPROXIMATION: Mapping[str, float] = {"sigmoid": 16 / 1024 / 4}
"""What a reference may be off because the primitive is an approximation: a table's step times the greatest slope."""

SHAPES: Mapping[str, list[dict[str, int | str]]] = {
    "conv2d": [{"k": 3, "in_h": 9, "in_w": 11, "in_c": 5, "out_c": 6, "padding": "same", "stride": 2}],
    "conv2d_rgb": [{"k": 5, "in_h": 9, "in_w": 11, "out_c": 6, "padding": "same", "stride": 2}],
    "depthwise_conv2d": [{"k": 3, "in_h": 9, "in_w": 11, "in_c": 5, "padding": "same", "stride": 2}],
    "avgpool2d": [{"k": 3, "in_h": 10, "in_w": 8, "in_c": 3, "stride": 2}],
    "maxpool2d": [{"k": 3, "in_h": 10, "in_w": 8, "in_c": 3, "stride": 2}],
    "softmax": [{"n": 1000}],
    "batchnorm": [{"n": 7, "in_c": 3}],
}

CASES = [
    work
    for name in ORACLES
    for work in (
        *published_set(PRIMITIVES[name], DType.FP32, "naive"),
        *(workload(name, params) for params in SHAPES.get(name, [])),
    )
]


@pytest.mark.parametrize("work", CASES, ids=str)
def test_the_reference_is_what_onnxruntime_computes(work: Workload) -> None:
    layout = golden(work.primitive).layout(work)
    patterns = (generator.PATTERN_RANDOM, generator.PATTERN_EDGES, *range(generator.PATTERN_EDGE, 12))
    for seed in (1, 2):
        for pattern in patterns if seed == 1 else patterns[:1]:
            tensors = generator.tensors(layout, seed, pattern)
            expected, bound = golden(work.primitive).reference(work, tensors)
            got = ORACLES[work.primitive](work, tensors).astype(np.float64)
            allowed = bound + FEW_ULP * np.maximum(np.abs(expected), 1.0) + APPROXIMATION.get(work.primitive, 0.0)
            with np.errstate(invalid="ignore"):
                right = (np.abs(got - expected) <= allowed) | (got == expected)
            assert right.all(), f"pattern {pattern}: {got[~right][:5]} against {expected[~right][:5]}"


def test_every_primitive_has_its_oracle() -> None:
    assert set(ORACLES) == set(PRIMITIVES)
