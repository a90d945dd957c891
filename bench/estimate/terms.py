"""The terms of the cost model: what a call of a primitive does, counted from its parameters, vectorised over many layers.

cost of a call = sum over terms of coefficient x count. The coefficients (cycles or joules for one call, plane, row, output, window, window
line, multiply-accumulate ...) are fitted from measured points and are never negative, because each stands for work.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Columns = Mapping[str, Array]
"""Parameters by name, one element a layer; ``same`` is 1 where the padding is same."""

_MOST_PADDING = 6
"""No window of the registry (k up to 10) reaches further over the border."""

STREAM = "stream"
"""The term that counts operands which a cache of some size cannot keep; which size is part of the fit."""

STREAM_BYTES = (64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384)
"""The sizes tried, bytes."""


def output_size(size: Array, k: Array, stride: Array, same: Array) -> Array:
    """Return the output's height or width."""
    valid = np.floor((size - k) / stride) + 1
    return np.where(same > 0, np.ceil(size / stride), valid)


def window_lines(size: Array, k: Array, stride: Array, same: Array) -> Array:
    """Return the lines of all windows along one axis that lie inside the image: k for each output, less what is clipped at the border."""
    out = output_size(size, k, stride, same)
    before = np.where(same > 0, np.floor(np.maximum((out - 1) * stride + k - size, 0) / 2), 0)
    clipped = np.zeros_like(out)
    if not np.any(same):
        return k * out
    for step in range(_MOST_PADDING):
        there = step < out
        clipped += np.where(there, np.maximum(before - step * stride, 0), 0)
        last = (out - 1 - step) * stride - before + k
        clipped += np.where(there, np.maximum(last - size, 0), 0)
    return k * out - clipped


def _windows(columns: Columns, channels_in: Array | float, planes: Array) -> dict[str, Array]:
    k, stride = columns["k"], columns["stride"]
    same = columns.get("same", np.zeros_like(k))
    out_h, out_w = (output_size(columns[axis], k, stride, same) for axis in ("in_h", "in_w"))
    lines_h, lines_w = (window_lines(columns[axis], k, stride, same) for axis in ("in_h", "in_w"))
    windows = planes * out_h * out_w * channels_in
    return {
        "call": np.ones_like(k),
        "plane": planes,
        "row": planes * out_h,
        "output": planes * out_h * out_w,
        "window": windows,
        "line": planes * channels_in * lines_h * out_w,
        "mac": planes * channels_in * lines_h * lines_w,
    }


def counts(primitive: str, columns: Columns, element_bytes: int, stream_bytes: int) -> dict[str, Array]:
    """Return the terms of ``primitive`` for every layer of ``columns``; elements have ``element_bytes``, streams begin behind ``stream_bytes``."""
    if primitive in ("conv2d", "conv2d_rgb"):
        channels: Array | float = columns["in_c"] if primitive == "conv2d" else 3.0
        made = _windows(columns, channels, columns["out_c"])
        if primitive == "conv2d_rgb":
            del made["window"]
        made[STREAM] = streamed(primitive, columns, made["mac"], element_bytes, stream_bytes)
        return made
    if primitive in ("depthwise_conv2d", "avgpool2d", "maxpool2d"):
        made = _windows(columns, 1.0, columns["in_c"])
        del made["window"]
        return made
    if primitive == "global_avgpool2d":
        channels = columns["in_c"]
        return {
            "call": np.ones_like(channels),
            "plane": channels,
            "mac": channels * columns["in_h"] * columns["in_w"],
        }
    if primitive == "fully_connected":
        outputs, macs = columns["n_out"], columns["n_out"] * columns["n_in"]
        return {
            "call": np.ones_like(outputs),
            "output": outputs,
            "mac": macs,
            STREAM: streamed(primitive, columns, macs, element_bytes, stream_bytes),
        }
    if primitive in ("batchnorm", "residual_add"):
        channels = columns["in_c"]
        return {"call": np.ones_like(channels), "plane": channels, "output": channels * columns["n"]}
    return {"call": np.ones_like(columns["n"]), "output": columns["n"]}


def streamed(primitive: str, columns: Columns, macs: Array, element_bytes: int, stream_bytes: int) -> Array:
    """Return the multiply-accumulates whose weights come from the flash again for every output, as what one output reads exceeds ``stream_bytes``.

    A convolution reads its window over all input channels. A fully connected layer's weights lie n_out apart, so that each touches a line of
    the flash (16 bytes) of its own, or shares it with its neighbours.
    """
    if primitive == "fully_connected":
        step_bytes = np.minimum(columns["n_out"] * element_bytes, 16.0)
        return np.where(columns["n_in"] * step_bytes > stream_bytes, macs * step_bytes / 16, 0.0)
    channels: Array | float = columns["in_c"] if primitive == "conv2d" else 3.0
    return np.where(channels * columns["k"] ** 2 * element_bytes > stream_bytes, macs, 0.0)


def columns_of(params: list[Mapping[str, int | str]]) -> dict[str, Array]:
    """Return the parameters of layers of one primitive as columns."""
    names = {name for values in params for name, value in values.items() if not isinstance(value, str)}
    made = {name: np.array([float(values.get(name, 0)) for values in params]) for name in sorted(names)}
    if any("padding" in values for values in params):
        made["same"] = np.array([float(values.get("padding") == "same") for values in params])
    return made
