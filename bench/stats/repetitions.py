"""Cycle counts of repeated calls."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, stdev

from bench.errors import ParameterError, VerifyError

# The standard error of a median is sqrt(pi / 2) times that of a mean, for normally distributed values. Cycle counts are not normal but
# mostly constant with rare longer ones, where the median moves less than this says.
_MEDIAN = math.sqrt(math.pi / 2)
# A count is right to one cycle: a rectangular distribution of width 1 (GUM F.2.2.1).
RESOLUTION_CYCLES = 1 / math.sqrt(12)


@dataclass(frozen=True, slots=True)
class NetCycles:
    """Cycles of one call of the kernel without the call's overhead, with standard uncertainties in cycles.

    ``u_repeat`` comes from the spread of the repetitions (type A, ``degrees_of_freedom``), ``u_resolution`` from the counter (type B).
    """

    net: float
    overhead: float
    u_repeat: float
    u_resolution: float
    degrees_of_freedom: float

    @property
    def u_net(self) -> float:
        """Combined standard uncertainty of ``net``, in cycles."""
        return math.hypot(self.u_repeat, self.u_resolution)


def net_cycles(kernel_cycles: Sequence[int], empty_cycles: Sequence[int]) -> NetCycles:
    """Return the median of ``kernel_cycles`` less the median of ``empty_cycles``, each two counts at least.

    Medians, because what disturbs a count (a cold cache, a refresh) only ever makes it longer; a mean would carry that into the result. Both
    spreads enter the uncertainty in full all the same. Raises ParameterError for fewer than two counts, from which no spread can be told,
    and VerifyError where the kernel is not longer than the empty one.
    """
    for name, counts in (("kernel", kernel_cycles), ("empty kernel", empty_cycles)):
        if len(counts) < 2:
            raise ParameterError(
                f"{len(counts)} cycle count(s) of the {name}: at least 2 are needed to tell their spread",
                hint="use --repeats 2 or more",
            )
    overhead = median(empty_cycles)
    net = median(kernel_cycles) - overhead
    if net <= 0:
        raise VerifyError(
            f"the kernel takes {median(kernel_cycles):g} cycles, no more than the empty kernel ({overhead:g})",
            hint="the compiler removed the kernel, or the workload is empty",
        )
    parts = tuple(_MEDIAN * stdev(counts) / math.sqrt(len(counts)) for counts in (kernel_cycles, empty_cycles))
    u_repeat = math.hypot(*parts)
    freedom = float(min(len(kernel_cycles), len(empty_cycles)) - 1)
    if u_repeat > 0:
        # Welch-Satterthwaite over the two spreads (GUM G.4.1).
        sizes = (len(kernel_cycles), len(empty_cycles))
        freedom = 1 / sum((part / u_repeat) ** 4 / (size - 1) for part, size in zip(parts, sizes, strict=True))
    return NetCycles(float(net), float(overhead), u_repeat, math.hypot(RESOLUTION_CYCLES, RESOLUTION_CYCLES), freedom)
