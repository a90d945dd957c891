"""A network as applications of primitives, as the published work counts them."""

from __future__ import annotations

from collections import Counter

from bench.domain.network import Layer, Network


def kernel_label(layer: Layer) -> str:
    """Return what tells unit costs of one primitive apart: ``k=5``, ``400/120`` for a fully connected layer, ``10`` values of a softmax; else empty."""
    values = dict(layer.params)
    if "k" in values:
        return f"k={values['k']}"
    if layer.primitive == "fully_connected":
        return f"{values['n_in']}/{values['n_out']}"
    if layer.primitive == "softmax":
        return f"{values['n']}/{values['n']}"
    if layer.primitive == "global_avgpool2d":
        return f"{values['in_h']}x{values['in_w']}"
    return ""


def decompose(network: Network) -> dict[tuple[str, str], int]:
    """Return how often ``network`` applies each (primitive, kernel), in the order of first use."""
    counts: Counter[tuple[str, str]] = Counter()
    for layer in network.layers:
        counts[layer.primitive, kernel_label(layer)] += layer.applications
    return dict(counts)
