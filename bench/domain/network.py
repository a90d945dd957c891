"""A network as the bench sees it: layers in the order they run, each one call of a primitive with all its parameters.

Operators that only rename what lies in memory (flatten, reshape, dropout in inference) are no layers: they cost nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from bench.domain.primitives import applications, workload
from bench.domain.workload import DType, OptLevel, Workload

INPUT = "input"
"""What a layer names that reads the network's input."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: one call of ``primitive`` with ``params`` (complete, in the registry's names).

    ``inputs`` are the names of the layers it reads, or ``INPUT``; ``out_shape`` is (height, width, channels) of what it leaves.
    """

    name: str
    primitive: str
    params: tuple[tuple[str, int | str], ...]
    inputs: tuple[str, ...]
    out_shape: tuple[int, int, int]

    def workload(self, dtype: DType, flavor: str = "naive", opt_level: OptLevel = OptLevel.O3) -> Workload:
        """Return what a station would measure for this layer alone. Raises UnknownName, ParameterError."""
        return workload(self.primitive, dict(self.params), dtype, flavor, opt_level)

    @property
    def applications(self) -> int:
        """How often the layer applies its primitive."""
        return applications(self.workload(DType.FP32))


@dataclass(frozen=True, slots=True)
class Network:
    """Layers in the order they run; the last one's output is the network's. ``in_shape`` is (height, width, channels).

    Raises ValueError for a name twice, and for a layer that reads one that has not run.
    """

    name: str
    in_shape: tuple[int, int, int]
    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        known = {INPUT}
        for layer in self.layers:
            if layer.name in known:
                raise ValueError(f"{self.name}: two layers are called {layer.name!r}")
            for read in layer.inputs:
                if read not in known:
                    raise ValueError(f"{self.name}: layer {layer.name!r} reads {read!r}, which has not run before it")
            known.add(layer.name)
        if not self.layers:
            raise ValueError(f"{self.name}: a network needs a layer")
