"""Compares what the target computed with the golden reference."""

from __future__ import annotations

import numpy as np

from bench.domain.workload import Workload
from bench.errors import CounterWrapped, OutputMismatch
from bench.firmware import generator
from bench.firmware.golden import Golden, golden
from bench.firmware.layout import KernelLayout

COUNTER_CYCLES = 2**32
"""What DWT->CYCCNT holds (ARM DDI 0403E.e C1.8.8)."""
CLOCK_MARGIN = 0.05
"""A clock may be faster than planned by so much, and the host's or probe's slower, before a wrap goes unnoticed."""


def refuse_wrap(seconds: float, hclk_hz: float, calls: int, what: str) -> None:
    """Raise CounterWrapped where ``calls`` counted stretches in ``seconds``, by another clock than the core's, may each have been too long.

    A count that wrapped is a plausible small number: only a clock that does not wrap can tell.
    """
    cycles = seconds * hclk_hz * (1 + CLOCK_MARGIN) / calls
    if cycles >= COUNTER_CYCLES:
        raise CounterWrapped(
            f"{what} took {seconds:.4g} s, about {cycles:.3g} cycles at {hclk_hz / 1e6:g} MHz; the cycle counter wraps at 2^32",
            hint="use a smaller workload or a slower clock; and for the energy window a shorter --window",
        )


class Verifier:
    """Knows what one workload must put out for one seed and pattern of inputs."""

    def __init__(
        self,
        work: Workload,
        layout: KernelLayout,
        seed: int,
        pattern: int = generator.PATTERN_RANDOM,
        reference: Golden | None = None,
    ) -> None:
        """``reference`` is that of the primitive of ``work`` unless another is given."""
        self._output = layout.output
        known = reference or golden(work.primitive)
        self._expected, self._bound = known.reference(work, generator.tensors(layout, seed, pattern))

    def check(self, raw: bytes) -> None:
        """Compare ``raw``, the output buffer as it lies in the target's memory. Raises OutputMismatch naming the worst element."""
        got = np.frombuffer(raw, dtype=self._output.element.numpy).reshape(self._output.shape).astype(np.float64)
        with np.errstate(invalid="ignore"):  # infinity is right where it is expected
            wrong = ~((np.abs(got - self._expected) <= self._bound) | (got == self._expected))  # a NaN is wrong
        if not wrong.any():
            return
        excess = np.where(wrong, np.nan_to_num(np.abs(got - self._expected), nan=np.inf) - self._bound, -np.inf)
        worst = np.unravel_index(int(np.argmax(excess)), got.shape)
        raise OutputMismatch(
            f"{int(wrong.sum())} of {got.size} outputs are wrong; the worst is output{[int(i) for i in worst]}: "
            f"target {got[worst]:.9g}, reference {self._expected[worst]:.9g} ± {self._bound[worst]:.2g}",
            hint="the kernel, the compiler's optimisation or the clock set-up (wait states, voltage scale) is wrong; the point is rejected",
        )
