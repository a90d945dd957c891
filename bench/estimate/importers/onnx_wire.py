"""Picks the structure out of an ONNX file without loading weights, so that memory and time are bounded by what is picked.

Ref: Protocol Buffers encoding (varints, tag = field << 3 | wire type), and onnx.proto of ONNX 1.17: ModelProto.graph = 7; GraphProto.node = 1,
initializer = 5, input = 11, output = 12; TensorProto.dims = 1, data_type = 2, float_data = 4, int64_data = 7, name = 8, raw_data = 9.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from bench.errors import ModelFileError

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
MAX_FIELDS = 200_000
"""Fields that are looked at in one file."""
MAX_STRUCTURE_BYTES = 4 * 1024 * 1024
"""Of all nodes, inputs and outputs together: a real model needs about 300 bytes a node."""
SMALL_BYTES = 1024
"""Constants up to this size are kept: shapes, axes, limits."""


@dataclass(frozen=True, slots=True)
class Constant:
    """An initializer: its shape, ONNX's number of its type, and its bytes where it is small and inside the file."""

    dims: tuple[int, ...]
    data_type: int = 0
    raw: bytes | None = None
    integers: tuple[int, ...] = ()


@dataclass(slots=True)
class Parts:
    """What an importer needs: encoded nodes, inputs and outputs, and initializers by name."""

    nodes: list[bytes] = field(default_factory=list)
    inputs: list[bytes] = field(default_factory=list)
    outputs: list[bytes] = field(default_factory=list)
    constants: dict[str, Constant] = field(default_factory=dict)


class _Scanner:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.fields = 0

    def varint(self, at: int, end: int) -> tuple[int, int]:
        value = shift = 0
        while True:
            if at >= end or shift > 63:
                raise ModelFileError("the file is cut off or damaged: a number does not end")
            byte = self.data[at]
            value |= (byte & 0x7F) << shift
            at += 1
            if byte < 0x80:
                return value, at
            shift += 7

    def messages(self, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
        """Yield (field, varint value, first byte, end) of every field in ``start`` .. ``end``."""
        at = start
        while at < end:
            self.fields += 1
            if self.fields > MAX_FIELDS:
                raise ModelFileError(
                    f"the file has more than {MAX_FIELDS} fields; no network for a microcontroller has"
                )
            tag, at = self.varint(at, end)
            number, kind, value, first = tag >> 3, tag & 7, 0, at
            if kind == _VARINT:
                value, at = self.varint(at, end)
            elif kind == _BYTES:
                length, first = self.varint(at, end)
                at = first + length
            elif kind in (_FIXED64, _FIXED32):
                at += 8 if kind == _FIXED64 else 4
            else:
                raise ModelFileError(f"the file is no ONNX model, or damaged: wire type {kind} at byte {first}")
            if at > end or number == 0:
                raise ModelFileError(f"the file is no ONNX model, cut off or damaged at byte {first}")
            yield number, value, first, at


def scan(data: bytes) -> Parts:
    """Return the parts of the model in ``data``. Raises ModelFileError for what is damaged or too large."""
    scanner, parts, structure, graphs = _Scanner(data), Parts(), 0, 0
    for number, _, start, end in scanner.messages(0, len(data)):
        if number != 7:
            continue
        graphs += 1
        if graphs > 1:
            raise ModelFileError("the file holds several graphs")
        for entry, _, first, last in scanner.messages(start, end):
            if entry == 5:
                name, constant = _constant(scanner, first, last)
                parts.constants[name] = constant
                continue
            kept = {1: parts.nodes, 11: parts.inputs, 12: parts.outputs}.get(entry)
            if kept is None:
                continue
            structure += last - first
            if structure > MAX_STRUCTURE_BYTES:
                raise ModelFileError(
                    f"nodes, inputs and outputs take more than {MAX_STRUCTURE_BYTES} bytes",
                    hint="keep weights as initializers, not as Constant nodes",
                )
            kept.append(data[first:last])
    if not graphs:
        raise ModelFileError("the file holds no graph: it is no ONNX model")
    return parts


def _constant(scanner: _Scanner, start: int, end: int) -> tuple[str, Constant]:
    data, name, kind, raw = scanner.data, "", 0, None
    dims: list[int] = []
    integers: list[int] = []
    for number, value, first, last in scanner.messages(start, end):
        if number in (1, 7):
            into = dims if number == 1 else integers
            into.extend(_packed(scanner, first, last))
        elif number == 2:
            kind = value
        elif number == 8:
            name = data[first : min(last, first + SMALL_BYTES)].decode("utf-8", "replace")
        elif number in (4, 9) and last - first <= SMALL_BYTES:
            raw = data[first:last]
    return name, Constant(tuple(dims), kind, raw, tuple(integers))


def _packed(scanner: _Scanner, first: int, last: int) -> list[int]:
    """Return varints that lie one after the other, signed; a field that is not packed is a list of one. Long lists are cut."""
    found: list[int] = []
    while first < last and len(found) < SMALL_BYTES:
        value, first = scanner.varint(first, last)
        found.append(value - (1 << 64) if value >> 63 else value)
    return found
