"""Integration over windows, standard errors, and the true clock."""

from __future__ import annotations

import math
from statistics import mean, stdev

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import ParameterError, SamplesLost
from bench.stats import mean_standard_error, true_clock, window_stats

currents = st.lists(st.floats(-1.0, 1.0, width=32), min_size=2, max_size=60)


def test_a_window_of_whole_samples() -> None:
    stats = window_stats([9.0, 1.0, 2.0, 6.0, 9.0], 10.0, 0.1, 0.4)
    assert (stats.samples, stats.min_a, stats.max_a) == (3, 1.0, 6.0)
    assert stats.mean_a == pytest.approx(3.0)
    assert stats.std_a == pytest.approx(stdev([1, 2, 6]))
    assert stats.charge_c == pytest.approx(0.9)
    assert (stats.start_s, stats.end_s) == (0.1, 0.4)


def test_cut_samples_count_with_their_share() -> None:
    # 0.15 s to 0.37 s at 10 Hz: half of sample 1, all of 2, 0.7 of 3: 0.05*1 + 0.1*2 + 0.07*6 = 0.67 A s.
    stats = window_stats([9.0, 1.0, 2.0, 6.0, 9.0], 10.0, 0.15, 0.37)
    assert stats.charge_c == pytest.approx(0.67)
    assert stats.mean_a == pytest.approx(0.67 / 0.22)
    assert stats.samples == 3


def test_a_window_inside_one_sample() -> None:
    stats = window_stats([1.0, 5.0], 10.0, 0.12, 0.17)
    assert (stats.mean_a, stats.std_a, stats.samples) == (5.0, 0.0, 1)
    assert stats.charge_c == pytest.approx(0.25)


def test_a_guard_is_taken_off_at_both_ends() -> None:
    samples = [0.0, 9.0, 2.0, 4.0, 9.0, 0.0]
    guarded = window_stats(samples, 10.0, 0.1, 0.5, guard_s=0.1)
    assert guarded == window_stats(samples, 10.0, 0.2, 0.4)
    assert guarded.mean_a == pytest.approx(3.0)


@given(currents, st.data())
def test_charges_add_up(samples: list[float], data: st.DataObject) -> None:
    length = len(samples) / 1000.0
    start, middle, end = sorted(data.draw(st.lists(st.floats(0, length), min_size=3, max_size=3, unique=True)))
    if min(middle - start, end - middle) < 1e-6:
        return
    parts = [window_stats(samples, 1000.0, a, b).charge_c for a, b in ((start, middle), (middle, end))]
    assert sum(parts) == pytest.approx(window_stats(samples, 1000.0, start, end).charge_c, abs=1e-8)


@given(currents)
def test_the_whole_trace_is_plain_statistics(samples: list[float]) -> None:
    stats = window_stats(np.array(samples, np.float32), 1e5, 0.0, len(samples) / 1e5)
    assert stats.samples == len(samples)
    assert stats.mean_a == pytest.approx(mean(samples), abs=1e-12)
    assert stats.std_a == pytest.approx(stdev(samples), rel=1e-9, abs=1e-9)


@given(st.floats(1e-9, 1.0), st.floats(0, 0.5), st.floats(0.51, 1.0))
def test_a_constant_current_has_no_deviation(current_a: float, start_s: float, end_s: float) -> None:
    stats = window_stats(np.full(1000, current_a), 1000.0, start_s, end_s)
    assert (stats.mean_a, stats.std_a, stats.min_a, stats.max_a) == (current_a, 0.0, current_a, current_a)
    assert stats.charge_c == pytest.approx(current_a * (end_s - start_s))


@given(currents, st.floats(0, 0.4), st.floats(0.6, 1.0))
def test_the_mean_lies_between_the_extremes(samples: list[float], start: float, end: float) -> None:
    stats = window_stats(samples, float(len(samples)), start, end)
    assert stats.min_a <= stats.mean_a <= stats.max_a


def test_edges_that_are_not_quite_on_a_sample() -> None:
    samples = np.arange(30_000.0)
    assert 0.3 * 100e3 != 0.1 * 3 * 100e3  # what floating point makes of it
    assert window_stats(samples, 100e3, 0.0, 0.1 * 3).samples == 30_000


@pytest.mark.parametrize(
    ("start_s", "end_s", "error", "message"),
    [
        (0.0, 0.6, SamplesLost, r"0 s to 0\.5 s \(5 samples\), the window is from 0 s to 0\.6 s"),
        (-0.1, 0.2, SamplesLost, r"from -0\.1 s"),
        (0.2, 0.2, ParameterError, "no length"),
        (0.3, 0.2, ParameterError, "no length"),
        (math.nan, 0.2, ParameterError, "not a window"),
        (0.0, math.inf, ParameterError, "not a window"),
    ],
)
def test_bad_windows(start_s: float, end_s: float, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        window_stats([1.0] * 5, 10.0, start_s, end_s)


def test_bad_traces_and_guards() -> None:
    with pytest.raises(SamplesLost, match="sample 2 of the trace is not a number"):
        window_stats([1.0, 1.0, math.nan, 1.0], 10.0, 0.1, 0.3)
    assert window_stats([1.0, 1.0, 1.0, math.nan], 10.0, 0.0, 0.3).mean_a == 1.0  # outside the window
    with pytest.raises(ParameterError, match=r"after 0\.2 s were taken off"):
        window_stats([1.0] * 5, 10.0, 0.1, 0.4, guard_s=0.2)
    with pytest.raises(ParameterError, match="not a window"):
        window_stats([1.0] * 5, 0.0, 0.1, 0.4)


def test_standard_error_by_hand() -> None:
    # 4 blocks of 2: means 1, 3, 1, 3; their standard deviation is 2/sqrt(3), over sqrt(4).
    error, freedom = mean_standard_error([0, 2, 2, 4, 0, 2, 2, 4], 1.0, 0.0, 8.0, blocks=4)
    assert error == pytest.approx(1 / math.sqrt(3))
    assert freedom == 3


def test_standard_error_of_independent_samples_is_the_usual_one() -> None:
    noise = np.random.default_rng(1).normal(1.0, 0.1, 20_000)
    error, freedom = mean_standard_error(noise, 1000.0, 0.0, 20.0)
    assert freedom == 19
    assert error == pytest.approx(0.1 / math.sqrt(20_000), rel=0.5)


def test_standard_error_sees_correlation() -> None:
    """Samples of which each stands for 200: the naive error is 14 times too small."""
    slow = np.repeat(np.random.default_rng(2).normal(1.0, 0.1, 400), 200)
    error, _ = mean_standard_error(slow, 1000.0, 0.0, 80.0)
    assert error == pytest.approx(0.1 / math.sqrt(400), rel=0.5)
    assert error > 5 * slow.std() / math.sqrt(slow.size)


def test_standard_error_needs_samples() -> None:
    assert mean_standard_error([1.0, 1.0], 1.0, 0.0, 2.0) == (0.0, 1.0)
    with pytest.raises(ParameterError, match="1 whole samples"):
        mean_standard_error([1.0, 1.0], 1.0, 0.5, 2.0)


def test_true_clock() -> None:
    clock_hz, u_hz = true_clock(18_000_000, 0.1, 10e-6)
    assert clock_hz == pytest.approx(180e6)
    # Two edges, each 10 us / sqrt(12); the count's 0.29 cycles of 18 million are nothing beside it.
    assert u_hz == pytest.approx(180e6 * math.sqrt(2) * 10e-6 / math.sqrt(12) / 0.1, rel=1e-6)
    assert true_clock(1000, 1.0, 0.0)[1] == pytest.approx(1 / math.sqrt(12))


@pytest.mark.parametrize("arguments", [(0, 0.1, 1e-6), (100, 0.0, 1e-6), (100, 0.1, -1.0), (100, math.nan, 1e-6)])
def test_no_clock(arguments: tuple[int, float, float]) -> None:
    with pytest.raises(ParameterError, match="not a window"):
        true_clock(*arguments)


def test_long_windows_are_summed_as_numpy_would() -> None:
    samples = np.random.default_rng(1).normal(0.02, 1e-3, 50_001).astype(np.float32)
    found = window_stats(samples, 1e6, 10.25e-6, 40_000.5e-6)
    inside = samples[10:40_001].astype(np.float64)
    weights = np.ones(inside.size)
    weights[0], weights[-1] = 0.75, 0.5
    assert found.samples == inside.size
    assert found.mean_a == pytest.approx(float(np.average(inside, weights=weights)), rel=1e-12)
    assert found.std_a == pytest.approx(float(inside.std(ddof=1)), rel=1e-4)
    assert (found.min_a, found.max_a) == (float(inside.min()), float(inside.max()))
    assert found.charge_c == pytest.approx(found.mean_a * 39_990.25e-6, rel=1e-12)
    one = window_stats(samples, 1e6, 7.25e-6, 7.5e-6)
    assert (one.samples, one.std_a, one.mean_a) == (1, 0.0, float(samples[7]))
