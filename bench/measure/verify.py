"""Compares what the target computed with the golden reference."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.domain.workload import DType, Workload
from bench.errors import OutputMismatch
from bench.firmware import generator
from bench.firmware.golden import golden
from bench.firmware.layout import KernelLayout
from bench.firmware.render import CONSTANT_SEED

_NUMPY: dict[DType, np.dtype[Any]] = {DType.FP32: np.dtype("<f4"), DType.INT8: np.dtype("int8")}


class Verifier:
    """Knows what one workload must put out for one seed."""

    def __init__(self, work: Workload, layout: KernelLayout, seed: int) -> None:
        tensors = {
            tensor.name: generator.values(
                tensor, CONSTANT_SEED if tensor.constant else seed, layout.stream(tensor.name)
            )
            for tensor in layout.tensors
            if not tensor.written
        }
        self._work = work
        self._output = layout.output
        self._expected, self._bound = golden(work.primitive).reference(work, tensors)

    def check(self, raw: bytes) -> None:
        """Compare ``raw``, the output buffer as it lies in the target's memory. Raises OutputMismatch naming the worst element."""
        got = np.frombuffer(raw, dtype=_NUMPY[self._output.dtype]).reshape(self._output.shape).astype(np.float64)
        wrong = ~(np.abs(got - self._expected) <= self._bound)  # not <=: a NaN is wrong too
        if not wrong.any():
            return
        excess = np.where(wrong, np.nan_to_num(np.abs(got - self._expected), nan=np.inf) - self._bound, -np.inf)
        worst = np.unravel_index(int(np.argmax(excess)), got.shape)
        raise OutputMismatch(
            f"{int(wrong.sum())} of {got.size} outputs are wrong; the worst is output{[int(i) for i in worst]}: "
            f"target {got[worst]:.9g}, reference {self._expected[worst]:.9g} +- {self._bound[worst]:.2g}",
            hint="the kernel, the compiler's optimisation or the clock set-up (wait states, voltage scale) is wrong; the point is rejected",
        )
