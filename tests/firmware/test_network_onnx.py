"""Weights of ONNX models in the network's kernels, and the model itself as the oracle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from bench.domain.workload import DType
from bench.errors import OutputMismatch, ParameterError
from bench.estimate.importers import load
from bench.firmware.network import NetworkLayout, lay_out
from bench.firmware.network_onnx import check_against_onnxruntime, read_parameters


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Return a small model with every kind of weights: convolutions, a batch normalisation, a Gemm, a MatMul with an Add."""
    draw = np.random.default_rng(1)
    shapes = {
        "conv_w": (8, 2, 3, 3), "conv_b": (8,), "dw_w": (8, 1, 3, 3),
        "gamma": (8,), "beta": (8,), "mean": (8,), "fc1_w": (6, 8 * 5 * 5), "fc1_b": (6,), "fc2_w": (6, 4), "fc2_b": (4,),
    }  # fmt: skip
    constants = {name: draw.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}
    constants["variance"] = np.linspace(0.5, 2, 8, dtype=np.float32)
    nodes = [
        helper.make_node("Conv", ["x", "conv_w", "conv_b"], ["a"], "conv", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("BatchNormalization", ["a", "gamma", "beta", "mean", "variance"], ["b"], "bn", epsilon=1e-3),
        helper.make_node("Relu", ["b"], ["c"], "relu"),
        helper.make_node("Conv", ["c", "dw_w"], ["d"], "dw", kernel_shape=[3, 3], pads=[1, 1, 1, 1], group=8),
        helper.make_node("MaxPool", ["d"], ["e"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["e"], ["f"], "flatten"),
        helper.make_node("Gemm", ["f", "fc1_w", "fc1_b"], ["g"], "fc1", transB=1, alpha=0.5),
        helper.make_node("Relu", ["g"], ["h"], "relu2"),
        helper.make_node("MatMul", ["h", "fc2_w"], ["i"], "fc2"),
        helper.make_node("Add", ["i", "fc2_b"], ["j"], "fc2_add"),
        helper.make_node("Softmax", ["j"], ["y"], "softmax"),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 2, 10, 10))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 4))],
        [numpy_helper.from_array(values, name) for name, values in constants.items()],
    )
    path = tmp_path / "small.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), str(path))
    return path


def laid_out(model: Path) -> NetworkLayout:
    network = load(model).network
    return lay_out(network, DType.FP32, parameters=read_parameters(model, network))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_reference_is_what_onnx_runtime_computes(model: Path, seed: int) -> None:
    share = check_against_onnxruntime(model, laid_out(model), seed)
    assert share is not None
    assert 0 <= share <= 1


def test_weights_taken_over_wrongly_are_found(model: Path) -> None:
    network = load(model).network
    parameters = {layer: dict(tensors) for layer, tensors in read_parameters(model, network).items()}
    parameters["dw"]["weights"] = parameters["dw"]["weights"].transpose(0, 2, 1).copy()
    with pytest.raises(OutputMismatch, match="ONNX Runtime"):
        check_against_onnxruntime(model, lay_out(network, DType.FP32, parameters=parameters), 1)


def test_runs_with_the_models_weights_are_told_apart_from_drawn_ones(model: Path) -> None:
    own = laid_out(model)
    assert own.own_weights
    assert not lay_out(own.network, DType.FP32).own_weights
    assert own.work != lay_out(own.network, DType.FP32).work


def test_weights_that_are_not_in_the_file_are_named(model: Path) -> None:
    content = onnx.load(str(model))
    network = load(model).network
    del content.graph.initializer[[entry.name for entry in content.graph.initializer].index("dw_w")]
    onnx.save(content, str(model))
    with pytest.raises(ParameterError, match="'dw' has no weights") as refusal:
        read_parameters(model, network)
    assert "--drawn-weights" in refusal.value.hint
