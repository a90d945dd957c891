"""Flash and RAM of a network: weights and tables, kernels' code once, activations by two rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bench.domain.arena import ALIGNMENT_BYTES, Buffer, place
from bench.domain.network import INPUT, Layer, Network
from bench.domain.primitives.windows import RGB_CHANNELS, output_size
from bench.domain.workload import DType
from bench.estimate.shapes import elements

ELEMENT_BYTES: Mapping[DType, int] = {DType.FP32: 4, DType.INT8: 1}
WORD_BYTES = 4
"""Of a bias, of a requantisation multiplier and of its shift."""

KERNEL_ALIGNMENT_BYTES = 32
"""Of every kernel of a network: the longest line of a flash, so that no kernel's place in it differs from that in its own image."""
CALL_BYTES = 8
"""Of the call of a layer: the address of its arguments and a branch, two Thumb-2 instructions of 32 bits."""
SEQUENCE_BYTES = 12
"""What surrounds the calls: the registers saved, the input's copy, the return."""

IN_PLACE = frozenset({"batchnorm", "relu", "relu6", "sigmoid", "sigmoid_exact", "tanh", "hard_swish", "softmax", "exp"})
"""What the published rule takes to be done in place: operations on single elements."""

_TABLES: Mapping[tuple[str, DType], int] = {
    ("sigmoid", DType.FP32): 4 * 1024,
    ("sigmoid", DType.INT8): 256,
    ("tanh", DType.INT8): 256,
    ("exp", DType.INT8): 256,
}


def weights(layer: Layer) -> tuple[int, int]:
    """Return (weights, biases) of ``layer``, counts; scale and offset of a batch normalisation count as one of each per channel."""
    values = {name: value for name, value in layer.params if not isinstance(value, str)}
    if layer.primitive in ("conv2d", "conv2d_rgb"):
        channels = values.get("in_c", RGB_CHANNELS)
        return values["out_c"] * channels * values["k"] ** 2, values["out_c"]
    if layer.primitive == "depthwise_conv2d":
        return values["in_c"] * values["k"] ** 2, values["in_c"]
    if layer.primitive == "fully_connected":
        return values["n_in"] * values["n_out"], values["n_out"]
    if layer.primitive == "batchnorm":
        return values["in_c"], values["in_c"]
    return 0, 0


def weight_bytes(layer: Layer, dtype: DType) -> int:
    """Return the flash of the layer's weights: in int8 with 32-bit biases and, but for a fully connected layer, a multiplier and a shift for each output channel."""
    count, biases = weights(layer)
    if dtype is DType.FP32:
        return (count + biases) * ELEMENT_BYTES[dtype]
    scaling = dict(layer.params).get("scaling")
    per_channel = layer.primitive != "fully_connected" if scaling is None else scaling == "per_channel"
    return count + biases * WORD_BYTES * (3 if per_channel else 1)


def _tensors(layer: Layer, dtype: DType) -> list[int]:
    """Return the bytes of each constant tensor of ``layer``: weights, biases, and in int8 multipliers and shifts of output channels."""
    count, biases = weights(layer)
    if not count:
        return []
    others = (weight_bytes(layer, dtype) - count * ELEMENT_BYTES[dtype]) // (biases * WORD_BYTES)
    return [count * ELEMENT_BYTES[dtype], *[biases * WORD_BYTES] * others]


def _rounded(size: int, unit: int) -> int:
    return -(-size // unit) * unit


def linked_bytes(network: Network, dtype: DType, code: Mapping[str, int]) -> int:
    """Return the flash of a network as its firmware is linked; ``code`` is that of each kernel, bytes by primitive.

    Kernels begin on a line of the flash, constants where a wide load may; the layers are called one after the other.
    """
    aligned = sum(_rounded(size, ALIGNMENT_BYTES) for layer in network.layers for size in _tensors(layer, dtype))
    tables = _table_bytes(network, dtype)
    kernels = sum(_rounded(size, KERNEL_ALIGNMENT_BYTES) for size in code.values())
    return kernels + aligned + tables + SEQUENCE_BYTES + CALL_BYTES * len(network.layers)


def constant_bytes(network: Network, dtype: DType) -> int:
    """Return the bytes of all weights, and of the functions' tables, each once, without what alignment adds."""
    return sum(weight_bytes(layer, dtype) for layer in network.layers) + _table_bytes(network, dtype)


def _table_bytes(network: Network, dtype: DType) -> int:
    return sum(_TABLES.get((primitive, dtype), 0) for primitive in {layer.primitive for layer in network.layers})


def published_ram_bytes(network: Network, dtype: DType) -> int:
    """Return the published rule: the most that one layer reads and leaves (ZIP-CNN, tables 4.5 and 5.4).

    Operations on single elements are done in place, and the network's input counts as belonging to whoever took it.
    """
    kept = {INPUT: 0}
    most = 0
    for layer in network.layers:
        out = elements(layer.out_shape)
        if layer.primitive not in IN_PLACE:
            most = max(most, out + sum(kept[read] for read in layer.inputs))
        kept[layer.name] = out
    return most * ELEMENT_BYTES[dtype]


def buffers(network: Network, dtype: DType, flavor: str = "naive") -> list[Buffer]:
    """Return every tensor with the steps that need it, input first, and the layers' working memory. Nothing is done in place."""
    size = ELEMENT_BYTES[dtype]
    last = {read: step for step, layer in enumerate(network.layers) for read in layer.inputs}
    last[network.layers[-1].name] = len(network.layers) - 1
    made = [Buffer(INPUT, elements(network.in_shape) * size, -1, last.get(INPUT, -1))]
    for step, layer in enumerate(network.layers):
        made.append(Buffer(layer.name, elements(layer.out_shape) * size, step, last.get(layer.name, step)))
        if scratch := scratch_bytes(layer, dtype, flavor):
            made.extend(Buffer(f"{layer.name}.{at}", part, step, step) for at, part in enumerate(scratch))
    return made


def scratch_bytes(layer: Layer, dtype: DType, flavor: str) -> tuple[int, ...]:
    """Return the working memory of the dsp convolutions (firmware_templates/convolution_dsp.h): ring of lines, sums, widened weights; else nothing."""
    if flavor != "dsp" or dtype is not DType.INT8:
        return ()
    values = dict(layer.params)
    if layer.primitive not in ("conv2d", "conv2d_rgb", "depthwise_conv2d"):
        return ()
    k, stride, padding = int(values["k"]), int(values["stride"]), str(values["padding"])
    out_w = output_size(int(values["in_w"]), k, stride, padding)
    channels = int(values.get("in_c", RGB_CHANNELS))
    tiles = -(-out_w // 4) * 4
    columns = (tiles - 1) * stride + k
    if layer.primitive == "depthwise_conv2d":
        pitch, lines = (columns + 5 + 1) // 2 * 2, channels * k
        wide = channels * k * ((k + 1) // 2 * 2)
    else:
        pitch, lines = (columns * channels + 5 + 1) // 2 * 2, k
        wide = 0 if channels % 4 == 0 else int(values["out_c"]) * k * ((k * channels + 1) // 2 * 2)
    sums = tiles if wide else 2 * tiles
    return tuple(part for part in (2 * lines * pitch, 4 * sums, 2 * wide) if part)


@dataclass(frozen=True, slots=True)
class Runtime:
    """What an image holds beside kernels and tensors: start-up, clock switching, the loop that calls the network; stack and mailbox."""

    flash_bytes: int = 0
    ram_bytes: int = 0


def live_ram_bytes(network: Network, dtype: DType, flavor: str = "naive") -> int:
    """Return the smallest arena that first fit finds for tensors that are kept only while they are needed."""
    return place(buffers(network, dtype, flavor)).size_bytes
