"""A current trace in as many steps as a picture has columns: the least and the greatest current of each, so that no spike is lost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.domain.measurement import Trace
from bench.errors import ParameterError


@dataclass(frozen=True, slots=True)
class Envelope:
    """Steps of ``step_s`` from ``start_s`` on (seconds after the trigger), with minimum, mean and maximum in ampere.

    ``samples`` are in the range; where there are no more of them than steps were asked for, every step is one sample.
    """

    start_s: float
    step_s: float
    samples: int
    min_a: tuple[float, ...]
    mean_a: tuple[float, ...]
    max_a: tuple[float, ...]


def envelope(trace: Trace, from_s: float, to_s: float | None, steps: int) -> Envelope:
    """Return ``trace`` from ``from_s`` to ``to_s`` (None: its end), in at most ``steps`` steps of equally many samples, the last one of fewer.

    Raises ParameterError for a range without a sample.
    """
    total = len(trace.samples_a)
    duration_s = total / trace.sample_rate_hz
    end_s = duration_s if to_s is None else min(to_s, duration_s)
    first = min(total, max(0, int(np.ceil(min(from_s, duration_s) * trace.sample_rate_hz - 1e-6))))
    last = min(total, int(np.floor(max(0.0, end_s) * trace.sample_rate_hz + 1e-6)) + (to_s is not None))
    if first >= last:
        raise ParameterError(
            f"there is no sample from {from_s:g} s to {end_s:g} s",
            hint=f"the trace has {total} samples in {duration_s:g} s, one every {1 / trace.sample_rate_hz:g} s",
        )
    samples: npt.NDArray[np.float64] = np.frombuffer(trace.samples_a, dtype=np.float32)[first:last].astype(np.float64)
    size = -(-len(samples) // steps)
    edges = np.arange(0, len(samples), size)
    counts = np.diff(np.append(edges, len(samples)))
    return Envelope(
        start_s=first / trace.sample_rate_hz,
        step_s=size / trace.sample_rate_hz,
        samples=len(samples),
        min_a=tuple(np.minimum.reduceat(samples, edges).tolist()),
        mean_a=tuple((np.add.reduceat(samples, edges) / counts).tolist()),
        max_a=tuple(np.maximum.reduceat(samples, edges).tolist()),
    )
