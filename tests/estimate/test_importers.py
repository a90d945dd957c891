"""Networks from ONNX and TensorFlow Lite files: layers as they are, what has no primitive named."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from bench.domain.network import Network
from bench.domain.workload import DType
from bench.errors import ModelFileError
from bench.estimate.importers import from_onnx, from_tflite, load
from tests.estimate.models import TfliteModel, onnx_model, options, small_onnx, small_tflite

node = helper.make_node


def layers(network: Network) -> list[tuple[str, tuple[int, int, int]]]:
    """Return (primitive, what it leaves) of each layer."""
    return [(layer.primitive, layer.out_shape) for layer in network.layers]


def test_onnx_becomes_layers() -> None:
    """Padding, depthwise, strides, a residual sum, pools; biases and reshapes are free, a MatMul's bias is its own."""
    made = from_onnx(small_onnx(), "small")
    assert layers(made.network) == [
        ("conv2d_rgb", (8, 8, 8)),
        ("batchnorm", (8, 8, 8)),
        ("relu", (8, 8, 8)),
        ("depthwise_conv2d", (4, 4, 8)),
        ("relu6", (4, 4, 8)),
        ("conv2d", (4, 4, 8)),
        ("residual_add", (4, 4, 8)),
        ("global_avgpool2d", (1, 1, 8)),
        ("fully_connected", (1, 1, 6)),
        ("fully_connected", (1, 1, 4)),
        ("softmax", (1, 1, 4)),
    ]
    assert made.network.layers[6].inputs == ("pw", "clip")
    assert dict(made.network.layers[0].params)["padding"] == "same"
    assert dict(made.network.layers[5].params)["padding"] == "valid"
    assert made.dtype is None
    assert "biases" in made.notes[0]


@pytest.mark.parametrize("dtype", ["INT8", "FLOAT32"])
def test_tflite_becomes_layers(dtype: str) -> None:
    """A fused activation is free in int8 and a layer in fp32; zeros of a padding operator go with the convolution."""
    made = from_tflite(small_tflite(dtype), "small")
    fused = dtype == "FLOAT32"
    expected = [
        ("conv2d_rgb", (4, 4, 8)),
        *([("relu", (4, 4, 8))] if fused else []),
        ("depthwise_conv2d", (4, 4, 8)),
        *([("relu6", (4, 4, 8))] if fused else []),
        ("residual_add", (4, 4, 8)),
        ("avgpool2d", (1, 1, 8)),
        ("fully_connected", (1, 1, 4)),
        ("softmax", (1, 1, 4)),
    ]
    assert layers(made.network) == expected
    assert made.dtype is (DType.FP32 if fused else DType.INT8)
    assert any("free in int8" in note for note in made.notes) is not fused


@pytest.mark.parametrize(
    ("operator", "message"),
    [
        (node("Conv", ["x", "w57"], ["y"], "odd"), r"odd \(Conv\): its window of 5 x 7 is not square"),
        (node("Conv", ["x", "w3"], ["y"], "far", dilations=[2, 2]), "dilated"),
        (node("Conv", ["x", "w3"], ["y"], "edge", pads=[2, 2, 2, 2]), "neither same nor valid"),
        (node("Conv", ["x", "w3"], ["y"], "uneven", strides=[1, 2]), "strides 1 and 2 differ"),
        (node("Conv", ["x", "w3"], ["y"], "stuck", strides=[0, 0], pads=[1, 1, 1, 1]), "window of 3 and stride of 0"),
        (
            node("MaxPool", ["x"], ["y"], "empty", kernel_shape=[0, 0], auto_pad="SAME_UPPER"),
            "window of 0 and stride of",
        ),
        (node("ConvTranspose", ["x", "w3"], ["y"], "up"), r"up \(ConvTranspose\)"),
        (node("LSTM", ["x", "w3", "w3"], ["y"], "memory"), r"memory \(LSTM\)"),
        (node("MaxPool", ["x"], ["y"], "pool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]), "padding"),
        (node("Clip", ["x"], ["y"], "clip", min=-1.0, max=1.0), "clips to -1 .. 1"),
        (node("Softmax", ["x"], ["y"], "soft"), "not over a vector"),
        (node("Transpose", ["x"], ["y"], "turn"), r"turn \(Transpose\)"),
        (node("Conv", ["x", "wbig"], ["y"], "wide"), "4096"),
        (node("Relu", ["x"], ["y"], "own", domain="com.example"), "its domain is com.example"),
    ],
)
def test_what_has_no_primitive_is_named(operator: Any, message: str) -> None:
    """By layer and operator, with the reason; what reads it is not reported again."""
    after = node("Relu", ["y"], ["z"], "after")
    weights: dict[str, tuple[int, ...]] = {"w3": (4, 3, 3, 3), "w57": (4, 3, 5, 7), "wbig": (4096, 3, 1, 1)}
    with pytest.raises(ModelFileError) as caught:
        from_onnx(onnx_model([operator, after], weights), "net")
    assert "1 operator(s) that no primitive covers" in str(caught.value)
    assert re.search(message, caught.value.detail), caught.value.detail


def test_tflite_names_what_it_lacks() -> None:
    """A quantise operator, weights that are computed, a custom operator."""
    made = TfliteModel((1, 4, 4, 3))
    a = made.add("QUANTIZE", [made.last], (1, 4, 4, 3))
    made.add("RELU", [a], (1, 4, 4, 3))
    with pytest.raises(ModelFileError) as caught:
        from_tflite(made.pack(), "net")
    assert caught.value.detail == "quantize_0 (QUANTIZE)"
    made = TfliteModel((1, 4, 4, 3))
    made.add("CONV_2D", [made.last, made.tensor((1, 3, 3, 3))], (1, 4, 4, 1), options("Conv2D"))
    with pytest.raises(ModelFileError, match="which nothing before it makes"):
        from_tflite(made.pack(), "net")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (onnx_model([node("Relu", ["b"], ["a"]), node("Relu", ["a"], ["b"])]), "nothing before it makes"),
        (onnx_model([node("Relu", ["x"], ["y"])], in_shape=(1, 3, 2**40, 8)), "its input has the shape"),
        (onnx_model([node("Relu", ["x"], ["y"])], in_shape=(1, 3, "n", 8)), "its input has the shape"),
        (onnx_model([node("Relu", ["x"], ["y"])], in_shape=(8, 3, 8, 8)), "batch of 8"),
        (onnx_model([node("Relu", ["x"], ["y"])] * 10_001), "operators"),
        (onnx_model([]), "needs a layer"),
        (b"", "no ONNX model"),
        (b"\x3a\x7f\x01", "cut off"),
        (b"\x3a\x02\x0a\x00" * 2, "several graphs"),
        (b"\x3a\x83\x80\x80\x01" + b"\x0a\x00" * (2**20), "cut off|fields"),
        (b"\x3a\x80\x80\x80\x01" + b"\x0a\x00" * (2**20), "fields"),
    ],
)
def test_hostile_onnx_is_refused(model: bytes, message: str) -> None:
    """Cycles, sizes beyond reason, many empty messages, other formats."""
    with pytest.raises(ModelFileError, match=message):
        from_onnx(model, "net")


def test_external_data_is_never_opened() -> None:
    """Weights elsewhere have a shape all the same, and nothing else is needed."""
    model = onnx_model([node("Conv", ["x", "w"], ["y"], "conv")], {"w": (4, 3, 3, 3)}, external=True)
    assert layers(from_onnx(model).network) == [("conv2d_rgb", (6, 6, 4))]


def test_deep_nesting_is_refused() -> None:
    """Subgraphs in subgraphs, deeper than any parser follows."""
    inner = b""
    for _ in range(5000):
        body = b"\x0a" + _varint(len(inner)) + inner  # GraphProto.node
        graph = b"\x32" + _varint(len(body)) + body  # AttributeProto.g
        inner = b"\x2a" + _varint(len(graph)) + graph  # NodeProto.attribute
    graph = b"\x0a" + _varint(len(inner)) + inner
    with pytest.raises(ModelFileError):
        from_onnx(b"\x3a" + _varint(len(graph)) + graph)


def _varint(value: int) -> bytes:
    made = b""
    while value > 127:
        made += bytes([value & 127 | 128])
        value >>= 7
    return made + bytes([value])


def test_files(tmp_path: Path) -> None:
    """By their ending; what is missing, no file, too large or another format says so."""
    good = tmp_path / "net.onnx"
    good.write_bytes(small_onnx())
    assert load(good).network.name == "net"
    (tmp_path / "net.tflite").write_bytes(small_tflite())
    assert load(tmp_path / "net.tflite").dtype is DType.INT8
    (tmp_path / "other.tflite").write_bytes(small_onnx())
    (tmp_path / "dir.onnx").mkdir()
    with (tmp_path / "huge.onnx").open("wb") as file:
        file.truncate(1 << 40)
    for name, message in (
        ("none.onnx", "not there"),
        ("dir.onnx", "no file"),
        ("other.tflite", "TFL3"),
        ("huge.onnx", "more than"),
        ("net.h5", "neither"),
    ):
        with pytest.raises(ModelFileError, match=message):
            load(tmp_path / name)


def test_clip_limits_may_be_attributes() -> None:
    """As old opsets have it."""
    model = onnx_model([node("Clip", ["x"], ["y"], "clip", min=0.0, max=6.0)])
    assert layers(from_onnx(model).network) == [("relu6", (8, 8, 3))]


def test_input_of_a_vector() -> None:
    """Vectors and reshaped inputs."""
    model = onnx_model([node("Gemm", ["x", "w"], ["y"], "fc")], {"w": (40, 2)}, in_shape=(1, 40))
    assert from_onnx(model).network.in_shape == (1, 1, 40)
    model = onnx_model(
        [node("Reshape", ["x", "s"], ["r"], "r"), node("Conv", ["r", "w"], ["y"], "c")],
        {"w": (2, 1, 3, 3)},
        in_shape=(1, 40),
        constants={"s": np.array([1, 1, 5, 8], np.int64)},
    )
    assert from_onnx(model).network.in_shape == (5, 8, 1)
