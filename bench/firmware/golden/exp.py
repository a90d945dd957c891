"""Golden reference of exp: computed in fp32, from a table in int8."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.domain.workload import DType, Workload
from bench.firmware.golden.convolution import UNDERFLOW_UNIT, UNIT_ROUNDOFF, Reference
from bench.firmware.golden.elementwise import NARROW, Quantization, int8_table, look_up, unary
from bench.firmware.golden.libm import EXPF_ULP
from bench.firmware.layout import KernelLayout

OUTPUT = Quantization(67 / 256, -128)
"""Of the int8 output: 0 .. 66.7, where exp of the inputs reaches 66.1."""

_EDGES = (
    0.0,
    -0.0,
    2.0**-149,
    -(2.0**-149),
    1.0,
    -1.0,
    0.34657359,
    -0.34657359,
    1.0397208,
    88.0,
    88.72283,
    -87.25,
    -87.375,
    -88.0,
    -103.0,
    -103.97207,
    -104.0,
    -1000.0,
)
"""Where ``expf`` changes its formula (ln(2) / 2 and three times that), the greatest finite result, subnormal results, and zero."""


def layout(work: Workload) -> KernelLayout:
    """Return the kernel's arguments."""
    table = (int8_table(np.exp, NARROW, OUTPUT),) if work.dtype is DType.INT8 else ()
    return unary(work, *table, scale=8.0, edges=_EDGES)


def reference(work: Workload, tensors: Mapping[str, NDArray[Any]]) -> Reference:
    """Return exp(x): in int8 the table's entry, exactly; in fp32 in double precision, with the error of newlib's ``expf`` as bound.

    ``EXPF_ULP`` ulp, relatively 2^-23 at most each; a subnormal result is scaled down from a normal one, which adds half a subnormal step, and what is below
    half a step is 0: one step holds both. newlib 3.3 on a Cortex-M4 stays below 0.90 ulp over all 2^24 inputs that are drawn.
    """
    if work.dtype is DType.INT8:
        return look_up(tensors)
    expected = np.exp(tensors["input"].astype(np.float64))
    return expected, expected * (2 * UNIT_ROUNDOFF * EXPF_ULP) + 2 * UNDERFLOW_UNIT
