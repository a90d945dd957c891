"""TensorFlow Lite models (int8 or fp32, images as row, column, channel) as networks.

Ref: tensorflow/lite/schema/schema.fbs, version 3. Flatbuffers carry no checksum and their Python accessors do not verify offsets, so everything
that they raise on damaged data becomes an error, and every count is bounded before it is looped over.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import tflite

from bench.domain.network import INPUT
from bench.domain.workload import DType
from bench.errors import ModelFileError
from bench.estimate.importers.graph import MAX_OPERATORS, Graph, Imported, Unsupported, Value, elements_of, image_shape

MAX_TENSORS = 50_000
_MAX_SIZES = 8
_MAX_INTEGERS = 64

_DAMAGE = (struct.error, IndexError, TypeError, ValueError, KeyError, AttributeError, OverflowError, MemoryError)

_ACTIVATIONS = {
    "RELU": "relu",
    "RELU6": "relu6",
    "LOGISTIC": "sigmoid_exact",
    "TANH": "tanh",
    "HARD_SWISH": "hard_swish",
    "EXP": "exp",
}
_FUSED = {0: "", 1: "relu", 2: "relu_n1_to_1", 3: "relu6", 4: "tanh", 5: "sign_bit"}
"""ActivationFunctionType of the schema."""
_SAME = 0
"""Padding.SAME of the schema."""
_NAMES = {value: name for name, value in vars(tflite.BuiltinOperator).items() if isinstance(value, int)}


def read(data: bytes, name: str) -> Imported:
    """Return the network in ``data``. Raises ModelFileError."""
    if len(data) < 16 or data[4:8] != b"TFL3":
        raise ModelFileError(f"{name} is no TensorFlow Lite model: the identifier TFL3 is missing")
    try:
        return _Reader(data, name).read()
    except _DAMAGE as error:
        raise ModelFileError(f"{name} is damaged or cut off: {str(error)[:200]}") from None


class _Reader:
    def __init__(self, data: bytes, name: str) -> None:
        self.name = name
        self.model = tflite.Model.GetRootAs(data, 0)
        if self.model.SubgraphsLength() != 1:
            raise ModelFileError(
                f"{name} has {self.model.SubgraphsLength()} subgraphs, one is needed",
                hint="convert it without control flow",
            )
        self.subgraph = self.model.Subgraphs(0)
        counts = (self.subgraph.OperatorsLength(), self.subgraph.TensorsLength(), self.model.OperatorCodesLength())
        if counts[0] > MAX_OPERATORS or counts[1] > MAX_TENSORS or counts[2] > MAX_OPERATORS:
            raise ModelFileError(f"{name} claims {counts[0]} operators and {counts[1]} tensors: damaged, or too large")
        if self.subgraph.InputsLength() != 1:
            raise ModelFileError(f"{name} has {self.subgraph.InputsLength()} inputs, one is needed")
        fed = self.subgraph.Inputs(0)
        sizes = self.sizes(fed)
        if sizes and sizes[0] != 1:
            raise ModelFileError(f"{name}: its input has a batch of {sizes[0]}", hint="export it with a batch of one")
        self.dtype = self._dtype(fed)
        self.graph = Graph(name, image_shape(name, sizes[1:], channels_first=False))
        self.values: dict[int, Value] = {fed: Value(INPUT, self.graph.in_shape)}
        self.unknown: set[int] = set()

    def _dtype(self, index: int) -> DType:
        kind = self.tensor(index).Type()
        found = {tflite.TensorType.INT8: DType.INT8, tflite.TensorType.FLOAT32: DType.FP32}.get(kind)
        if found is None:
            raise ModelFileError(
                f"{self.name}: its input is of TensorFlow Lite's type {kind}, neither int8 nor fp32",
                hint="convert it with inference_input_type = tf.int8",
            )
        return found

    def tensor(self, index: int) -> Any:
        """Return the tensor ``index``."""
        if not 0 <= index < self.subgraph.TensorsLength():
            raise ModelFileError(f"{self.name} is damaged: it names tensor {index} of {self.subgraph.TensorsLength()}")
        return self.subgraph.Tensors(index)

    def sizes(self, index: int) -> tuple[int, ...]:
        """Return the shape of a tensor."""
        tensor = self.tensor(index)
        count = tensor.ShapeLength()
        if count > _MAX_SIZES:
            raise ModelFileError(f"{self.name} is damaged: a tensor has {count} dimensions")
        return tuple(int(tensor.Shape(at)) for at in range(count))

    def constant(self, index: int) -> bool:
        """Whether tensor ``index`` is stored in the file."""
        if index < 0:
            return False
        buffer = self.tensor(index).Buffer()
        return bool(0 < buffer < self.model.BuffersLength() and self.model.Buffers(buffer).DataLength() > 0)

    def integers(self, index: int) -> tuple[int, ...]:
        """Return the 32-bit constants in tensor ``index``. Raises Unsupported."""
        if not self.constant(index) or self.tensor(index).Type() != tflite.TensorType.INT32:
            raise Unsupported("it depends on integers that are computed")
        buffer = self.model.Buffers(self.tensor(index).Buffer())
        if buffer.DataLength() > 4 * _MAX_INTEGERS:
            raise Unsupported("its list of integers is too long")
        raw = bytes(buffer.Data(at) for at in range(buffer.DataLength()))
        return struct.unpack(f"<{len(raw) // 4}i", raw[: len(raw) // 4 * 4])

    def read(self) -> Imported:
        for at in range(self.subgraph.OperatorsLength()):
            operator = self.subgraph.Operators(at)
            if operator.InputsLength() > 64 or operator.OutputsLength() > 64:
                raise ModelFileError(f"{self.name} is damaged: operator {at} has {operator.InputsLength()} inputs")
            kind = self._kind(operator.OpcodeIndex())
            inputs = [int(operator.Inputs(i)) for i in range(operator.InputsLength())]
            outputs = [int(operator.Outputs(i)) for i in range(operator.OutputsLength())]
            label = f"{kind.lower()}_{at}"
            missing = [i for i in inputs if i >= 0 and i not in self.values and not self.constant(i)]
            if any(i not in self.unknown for i in missing):
                raise ModelFileError(
                    f"{self.name}: {label} reads tensor {missing[0]}, which nothing before it makes",
                    hint="the graph has a cycle, is not in order, or misses a part",
                )
            try:
                make = _OPERATORS.get(kind)
                if make is None or len(outputs) != 1 or outputs[0] < 0:
                    raise Unsupported("" if make is None else f"it has {len(outputs)} outputs")
                if missing:
                    self.unknown.update(outputs)
                    continue
                self.values[outputs[0]] = make(self, _Operation(operator, kind, label, inputs, outputs[0]))
            except Unsupported as reason:
                self.graph.refuse(label, kind, str(reason))
                self.unknown.update(outputs)
        if self.subgraph.OutputsLength() > 1:
            self.graph.note(f"the model has {self.subgraph.OutputsLength()} outputs; all its layers are counted")
        return self.graph.finish(self.dtype)

    def _kind(self, index: int) -> str:
        if not 0 <= index < self.model.OperatorCodesLength():
            raise ModelFileError(f"{self.name} is damaged: it names operator code {index}")
        code = self.model.OperatorCodes(index)
        # Older files have the code in a byte (schema 3, OperatorCode.deprecated_builtin_code).
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        if number == tflite.BuiltinOperator.CUSTOM:
            return f"CUSTOM {(code.CustomCode() or b'').decode('utf-8', 'replace')[:50]}"
        return str(_NAMES.get(number, f"operator {number}"))


class _Operation:
    """One operator of the file."""

    def __init__(self, operator: Any, kind: str, label: str, inputs: list[int], output: int) -> None:
        self.operator, self.kind, self.label, self.inputs, self.output = operator, kind, label, inputs, output

    def options(self, kind: type) -> Any:
        """Return the options as a ``kind`` of the schema."""
        table, made = self.operator.BuiltinOptions(), kind()
        if table is None:
            raise Unsupported("it has no options")
        made.Init(table.Bytes, table.Pos)
        return made


def _value(reader: _Reader, operation: _Operation, at: int = 0) -> Value:
    if at >= len(operation.inputs) or operation.inputs[at] not in reader.values:
        raise Unsupported("it works on a constant")
    return reader.values[operation.inputs[at]]


def _fused(reader: _Reader, operation: _Operation, value: Value, number: int) -> Value:
    """Append a fused activation: free in int8, where the output's range ends where the activation clips; a layer in fp32."""
    name = _FUSED.get(number, "")
    if not name and number:
        raise Unsupported(f"its fused activation {number} is unknown")
    if not name:
        return value
    if name in ("relu", "relu6") and reader.dtype is DType.INT8:
        reader.graph.note(f"fused {name} is free in int8: requantisation clips to the output's range, which ends there")
        return value
    if name not in ("relu", "relu6", "tanh"):
        raise Unsupported(f"its fused activation is {name}")
    return reader.graph.add(f"{operation.label}_{name}", name, value)


def _weights(reader: _Reader, operation: _Operation, dimensions: int) -> tuple[int, ...]:
    if len(operation.inputs) < 2 or not reader.constant(operation.inputs[1]):
        raise Unsupported("its weights are not in the file")
    sizes = reader.sizes(operation.inputs[1])
    if len(sizes) != dimensions or min(sizes) < 1:
        raise Unsupported(f"its weights have the shape {sizes}")
    return sizes


def _pads(padding: int) -> tuple[int, int, int, int] | None:
    return None if padding == _SAME else (0, 0, 0, 0)


def _conv(reader: _Reader, operation: _Operation) -> Value:
    depthwise = operation.kind == "DEPTHWISE_CONV_2D"
    options = operation.options(tflite.DepthwiseConv2DOptions if depthwise else tflite.Conv2DOptions)
    value, sizes = _value(reader, operation), _weights(reader, operation, 4)
    if options.DilationHFactor() != 1 or options.DilationWFactor() != 1:
        raise Unsupported("it is dilated")
    channels, kernel = value.shape[2], (sizes[1], sizes[2])
    strides, pads = (options.StrideH(), options.StrideW()), _pads(options.Padding())
    if depthwise:
        if sizes[3] != channels:
            raise Unsupported(f"it makes {sizes[3]} channels of {channels}")
        made = reader.graph.convolution(operation.label, "depthwise_conv2d", value, kernel, strides, pads)
    else:
        if sizes[3] != channels:
            raise Unsupported(f"its weights take {sizes[3]} channels, it reads {channels}")
        made = reader.graph.convolution(operation.label, "conv2d", value, kernel, strides, pads, out_c=sizes[0])
    return _fused(reader, operation, made, options.FusedActivationFunction())


def _dense(reader: _Reader, operation: _Operation) -> Value:
    value, sizes = _value(reader, operation), _weights(reader, operation, 2)
    if sizes[1] != elements_of(value.shape):
        raise Unsupported(f"its weights take {sizes[1]} inputs, it reads {elements_of(value.shape)}")
    made = reader.graph.add(operation.label, "fully_connected", value, n_out=sizes[0])
    options = operation.options(tflite.FullyConnectedOptions)
    return _fused(reader, operation, made, options.FusedActivationFunction())


def _pool(reader: _Reader, operation: _Operation) -> Value:
    options, value = operation.options(tflite.Pool2DOptions), _value(reader, operation)
    kernel, strides = (options.FilterHeight(), options.FilterWidth()), (options.StrideH(), options.StrideW())
    average = operation.kind == "AVERAGE_POOL_2D"
    whole = average and kernel == value.shape[:2]
    if whole and not (kernel[0] == kernel[1] <= 10 and strides[0] == strides[1] <= 16):
        made = reader.graph.add(operation.label, "global_avgpool2d", value)
    else:
        pads = (0, 0, 0, 0) if whole else _pads(options.Padding())
        primitive = "avgpool2d" if average else "maxpool2d"
        made = reader.graph.convolution(operation.label, primitive, value, kernel, strides, pads)
    return _fused(reader, operation, made, options.FusedActivationFunction())


def _mean(reader: _Reader, operation: _Operation) -> Value:
    axes = reader.integers(operation.inputs[1] if len(operation.inputs) > 1 else -1)
    if sorted(axis % 4 for axis in axes) != [1, 2]:
        raise Unsupported(f"it averages over axes {axes}, height and width are (1, 2)")
    return reader.graph.add(operation.label, "global_avgpool2d", _value(reader, operation))


def _softmax(reader: _Reader, operation: _Operation) -> Value:
    value = _value(reader, operation)
    if value.shape[:2] != (1, 1):
        raise Unsupported("it is not over a vector")
    return reader.graph.add(operation.label, "softmax", value)


def _activation(reader: _Reader, operation: _Operation) -> Value:
    return reader.graph.add(operation.label, _ACTIVATIONS[operation.kind], _value(reader, operation))


_ARITHMETIC: dict[str, tuple[str, type]] = {
    "ADD": ("residual_add", tflite.AddOptions),
    "SUB": ("sub", tflite.SubOptions),
    "MUL": ("mul", tflite.MulOptions),
    "DIV": ("div", tflite.DivOptions),
}


def _arithmetic(reader: _Reader, operation: _Operation) -> Value:
    primitive, options = _ARITHMETIC[operation.kind]
    made = reader.graph.add(operation.label, primitive, _value(reader, operation, 0), _value(reader, operation, 1))
    if operation.operator.BuiltinOptions() is None:
        return made
    return _fused(reader, operation, made, operation.options(options).FusedActivationFunction())


def _reshape(reader: _Reader, operation: _Operation) -> Value:
    value, sizes = _value(reader, operation), reader.sizes(operation.output)
    if elements_of(sizes) != elements_of(value.shape) or min(sizes, default=1) < 1:
        raise Unsupported(f"it makes {sizes} of {elements_of(value.shape)} elements")
    return reader.graph.reshaped(value, sizes[1:] if sizes and sizes[0] == 1 else sizes)


def _pad(reader: _Reader, operation: _Operation) -> Value:
    value, pads = _value(reader, operation), reader.integers(operation.inputs[1] if len(operation.inputs) > 1 else -1)
    if len(pads) != 8 or any(pads[at] for at in (0, 1, 6, 7)) or any(not 0 <= pad <= 64 for pad in pads):
        raise Unsupported("it does not put zeros around an image")
    if any(value.pads):
        raise Unsupported("it pads what was padded before")
    reader.graph.note("zeros of a PAD operator are part of the convolution behind it")
    return Value(value.layer, value.shape, (pads[2], pads[4], pads[3], pads[5]))


_OPERATORS: dict[str, Callable[[_Reader, _Operation], Value]] = {
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _conv,
    "FULLY_CONNECTED": _dense,
    "AVERAGE_POOL_2D": _pool,
    "MAX_POOL_2D": _pool,
    "MEAN": _mean,
    "SOFTMAX": _softmax,
    "RESHAPE": _reshape,
    "SQUEEZE": _reshape,
    "EXPAND_DIMS": _reshape,
    "PAD": _pad,
    **dict.fromkeys(_ACTIVATIONS, _activation),
    **dict.fromkeys(_ARITHMETIC, _arithmetic),
}
