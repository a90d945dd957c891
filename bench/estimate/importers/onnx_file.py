"""ONNX models (fp32, images as channel, row, column) as networks.

Ref: ONNX operators, opset 7 .. 21 (onnx/docs/Operators.md): attributes and inputs of each.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Any

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import NodeProto, ValueInfoProto

from bench.domain.network import INPUT
from bench.errors import ModelFileError
from bench.estimate.importers.graph import MAX_OPERATORS, Graph, Imported, Unsupported, Value, elements_of, image_shape
from bench.estimate.importers.onnx_wire import Constant, scan

_FLOAT, _INT64 = 1, 7

_FREE = frozenset({"Identity", "Dropout"})
_ACTIVATIONS = {
    "Relu": "relu",
    "Sigmoid": "sigmoid_exact",
    "Tanh": "tanh",
    "HardSwish": "hard_swish",
    "Exp": "exp",
}
_ARITHMETIC = {"Add": "residual_add", "Sub": "sub", "Mul": "mul", "Div": "div"}


def read(data: bytes, name: str) -> Imported:
    """Return the network in ``data``. Raises ModelFileError."""
    parts = scan(data)
    if len(parts.nodes) > MAX_OPERATORS:
        raise ModelFileError(f"{name} has {len(parts.nodes)} operators, more than {MAX_OPERATORS}")
    try:
        nodes = [NodeProto.FromString(node) for node in parts.nodes]
        inputs = [ValueInfoProto.FromString(value) for value in parts.inputs]
        outputs = [ValueInfoProto.FromString(value) for value in parts.outputs]
    except (DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ModelFileError(f"{name} is no ONNX model, or damaged: {error}") from None
    fed = [value for value in inputs if value.name not in parts.constants]
    if len(fed) != 1:
        raise ModelFileError(f"{name} has {len(fed)} inputs ({', '.join(v.name for v in fed)[:200]}), one is needed")
    return _Reader(name, fed[0], parts.constants).read(nodes, len(outputs))


class _Reader:
    def __init__(self, name: str, fed: Any, constants: dict[str, Constant]) -> None:
        kind = fed.type.tensor_type
        if kind.elem_type != _FLOAT:
            raise ModelFileError(
                f"{name}: its input is not of 32-bit floats (ONNX type {kind.elem_type})",
                hint="import the fp32 model and reduce it by int8, or the quantised model as .tflite",
            )
        sizes = [dim.dim_value if dim.HasField("dim_value") else 0 for dim in kind.shape.dim][:8]
        if sizes and sizes[0] > 1:
            raise ModelFileError(f"{name}: its input has a batch of {sizes[0]}", hint="export it with a batch of one")
        self.graph = Graph(name, image_shape(name, sizes[1:], channels_first=True))
        self.constants = constants
        self.values: dict[str, Value] = {fed.name: Value(INPUT, self.graph.in_shape)}
        self.products: set[str] = set()
        self.unknown: set[str] = set()

    def read(self, nodes: list[Any], outputs: int) -> Imported:
        for at, node in enumerate(nodes):
            label = (node.name or (node.output[0] if node.output else "") or f"{node.op_type}_{at}")[:100]
            if node.op_type == "Constant":
                self._constant(node)
                continue
            missing = [n for n in node.input if n and n not in self.values and n not in self.constants]
            if [n for n in missing if n not in self.unknown]:
                raise ModelFileError(
                    f"{self.graph.name}: {label} ({node.op_type}) reads {missing[0]!r}, which nothing before it makes",
                    hint="the graph has a cycle, is not in order, or misses a part",
                )
            try:
                if node.domain not in ("", "ai.onnx"):
                    raise Unsupported(f"its domain is {node.domain[:100]}")
                if missing:  # what it reads was refused
                    if node.op_type not in _OPERATORS:
                        raise Unsupported("")
                    self.unknown.update(node.output)
                    continue
                operator = _OPERATORS.get(node.op_type)
                if operator is None:
                    raise Unsupported("")
                made = operator(self, node, label)
                if not node.output:
                    raise Unsupported("it has no output")
                self.values[node.output[0]] = made
            except Unsupported as reason:
                self.graph.refuse(label, node.op_type[:50], str(reason))
                self.unknown.update(node.output)
        if outputs > 1:
            self.graph.note(f"the model has {outputs} outputs; all its layers are counted")
        return self.graph.finish(None)

    def _constant(self, node: Any) -> None:
        for attribute in node.attribute:
            if attribute.name == "value" and node.output:
                tensor = attribute.t
                raw = tensor.raw_data or struct.pack(f"<{len(tensor.float_data)}f", *tensor.float_data)
                self.constants[node.output[0]] = Constant(
                    tuple(tensor.dims), tensor.data_type, raw[:1024] or None, tuple(tensor.int64_data)[:1024]
                )
            elif attribute.name in ("value_ints", "value_int") and node.output:
                numbers = tuple(attribute.ints) or (attribute.i,)
                self.constants[node.output[0]] = Constant((len(numbers),), _INT64, None, numbers)

    def value(self, node: Any, index: int = 0) -> Value:
        """Return the tensor that ``node`` reads. Raises Unsupported for a constant."""
        if index >= len(node.input) or node.input[index] not in self.values:
            raise Unsupported("it works on a constant")
        return self.values[node.input[index]]

    def dims(self, node: Any, index: int) -> tuple[int, ...]:
        """Return the shape of the constant that ``node`` reads. Raises Unsupported."""
        found = self.constants.get(node.input[index]) if index < len(node.input) else None
        if found is None:
            raise Unsupported("its weights are not in the file")
        return found.dims

    def integers(self, name: str) -> tuple[int, ...]:
        """Return the constant integers ``name``. Raises Unsupported."""
        found = self.constants.get(name)
        if found is None or found.data_type != _INT64:
            raise Unsupported("it depends on integers that are computed")
        if found.integers:
            return found.integers
        raw = found.raw or b""
        return struct.unpack(f"<{len(raw) // 8}q", raw[: len(raw) // 8 * 8])

    def number(self, name: str) -> float:
        """Return the constant float ``name``. Raises Unsupported."""
        found = self.constants.get(name)
        if found is None or found.data_type != _FLOAT or found.raw is None or len(found.raw) != 4:
            raise Unsupported("its limits are not constant")
        return float(struct.unpack("<f", found.raw)[0])


def _attributes(node: Any) -> dict[str, Any]:
    return {
        entry.name: entry.i
        if entry.type == 2
        else entry.f
        if entry.type == 1
        else entry.s.decode("utf-8", "replace")
        if entry.type == 3
        else tuple(entry.ints)
        for entry in node.attribute
    }


def _pair(values: Any, what: str) -> tuple[int, int]:
    if not isinstance(values, tuple) or len(values) != 2:
        raise Unsupported(f"it is not two-dimensional ({what} {values})")
    return int(values[0]), int(values[1])


def _pads(found: dict[str, Any]) -> tuple[int, int, int, int] | None:
    mode = found.get("auto_pad", "NOTSET")
    if mode == "SAME_UPPER":
        return None
    if mode == "VALID":
        return (0, 0, 0, 0)
    if mode != "NOTSET":
        raise Unsupported(f"auto_pad is {mode}")
    pads = found.get("pads", (0, 0, 0, 0))
    if len(pads) != 4 or any(not 0 <= pad <= 64 for pad in pads):
        raise Unsupported(f"pads are {pads}")
    return (pads[0], pads[1], pads[2], pads[3])


def _conv(reader: _Reader, node: Any, label: str) -> Value:
    found, dims, value = _attributes(node), reader.dims(node, 1), reader.value(node)
    if len(dims) != 4:
        raise Unsupported(f"its weights have {len(dims)} dimensions, those of an image have 4")
    out_c, per_group, *kernel = dims
    group = found.get("group", 1)
    if any(step != 1 for step in found.get("dilations", (1,))):
        raise Unsupported("it is dilated")
    strides = _pair(found.get("strides", (1, 1)), "strides")
    window, pads = (kernel[0], kernel[1]), _pads(found)
    channels = value.shape[2]
    if per_group * group != channels:
        raise Unsupported(f"its weights take {per_group * group} channels, it reads {channels}")
    if group == 1:
        return reader.graph.convolution(label, "conv2d", value, window, strides, pads, out_c=out_c)
    if group == channels == out_c:
        return reader.graph.convolution(label, "depthwise_conv2d", value, window, strides, pads)
    raise Unsupported(f"it has {group} groups of {channels} input and {out_c} output channels")


def _gemm(reader: _Reader, node: Any, label: str) -> Value:
    found, dims, value = _attributes(node), reader.dims(node, 1), reader.value(node)
    if len(dims) != 2 or found.get("transA"):
        raise Unsupported("it is not a matrix times a vector")
    n_out, n_in = dims if found.get("transB") else dims[::-1]
    if n_in != elements_of(value.shape):
        raise Unsupported(f"its weights take {n_in} inputs, it reads {elements_of(value.shape)}")
    made = reader.graph.add(label, "fully_connected", value, n_out=n_out)
    if node.output:
        reader.products.add(node.output[0])
    return made


def _activation(reader: _Reader, node: Any, label: str) -> Value:
    return reader.graph.add(label, _ACTIVATIONS[node.op_type], reader.value(node))


def _clip(reader: _Reader, node: Any, label: str) -> Value:
    found = _attributes(node)
    low, high = found.get("min", -math.inf), found.get("max", math.inf)
    if len(node.input) > 1 and node.input[1]:
        low = reader.number(node.input[1])
    if len(node.input) > 2 and node.input[2]:
        high = reader.number(node.input[2])
    if low != 0 or high < 6 or (6 < high < 1e30):
        raise Unsupported(f"it clips to {low:g} .. {high:g}; 0 .. 6 is relu6, 0 .. infinity relu")
    return reader.graph.add(label, "relu6" if high == 6 else "relu", reader.value(node))


def _arithmetic(reader: _Reader, node: Any, label: str) -> Value:
    if len(node.input) != 2:
        raise Unsupported(f"it has {len(node.input)} inputs")
    constant = [at for at in (0, 1) if node.input[at] in reader.constants]
    if constant and node.op_type == "Add":
        other = node.input[1 - constant[0]]
        dims = reader.constants[node.input[constant[0]]].dims
        if other in reader.products and elements_of(dims) == elements_of(reader.values[other].shape):
            reader.graph.note("biases that are added behind a MatMul are part of the fully connected layer")
            return reader.values[other]
    return reader.graph.add(label, _ARITHMETIC[node.op_type], reader.value(node, 0), reader.value(node, 1))


def _pool(reader: _Reader, node: Any, label: str) -> Value:
    found, value = _attributes(node), reader.value(node)
    if found.get("ceil_mode") or any(step != 1 for step in found.get("dilations", (1,))):
        raise Unsupported("it rounds its size up, or is dilated")
    kernel = _pair(found.get("kernel_shape"), "kernel_shape")
    strides = _pair(found.get("strides", (1, 1)), "strides")
    average = node.op_type == "AveragePool"
    if average and kernel == value.shape[:2] and not any(_pads(found) or (1,)):
        return _whole(reader, value, label, kernel, strides)
    primitive = "avgpool2d" if average else "maxpool2d"
    return reader.graph.convolution(label, primitive, value, kernel, strides, _pads(found))


def _whole(reader: _Reader, value: Value, label: str, kernel: tuple[int, int], strides: tuple[int, int]) -> Value:
    """Return an average over the whole image: of a window where there is such a one, else of the channel."""
    if kernel[0] == kernel[1] <= 10 and strides[0] == strides[1] <= 16:
        return reader.graph.convolution(label, "avgpool2d", value, kernel, strides, (0, 0, 0, 0))
    return reader.graph.add(label, "global_avgpool2d", value)


def _global_pool(reader: _Reader, node: Any, label: str) -> Value:
    return reader.graph.add(label, "global_avgpool2d", reader.value(node))


def _mean(reader: _Reader, node: Any, label: str) -> Value:
    found = _attributes(node)
    axes = found.get("axes") or (reader.integers(node.input[1]) if len(node.input) > 1 and node.input[1] else ())
    if sorted(axis % 4 for axis in axes) != [2, 3]:
        raise Unsupported(f"it averages over axes {tuple(axes)}, height and width are (2, 3)")
    return reader.graph.add(label, "global_avgpool2d", reader.value(node))


def _softmax(reader: _Reader, node: Any, label: str) -> Value:
    value = reader.value(node)
    if value.shape[:2] != (1, 1):
        raise Unsupported("it is not over a vector")
    return reader.graph.add(label, "softmax", value)


def _batchnorm(reader: _Reader, node: Any, label: str) -> Value:
    value, dims = reader.value(node), reader.dims(node, 1)
    if dims != (value.shape[2],):
        raise Unsupported(f"it has {dims} scales for {value.shape[2]} channels")
    return reader.graph.add(label, "batchnorm", value)


def _free(reader: _Reader, node: Any, _label: str) -> Value:
    return reader.value(node)


def _flatten(reader: _Reader, node: Any, _label: str) -> Value:
    if _attributes(node).get("axis", 1) != 1:
        raise Unsupported("it does not keep the batch")
    return reader.graph.flattened(reader.value(node))


def _reshape(reader: _Reader, node: Any, _label: str) -> Value:
    value = reader.value(node)
    if node.op_type in ("Squeeze", "Unsqueeze"):
        return reader.graph.flattened(value) if value.shape[:2] == (1, 1) else value
    sizes = list(reader.integers(node.input[1] if len(node.input) > 1 else ""))
    if not 1 <= len(sizes) <= 8 or any(size < -1 for size in sizes):
        raise Unsupported(f"its shape is {tuple(sizes)[:8]}")
    planar = (1, value.shape[2], value.shape[0], value.shape[1])
    sizes = [planar[at] if size == 0 and at < 4 else size for at, size in enumerate(sizes)]
    if sizes.count(-1) == 1:
        rest = elements_of([size for size in sizes if size != -1])
        sizes[sizes.index(-1)] = elements_of(planar) // rest if rest else 0
    if elements_of(sizes) != elements_of(planar):
        raise Unsupported(f"it makes {tuple(sizes)} of {elements_of(planar)} elements")
    if len(sizes) == 4 and sizes[0] == 1:
        return reader.graph.reshaped(value, (sizes[2], sizes[3], sizes[1]))
    return reader.graph.reshaped(value, sizes[1:] if sizes[0] == 1 else sizes)


def _pad(reader: _Reader, node: Any, _label: str) -> Value:
    found, value = _attributes(node), reader.value(node)
    pads = found.get("pads") or reader.integers(node.input[1] if len(node.input) > 1 else "")
    if found.get("mode", "constant") != "constant" or len(pads) != 8 or any(pads[at] for at in (0, 1, 4, 5)):
        raise Unsupported("it does not put zeros around an image")
    if any(value.pads) or any(not 0 <= pad <= 64 for pad in pads):
        raise Unsupported("it pads more than a window reaches")
    reader.graph.note("zeros of a Pad operator are part of the convolution behind it")
    return Value(value.layer, value.shape, (pads[2], pads[3], pads[6], pads[7]))


_OPERATORS: dict[str, Callable[[_Reader, Any, str], Value]] = {
    "Conv": _conv,
    "Gemm": _gemm,
    "MatMul": _gemm,
    "Clip": _clip,
    "AveragePool": _pool,
    "MaxPool": _pool,
    "GlobalAveragePool": _global_pool,
    "ReduceMean": _mean,
    "Softmax": _softmax,
    "BatchNormalization": _batchnorm,
    "Flatten": _flatten,
    "Reshape": _reshape,
    "Squeeze": _reshape,
    "Unsqueeze": _reshape,
    "Pad": _pad,
    **dict.fromkeys(_FREE, _free),
    **dict.fromkeys(_ACTIVATIONS, _activation),
    **dict.fromkeys(_ARITHMETIC, _arithmetic),
}
