"""Primitives over single elements: activations, and the elementary operations."""

from __future__ import annotations

from bench.domain.primitives.base import CMSIS_NN, NAIVE, Parameter, Primitive, Values, integer
from bench.domain.workload import DType, Shape

_ELEMENTS = Parameter("n", 1024, "elements", maximum=65536)

ARITHMETIC = Parameter(
    "arithmetic",
    "affine",
    "as deployed runtimes do (zero points, requantisation), or plain integers that wrap around, as published",
    choices=("affine", "plain"),
    dtypes=(DType.INT8,),
    flavors=(NAIVE,),
)


def _n(values: Values) -> int:
    return integer(values, "n")


def _elementwise(
    name: str,
    summary: str,
    *,
    operations: int = 1,
    parameters: tuple[Parameter, ...] = (),
    published: tuple[Values, ...] = ({},),
    int8: tuple[str, ...] = (NAIVE,),
) -> Primitive:
    """Return a primitive of one element; ``operations`` says how much work an element is."""
    return Primitive(
        name=name,
        summary=summary,
        application="one element",
        parameters=(_ELEMENTS, *parameters),
        flavors={DType.FP32: (NAIVE,), DType.INT8: int8},
        published=published,
        shape=lambda _: Shape(),
        applications=_n,
        operations=lambda values: operations * _n(values),
    )


_BOTH: tuple[Values, ...] = ({}, {"arithmetic": "plain"})

ELEMENTWISE: tuple[Primitive, ...] = (
    _elementwise("relu", "max(x, 0)"),
    _elementwise("relu6", "min(max(x, 0), 6)"),
    _elementwise("sigmoid", "1 / (1 + exp(-x)) from a table: 1024 entries in fp32, as published, 256 in int8"),
    _elementwise("sigmoid_exact", "1 / (1 + exp(-x)), computed; in int8 in fixed point", operations=64),
    _elementwise("tanh", "hyperbolic tangent, computed in fp32, from a table in int8", operations=64),
    _elementwise("hard_swish", "x min(max(x + 3, 0), 6) / 6", operations=4),
    _elementwise("add", "a + b", parameters=(ARITHMETIC,), published=_BOTH),
    _elementwise("sub", "a - b", parameters=(ARITHMETIC,), published=_BOTH),
    _elementwise("mul", "a b", parameters=(ARITHMETIC,), published=_BOTH, int8=(NAIVE, CMSIS_NN)),
    _elementwise("div", "a / b", operations=4, parameters=(ARITHMETIC,), published=_BOTH),
    _elementwise("exp", "exp(x), computed in fp32, from a table in int8", operations=64),
)
