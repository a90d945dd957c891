"""Write a network down layer by layer; sizes follow from what is read."""

from __future__ import annotations

from bench.domain.network import INPUT, Layer, Network
from bench.estimate.shapes import TensorShape, make_layer


class Builder:
    """Collects layers. Each method returns the new layer's name; a layer reads ``source``, or the layer before it."""

    def __init__(self, name: str, in_shape: TensorShape) -> None:
        self._name = name
        self._in_shape = in_shape
        self._layers: list[Layer] = []
        self._shapes: dict[str, TensorShape] = {INPUT: in_shape}
        self.last = INPUT

    def add(self, name: str, primitive: str, *sources: str, **own: int | str) -> str:
        """Append a layer. Raises ParameterError for shapes that do not fit, KeyError for a source that is not there."""
        inputs = sources or (self.last,)
        layer = make_layer(name, primitive, own, inputs, [self._shapes[source] for source in inputs])
        self._layers.append(layer)
        self._shapes[name] = layer.out_shape
        self.last = name
        return name

    def shape(self, name: str) -> TensorShape:
        """Return what the layer ``name`` leaves."""
        return self._shapes[name]

    def build(self) -> Network:
        """Return the network."""
        return Network(self._name, self._in_shape, tuple(self._layers))
