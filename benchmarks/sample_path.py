"""How fast the samples of a trace become numbers: the window's end found in the current, its charge and spread, the noise of its mean, the idle window.

    python benchmarks/sample_path.py [--seconds S]

The trace is what a Joulescope JS220 would deliver, 1 MS/s of 32-bit floats; times are CPU seconds of this process, the best of several. A
probe that records the trigger pin needs no search for the window's end: then the second line counts.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from bench.probes.window_end import find_step_down
from bench.stats import mean_standard_error, window_stats

RATE_HZ = 1e6
LEAST_PER_S = 50e6
ROUNDS = 7


def trace(seconds: float) -> NDArray[np.float32]:
    """Return a trace: 60 % at 20 mA with a loop's pattern and noise, then 2 mA."""
    count = round(seconds * RATE_HZ)
    samples = np.random.default_rng(1).normal(0.0, 2e-4, count).astype(np.float32)
    high = round(0.6 * count)
    samples[:high] += 0.02 + np.float32(0.002) * (np.arange(high) % 97 < 50)
    samples[high:] += 0.002
    return samples


def best_s(work: Callable[[], object]) -> float:
    """Return the least CPU time of several calls."""
    times = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        work()
        times.append(time.process_time() - begun)
    return min(times)


def main() -> int:
    """Measure and print; 1 where the path is slower than it has to be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4.0, help="length of the trace")
    samples = trace(parser.parse_args().seconds)
    end_s = samples.size / RATE_HZ
    fall_s = 0.6 * end_s

    def integrate() -> None:
        window_stats(samples, RATE_HZ, 0.0, fall_s)
        mean_standard_error(samples, RATE_HZ, 0.0, fall_s)
        window_stats(samples, RATE_HZ, fall_s + 1e-3, end_s)

    def find() -> None:
        found = find_step_down(samples).position / RATE_HZ
        assert abs(found - fall_s) < 2 / RATE_HZ

    finding_s, integrating_s = best_s(find), best_s(integrate)
    rates = {
        "window's end in the current": samples.size / finding_s,
        "statistics, charge, noise of both windows": samples.size / integrating_s,
        "both": samples.size / (finding_s + integrating_s),
    }
    for name, rate in rates.items():
        print(f"{name:45}{rate / 1e6:8.0f} million samples/s   {RATE_HZ / rate * 100:5.2f} % of a core at 1 MS/s")
    return 0 if rates["both"] >= LEAST_PER_S else 1


if __name__ == "__main__":
    sys.exit(main())
