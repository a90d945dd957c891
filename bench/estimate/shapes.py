"""From the layers that a layer reads to its parameters and its output: the one place that knows how shapes follow from each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from bench.domain.network import INPUT, Layer, Network
from bench.domain.primitives import primitive as find_primitive
from bench.domain.primitives import workload
from bench.domain.primitives.windows import RGB_CHANNELS, output_size
from bench.errors import BenchError, ParameterError

TensorShape = tuple[int, int, int]
"""Height, width, channels."""

CONVOLUTIONS = frozenset({"conv2d", "conv2d_rgb"})
WINDOWS = CONVOLUTIONS | {"depthwise_conv2d", "avgpool2d", "maxpool2d"}
CHANNELWISE = frozenset({"batchnorm", "residual_add"})
TWO_INPUTS = frozenset({"residual_add", "add", "sub", "mul", "div"})
WEIGHTED = CONVOLUTIONS | {"fully_connected"}
"""Primitives that choose their number of output channels themselves."""


def elements(shape: TensorShape) -> int:
    """Return height x width x channels."""
    return shape[0] * shape[1] * shape[2]


def make_layer(
    name: str,
    primitive: str,
    own: Mapping[str, int | str],
    inputs: Sequence[str],
    in_shapes: Sequence[TensorShape],
) -> Layer:
    """Return the layer of ``primitive`` that reads tensors of ``in_shapes``.

    ``own`` are the parameters that its inputs do not decide: ``k``, ``stride``, ``padding``, ``out_c``, ``n_out``. A convolution of the network's
    three-channel input is conv2d_rgb. Raises ParameterError for shapes that do not fit, naming the layer.
    """
    height, width, channels = first = in_shapes[0]
    if len(inputs) != (needed := 2 if primitive in TWO_INPUTS else 1):
        raise ParameterError(f"layer {name} ({primitive}) reads {len(inputs)} tensors, the primitive {needed}")
    if any(other != first for other in in_shapes[1:]):
        texts = " and ".join("x".join(map(str, shape)) for shape in in_shapes)
        raise ParameterError(f"layer {name} ({primitive}) reads tensors of different shapes: {texts}")
    values = dict(own)
    if primitive == "conv2d" and tuple(inputs) == (INPUT,) and channels == RGB_CHANNELS:
        primitive = "conv2d_rgb"
    if primitive in WINDOWS or primitive == "global_avgpool2d":
        values |= {"in_h": height, "in_w": width}
        if primitive != "conv2d_rgb":
            values["in_c"] = channels
    elif primitive == "fully_connected":
        values["n_in"] = elements(first)
    elif primitive == "softmax":
        values["n"] = elements(first)
    elif primitive in CHANNELWISE:
        values |= {"n": height * width, "in_c": channels}
    else:
        values["n"] = elements(first)
    try:
        work = workload(primitive, values)
    except BenchError as error:
        raise ParameterError(f"layer {name}: {error}", hint=error.hint) from None
    return Layer(name, primitive, work.params, tuple(inputs), _out_shape(primitive, dict(work.params), first))


def _out_shape(primitive: str, values: Mapping[str, int | str], shape: TensorShape) -> TensorShape:
    height, width, channels = shape
    if primitive in WINDOWS:
        k, stride, padding = int(values["k"]), int(values["stride"]), str(values.get("padding", "valid"))
        out_c = int(values["out_c"]) if primitive in CONVOLUTIONS else channels
        return output_size(height, k, stride, padding), output_size(width, k, stride, padding), out_c
    if primitive == "global_avgpool2d":
        return 1, 1, channels
    if primitive == "fully_connected":
        return 1, 1, int(values["n_out"])
    return shape


def own_parameters(layer: Layer) -> dict[str, int | str]:
    """Return the parameters of ``layer`` that its inputs do not decide."""
    derived = {"in_h", "in_w", "in_c", "n_in", "n"}
    return {name: value for name, value in layer.params if name not in derived}


def channels_parameter(layer: Layer) -> str | None:
    """Return the parameter that holds the layer's own number of output channels, None where it passes its input's on."""
    names = {parameter.name for parameter in find_primitive(layer.primitive).parameters}
    return next((name for name in ("out_c", "n_out") if name in names), None)


def rebuilt(
    network: Network, layers: Iterable[Layer], own: Mapping[str, Mapping[str, int | str]], name: str | None = None
) -> Network:
    """Return a network of ``layers`` with ``own[layer]`` over their parameters, all sizes following from ``network.in_shape``."""
    shapes: dict[str, TensorShape] = {INPUT: network.in_shape}
    made: list[Layer] = []
    for layer in layers:
        kind = "conv2d" if layer.primitive == "conv2d_rgb" else layer.primitive
        values = own_parameters(layer) | dict(own.get(layer.name, {}))
        new = make_layer(layer.name, kind, values, layer.inputs, [shapes[read] for read in layer.inputs])
        shapes[layer.name] = new.out_shape
        made.append(new)
    return replace(network, name=name or network.name, layers=tuple(made))
