"""The seeded generator of inputs and weights, the same on the host and on the target (``firmware_templates/workload.c.j2``).

It is counter based, so the host computes a tensor in one numpy expression: word ``i`` of stream ``s`` is ``mix(mix(seed ^ s * 0x9E3779B9) + i)``,
all modulo 2^32, with the "lowbias32" integer hash of C. Wellons (Prospecting for Hash Functions, 2018) as ``mix``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.firmware.layout import Element, KernelLayout, Tensor

CONSTANT_SEED = 0x5EED_0001
"""Seed of weights; inputs have a seed of their own, chosen at run time."""

PATTERN_RANDOM = 0
PATTERN_EDGES = 1
"""Every input element is one of its tensor's edge values, drawn at random."""
PATTERN_EDGE = 2
"""Pattern ``PATTERN_EDGE + i``: every element of an input is edge value ``i``, modulo their number."""


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


def values(tensor: Tensor, seed: int, stream: int, pattern: int = PATTERN_RANDOM) -> NDArray[Any]:
    """Return what ``tensor`` holds: its contents, or what ``seed`` and ``pattern`` draw: floats in steps of ``scale`` 2^-23, integers evenly."""
    if tensor.contents is not None:
        return tensor.contents
    words = draw(seed, stream, tensor.elements)
    if pattern != PATTERN_RANDOM:
        edges = tensor.edge_values
        which = words % np.uint32(len(edges)) if pattern == PATTERN_EDGES else (pattern - PATTERN_EDGE) % len(edges)
        return np.broadcast_to(edges[which], words.shape).reshape(tensor.shape)
    if tensor.element is Element.FLOAT:
        steps = (words.view(np.int32) >> 8).astype(np.float32)
        floats = steps * np.float32(tensor.scale * 2.0**-23) + np.float32(tensor.offset)
        return floats.reshape(tensor.shape)
    shift = 32 - 8 * tensor.element.size_bytes
    return (words.view(np.int32) >> shift).astype(tensor.element.numpy).reshape(tensor.shape)


def tensors(layout: KernelLayout, seed: int, pattern: int = PATTERN_RANDOM) -> dict[str, NDArray[Any]]:
    """Return what the inputs and the constants of ``layout`` hold, by name, for the inputs' ``seed`` and ``pattern``."""
    return {
        tensor.name: values(tensor, CONSTANT_SEED, layout.stream(tensor.name))
        if tensor.constant
        else values(tensor, seed, layout.stream(tensor.name), pattern)
        for tensor in layout.tensors
        if not tensor.written
    }
