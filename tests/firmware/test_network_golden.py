"""References of whole networks: against ONNX Runtime, and that their bounds are tight enough to find what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from bench.domain.network import INPUT
from bench.domain.workload import DType
from bench.estimate.networks import NETWORKS, network
from bench.firmware import generator
from bench.firmware.network import NetworkLayout, Step, lay_out
from bench.firmware.network_golden import NetworkGolden

Tensors = Mapping[str, NDArray[Any]]


def node(step: Step, constants: dict[str, NDArray[Any]], tensors: Tensors) -> list[NodeProto]:
    """Return the layer as ONNX operators on planar images of one batch."""
    work, values = step.work, dict(step.work.params)
    name, inputs = step.layer.name, list(step.layer.inputs)
    own = {t.name: f"{step.name}.{t.name}" for t in step.layout.tensors if t.constant}
    constants |= {own[t]: tensors[step.source(t)] for t in own}
    kind = work.primitive
    if kind in ("conv2d", "conv2d_rgb", "depthwise_conv2d"):
        group = 1
        if kind == "depthwise_conv2d":
            group = work.integer("in_c")
            constants[own["weights"]] = constants[own["weights"]][:, None]
        pad = "SAME_UPPER" if values["padding"] == "same" else "VALID"
        k, stride = [work.integer("k")] * 2, [work.integer("stride")] * 2
        return [
            helper.make_node(
                "Conv",
                [*inputs, own["weights"], own["bias"]],
                [name],
                kernel_shape=k,
                strides=stride,
                auto_pad=pad,
                group=group,
            )
        ]
    if kind in ("maxpool2d", "avgpool2d"):
        operator = "MaxPool" if kind == "maxpool2d" else "AveragePool"
        k, stride = [work.integer("k")] * 2, [work.integer("stride")] * 2
        return [helper.make_node(operator, inputs, [name], kernel_shape=k, strides=stride)]
    if kind == "fully_connected":
        flat = f"{name}.flat"
        return [
            helper.make_node("Flatten", inputs, [flat]),
            helper.make_node("Gemm", [flat, own["weights"], own["bias"]], [name]),
        ]
    if kind == "batchnorm":
        constants[own["scale"]] = constants[own["scale"]][:, None, None]
        constants[own["bias"]] = constants[own["bias"]][:, None, None]
        scaled = f"{name}.scaled"
        return [
            helper.make_node("Mul", [*inputs, own["scale"]], [scaled]),
            helper.make_node("Add", [scaled, own["bias"]], [name]),
        ]
    simple = {
        "relu": "Relu",
        "residual_add": "Add",
        "softmax": "Softmax",
        "global_avgpool2d": "GlobalAveragePool",
        "tanh": "Tanh",
    }
    return [helper.make_node(simple[kind], inputs, [name])]


def onnx_output(laid_out: NetworkLayout, tensors: Tensors) -> NDArray[Any]:
    """Return what ONNX Runtime makes of the network, in single precision."""
    height, width, channels = laid_out.network.in_shape
    constants: dict[str, NDArray[Any]] = {}
    nodes = [operator for step in laid_out.steps for operator in node(step, constants, tensors)]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, (1, channels, height, width))],
        [helper.make_tensor_value_info(laid_out.output_buffer, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.ascontiguousarray(values), name) for name, values in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    image = tensors["input"].reshape(1, channels, height, width)
    result: NDArray[Any] = session.run(None, {INPUT: image})[0]
    return result.ravel()


@pytest.mark.parametrize("name", ["lenet5", "resnet8", "dscnn"])
@pytest.mark.parametrize("seed", [1, 2])
def test_onnx_runtime_agrees_within_the_bound(name: str, seed: int) -> None:
    laid_out = lay_out(network(name), DType.FP32)
    tensors = generator.tensors(laid_out.layout, seed)
    expected, bound = NetworkGolden(laid_out).reference(laid_out.work, tensors)
    assert (np.abs(onnx_output(laid_out, tensors) - expected.ravel()) <= bound.ravel()).all()


@pytest.mark.parametrize("name", ["lenet5", "lenet5_sigmoid", "resnet8", "dscnn", "autoencoder"])
def test_the_bound_stays_far_below_the_values(name: str) -> None:
    laid_out = lay_out(network(name), DType.FP32)
    expected, bound = NetworkGolden(laid_out).reference(laid_out.work, generator.tensors(laid_out.layout, 1))
    assert bound.max() < 0.02 * np.abs(expected).max()
    assert np.abs(expected).max() < 100


def test_a_single_wrong_weight_in_the_first_layer_is_found() -> None:
    laid_out = lay_out(network("resnet8"), DType.FP32)
    tensors = generator.tensors(laid_out.layout, 1)
    expected, bound = NetworkGolden(laid_out).reference(laid_out.work, tensors)
    first = laid_out.steps[0].source("weights")
    wrong = {**tensors, first: tensors[first].copy()}
    wrong[first].flat[5] += 0.25
    spoiled, _ = NetworkGolden(laid_out).reference(laid_out.work, wrong)
    assert (np.abs(spoiled - expected) > bound).any()


@pytest.mark.parametrize("name", sorted(set(NETWORKS) - {"mobilenetv1_025"}))  # its two classes saturate the softmax
def test_int8_is_exact_and_depends_on_the_input(name: str) -> None:
    laid_out = lay_out(network(name), DType.INT8)
    outputs = []
    for seed in (1, 2):
        expected, bound = NetworkGolden(laid_out).reference(laid_out.work, generator.tensors(laid_out.layout, seed))
        assert not bound.any()
        outputs.append(expected)
    assert (outputs[0] != outputs[1]).any()
