"""The seeded generator of inputs and weights, the same on the host and on the target (``firmware_templates/workload.c.j2``).

It is counter based, so the host computes a tensor in one numpy expression: value ``i`` of stream ``s`` is ``mix(mix(seed ^ s * 0x9E3779B9) + i)``,
all modulo 2^32, with the "lowbias32" integer hash of C. Wellons (Prospecting for Hash Functions, 2018) as ``mix``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.domain.workload import DType
from bench.firmware.layout import Tensor


def mix(x: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Return a bijective mix of 32-bit words."""
    x = x ^ (x >> np.uint32(16))
    x = x * np.uint32(0x7FEB352D)
    x = x ^ (x >> np.uint32(15))
    x = x * np.uint32(0x846CA68B)
    return x ^ (x >> np.uint32(16))


def draw(seed: int, stream: int, count: int) -> NDArray[np.uint32]:
    """Return ``count`` random words of ``stream``; shape (count,)."""
    start: NDArray[np.uint32] = np.array([(seed ^ (stream * 0x9E3779B9)) & 0xFFFFFFFF], dtype=np.uint32)
    counters: NDArray[np.uint32] = np.add(mix(start), np.arange(count, dtype=np.uint32), dtype=np.uint32)
    return mix(counters)


def values(tensor: Tensor, seed: int, stream: int) -> NDArray[np.float32] | NDArray[np.int8]:
    """Return the contents of ``tensor``: fp32 uniform in [-1, 1) in steps of 2^-23, int8 over its whole range."""
    words = draw(seed, stream, tensor.elements)
    if tensor.dtype is DType.FP32:
        floats = (words.view(np.int32) >> 8).astype(np.float32) * np.float32(2.0**-23)
        return floats.reshape(tensor.shape)
    return (words.view(np.int32) >> 24).astype(np.int8).reshape(tensor.shape)
