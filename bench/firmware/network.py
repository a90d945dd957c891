"""A network as one kernel: its layers' own kernels one after the other, their tensors in one arena, all their weights in flash.

A layer is laid out as its primitive is measured (``bench.firmware.golden``), so the code that runs is the code that was measured. What a
network adds is where its tensors lie, and weights drawn so that activations stay near one, as those of a trained network do.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.domain.arena import Arena, Buffer, place
from bench.domain.network import INPUT, Layer, Network
from bench.domain.primitives import operations, primitive
from bench.domain.primitives.base import DSP, EXTERNAL_FLAVORS, NAIVE
from bench.domain.workload import NETWORK, DType, OptLevel, Workload
from bench.errors import ParameterError
from bench.firmware import generator
from bench.firmware.golden import golden
from bench.firmware.layout import Element, KernelLayout, Role, Tensor
from bench.firmware.quantization import OUTPUT_RMS, UNIFORM_RMS, quantized_multiplier

Parameters = Mapping[str, Mapping[str, NDArray[Any]]]
"""A network's own weights: by layer, then by the name of the tensor in the layer's layout; in the layout's shape and element type."""

DRAWN = "drawn"
ARENA = "arena"

_BIAS_REACH = 0.125
_BIAS_SHARE = 8
_DAMPING = 0.5
_STREAMS = 256
"""Random streams of a layer's constants; a network's own begin behind them."""
_TABLE = "table"
"""A function's values, of which a program has one however many layers use it."""
_IN_ANY_ORDER = frozenset(
    {"relu", "relu6", "sigmoid", "sigmoid_exact", "tanh", "hard_swish", "exp", "add", "sub", "mul", "div"}
    | {"residual_add", "softmax", "fully_connected"}
)
"""Primitives that do not care whether the channel is the outer or the inner index of their tensors (a fully connected layer's weights are ordered to fit)."""


@dataclass(frozen=True, slots=True)
class Step:
    """One layer as it is built. ``name`` is its C identifier; ``sources`` say for every tensor of ``layout`` what it is in the network.

    That is the name of a constant of the network, or of a buffer in the arena.
    """

    name: str
    layer: Layer
    work: Workload
    layout: KernelLayout
    sources: tuple[tuple[str, str], ...]

    def source(self, tensor: str) -> str:
        """Return what ``tensor`` of the layer is in the network."""
        return dict(self.sources)[tensor]


@dataclass(frozen=True, slots=True)
class NetworkLayout:
    """Everything that decides a network's image but the board. ``layout`` is what the harness and the reference see of it."""

    network: Network
    work: Workload
    steps: tuple[Step, ...]
    arena: Arena
    layout: KernelLayout
    input_buffer: str
    output_buffer: str
    arguments_bytes: int = field(default=0)

    @property
    def operations(self) -> int:
        """Multiply-accumulates and elementary operations of one inference."""
        return sum(operations(step.work) for step in self.steps)

    @property
    def input(self) -> Tensor:
        """The network's input."""
        return self.layout.tensors[0]

    @property
    def own_weights(self) -> bool:
        """Whether the weights are those of a model, not drawn."""
        return self.work["weights"] != DRAWN

    @property
    def weight_bytes(self) -> int:
        """Flash of weights and tables."""
        return self.layout.constant_bytes


def structure(network: Network) -> str:
    """Return a digest of the layers, eight hex digits: what another network of the same name differs in."""
    text = repr((network.in_shape, [(x.name, x.primitive, x.params, x.inputs, x.out_shape) for x in network.layers]))
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def flavor_of(name: str, dtype: DType, flavor: str) -> str:
    """Return the flavor that a layer of primitive ``name`` has in a network of ``flavor``: naive where the primitive has no such kernel."""
    return flavor if flavor in primitive(name).flavors[dtype] else NAIVE


def network_workload(
    network: Network,
    dtype: DType,
    flavor: str = NAIVE,
    opt_level: OptLevel = OptLevel.O3,
    parameters: Parameters | None = None,
) -> Workload:
    """Return the workload under which a run of ``network`` is recorded: its name, its structure and its weights are the parameters.

    A name may come from a file and ends up in comments of the sources, so it is reduced to harmless characters.
    """
    weights = DRAWN if parameters is None else _digest(parameters)
    params = (
        ("name", re.sub(r"[^A-Za-z0-9_.+-]", "_", network.name)),
        ("structure", structure(network)),
        ("weights", weights),
    )
    return Workload(NETWORK, params, dtype, flavor, opt_level)


def lay_out(
    network: Network,
    dtype: DType,
    flavor: str = NAIVE,
    opt_level: OptLevel = OptLevel.O3,
    parameters: Parameters | None = None,
) -> NetworkLayout:
    """Return how ``network`` is built with ``dtype`` and ``flavor``; ``parameters`` are its weights, drawn where None.

    Raises ParameterError for a flavor that networks do not come in, for layers that do not fit together (sizes, memory order), and for weights
    of another shape; UnknownName for what the registry does not know.
    """
    if flavor in EXTERNAL_FLAVORS:
        raise ParameterError(
            f"networks are built from the bench's own kernels, not from {flavor}",
            hint=f"flavors of networks: {NAIVE}, {DSP}",
        )
    if dtype is DType.INT8 and parameters is not None:
        raise ParameterError(
            f"{network.name}: weights of a model are taken over in fp32 only; int8 networks have drawn weights",
            hint="measure it in fp32, or without its weights: costs do not depend on them",
        )
    works = [layer.workload(dtype, flavor_of(layer.primitive, dtype, flavor), opt_level) for layer in network.layers]
    _check_order(network, works)
    readers = {name: at for at, layer in enumerate(network.layers) for name in layer.inputs}
    added = {name for layer in network.layers if layer.primitive == "residual_add" for name in layer.inputs}
    steps: list[Step] = []
    constants: dict[str, Tensor] = {}
    tables: dict[bytes, str] = {}
    produced: dict[str, Tensor] = {}
    buffers: list[Buffer] = []
    for at, (layer, work) in enumerate(zip(network.layers, works, strict=True)):
        own = golden(work.primitive).layout(work)
        own = _constants(layer, at, own, layer.name in added, parameters)
        name = f"layer{at}_{re.sub(r'[^A-Za-z0-9]', '_', layer.name)}"
        given = [tensor for tensor in own.tensors if tensor.role is Role.INPUT]
        if len(given) != len(layer.inputs):
            raise ParameterError(
                f"{network.name}: layer {layer.name!r} reads {len(layer.inputs)} tensors, {layer.primitive} takes {len(given)}"
            )
        feeding = iter(layer.inputs)
        sources: list[tuple[str, str]] = []
        for tensor in own.tensors:
            if tensor.role is Role.INPUT:
                read = next(feeding)
                if read == INPUT and INPUT not in produced:
                    produced[INPUT] = replace(tensor, name="input", scale=1.0, edges=(), offset=0.0)
                    buffers.append(Buffer(INPUT, tensor.size_bytes, -1, readers[INPUT]))
                _check_fit(network, layer, tensor, read, produced[read])
                sources.append((tensor.name, read))
            elif tensor.constant:
                constant = f"{name}_{tensor.name}"
                if tensor.contents is not None and tensor.name == _TABLE:
                    constant = tables.setdefault(tensor.contents.tobytes(), constant)
                constants.setdefault(constant, replace(tensor, name=constant))
                sources.append((tensor.name, constant))
            elif tensor.role is Role.OUTPUT:
                produced[layer.name] = tensor
                last = len(works) if at == len(works) - 1 else readers.get(layer.name, at)
                buffers.append(Buffer(layer.name, tensor.size_bytes, at, last))
                sources.append((tensor.name, layer.name))
            else:
                scratch = f"{layer.name}.{tensor.name}"
                buffers.append(Buffer(scratch, tensor.size_bytes, at, at))
                sources.append((tensor.name, scratch))
        steps.append(Step(name, layer, work, own, tuple(sources)))
    if INPUT not in produced:
        raise ParameterError(f"{network.name}: no layer reads the network's input")
    last_layer = network.layers[-1].name
    arena = place(buffers)
    layout = KernelLayout(
        (
            produced[INPUT],
            *constants.values(),
            Tensor(ARENA, Role.SCRATCH, (arena.size_bytes,), Element.INT8),
            replace(produced[last_layer], name="output"),
        )
    )
    return NetworkLayout(
        network=network,
        work=network_workload(network, dtype, flavor, opt_level, parameters),
        steps=tuple(steps),
        arena=arena,
        layout=layout,
        input_buffer=INPUT,
        output_buffer=last_layer,
        arguments_bytes=sum(4 * (len(step.layout.tensors) + len(step.layout.integers)) for step in steps),
    )


def _constants(layer: Layer, at: int, own: KernelLayout, damped: bool, parameters: Parameters | None) -> KernelLayout:
    """Return the layout of a layer with the network's constants: the model's own, or drawn ones that keep activations alive from layer to layer.

    fp32 weights lie evenly in +-sqrt(6 / fan-in): variance 2 / fan-in, which keeps that of activations (K. He et al., Delving Deep into Rectifiers,
    ICCV 2015, section 2.2); half of it where they are added to a residual (``damped``). Scales of a batch normalisation lie around one. int8:
    the primitives' multipliers are meant for inputs drawn over the whole range; here they are raised by what an output lacks to that, and biases are
    small, so that the output of a deep network still depends on its input.
    """

    def tensor_of(index: int, tensor: Tensor) -> Tensor:
        if not tensor.constant or tensor.name == _TABLE:
            return tensor
        if parameters is not None:
            return _own(tensor, layer.name, parameters)
        if tensor.element is Element.FLOAT:
            return _drawn(tensor, own, damped, stream=_STREAMS * (at + 1) + index)
        return _rescaled(tensor, own)

    return replace(own, tensors=tuple(tensor_of(index, tensor) for index, tensor in enumerate(own.tensors)))


def _drawn(tensor: Tensor, own: KernelLayout, damped: bool, stream: int) -> Tensor:
    unit = generator.values(replace(tensor, scale=1.0, offset=0.0), generator.CONSTANT_SEED, stream)
    if tensor.name == "weights":
        outputs = next(other for other in own.tensors if other.name == "bias").elements
        contents = unit * np.float32(math.sqrt(6.0 * outputs / tensor.elements) * (_DAMPING if damped else 1.0))
    elif tensor.name == "scale":
        contents = np.float32(_DAMPING if damped else 1.0) + np.float32(0.25) * unit
    else:
        contents = np.float32(_BIAS_REACH) * unit
    return replace(tensor, contents=contents.astype(tensor.element.numpy))


def _rescaled(tensor: Tensor, own: KernelLayout) -> Tensor:
    """Return an int8 layer's bias or scaling as a network has it."""
    if tensor.name == "bias" and tensor.contents is not None:
        return replace(tensor, contents=tensor.contents // _BIAS_SHARE)
    if tensor.name not in ("multiplier", "shift"):
        return tensor
    multipliers, shifts = (
        next(other.contents for other in own.tensors if other.name == name) for name in ("multiplier", "shift")
    )
    assert multipliers is not None
    assert shifts is not None
    pairs = [
        quantized_multiplier(float(multiplier) * 2.0 ** (int(shift) - 31) * UNIFORM_RMS / OUTPUT_RMS)
        for multiplier, shift in zip(multipliers, shifts, strict=True)
    ]
    which = 0 if tensor.name == "multiplier" else 1
    return replace(tensor, contents=np.array([pair[which] for pair in pairs], tensor.element.numpy))


def _own(tensor: Tensor, layer: str, parameters: Parameters) -> Tensor:
    try:
        values = parameters[layer][tensor.name]
    except KeyError:
        raise ParameterError(
            f"layer {layer!r}: the model has no {tensor.name}",
            hint="leave the model's weights out with --drawn-weights",
        ) from None
    if values.shape != tensor.shape:
        raise ParameterError(
            f"layer {layer!r}: {tensor.name} has shape {values.shape}, the kernel needs {tensor.shape}"
        )
    return replace(tensor, contents=np.ascontiguousarray(values, dtype=tensor.element.numpy))


def _check_fit(network: Network, layer: Layer, tensor: Tensor, read: str, given: Tensor) -> None:
    if (tensor.elements, tensor.element) != (given.elements, given.element):
        raise ParameterError(
            f"{network.name}: layer {layer.name!r} takes {tensor.elements} values of {tensor.element.c_type}, "
            f"{read!r} gives {given.elements} of {given.element.c_type}",
            hint="the layers' parameters do not fit each other",
        )


def _check_order(network: Network, works: list[Workload]) -> None:
    """Refuse a network in which images pass between kernels of another memory order: (channel, row, column) or (row, column, channel).

    An image of one channel, or of one pixel, is the same in both.
    """
    order: dict[str, str | None] = {INPUT: None}
    for layer, work in zip(network.layers, works, strict=True):
        mine = None if work.primitive in _IN_ANY_ORDER else "planar" if work.flavor == NAIVE else "interleaved"
        given = {found for read in layer.inputs if (found := order[read]) is not None}
        if (mine is not None and given - {mine}) or len(given) > 1:
            raise ParameterError(
                f"{network.name}: layer {layer.name!r} ({work.primitive}, {work.flavor}) works on {mine or 'either kind of'} tensors, "
                f"but is given {' and '.join(sorted(given))} ones",
                hint=f"use --flavor {NAIVE}: not every primitive of this network has a {DSP} kernel",
            )
        height, width, channels = layer.out_shape
        plain = channels == 1 or height * width == 1 or work.primitive == "fully_connected"
        order[layer.name] = None if plain else mine or next(iter(given), None)


def _digest(parameters: Parameters) -> str:
    digest = hashlib.sha256()
    for layer, tensors in sorted(parameters.items()):
        for name, values in sorted(tensors.items()):
            digest.update(f"{layer}\0{name}\0{values.shape}\0".encode() + np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()[:8]
