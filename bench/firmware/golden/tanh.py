"""Golden reference of tanh: computed in fp32, from a table in int8."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.domain.workload import DType, Workload
from bench.firmware.golden.convolution import UNDERFLOW_UNIT, UNIT_ROUNDOFF, Reference
from bench.firmware.golden.elementwise import NARROW, Quantization, int8_table, look_up, unary
from bench.firmware.layout import KernelLayout

OUTPUT = Quantization(1 / 128, 0)
"""Of the int8 output, as deployed runtimes demand."""
TANHF_ROUNDOFFS = 5.6
"""Greatest relative error of newlib's ``tanhf``, in units of 2^-24."""

_EDGES = (
    0.0,
    -0.0,
    2.0**-149,
    -(2.0**-149),
    2.0**-126,
    2.0**-55,
    2.0**-28,
    -(2.0**-27),
    2.0**-12,
    1.0,
    -1.0,
    0.99999994,
    9.0,
    21.999998,
    22.0,
    -22.0,
    1000.0,
    -1000.0,
)
"""Where ``tanhf`` changes its formula: 2^-55 (2^-28 in later versions), 1 and 22."""


def layout(work: Workload) -> KernelLayout:
    """Return the kernel's arguments."""
    table = (int8_table(np.tanh, NARROW, OUTPUT),) if work.dtype is DType.INT8 else ()
    return unary(work, *table, scale=8.0, edges=_EDGES)


def reference(work: Workload, tensors: Mapping[str, NDArray[Any]]) -> Reference:
    """Return tanh(x): in int8 the table's entry, exactly; in fp32 in double precision, with the error of ``tanhf`` as bound.

    newlib computes it after fdlibm (``s_tanh.c``), with t = expm1f(+-2 |x|), which is wrong by one ulp at most (its analysis says less), relatively by 2 u with
    u = 2^-24. Below 1 it is -t / (t + 2) of t = expm1(-2 |x|) > -0.865: an error of t counts 2 / (t + 2) <= 1.762 fold, sum and quotient
    add u each, altogether (3.53 + 2) u. From 1 on it is 1 - 2 / (t + 2) of t = expm1(2 |x|) > 6.38: the quotient is at most 0.239 and wrong by 4 u,
    which leaves 0.96 u, and the difference, below 1, adds u / 2: altogether less than 2 u of tanh(1) > 0.76. Below 2^-55 it is x (1 + x), at most
    2 u off, and from 22 on 1. So 5.6 u hold everywhere, terms of higher order included, and half a subnormal step where it underflows. newlib 3.3 on a
    Cortex-M4 stays below 2.75 u (2.15 ulp) over all 2^24 inputs that are drawn.
    """
    if work.dtype is DType.INT8:
        return look_up(tensors)
    expected = np.tanh(tensors["input"].astype(np.float64))
    return expected, np.abs(expected) * TANHF_ROUNDOFFS * UNIT_ROUNDOFF + UNDERFLOW_UNIT
