"""What a kernel works on: its tensors, in memory order, and the integers it is told."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from math import prod

from bench.domain.workload import DType


class Role(Enum):
    """What a tensor is to the kernel: drawn on the target, compiled into the flash, written by the kernel, or its working memory."""

    INPUT = "input"
    CONSTANT = "constant"
    OUTPUT = "output"
    SCRATCH = "scratch"


_C_TYPE = {DType.FP32: "float", DType.INT8: "int8_t"}


@dataclass(frozen=True, slots=True)
class Tensor:
    """One buffer of a kernel; ``shape`` in memory order, outermost first."""

    name: str
    role: Role
    shape: tuple[int, ...]
    dtype: DType = DType.FP32

    @property
    def elements(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @property
    def size_bytes(self) -> int:
        """Size in memory."""
        return self.elements * self.dtype.size_bytes

    @property
    def c_type(self) -> str:
        """The element's type in C."""
        return _C_TYPE[self.dtype]

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
    integers: tuple[tuple[str, int], ...]

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
