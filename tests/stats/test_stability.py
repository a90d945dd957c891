"""What is unstable, and what only looks like it."""

from __future__ import annotations

from array import array

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bench.domain.measurement import CurrentStats, CycleRun, EnergyRun, Trace
from bench.stats.stability import unstable

EMPTY = (30,) * 10
STEADY = CycleRun((180_030,) * 10, EMPTY, 2, 1, 96, "00")
RATE_HZ = 100e3


def energy_run(current_a: NDArray[np.float64], loops: int = 100, keep: bool = True, edges_s: float = 1e-5) -> EnergyRun:
    window_s = current_a.size / RATE_HZ
    active = CurrentStats(0.0, window_s, current_a.size, float(current_a.mean()), 1e-4, 0.0, 1.0, 1e-3)
    trace = Trace(RATE_HZ, array("f", [*current_a, *([0.001] * 1000)]))
    return EnergyRun(
        "x", loops, 10**7, 480, window_s, edges_s, 3.3, True, None, active, active, trace if keep else None
    )


def noisy(count: int = 10_000, mean_a: float = 0.02, seed: int = 1) -> NDArray[np.float64]:
    return mean_a + 2e-4 * np.random.default_rng(seed).standard_normal(count)


@pytest.mark.parametrize("seed", range(20))
def test_noise_is_no_instability(seed: int) -> None:
    assert unstable(STEADY, energy_run(noisy(seed=seed))) is None
    assert unstable(STEADY, None) is None


def test_a_loops_own_pattern_is_no_instability() -> None:
    """Five loops, the first half of each at twice the current: the halves of the window differ, the loops do not."""
    current = noisy() + np.where(np.arange(10_000) % 2000 < 1000, 0.02, 0.0)
    assert unstable(STEADY, energy_run(current, loops=5)) is None
    assert unstable(STEADY, energy_run(current, loops=1)) is None  # nothing to compare


@given(
    calls=st.integers(6, 60),
    phases=st.lists(st.tuples(st.floats(0.05, 1.0), st.floats(0.5, 3.0)), min_size=1, max_size=6),
    start=st.floats(-0.5, 0.5),
    stretch=st.floats(-0.5, 0.5),
    resolution=st.floats(1.0, 4.0),
)
@settings(max_examples=100, deadline=None)
def test_a_short_window_of_a_kernel_of_several_phases_is_no_drift(
    calls: int, phases: list[tuple[float, float]], start: float, stretch: float, resolution: float
) -> None:
    """5 ms, the phases' currents up to six to one, the edges anywhere within their resolution: nothing in the kernel changes."""
    lengths, levels = np.array(phases).T
    count, fine = 500, 40
    # The true window begins and ends by up to half of the resolution, in samples, beside where the probe has them.
    first, last = start * resolution, count + stretch * resolution
    middle = (np.arange(count * fine) + 0.5) / fine
    phase = (middle - first) / ((last - first) / calls) % 1.0
    border = np.cumsum(lengths) / lengths.sum()
    drawn = 0.02 * levels[np.minimum(np.searchsorted(border, phase, side="right"), len(levels) - 1)]
    drawn[(middle < first) | (middle > last)] = 0.002
    current = drawn.reshape(count, fine).mean(axis=1)
    assert unstable(STEADY, energy_run(current, loops=calls, edges_s=resolution / RATE_HZ)) is None


@pytest.mark.parametrize("calls", [14, 17, 50])
def test_a_drift_of_two_percent_is_seen_in_a_short_window_too(calls: int) -> None:
    phase = np.arange(20_000) * calls % 20_000
    drawn = np.where(phase < 8_000, 0.02, 0.03) * np.linspace(0.98, 1.02, 20_000)
    current = drawn.reshape(500, 40).mean(axis=1)
    reason = unstable(STEADY, energy_run(current, loops=calls))
    assert reason is not None
    assert "drifts" in reason


def test_a_drift_is_seen() -> None:
    current = noisy() * np.linspace(0.98, 1.02, 10_000)
    reason = unstable(STEADY, energy_run(current))
    assert reason is not None
    assert reason.startswith(
        "the current drifts: 19.79 mA in the first half of the window, 20.19 mA in the second (+2 %"
    )


def test_a_drift_within_the_noise_or_too_small_to_matter_is_left_to_the_budget() -> None:
    assert unstable(STEADY, energy_run(noisy() * np.linspace(0.999, 1.001, 10_000))) is None
    wild = np.repeat(0.02 + 0.004 * np.random.default_rng(3).standard_normal(100), 100)
    assert unstable(STEADY, energy_run(wild)) is None


def test_a_jump_in_one_part_is_seen() -> None:
    current = noisy()
    current[4600:4900] = 0.001
    reason = unstable(STEADY, energy_run(current))
    assert reason is not None
    assert "part 10 of 19" in reason


def test_the_windows_edges_are_left_out() -> None:
    current = noisy(500)
    current[-8:] = 0.001
    assert unstable(STEADY, energy_run(current, edges_s=9e-5)) is None  # too large a share of a part to judge it
    current = noisy(5000)
    current[-8:] = 0.001
    assert unstable(STEADY, energy_run(current, edges_s=9e-5)) is None


def test_without_a_trace_the_cycles_are_judged() -> None:
    assert unstable(STEADY, energy_run(noisy() * np.linspace(0.9, 1.1, 10_000), keep=False)) is None


def cycles(*kernel: int) -> CycleRun:
    return CycleRun(kernel, EMPTY, 2, 1, 96, "00")


def test_counts_that_spread_or_drift() -> None:
    spread = unstable(cycles(1000, 1200, 1010, 1190, 1005, 1210, 1000, 1195), None)
    assert spread is not None
    assert "the cycles of the kernel spread" in spread
    assert unstable(cycles(1000, 1000, 1000, 1000, 1000, 1000, 1000, 9000), None) is None  # an outlier
    drift = unstable(cycles(1000, 1001, 1002, 1003, 1004, 1009, 1010, 1011), None)
    assert drift is None  # within the play of the counter
    drift = unstable(cycles(10_000, 10_000, 10_000, 10_000, 10_060, 10_060, 10_060, 10_060), None)
    assert drift is not None
    empty = unstable(CycleRun((180_030,) * 4, (30, 30, 90, 90), 2, 1, 96, "00"), None)
    assert empty is not None
    assert "empty kernel" in empty


@given(st.lists(st.integers(1000, 10**9), min_size=2, max_size=3))
def test_too_few_counts_say_nothing(counts: list[int]) -> None:
    assert unstable(CycleRun(tuple(counts), (30, 30), 2, 1, 96, "00"), None) is None
