"""What a primitive is: a name, its parameters, the data types and flavors it comes in, and how its applications are counted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bench.domain.workload import DType, Shape
from bench.errors import ParameterError

Values = Mapping[str, int | str]

NAIVE = "naive"
"""Straight loops over planar tensors (channel, row, column), as published."""
DSP = "dsp"
"""The SIMD instructions of Cortex-M4 and M7 on two 16-bit lanes, over interleaved tensors (row, column, channel)."""
CMSIS_NN = "cmsis-nn"
"""Arm's kernel library, from a folder of the user's, over interleaved tensors."""

EXTERNAL_FLAVORS = (CMSIS_NN,)
"""Flavors whose code comes from outside."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a primitive: an integer of ``minimum``..``maximum`` or one of ``choices``.

    Left out it has the value of the parameter ``same_as``, or ``default``. ``dtypes`` are the data types that have it,
    ``flavors`` the flavors; empty means every one.
    """

    name: str
    default: int | str
    help: str
    choices: tuple[int | str, ...] = ()
    minimum: int = 1
    maximum: int = 4096
    same_as: str = ""
    dtypes: tuple[DType, ...] = tuple(DType)
    flavors: tuple[str, ...] = ()

    def applies(self, dtype: str, flavor: str) -> bool:
        """Whether a workload of ``dtype`` and ``flavor`` has it."""
        return dtype in self.dtypes and (not self.flavors or flavor in self.flavors)

    @property
    def range_text(self) -> str:
        """The allowed values, for people."""
        return ", ".join(map(str, self.choices)) if self.choices else f"{self.minimum}..{self.maximum}"

    @property
    def default_text(self) -> str:
        """The value it has when left out, for people."""
        return f"as {self.same_as}" if self.same_as else str(self.default)

    def parse(self, value: int | str, primitive: str) -> int | str:
        """Return ``value`` checked, as an integer where the parameter is one. Raises ParameterError."""
        checked: int | str = value
        if not isinstance(self.default, str):
            try:
                checked = int(value)
            except ValueError:
                raise ParameterError(
                    f"{primitive}: {self.name} = {value!r} is not an integer", hint=f"{self.name}: {self.range_text}"
                ) from None
        inside = (
            checked in self.choices
            if self.choices
            else isinstance(checked, int) and self.minimum <= checked <= self.maximum
        )
        if not inside:
            raise ParameterError(
                f"{primitive}: {self.name} = {value} is not allowed", hint=f"{self.name}: {self.range_text}"
            )
        return checked


def no_check(_values: Values) -> None:
    """Accept every combination of parameters."""


def one_layer(_values: Values) -> int:
    """Count one application: the whole layer."""
    return 1


@dataclass(frozen=True, slots=True)
class Primitive:
    """A computation pattern that the bench can measure.

    ``flavors``: the implementations of each data type. ``published`` are the parameter sets of the published measurements, over the
    defaults: what a sweep measures unless told otherwise. ``applications`` counts the uses of the pattern in one call, ``operations`` its
    multiply-accumulates or elementary operations: a measure of size, for time limits. ``check`` raises ParameterError for parameters that
    do not fit each other.
    """

    name: str
    summary: str
    application: str
    parameters: tuple[Parameter, ...]
    flavors: Mapping[DType, tuple[str, ...]]
    published: tuple[Values, ...]
    shape: Callable[[Values], Shape]
    applications: Callable[[Values], int]
    operations: Callable[[Values], int]
    check: Callable[[Values], None] = no_check

    @property
    def dtypes(self) -> tuple[DType, ...]:
        """The data types it comes in."""
        return tuple(self.flavors)


def integer(values: Values, name: str) -> int:
    """Return the integer parameter ``name``."""
    return int(values[name])


SCALING = Parameter(
    "scaling",
    "per_channel",
    "one requantisation multiplier for each output channel, or one for all",
    choices=("per_channel", "per_tensor"),
    dtypes=(DType.INT8,),
)
