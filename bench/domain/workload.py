"""A workload: a primitive with its shapes, data type and flavor."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

NETWORK = "network"
"""What a workload has for its primitive that is a whole network: all its layers, one after the other."""


class DType(StrEnum):
    """Data type of a workload's tensors."""

    FP32 = "fp32"
    INT8 = "int8"


class OptLevel(StrEnum):
    """Compiler optimisation level, without the dash."""

    O0 = "O0"
    O2 = "O2"
    O3 = "O3"
    OS = "Os"
    OFAST = "Ofast"


Params = tuple[tuple[str, int | str], ...]


@dataclass(frozen=True, slots=True)
class Shape:
    """The shape columns of the look-up table; None where a primitive has no such thing."""

    kernel_h: int | None = None
    kernel_w: int | None = None
    stride: int | None = None
    in_h: int | None = None
    in_w: int | None = None
    in_c: int | None = None
    out_c: int | None = None


@dataclass(frozen=True, slots=True)
class Workload:
    """What one image measures. Build it with ``bench.domain.primitives.workload``, which checks every value.

    ``params`` holds every parameter of the primitive in the primitive's order; ``str(params)`` in the look-up table is ``params_text``.
    """

    primitive: str
    params: Params
    dtype: DType = DType.FP32
    flavor: str = "naive"
    opt_level: OptLevel = OptLevel.O3

    def __getitem__(self, name: str) -> int | str:
        for key, value in self.params:
            if key == name:
                return value
        raise KeyError(name)

    def integer(self, name: str) -> int:
        """Return the integer parameter ``name``."""
        value = self[name]
        if not isinstance(value, int):
            raise TypeError(f"{self.primitive}: parameter {name} is {value!r}, not an integer")
        return value

    @property
    def params_text(self) -> str:
        """The parameters as ``k=5;in_h=32;...``, the ``params`` column of the look-up table."""
        return ";".join(f"{name}={value}" for name, value in self.params)

    def __str__(self) -> str:
        params = ", ".join(f"{name}={value}" for name, value in self.params)
        return f"{self.primitive}({params}) {self.dtype} {self.flavor} -{self.opt_level}"
