"""The weights of an ONNX model as the network's kernels want them, and what ONNX Runtime makes of the model: an oracle that shares no code with the bench."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.domain.network import Layer, Network
from bench.errors import OutputMismatch, ParameterError
from bench.firmware import generator
from bench.firmware.network import NetworkLayout, Parameters
from bench.firmware.network_golden import NetworkGolden

Array = NDArray[np.float32]
_WITH_WEIGHTS = ("conv2d", "conv2d_rgb", "depthwise_conv2d", "fully_connected", "batchnorm")
_HINT = "leave the model's weights out with --drawn-weights: costs hardly depend on them"


def read_parameters(path: Path, network: Network) -> Parameters:
    """Return the weights in ``path`` for the layers of ``network``, which was imported from it: a layer has the name of its operator.

    Convolutions as they are, fully connected layers input by output, batch normalisations as one scale and one offset a channel. Raises ParameterError
    for a layer whose operator or weights are not found.
    """
    import onnx  # noqa: PLC0415 - optional, and slow to import

    graph = onnx.load(str(path), load_external_data=False).graph
    constants: dict[str, Array] = {entry.name: onnx.numpy_helper.to_array(entry) for entry in graph.initializer}
    for node in graph.node:
        for attribute in node.attribute:
            if node.op_type == "Constant" and attribute.name == "value":
                constants[node.output[0]] = onnx.numpy_helper.to_array(attribute.t)
    nodes = {(node.name or node.output[0])[:100]: node for node in graph.node if node.output}
    found: dict[str, Mapping[str, Array]] = {}
    for layer in network.layers:
        if layer.primitive not in _WITH_WEIGHTS:
            continue
        node = nodes.get(layer.name)
        if node is None:
            raise ParameterError(f"{path.name}: no operator is called {layer.name!r}", hint=_HINT)
        try:
            found[layer.name] = _of_node(layer, node, constants, list(graph.node))
        except (KeyError, IndexError) as error:
            raise ParameterError(
                f"{path.name}: {layer.name!r} has no weights in the file ({error})", hint=_HINT
            ) from None
    return found


def _of_node(layer: Layer, node: Any, constants: Mapping[str, Array], nodes: list[Any]) -> dict[str, Array]:
    """Return the tensors of one layer. Raises KeyError and IndexError for what is not there."""
    attributes = {entry.name: entry for entry in node.attribute}
    if layer.primitive == "batchnorm":
        gamma, beta, mean, variance = (constants[name].astype(np.float64) for name in node.input[1:5])
        epsilon = attributes["epsilon"].f if "epsilon" in attributes else 1e-5
        scale = gamma / np.sqrt(variance + epsilon)
        return {"scale": scale.astype(np.float32), "bias": (beta - mean * scale).astype(np.float32)}
    weights = constants[node.input[1]].astype(np.float32)
    if layer.primitive == "fully_connected":
        if "transB" in attributes and attributes["transB"].i:
            weights = weights.T
        alpha, factor = (attributes[name].f if name in attributes else 1.0 for name in ("alpha", "beta"))
        offset = (
            constants[node.input[2]] * np.float32(factor) if len(node.input) > 2 else _added(node, constants, nodes)
        )
        return {"weights": weights * np.float32(alpha), "bias": _filled(offset, weights.shape[1])}
    if layer.primitive == "depthwise_conv2d":
        weights = weights[:, 0]
    return {
        "weights": weights,
        "bias": _filled(constants[node.input[2]] if len(node.input) > 2 else None, len(weights)),
    }


def _added(node: Any, constants: Mapping[str, Array], nodes: list[Any]) -> Array | None:
    """Return the constant that an Add after a MatMul brings: its bias."""
    for other in nodes:
        if other.op_type == "Add" and node.output[0] in other.input:
            return next((constants[name] for name in other.input if name in constants), None)
    return None


def _filled(bias: Array | None, channels: int) -> Array:
    return (
        np.zeros(channels, np.float32)
        if bias is None
        else np.broadcast_to(bias.ravel(), (channels,)).astype(np.float32)
    )


def check_against_onnxruntime(path: Path, laid_out: NetworkLayout, seed: int) -> float | None:
    """Compare the reference that the target is checked against with ONNX Runtime's output of ``path`` for the input of ``seed``.

    Returns by how much of the bound they differ at most, None where ONNX Runtime is not installed. Raises OutputMismatch beyond it.
    """
    try:
        import onnxruntime  # noqa: PLC0415 - optional
    except ImportError:
        return None
    tensors = generator.tensors(laid_out.layout, seed)
    expected, bound = NetworkGolden(laid_out).reference(laid_out.work, tensors)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    given = session.get_inputs()[0]
    shape = [size if isinstance(size, int) and size > 0 else 1 for size in given.shape]
    output = np.asarray(session.run(None, {given.name: tensors["input"].reshape(shape)})[0], np.float64).ravel()
    if output.shape != expected.ravel().shape:
        raise OutputMismatch(f"{path.name}: ONNX Runtime puts out {output.size} values, the network {expected.size}")
    excess = np.abs(output - expected.ravel()) / bound.ravel()
    if not (excess <= 1.0).all():
        worst = int(np.argmax(excess))
        raise OutputMismatch(
            f"{path.name}: output {worst} of ONNX Runtime is {output[worst]:.9g}, the reference {expected.ravel()[worst]:.9g} ± {bound.ravel()[worst]:.2g}",
            hint="it computes something else than the layers it was imported as, such as another padding at the border; "
            "--drawn-weights measures the layers all the same",
        )
    return float(excess.max())
