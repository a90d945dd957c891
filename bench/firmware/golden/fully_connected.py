"""Golden reference of fully_connected.

Weights: naive (n_in, n_out), as training frameworks store them and as the published measurements show it, where every weight costs about one
cycle per flash wait state: a line fill each, whatever the width of weight and line. The other flavors: (n_out, n_in), row by row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.domain.workload import DType, Workload
from bench.firmware.golden.convolution import Reference, planar, rescale, scaling, scaling_integers, sum_bound
from bench.firmware.layout import Element, KernelLayout, Role, Tensor
from bench.firmware.quantization import INPUT_ZERO_POINT


def layout(work: Workload) -> KernelLayout:
    """Return the kernel's arguments."""
    n_in, n_out, element = work.integer("n_in"), work.integer("n_out"), Element.of(work)
    return KernelLayout(
        tensors=(
            Tensor("input", Role.INPUT, (n_in,), element),
            Tensor("weights", Role.CONSTANT, (n_in, n_out) if planar(work) else (n_out, n_in), element),
            *scaling(work, n_out, n_in, stream=3),
            Tensor("output", Role.OUTPUT, (n_out,), element),
        ),
        integers=(("n_in", n_in), ("n_out", n_out), *scaling_integers(work, n_in)),
    )


def reference(work: Workload, tensors: Mapping[str, NDArray[Any]]) -> Reference:
    """Return weights times input plus bias.

    fp32: in double precision, with the bound of a sum of n_in products and the bias in single precision. int8: exactly what TensorFlow Lite's
    ``reference_integer_ops::FullyConnected`` (``FullyConnectedPerChannel``) computes.
    """
    rows = tensors["weights"].T if planar(work) else tensors["weights"]
    if work.dtype is DType.FP32:
        x, weights, bias = (values.astype(np.float64) for values in (tensors["input"], rows, tensors["bias"]))
        return weights @ x + bias, sum_bound(np.abs(weights) @ np.abs(x) + np.abs(bias), x.size + 1)
    shifted = tensors["input"].astype(np.int64) - INPUT_ZERO_POINT
    return rescale(work, rows.astype(np.int64) @ shifted, tensors, shifted.size)
