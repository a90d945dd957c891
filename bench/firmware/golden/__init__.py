"""Golden references: what each primitive must compute, in numpy; the module of a primitive has its name."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from bench.domain.primitives import PRIMITIVES
from bench.domain.workload import Workload
from bench.errors import UnknownName
from bench.firmware.layout import KernelLayout

Tensors = Mapping[str, NDArray[Any]]


class Golden(Protocol):
    """One primitive's reference: ``layout`` says what its kernel is given, ``reference`` what it must put out.

    ``reference`` returns (expected, bound), both in the output's shape: the target's output must lie within ``bound`` of ``expected``;
    a bound of zero demands bit-exactness.
    """

    def layout(self, work: Workload) -> KernelLayout: ...

    def reference(self, work: Workload, tensors: Tensors) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...


def golden(primitive: str) -> Golden:
    """Return the reference of ``primitive``. Raises UnknownName for one that is not in the registry."""
    if primitive not in PRIMITIVES:
        raise UnknownName.among("primitive", primitive, sorted(PRIMITIVES))
    return cast(Golden, import_module(f"{__name__}.{primitive}"))
