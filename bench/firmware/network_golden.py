"""What a network must put out: its layers' references, one after the other.

int8: composed exactly, so the target must agree to the bit. fp32: every reference computes in double precision and says how far a single-precision
kernel may be off. Worst cases of that, carried through a dozen layers, would allow anything: each layer would multiply them by the sum of its
weights' magnitudes, the signal only by the root of their squares. So errors are carried on as what they are, many small and nearly independent
ones: by their variance (N. Higham and T. Mary, A New Approach to Probabilistic Rounding Error Analysis, SIAM J. Sci. Comput. 41(5), 2019, which
finds the worst case's n u to be sqrt(n) u with high probability). A wrong kernel, weight or buffer is off by more than this by many orders.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.domain.network import INPUT
from bench.domain.workload import DType, Workload
from bench.errors import ParameterError
from bench.firmware.golden import golden
from bench.firmware.golden.convolution import UNDERFLOW_UNIT, UNIT_ROUNDOFF, Reference
from bench.firmware.layout import KernelLayout, Role
from bench.firmware.network import NetworkLayout, Step

COVERAGE = 8.0
"""Standard deviations that the target may be off. Errors are nowhere near normal in the tails; the deviations are generous to begin with."""

Array = NDArray[np.float64]
_SUMS = ("conv2d", "conv2d_rgb", "depthwise_conv2d", "fully_connected", "batchnorm")
_MEANS = ("avgpool2d", "global_avgpool2d")
_STEEPEST = {"relu": 1.0, "relu6": 1.0, "tanh": 1.0, "sigmoid_exact": 0.25, "hard_swish": 1.5}
"""Greatest slope of functions of one element."""


@dataclass(frozen=True, slots=True)
class Uncertain:
    """Values, and the standard deviation of the target's error in each."""

    values: Array
    deviation: Array


class NetworkGolden:
    """The reference of one network, in the form that a primitive's has."""

    def __init__(self, laid_out: NetworkLayout) -> None:
        self._laid_out = laid_out

    def layout(self, work: Workload) -> KernelLayout:  # noqa: ARG002  one network, one layout
        """Return the network's layout."""
        return self._laid_out.layout

    def reference(self, work: Workload, tensors: Mapping[str, NDArray[Any]]) -> Reference:
        """Return the network's output and its bound for ``tensors``: ``input`` and every constant, by its name in the network's layout.

        Raises ParameterError for a layer that errors of fp32 cannot be carried through.
        """
        return self._exact(tensors) if work.dtype is DType.INT8 else self._single(tensors)

    def _exact(self, tensors: Mapping[str, NDArray[Any]]) -> Reference:
        held: dict[str, NDArray[Any]] = {INPUT: tensors["input"]}
        for step in self._laid_out.steps:
            expected, _ = golden(step.work.primitive).reference(step.work, _gather(step, held, tensors))
            held[step.layer.name] = expected.astype(step.layout.output.element.numpy)
        output = held[self._laid_out.output_buffer].astype(np.float64)
        return output, np.zeros_like(output)

    def _single(self, tensors: Mapping[str, NDArray[Any]]) -> Reference:
        start = tensors["input"].astype(np.float64)
        held = {INPUT: Uncertain(start, np.zeros_like(start))}
        for step in self._laid_out.steps:
            held[step.layer.name] = _through(step, held, tensors)
        output = held[self._laid_out.output_buffer]
        return output.values, COVERAGE * output.deviation + UNDERFLOW_UNIT


def _gather(
    step: Step, held: Mapping[str, NDArray[Any]], tensors: Mapping[str, NDArray[Any]]
) -> dict[str, NDArray[Any]]:
    """Return what the layer's own reference is given: its inputs in the shapes that it has for them, and its constants."""
    given: dict[str, NDArray[Any]] = {}
    for tensor in step.layout.tensors:
        source = step.source(tensor.name)
        if tensor.role is Role.INPUT:
            given[tensor.name] = held[source].reshape(tensor.shape)
        elif tensor.constant:
            given[tensor.name] = tensors[source]
    return given


def _through(step: Step, held: Mapping[str, Uncertain], tensors: Mapping[str, NDArray[Any]]) -> Uncertain:
    """Return the output of one layer: its values, and the errors of its inputs and of its own arithmetic."""
    work, reference = step.work, golden(step.work.primitive).reference
    given = _gather(step, {name: uncertain.values for name, uncertain in held.items()}, tensors)
    squares = _gather(step, {name: uncertain.deviation**2 for name, uncertain in held.items()}, tensors)
    name = work.primitive
    if name in _SUMS:
        values, bound = reference(work, given)
        for constant in ("weights", "scale"):
            if constant in squares:
                squares[constant] = squares[constant].astype(np.float64) ** 2
        squares["bias"] = np.zeros_like(squares["bias"])
        terms = given["weights"].size / given["bias"].size if "weights" in given else 1
        return Uncertain(values, np.hypot(np.sqrt(reference(work, squares)[0]), bound / np.sqrt(terms)))
    if name in _MEANS:
        values, bound = reference(work, given)
        terms = given["input"].size / values.size
        return Uncertain(values, np.hypot(np.sqrt(reference(work, squares)[0] / terms), bound / np.sqrt(terms)))
    if name == "maxpool2d":
        return Uncertain(reference(work, given)[0], np.sqrt(reference(work, squares)[0]))
    if name in ("residual_add", "add"):
        (first, second), variances = given.values(), sum(squares.values())
        total = first + second
        return Uncertain(total, np.sqrt(variances + (UNIT_ROUNDOFF * total) ** 2))
    if name in _STEEPEST:
        values, bound = reference(work, given)
        return Uncertain(values, np.hypot(_STEEPEST[name] * np.sqrt(squares["input"]), bound))
    if (
        name == "sigmoid"
    ):  # a staircase: an error may reach over an edge, and is a whole step then, which a few deviations cover
        reach = COVERAGE * np.sqrt(squares["input"])
        low, high = (reference(work, {**given, "input": given["input"] + side})[0] for side in (-reach, reach))
        return Uncertain(reference(work, given)[0], (high - low) / 4)
    if name == "softmax":  # d p_i = p_i (d x_i - sum of p_j d x_j)
        values, bound = reference(work, given)
        common = float(values**2 @ squares["input"])
        return Uncertain(values, np.hypot(values * np.sqrt(squares["input"] + common), bound))
    raise ParameterError(
        f"layer {step.layer.name!r}: no way is known to carry rounding errors through {name} in fp32",
        hint="such a network can be measured in int8, where the reference is exact",
    )
