"""The registry of primitives: what can be measured, with which parameters, and what one application is.

A new primitive is one entry here, one kernel template in ``firmware_templates/kernels`` for each data type and flavor, one golden reference in
``bench/firmware/golden`` and one line in ``docs/primitives.md``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bench.domain.primitives.base import EXTERNAL_FLAVORS, NAIVE, Parameter, Primitive, Values
from bench.domain.primitives.dense import BATCHNORM, FULLY_CONNECTED, RESIDUAL_ADD, SOFTMAX
from bench.domain.primitives.elementwise import ELEMENTWISE
from bench.domain.primitives.windows import (
    AVGPOOL2D,
    CONV2D,
    CONV2D_RGB,
    DEPTHWISE_CONV2D,
    GLOBAL_AVGPOOL2D,
    MAXPOOL2D,
)
from bench.domain.workload import NETWORK, DType, OptLevel, Shape, Workload
from bench.errors import UnknownName

__all__ = [
    "EXTERNAL_FLAVORS",
    "PRIMITIVES",
    "Parameter",
    "Primitive",
    "Values",
    "applications",
    "operations",
    "primitive",
    "published_set",
    "shape",
    "workload",
]

PRIMITIVES: Mapping[str, Primitive] = {
    entry.name: entry
    for entry in (
        CONV2D,
        CONV2D_RGB,
        DEPTHWISE_CONV2D,
        AVGPOOL2D,
        MAXPOOL2D,
        GLOBAL_AVGPOOL2D,
        FULLY_CONNECTED,
        SOFTMAX,
        BATCHNORM,
        RESIDUAL_ADD,
        *ELEMENTWISE,
    )
}


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
    flavor: str = NAIVE,
    opt_level: str = OptLevel.O3,
) -> Workload:
    """Return the workload of primitive ``name``: ``params`` over the primitive's defaults, everything checked.

    Raises UnknownName for a primitive, parameter, data type, flavor or optimisation level that is not there, ParameterError for a value out of range.
    """
    entry = primitive(name)
    if dtype not in entry.dtypes:
        raise UnknownName.among(f"data type of {name}", str(dtype), [str(d) for d in entry.dtypes])
    flavors = entry.flavors[DType(dtype)]
    if flavor not in flavors:
        raise UnknownName.among(f"flavor of {name} in {dtype}", flavor, list(flavors))
    if opt_level not in tuple(OptLevel):
        raise UnknownName.among("optimisation level", str(opt_level), [str(level) for level in OptLevel])
    known = [parameter for parameter in entry.parameters if parameter.applies(dtype, flavor)]
    given = dict(params or {})
    values: dict[str, int | str] = {}
    for parameter in known:
        default = values[parameter.same_as] if parameter.same_as else parameter.default
        values[parameter.name] = parameter.parse(given.pop(parameter.name, default), name)
    if given:
        where = f"{dtype}" if flavor == NAIVE else f"{dtype} {flavor}"
        raise UnknownName.among(f"parameter of {name} in {where}", next(iter(given)), [p.name for p in known])
    entry.check(values)
    return Workload(name, tuple(values.items()), DType(dtype), flavor, OptLevel(opt_level))


def published_set(entry: Primitive, dtype: DType, flavor: str, opt_level: str = OptLevel.O3) -> Iterator[Workload]:
    """Yield the workloads of ``entry`` with the parameters of the published measurements; those that ``dtype`` or ``flavor`` does not have are left out."""
    names = {parameter.name for parameter in entry.parameters if parameter.applies(dtype, flavor)}
    yield from dict.fromkeys(
        workload(entry.name, {name: value for name, value in values.items() if name in names}, dtype, flavor, opt_level)
        for values in entry.published
    )


def applications(work: Workload) -> int:
    """Return how often one call of ``work`` applies its primitive; a whole network is applied once."""
    if work.primitive == NETWORK:
        return 1
    return primitive(work.primitive).applications(dict(work.params))


def operations(work: Workload) -> int:
    """Return the multiply-accumulates or elementary operations of one call of ``work``."""
    return primitive(work.primitive).operations(dict(work.params))


def shape(work: Workload) -> Shape:
    """Return the shape columns of ``work``; a whole network has none."""
    if work.primitive == NETWORK:
        return Shape()
    return primitive(work.primitive).shape(dict(work.params))
