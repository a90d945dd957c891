"""Small model files, made here."""

from __future__ import annotations

from typing import Any

import flatbuffers
import numpy as np
import onnx
from ai_edge_litert import schema_py_generated as schema
from onnx import TensorProto, helper, numpy_helper

OPTIONS = schema.BuiltinOptions


def onnx_model(
    nodes: list[Any],
    weights: dict[str, tuple[int, ...]] | None = None,
    *,
    in_shape: tuple[Any, ...] = (1, 3, 8, 8),
    constants: dict[str, Any] | None = None,
    external: bool = False,
) -> bytes:
    """Return an ONNX file of ``nodes``, that reads "x" and leaves "y"; ``weights`` are shapes, ``constants`` values."""
    initializers = []
    for name, dims in (weights or {}).items():
        tensor = numpy_helper.from_array(np.zeros(dims, np.float32), name)
        if external:
            tensor.ClearField("raw_data")
            tensor.data_location = TensorProto.EXTERNAL
            entry = tensor.external_data.add()
            entry.key, entry.value = "location", "../../../../etc/passwd"
        initializers.append(tensor)
    initializers += [numpy_helper.from_array(np.array(value), name) for name, value in (constants or {}).items()]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, in_shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        initializers,
    )
    made: bytes = onnx.helper.make_model(graph).SerializeToString()
    return made


def small_onnx() -> bytes:
    """Return a small residual network: everything that imports, with names."""
    node = helper.make_node
    return onnx_model(
        [
            node("Conv", ["x", "w1", "b1"], ["c1"], "conv1", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
            node("BatchNormalization", ["c1", "s", "s", "s", "s"], ["n1"], "bn1"),
            node("Relu", ["n1"], ["r1"], "relu1"),
            node("Conv", ["r1", "wd"], ["d1"], "dw", group=8, strides=[2, 2], auto_pad="SAME_UPPER"),
            node("Clip", ["d1", "zero", "six"], ["k1"], "clip"),
            node("Conv", ["k1", "wp"], ["p1"], "pw"),
            node("Add", ["p1", "k1"], ["a1"], "add"),
            node("Dropout", ["a1"], ["o1"], "drop"),
            node("GlobalAveragePool", ["o1"], ["g1"], "pool"),
            node("Reshape", ["g1", "shape"], ["f1"], "reshape"),
            node("Gemm", ["f1", "wf", "bf"], ["l1"], "fc", transB=1),
            node("MatMul", ["l1", "wm"], ["m1"], "matmul"),
            node("Add", ["m1", "bm"], ["ab"], "bias"),
            node("Softmax", ["ab"], ["y"], "softmax"),
        ],
        {
            "w1": (8, 3, 3, 3),
            "b1": (8,),
            "s": (8,),
            "wd": (8, 1, 3, 3),
            "wp": (8, 8, 1, 1),
            "wf": (6, 8),
            "bf": (6,),
            "wm": (6, 4),
            "bm": (4,),
        },
        constants={"zero": np.float32(0), "six": np.float32(6), "shape": np.array([1, -1], np.int64)},
    )


class TfliteModel:
    """Writes a TensorFlow Lite file, operator by operator."""

    def __init__(self, in_shape: tuple[int, ...], dtype: str = "INT8") -> None:
        self.dtype = dtype
        self.model, self.graph = schema.ModelT(), schema.SubGraphT()
        self.model.version, self.model.operatorCodes, self.model.buffers = 3, [], [schema.BufferT()]
        self.graph.tensors, self.graph.operators = [], []
        self.graph.inputs = [self.tensor(in_shape)]
        self.last: int = self.graph.inputs[0]

    def tensor(self, dims: tuple[int, ...], data: bytes | None = None, dtype: str | None = None) -> int:
        """Append a tensor and return its index; with ``data`` it is a constant."""
        made, buffer = schema.TensorT(), schema.BufferT()
        made.name, made.shape = f"t{len(self.graph.tensors)}", list(dims)
        made.type = getattr(schema.TensorType, dtype or self.dtype)
        if data is not None:
            buffer.data = np.frombuffer(data, np.uint8)
        made.buffer = len(self.model.buffers)
        self.model.buffers.append(buffer)
        self.graph.tensors.append(made)
        return len(self.graph.tensors) - 1

    def weights(self, *dims: int) -> int:
        """Append weights, all zero."""
        return self.tensor(dims, bytes(int(np.prod(dims))))

    def integers(self, *values: int) -> int:
        """Append constant integers."""
        return self.tensor((len(values),), np.array(values, "<i4").tobytes(), "INT32")

    def add(self, operator: str, inputs: list[int], out_shape: tuple[int, ...], options: Any = None) -> int:
        """Append an operator and return its output."""
        code = schema.OperatorCodeT()
        code.builtinCode = getattr(schema.BuiltinOperator, operator)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        self.model.operatorCodes.append(code)
        made = schema.OperatorT()
        made.opcodeIndex, made.inputs = len(self.model.operatorCodes) - 1, inputs
        self.last = self.tensor(out_shape)
        made.outputs = [self.last]
        if options is not None:
            made.builtinOptions = options
            made.builtinOptionsType = getattr(OPTIONS, type(options).__name__.removesuffix("T"))
        self.graph.operators.append(made)
        return self.last

    def pack(self) -> bytes:
        """Return the file."""
        self.graph.outputs = [self.last]
        self.model.subgraphs = [self.graph]
        builder = flatbuffers.Builder(1024)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def options(kind: str, **values: int) -> Any:
    """Return options of the schema."""
    made = getattr(schema, f"{kind}OptionsT")()
    for name, value in values.items():
        setattr(made, name, value)
    return made


def small_tflite(dtype: str = "INT8") -> bytes:
    """Return a small residual network with fused activations and a padding operator."""
    made = TfliteModel((1, 8, 8, 3), dtype)
    x = made.add("PAD", [made.last, made.integers(0, 0, 0, 1, 0, 1, 0, 0)], (1, 9, 9, 3), options("Pad"))
    conv = {"strideH": 2, "strideW": 2, "padding": 1, "dilationHFactor": 1, "dilationWFactor": 1}
    unit = conv | {"strideH": 1, "strideW": 1, "padding": 0}
    a = made.add(
        "CONV_2D", [x, made.weights(8, 3, 3, 3)], (1, 4, 4, 8), options("Conv2D", **conv, fusedActivationFunction=1)
    )
    b = made.add(
        "DEPTHWISE_CONV_2D",
        [a, made.weights(1, 3, 3, 8)],
        (1, 4, 4, 8),
        options("DepthwiseConv2D", **unit, fusedActivationFunction=3),
    )
    c = made.add("ADD", [b, a], (1, 4, 4, 8), options("Add"))
    pool = {"filterHeight": 4, "filterWidth": 4, "strideH": 1, "strideW": 1, "padding": 1}
    d = made.add("AVERAGE_POOL_2D", [c], (1, 1, 1, 8), options("Pool2D", **pool))
    e = made.add("RESHAPE", [d, made.integers(1, 8)], (1, 8), options("Reshape"))
    f = made.add("FULLY_CONNECTED", [e, made.weights(4, 8)], (1, 4), options("FullyConnected"))
    made.add("SOFTMAX", [f], (1, 4), options("Softmax"))
    return made.pack()
