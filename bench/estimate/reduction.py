"""What would change: quantisation, structured pruning, narrower layers, a smaller student, folded batch normalisations.

A reduction is asked for as text, combined by commas: ``int8,prune=70`` or ``prune=70,prune.conv2=50,fold``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import ceil

from bench.domain.network import INPUT, Layer, Network
from bench.domain.workload import DType
from bench.errors import ParameterError, UnknownName
from bench.estimate.networks import NETWORKS, STUDENTS, network
from bench.estimate.shapes import CONVOLUTIONS, WEIGHTED, channels_parameter, rebuilt

_FORMS = "int8, fp32, prune=PERCENT, prune.LAYER=PERCENT, width=FACTOR, student=NETWORK, fold"


@dataclass(frozen=True, slots=True)
class Reduction:
    """One reduction, or several in combination; the empty one changes nothing. ``str()`` gives what ``parse`` takes.

    ``dtype``: None keeps the data type asked for otherwise. ``prune`` is the percentage of output channels that go from every convolution,
    ``prune_layer`` from single layers (convolutions or fully connected ones); of n channels ceil(n (1 - rate)) stay, as published. ``width``
    multiplies the outputs of every convolution and fully connected layer but the last, rounded to the nearest, at least 1. ``student`` takes
    another built-in network's place. ``fold`` folds batch normalisations into the weights before them.
    """

    dtype: DType | None = None
    prune: Fraction = Fraction(0)
    prune_layer: tuple[tuple[str, Fraction], ...] = ()
    width: Fraction = Fraction(1)
    student: str = ""
    fold: bool = field(default=False)

    def __str__(self) -> str:
        parts = [str(self.dtype)] if self.dtype else []
        if self.student:
            parts.append(f"student={self.student}")
        if self.width != 1:
            parts.append(f"width={float(self.width):g}")
        if self.prune:
            parts.append(f"prune={float(self.prune):g}")
        parts += [f"prune.{layer}={float(rate):g}" for layer, rate in self.prune_layer]
        if self.fold:
            parts.append("fold")
        return ",".join(parts)

    @classmethod
    def parse(cls, text: str) -> Reduction:
        """Return the reduction that ``text`` names; "" and "none" change nothing. Raises ParameterError."""
        made, layers = cls(), dict[str, Fraction]()
        seen: set[str] = set()
        for part in filter(None, (piece.strip() for piece in text.split(","))):
            name, _, value = part.partition("=")
            if name in seen or (name in tuple(DType) and seen & set(DType)):
                raise ParameterError(f"--reduce {text!r} says {name} twice, or contradicts itself", hint=_FORMS)
            seen.add(name)
            if name in tuple(DType) and not value:
                made = replace(made, dtype=DType(name))
            elif name == "prune":
                made = replace(made, prune=_number(value, text, Fraction(0), Fraction(100)))
            elif name.startswith("prune.") and len(name) > len("prune."):
                layers[name.removeprefix("prune.")] = _number(value, text, Fraction(0), Fraction(100))
            elif name == "width":
                made = replace(made, width=_number(value, text, Fraction(1, 100), Fraction(5)))
            elif name == "student" and value:
                made = replace(made, student=value)
            elif name in ("fold", "none") and not value:
                made = replace(made, fold=made.fold or name == "fold")
            else:
                raise ParameterError(f"--reduce {part!r} is no reduction", hint=f"one of {_FORMS}; combine by commas")
        return replace(made, prune_layer=tuple(layers.items()))

    def apply(self, original: Network) -> Network:
        """Return the reduced network under the original's name. Raises ParameterError, UnknownName."""
        made = original
        if self.student:
            made = replace(_student(original, self.student), name=original.name)
        if self.fold:
            made = folded(made)
        if self.width != 1:
            made = widened(made, self.width)
        if self.prune or self.prune_layer:
            made = pruned(made, self.prune, dict(self.prune_layer))
        return made


def _number(text: str, whole: str, least: Fraction, below: Fraction) -> Fraction:
    """Return a decimal number of ``least`` .. ``below``, the upper end excluded."""
    if not re.fullmatch(r"\d{1,4}(\.\d{1,6})?", text.removesuffix("%")):
        raise ParameterError(f"--reduce {whole!r}: {text!r} is not a number", hint=_FORMS)
    value = Fraction(text.removesuffix("%"))
    if not least <= value < below:
        raise ParameterError(
            f"--reduce {whole!r}: {text} is not within {float(least):g} .. {float(below):g} (excluded)", hint=_FORMS
        )
    return value


def _student(original: Network, name: str) -> Network:
    student = network(name)
    if student.in_shape != original.in_shape:
        fitting = STUDENTS.get(original.name, ()) or tuple(
            other for other in NETWORKS if other != original.name and network(other).in_shape == original.in_shape
        )
        raise ParameterError(
            f"student {name} takes inputs of {student.in_shape}, {original.name} of {original.in_shape}",
            hint=f"students for {original.name}: {', '.join(fitting) or 'none built in; use width=FACTOR'}",
        )
    return student


def _kept(channels: int, rate: Fraction) -> int:
    return max(1, ceil(channels * (1 - rate / 100)))


def pruned(network: Network, rate: Fraction | float, layers: Mapping[str, Fraction | float] | None = None) -> Network:
    """Return ``network`` without ``rate`` % of the output channels of every convolution, ``layers`` overriding it by name.

    What follows shrinks with it: the windows of the next convolution, the channels of activations and poolings, the inputs of a fully
    connected layer. Fully connected layers lose outputs only where ``layers`` names them, the network's output never. Tensors that are added
    to each other keep the same channels: the largest that one of their makers keeps. Raises UnknownName for a layer that has no channels of
    its own, ParameterError for a rate outside 0 .. 100.
    """
    by_name = {name: Fraction(value) for name, value in (layers or {}).items()}
    own = {layer.name: layer for layer in network.layers if layer.primitive in WEIGHTED}
    for name in by_name:
        if name not in own:
            raise UnknownName.among("layer to prune", name, list(own))
    for value in (Fraction(rate), *by_name.values()):
        if not 0 <= value < 100:
            raise ParameterError(
                f"a pruning rate is 0 .. 100 %, 100 excluded, got {float(value):g}", hint="as in: prune=70"
            )
    wanted: dict[str, int] = {}
    for name, layer in own.items():
        default = Fraction(rate) if layer.primitive in CONVOLUTIONS else Fraction(0)
        wanted[name] = _kept(_channels(layer), by_name.get(name, default))
    return _with_channels(network, wanted)


def widened(network: Network, factor: Fraction | float) -> Network:
    """Return ``network`` with ``factor`` times the channels and units of every layer but the last weighted one, at least 1."""
    return _with_channels(
        network,
        {
            layer.name: max(1, round(_channels(layer) * Fraction(factor)))
            for layer in network.layers
            if layer.primitive in WEIGHTED
        },
    )


def _channels(layer: Layer) -> int:
    name = channels_parameter(layer)
    assert name is not None, layer
    return int(dict(layer.params)[name])


def _with_channels(network: Network, wanted: Mapping[str, int]) -> Network:
    """Return ``network`` with the ``wanted`` output channels, where added tensors agree on the largest and the output keeps its own."""
    makers: dict[str, frozenset[str]] = {INPUT: frozenset({INPUT})}
    groups: dict[str, set[str]] = {}
    for layer in network.layers:
        if layer.primitive in WEIGHTED:
            makers[layer.name] = frozenset({layer.name})
            groups[layer.name] = {layer.name}
            continue
        made = frozenset().union(*(makers[read] for read in layer.inputs))
        makers[layer.name] = made
        joined = set().union(*(groups.get(name, {name}) for name in made))
        for name in joined:
            groups[name] = joined
    fixed = makers[network.layers[-1].name] | {INPUT}
    channels = {layer.name: _channels(layer) for layer in network.layers if layer.primitive in WEIGHTED}
    own: dict[str, dict[str, int | str]] = {}
    for layer in network.layers:
        if layer.name not in channels:
            continue
        group = groups[layer.name]
        keeps = bool(group & fixed)
        count = channels[layer.name] if keeps else max(wanted[name] for name in group)
        own[layer.name] = {str(channels_parameter(layer)): count}
    return rebuilt(network, network.layers, own)


def folded(network: Network) -> Network:
    """Return ``network`` without the batch normalisations that read a convolution or fully connected layer which nothing else reads."""
    readers: dict[str, int] = {}
    for layer in network.layers:
        for read in layer.inputs:
            readers[read] = readers.get(read, 0) + 1
    linear = {
        layer.name for layer in network.layers if layer.primitive in WEIGHTED or layer.primitive == "depthwise_conv2d"
    }
    gone = {
        layer.name: layer.inputs[0]
        for layer in network.layers
        if layer.primitive == "batchnorm" and layer.inputs[0] in linear and readers[layer.inputs[0]] == 1
    }
    left = [
        replace(layer, inputs=tuple(gone.get(read, read) for read in layer.inputs))
        for layer in network.layers
        if layer.name not in gone
    ]
    return rebuilt(network, left, {})
