"""What a kernel works on: its tensors, in memory order, and the integers it is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.domain.workload import DType, Workload


class Role(Enum):
    """What a tensor is to the kernel: drawn on the target, compiled into the flash, written by the kernel, or its working memory."""

    INPUT = "input"
    CONSTANT = "constant"
    OUTPUT = "output"
    SCRATCH = "scratch"


class Element(Enum):
    """The type of a tensor's elements: its name in C and its little-endian numpy type."""

    FLOAT = ("float", "<f4")
    INT8 = ("int8_t", "<i1")
    INT16 = ("int16_t", "<i2")
    INT32 = ("int32_t", "<i4")

    @property
    def c_type(self) -> str:
        """The type in C."""
        return self.value[0]

    @property
    def numpy(self) -> np.dtype[Any]:
        """The type in the target's memory."""
        return np.dtype(self.value[1])

    @property
    def size_bytes(self) -> int:
        """Bytes of one element."""
        return self.numpy.itemsize

    @classmethod
    def of(cls, work: Workload) -> Element:
        """Return the type of the activations and weights of ``work``."""
        return {DType.FP32: cls.FLOAT, DType.INT8: cls.INT8}[work.dtype]


_TINY, _HUGE_SUBNORMAL, _MIN_NORMAL = 2.0**-149, 2.0**-126 - 2.0**-149, 2.0**-126
_EDGES: dict[Element, tuple[float, ...]] = {
    Element.FLOAT: (0.0, 1.0, -1.0, -0.0, _TINY, -_TINY, _HUGE_SUBNORMAL, -_HUGE_SUBNORMAL, _MIN_NORMAL, -_MIN_NORMAL),
    Element.INT8: (0, -128, 127, -127, -1, 1),
    Element.INT16: (0, -32768, 32767, -1, 1),
    Element.INT32: (0, -1, 1),
}


@dataclass(frozen=True, slots=True)
class Tensor:
    """One buffer of a kernel; ``shape`` in memory order, outermost first.

    What an input or a constant holds is drawn from a seed: floats in [-``scale``, ``scale``) + ``offset``, where ``scale`` is a power of
    two, so that target and host round alike; integers over their whole range. A constant may have ``contents`` instead, such as a table.
    ``edges`` are the values that are worth a test of their own; the element type has some.
    """

    name: str
    role: Role
    shape: tuple[int, ...]
    element: Element = Element.FLOAT
    scale: float = 1.0
    offset: float = 0.0
    edges: tuple[float, ...] = ()
    contents: NDArray[Any] | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if np.frexp(self.scale)[0] != 0.5:
            raise ValueError(f"{self.name}: the scale {self.scale} is not a power of two")
        if self.contents is None:
            if self.constant and self.element is Element.INT32:
                raise ValueError(f"{self.name}: 32-bit constants need contents, their range is the primitive's")
        elif not self.constant or self.contents.shape != self.shape or self.contents.dtype != self.element.numpy:
            raise ValueError(
                f"{self.name}: contents {self.contents.dtype} {self.contents.shape} of a {self.role.value} {self.element.c_type} {self.shape}"
            )

    @property
    def elements(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @property
    def size_bytes(self) -> int:
        """Size in memory."""
        return self.elements * self.element.size_bytes

    @property
    def edge_values(self) -> NDArray[Any]:
        """The values worth a test of their own, in the element's type."""
        return np.array(self.edges or _EDGES[self.element], dtype=self.element.numpy)

    @property
    def constant(self) -> bool:
        """Whether the tensor lies in flash."""
        return self.role is Role.CONSTANT

    @property
    def written(self) -> bool:
        """Whether the kernel writes it."""
        return self.role in (Role.OUTPUT, Role.SCRATCH)


@dataclass(frozen=True, slots=True)
class KernelLayout:
    """The arguments of a kernel, in order; exactly one tensor is the output. A tensor's place in ``tensors`` is its random stream."""

    tensors: tuple[Tensor, ...]
    integers: tuple[tuple[str, int], ...] = ()

    def __post_init__(self) -> None:
        if sum(tensor.role is Role.OUTPUT for tensor in self.tensors) != 1:
            raise ValueError("a kernel has exactly one output")

    @property
    def output(self) -> Tensor:
        """The tensor that is checked."""
        return next(tensor for tensor in self.tensors if tensor.role is Role.OUTPUT)

    @property
    def ram_bytes(self) -> int:
        """RAM of inputs, output and scratch."""
        return sum(tensor.size_bytes for tensor in self.tensors if not tensor.constant)

    @property
    def constant_bytes(self) -> int:
        """Flash of weights and tables."""
        return sum(tensor.size_bytes for tensor in self.tensors if tensor.constant)

    def stream(self, name: str) -> int:
        """Return the random stream of tensor ``name``: its place, from 1 on."""
        return 1 + [tensor.name for tensor in self.tensors].index(name)
