"""Runs one int8 operator in LiteRT (TensorFlow Lite) with its kernels: an oracle that shares no code with the golden references."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray

_TYPE = {
    np.dtype("int8"): schema.TensorType.INT8,
    np.dtype("int32"): schema.TensorType.INT32,
    np.dtype("float32"): schema.TensorType.FLOAT32,
}


@dataclass(frozen=True)
class Quantized:
    """A quantised tensor: ``values`` (an input or a constant) or a mere ``shape`` (the output); one scale, or one for each index of ``axis``."""

    scale: float | NDArray[Any]
    zero_point: int = 0
    values: NDArray[Any] | None = None
    shape: tuple[int, ...] = ()
    constant: bool = False
    axis: int = 0

    @property
    def dims(self) -> tuple[int, ...]:
        return self.shape if self.values is None else self.values.shape

    def table(self, buffer: int, name: str) -> Any:
        """Return the tensor as the schema has it."""
        made = schema.TensorT()
        made.name, made.buffer, made.shape = name, buffer, list(self.dims)
        made.type = _TYPE[np.dtype("int8") if self.values is None else self.values.dtype]
        made.quantization = schema.QuantizationParametersT()
        scales = np.atleast_1d(np.asarray(self.scale, np.float32))
        made.quantization.scale = [float(scale) for scale in scales]
        made.quantization.zeroPoint = [self.zero_point] * len(scales)
        made.quantization.quantizedDimension = self.axis
        return made


def run(
    operator: str, inputs: Sequence[Quantized], output: Quantized, options: Any = None, *, tables: bool = False
) -> NDArray[np.int8]:
    """Return what ``operator`` (its name in the schema, such as ``CONV_2D``) makes of ``inputs``.

    The reference kernels compute it, or with ``tables`` the optimised ones, which look activations up in tables.
    """
    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version = 3
    code = schema.OperatorCodeT()
    code.builtinCode = getattr(schema.BuiltinOperator, operator)
    code.deprecatedBuiltinCode = min(code.builtinCode, 127)
    code.version = 1
    model.operatorCodes = [code]
    model.buffers = [schema.BufferT()]
    graph.tensors = []
    for index, tensor in enumerate((*inputs, output)):
        buffer = schema.BufferT()
        if tensor.constant and tensor.values is not None:
            buffer.data = np.frombuffer(np.ascontiguousarray(tensor.values).tobytes(), np.uint8)
        model.buffers.append(buffer)
        graph.tensors.append(tensor.table(index + 1, f"t{index}"))
    made = schema.OperatorT()
    made.opcodeIndex, made.inputs, made.outputs = 0, list(range(len(inputs))), [len(inputs)]
    if options is not None:
        made.builtinOptions = options
        made.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
    graph.operators = [made]
    graph.inputs = [index for index, tensor in enumerate(inputs) if not tensor.constant]
    graph.outputs = [len(inputs)]
    model.subgraphs = [graph]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    resolver = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES if tables else OpResolverType.BUILTIN_REF
    interpreter = Interpreter(model_content=bytes(builder.Output()), experimental_op_resolver_type=resolver)
    interpreter.allocate_tensors()
    fed = [tensor for tensor in inputs if not tensor.constant]
    for detail, tensor in zip(interpreter.get_input_details(), fed, strict=True):
        interpreter.set_tensor(detail["index"], tensor.values)
    interpreter.invoke()
    result: NDArray[np.int8] = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    return result
