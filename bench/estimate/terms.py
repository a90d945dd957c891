"""The terms of the cost model: what a call of a primitive does, counted from its parameters, vectorised over many layers.

cost of a call = sum over terms of coefficient x count. The coefficients (cycles or joules for one call, plane, row, output, window, window
line, multiply-accumulate ...) are fitted from measured points and are never negative, because each stands for work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Columns = Mapping[str, Array]
"""Parameters by name, one element a layer; ``same`` is 1 where the padding is same."""

_MOST_PADDING = 6
"""No window of the registry (k up to 10) reaches further over the border."""

FETCH = "fetch"
"""The term that counts reads of constants which a cache of the flash does not hold; what cache is part of the fit."""


@dataclass(frozen=True, slots=True)
class Cache:
    """A cache of the flash: it keeps what was read last, ``size_bytes`` of it, and fetches ``line_bytes`` at a time.

    ``ways`` is how many places a line may be in; 0: any.
    """

    size_bytes: int
    line_bytes: int
    ways: int = 0


_SIZES = (64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384)
CACHES = (
    *(Cache(size, line) for line in (8, 16, 32) for size in _SIZES),
    *(Cache(size, 32, ways=4) for size in _SIZES if size >= 1024),
)
"""The caches tried: a word of the flash has 64 bits on the L4 (RM0351, 3.3.1), 128 on the F4 (RM0390, 3.4.1), 256 on the F7 (RM0385, 3.3.1), where a
data cache of four ways lies in front of it (DS10916, 2.1; 32-byte lines, DDI 0489, chapter 5)."""


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


def clipped_windows(size: Array, k: Array, stride: Array, same: Array) -> Array:
    """Return how many windows along one axis lack 0, 1, ... lines at the border, shape (``_MOST_PADDING`` + 1, layers)."""
    out = output_size(size, k, stride, same)
    before = np.where(same > 0, np.floor(np.maximum((out - 1) * stride + k - size, 0) / 2), 0)
    first, lines = np.arange(_MOST_PADDING)[:, None], np.arange(1, _MOST_PADDING + 1)[:, None, None]
    last = out - 1 - first
    at = np.concatenate([first + 0 * out, last])
    there = np.concatenate([first < out, last >= _MOST_PADDING])
    lacking = np.maximum(before - at * stride, 0) + np.maximum(at * stride - before + k - size, 0)
    made = (there & (np.minimum(lacking, _MOST_PADDING) == lines)).sum(axis=1)
    return np.concatenate([(out - made.sum(axis=0))[None], made])


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


def counts(primitive: str, columns: Columns, element_bytes: int, cache: Cache | None) -> dict[str, Array]:
    """Return the terms of ``primitive`` for every layer of ``columns``; elements have ``element_bytes``. No fetches without a ``cache``."""
    if primitive in ("conv2d", "conv2d_rgb"):
        channels: Array | float = columns["in_c"] if primitive == "conv2d" else 3.0
        made = _windows(columns, channels, columns["out_c"])
        if primitive == "conv2d_rgb":
            del made["window"]
        if cache is not None:
            made[FETCH] = fetches(primitive, columns, made, element_bytes, cache)
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
        made = {"call": np.ones_like(outputs), "output": outputs, "mac": macs}
        if cache is not None:
            made[FETCH] = fetches(primitive, columns, made, element_bytes, cache)
        return made
    if primitive in ("batchnorm", "residual_add"):
        channels = columns["in_c"]
        return {"call": np.ones_like(channels), "plane": channels, "output": channels * columns["n"]}
    if primitive == "softmax":
        # The exponential of the greatest element, of zero, takes a short way.
        return {"call": np.ones_like(columns["n"]), "output": columns["n"] - 1}
    return {"call": np.ones_like(columns["n"]), "output": columns["n"]}


def fetches(primitive: str, columns: Columns, plain: Mapping[str, Array], element_bytes: int, cache: Cache) -> Array:
    """Return how many lines of constants come from the flash in one of many calls; ``plain`` are the other terms.

    None where ``cache`` holds all weights, biases and scales from one call to the next. Each line once where it holds what one output reads: a
    convolution's window over all input channels; of a fully connected layer, whose weights lie n_out apart, a line for each input. Else
    every output fetches its weights, bias and scales again. Least recently used goes first: what is a little too large is not kept at all, in
    a cache of few ways set by set.
    """
    line = float(cache.line_bytes)
    scales = (
        1.0 if element_bytes > 1 or primitive == "fully_connected" else 3.0
    )  # bias; multiplier, shift: 4 bytes each
    if primitive == "fully_connected":
        outputs, weights = columns["n_out"], columns["n_in"] * element_bytes
        step = np.minimum(outputs * element_bytes, line)
        touched, again = columns["n_in"] * step + line, plain["mac"] * step / line + outputs
        kept = (
            _kept(columns["n_in"] * step / line, outputs * element_bytes, cache)
            if cache.ways
            else touched <= cache.size_bytes
        )
    else:
        channels: Array | float = columns["in_c"] if primitive == "conv2d" else 3.0
        outputs, weights = columns["out_c"], channels * columns["k"] ** 2 * element_bytes
        touched = weights + (1 + scales) * line - element_bytes  # weights begin anywhere in a line
        again = outputs * _window_fetches(columns, channels * element_bytes, element_bytes, scales, cache)
        kept = touched <= cache.size_bytes
    total = outputs * (weights + 4 * scales)
    found: Array = np.where(total <= cache.size_bytes, 0.0, kept * total / line + (1.0 - kept) * again)
    return found


def _kept(lines: Array, apart_bytes: Array, cache: Cache) -> Array:
    """Return which share of ``lines`` that lie ``apart_bytes`` from one another stays in a cache of few ways while all are read in turn.

    Lines a multiple of the line's length apart meet in some of the sets only; others spread over all of them, as evenly as numbers allow. A set
    keeps its lines if they are no more than its ways.
    """
    sets = cache.size_bytes // (cache.line_bytes * cache.ways)
    whole = np.where(apart_bytes % cache.line_bytes == 0, apart_bytes // cache.line_bytes, 1).astype(np.int64)
    used = sets / np.gcd(whole, sets)
    least = np.floor(lines / used)
    more = lines - least * used  # so many sets hold one line more than the others
    found: Array = (used - more) * least * (least <= cache.ways) + more * (least + 1) * (least + 1 <= cache.ways)
    return found / lines


def _window_fetches(
    columns: Columns, channel_bytes: Array | float, element_bytes: int, scales: float, cache: Cache
) -> Array:
    """Return the lines that the windows of one output channel fetch, where a whole one exceeds ``cache``: smaller ones at the border may not."""
    k, stride = columns["k"], columns["stride"]
    same = columns.get("same", np.zeros_like(k))
    line = float(cache.line_bytes)
    lacking = np.arange(_MOST_PADDING + 1)
    if not same.any():
        lacking = lacking[:1]
    rows, cells = lacking[:, None, None], lacking[:, None]
    # A line that a row of the window begins is read whole, as far as there are weights.
    width = np.minimum((k - cells) + line / element_bytes - 1, k)
    window = np.maximum(k - rows, 0) * np.maximum(width, 0) * channel_bytes
    touched = window + (1 + scales) * line - element_bytes
    if not (touched > cache.size_bytes).any():
        return np.zeros_like(k)
    high, wide = (clipped_windows(columns[axis], k, stride, same)[: len(lacking)] for axis in ("in_h", "in_w"))
    made: Array = (high[:, None] * wide * np.where(touched > cache.size_bytes, touched / line, 0.0)).sum(axis=(0, 1))
    return made


def columns_of(params: Sequence[Mapping[str, int | str]]) -> dict[str, Array]:
    """Return the parameters of layers of one primitive as columns."""
    names = {name for values in params for name, value in values.items() if not isinstance(value, str)}
    made = {name: np.array([float(values.get(name, 0)) for values in params]) for name in sorted(names)}
    if any("padding" in values for values in params):
        made["same"] = np.array([float(values.get("padding") == "same") for values in params])
    return made
