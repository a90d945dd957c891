"""The registry of primitives: what can be measured, with which parameters, and what one application is.

A new primitive is one entry here, one kernel template in ``firmware_templates/kernels``, one golden reference in
``bench/firmware/golden`` and one line in ``docs/primitives.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bench.domain.workload import DType, OptLevel, Shape, Workload
from bench.errors import ParameterError, UnknownName

Values = Mapping[str, int | str]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a primitive: an integer of ``minimum``..``maximum`` or one of ``choices``."""

    name: str
    default: int | str
    help: str
    choices: tuple[int | str, ...] = ()
    minimum: int = 1
    maximum: int = 4096

    @property
    def range_text(self) -> str:
        """The allowed values, for people."""
        return ", ".join(map(str, self.choices)) if self.choices else f"{self.minimum}..{self.maximum}"

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


@dataclass(frozen=True, slots=True)
class Primitive:
    """A computation pattern that the bench can measure.

    ``check`` raises ParameterError for parameters that do not fit each other; ``applications`` counts the uses of the pattern in one call.
    """

    name: str
    summary: str
    application: str
    parameters: tuple[Parameter, ...]
    dtypes: tuple[DType, ...]
    flavors: tuple[str, ...]
    shape: Callable[[Values], Shape]
    applications: Callable[[Values], int]
    check: Callable[[Values], None]


def _int(values: Values, name: str) -> int:
    return int(values[name])


def conv2d_output_size(size: int, k: int, stride: int, padding: str) -> int:
    """Return the output height or width: ``floor((size - k) / stride) + 1`` for valid, ``ceil(size / stride)`` for same padding."""
    return (size - k) // stride + 1 if padding == "valid" else -(-size // stride)


def _conv2d_check(values: Values) -> None:
    k, in_h, in_w = _int(values, "k"), _int(values, "in_h"), _int(values, "in_w")
    if k > min(in_h, in_w):
        raise ParameterError(
            f"conv2d: the {k} x {k} kernel is larger than the {in_h} x {in_w} input",
            hint="use a smaller --k or a larger --size",
        )


def _conv2d_applications(values: Values) -> int:
    k, stride, padding = _int(values, "k"), _int(values, "stride"), str(values["padding"])
    out_h = conv2d_output_size(_int(values, "in_h"), k, stride, padding)
    out_w = conv2d_output_size(_int(values, "in_w"), k, stride, padding)
    return out_h * out_w * _int(values, "in_c") * _int(values, "out_c")


def _conv2d_shape(values: Values) -> Shape:
    k = _int(values, "k")
    return Shape(
        k,
        k,
        _int(values, "stride"),
        _int(values, "in_h"),
        _int(values, "in_w"),
        _int(values, "in_c"),
        _int(values, "out_c"),
    )


CONV2D = Primitive(
    name="conv2d",
    summary="2-D convolution (cross-correlation) with bias; planar tensors (channel, row, column)",
    application="one k x k window into one output value of one input channel",
    parameters=(
        Parameter("k", 5, "kernel height and width", choices=(1, 3, 5, 7, 9)),
        Parameter("in_h", 32, "input height", maximum=512),
        Parameter("in_w", 32, "input width", maximum=512),
        Parameter("in_c", 1, "input channels", maximum=1024),
        Parameter("out_c", 1, "output channels", maximum=1024),
        Parameter("stride", 1, "step of the window", maximum=8),
        Parameter(
            "padding",
            "valid",
            "border: none, or zeros so that the output keeps the input's size",
            choices=("valid", "same"),
        ),
    ),
    dtypes=(DType.FP32,),
    flavors=("naive",),
    shape=_conv2d_shape,
    applications=_conv2d_applications,
    check=_conv2d_check,
)

PRIMITIVES: Mapping[str, Primitive] = {primitive.name: primitive for primitive in (CONV2D,)}


def primitive(name: str) -> Primitive:
    """Return the primitive ``name``. Raises UnknownName."""
    try:
        return PRIMITIVES[name]
    except KeyError:
        raise UnknownName.among("primitive", name, sorted(PRIMITIVES)) from None


def workload(
    name: str,
    params: Values | None = None,
    dtype: str = DType.FP32,
    flavor: str = "naive",
    opt_level: str = OptLevel.O3,
) -> Workload:
    """Return the workload of primitive ``name``: ``params`` over the primitive's defaults, everything checked.

    Raises UnknownName for a primitive, parameter, data type, flavor or optimisation level that is not there, ParameterError for a value out of range.
    """
    entry = primitive(name)
    given = dict(params or {})
    values: dict[str, int | str] = {}
    for parameter in entry.parameters:
        values[parameter.name] = parameter.parse(given.pop(parameter.name, parameter.default), name)
    if given:
        raise UnknownName.among(f"parameter of {name}", next(iter(given)), [p.name for p in entry.parameters])
    if dtype not in entry.dtypes:
        raise UnknownName.among(f"data type of {name}", str(dtype), [str(d) for d in entry.dtypes])
    if flavor not in entry.flavors:
        raise UnknownName.among(f"flavor of {name}", flavor, list(entry.flavors))
    if opt_level not in tuple(OptLevel):
        raise UnknownName.among("optimisation level", str(opt_level), [str(level) for level in OptLevel])
    entry.check(values)
    return Workload(name, tuple(values.items()), DType(dtype), flavor, OptLevel(opt_level))


def applications(work: Workload) -> int:
    """Return how often one call of ``work`` applies its primitive."""
    return primitive(work.primitive).applications(dict(work.params))


def shape(work: Workload) -> Shape:
    """Return the shape columns of ``work``."""
    return primitive(work.primitive).shape(dict(work.params))
