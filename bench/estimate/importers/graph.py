"""What the importers share: operators of a model become layers, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from bench.domain.network import INPUT, Network
from bench.domain.primitives.windows import output_size
from bench.domain.workload import DType
from bench.errors import BenchError, ModelFileError
from bench.estimate.builder import Builder
from bench.estimate.shapes import CHANNELWISE, WINDOWS, TensorShape, elements

MAX_OPERATORS = 10_000
"""Of a model; more is taken for an attack or a mistake."""
MAX_DIMENSION = 1 << 24
"""Of a tensor."""
_SHOWN = 20
_OF_IMAGES = WINDOWS | CHANNELWISE | {"global_avgpool2d"}


@dataclass(frozen=True, slots=True)
class Imported:
    """A network from a file. ``dtype`` is int8 for a quantised model, None where the file leaves it open; ``notes`` say what was taken for free."""

    network: Network
    dtype: DType | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Value:
    """A tensor of the model: the layer that leaves it, its shape (height, width, channels), and zeros that a padding operator put around it."""

    layer: str
    shape: TensorShape
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)


class Unsupported(Exception):
    """An operator that no primitive covers, and why."""


@dataclass(slots=True)
class Graph:
    """Collects layers of a model and everything that cannot become one."""

    name: str
    in_shape: TensorShape
    builder: Builder = field(init=False)
    notes: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    _names: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.builder = Builder(self.name, self.in_shape)

    def add(self, name: str, primitive: str, *values: Value, **own: int | str) -> Value:
        """Append a layer and return what it leaves. Raises Unsupported for shapes that the primitive does not have."""
        if any(any(value.pads) for value in values):
            raise Unsupported("it reads padded values, which only convolutions may")
        if primitive in _OF_IMAGES and any(self.shape(value) != value.shape for value in values):
            raise Unsupported("it reads as an image what was flattened")
        unique, count = name, 1
        while unique in self._names or unique == INPUT:
            count += 1
            unique = f"{name}_{count}"
        try:
            self.builder.add(unique, primitive, *(value.layer for value in values), **own)
        except BenchError as error:
            raise Unsupported(str(error).removeprefix(f"layer {unique}: ")) from None
        self._names.add(unique)
        return Value(unique, self.builder.shape(unique))

    def shape(self, value: Value) -> TensorShape:
        """Return the shape of the layer behind ``value``, whatever it was reshaped to."""
        return self.in_shape if value.layer == INPUT else self.builder.shape(value.layer)

    def convolution(
        self,
        name: str,
        primitive: str,
        value: Value,
        kernel: tuple[int, int],
        strides: tuple[int, int],
        pads: tuple[int, int, int, int] | None,
        **own: int | str,
    ) -> Value:
        """Append a convolution or pooling; ``pads`` are (top, left, bottom, right), None for TensorFlow's "same".

        Padding that keeps size / stride is "same", none is "valid", other is Unsupported.
        """
        if len(set(kernel)) > 1:
            raise Unsupported(f"its window of {kernel[0]} x {kernel[1]} is not square")
        if len(set(strides)) > 1:
            raise Unsupported(f"its strides {strides[0]} and {strides[1]} differ")
        k, stride = kernel[0], strides[0]
        if k < 1 or stride < 1:
            raise Unsupported(f"its window of {k} and stride of {stride} are not both at least 1")
        padding = "same"
        if pads is not None:
            whole = tuple(a + b for a, b in zip(pads, value.pads, strict=True))
            padding = "same" if any(whole) else "valid"
            if any(whole):
                self._check_same(value, k, stride, whole)
        elif any(value.pads):
            raise Unsupported("it pads what was padded before")
        if "pool" in primitive:
            if padding == "same" and any(
                output_size(size, k, stride, "same") != output_size(size, k, stride, "valid")
                for size in value.shape[:2]
            ):
                raise Unsupported("poolings are measured without padding")
        else:
            own["padding"] = padding
        return self.add(name, primitive, replace(value, pads=(0, 0, 0, 0)), k=k, stride=stride, **own)

    def _check_same(self, value: Value, k: int, stride: int, pads: tuple[int, ...]) -> None:
        for axis in (0, 1):
            size, before, after = value.shape[axis], pads[axis], pads[axis + 2]
            out = (size + before + after - k) // stride + 1
            if out != output_size(size, k, stride, "same") or max(before, after) >= k:
                raise Unsupported(f"its padding of {before} and {after} around {size} gives neither same nor valid")

    def flattened(self, value: Value) -> Value:
        """Return ``value`` as a vector: free, it only renames memory."""
        return replace(value, shape=(1, 1, elements(value.shape)))

    def reshaped(self, value: Value, shape: Sequence[int]) -> Value:
        """Return ``value`` in a new ``shape`` (without batch): a vector, the same, or another view of the network's input, which then has it.

        Raises Unsupported for others, which would change what a window or a channel is.
        """
        count = elements(value.shape)
        sizes = [size for size in shape if size != 1]
        if len(sizes) <= 1:
            return self.flattened(value)
        known = (1,) * (3 - len(shape)) + tuple(shape) if len(shape) < 3 else tuple(shape)
        if known == value.shape:
            return value
        if len(known) == 3 and value.layer == INPUT and not self._names and elements_of(known) == count:
            self.in_shape = (known[0], known[1], known[2])
            self.builder = Builder(self.name, self.in_shape)
            return Value(INPUT, self.in_shape)
        raise Unsupported(f"it reshapes {'x'.join(map(str, value.shape))} to {'x'.join(map(str, shape))}")

    def note(self, text: str) -> None:
        """Keep a note, once."""
        if text not in self.notes:
            self.notes.append(text)

    def refuse(self, name: str, operator: str, why: str = "") -> None:
        """Remember an operator that no primitive covers."""
        self.refused.append(f"{name} ({operator})" + (f": {why}" if why else ""))

    def finish(self, dtype: DType | None) -> Imported:
        """Return the network. Raises ModelFileError with every operator that was refused, and for a model without layers."""
        if self.refused:
            shown = self.refused[:_SHOWN]
            more = len(self.refused) - len(shown)
            raise ModelFileError(
                f"{self.name}: {len(self.refused)} operator(s) that no primitive covers",
                detail="\n".join(shown) + (f"\nand {more} more" if more else ""),
                hint="`bench primitives` lists what there is; nothing was left out of an estimate",
            )
        try:
            network = self.builder.build()
        except ValueError as error:
            raise ModelFileError(str(error)) from None
        return Imported(network, dtype, tuple(self.notes))


def elements_of(shape: Sequence[int]) -> int:
    """Return the product of ``shape``."""
    count = 1
    for size in shape:
        count *= size
    return count


def image_shape(name: str, sizes: Sequence[int], *, channels_first: bool) -> TensorShape:
    """Return (height, width, channels) of an input without its batch: one, two or three sizes. Raises ModelFileError."""
    if not 1 <= len(sizes) <= 3 or any(not 0 < size <= MAX_DIMENSION for size in sizes):
        text = "x".join(map(str, sizes))
        raise ModelFileError(
            f"{name}: its input has the shape {text or 'of a scalar'} (without batch)",
            hint="sizes must be fixed and positive, of an image (height, width, channels) or a vector",
        )
    if len(sizes) == 3:
        return (sizes[1], sizes[2], sizes[0]) if channels_first else (sizes[0], sizes[1], sizes[2])
    return (1, 1, sizes[0]) if len(sizes) == 1 else (sizes[0], sizes[1], 1)
