"""Golden references: what each primitive must compute, in numpy, one module a primitive."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from bench.domain.workload import Workload
from bench.firmware.golden import conv2d
from bench.firmware.layout import KernelLayout

Tensors = Mapping[str, NDArray[Any]]


class Golden(Protocol):
    """One primitive's reference: ``layout`` says what its kernel is given, ``reference`` what it must put out.

    ``reference`` returns (expected, bound), both in the output's shape: the target's output must lie within ``bound`` of ``expected``;
    a bound of zero demands bit-exactness.
    """

    def layout(self, work: Workload) -> KernelLayout: ...

    def reference(self, work: Workload, tensors: Tensors) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...


_GOLDEN: Mapping[str, Golden] = {"conv2d": cast(Golden, conv2d)}


def golden(primitive: str) -> Golden:
    """Return the reference of ``primitive``, which the registry of primitives must know."""
    return _GOLDEN[primitive]
