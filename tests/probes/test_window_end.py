"""The end of a window by its current alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bench.errors import CurrentProbeError, ProbeProtocolError, ProbeTimeout
from bench.probes.window_end import fall_time, find_step_down


def trace(fall: float, total: int = 3000, high_a: float = 20e-3, low_a: float = 2e-3) -> NDArray[np.float64]:
    """Means over whole samples of a current that falls after ``fall`` samples."""
    inside: NDArray[np.float64] = np.clip(fall - np.arange(total), 0.0, 1.0)
    return low_a + (high_a - low_a) * inside


@given(
    fall=st.floats(30, 2960),
    low=st.floats(0.0, 0.8),
    noise=st.floats(0.0, 0.004),
    seed=st.integers(0, 1000),
)
@settings(max_examples=150, deadline=None)
def test_the_step_is_found_within_a_fraction_of_a_sample(fall: float, low: float, noise: float, seed: int) -> None:
    values = trace(fall, low_a=low * 20e-3)
    noisy = values * (1 + noise * np.random.default_rng(seed).standard_normal(values.size))
    step = find_step_down(noisy.astype(np.float32))
    assert step.position == pytest.approx(fall, abs=0.05 + 16 * noise / (1 - low))
    assert step.high_a == pytest.approx(20e-3, rel=0.01)
    assert step.low_a == pytest.approx(low * 20e-3, rel=0.01, abs=1e-6)


def test_a_loop_with_a_pattern_of_its_own() -> None:
    values = trace(2000.3)
    values[:2000] += 3e-3 * np.sign(np.sin(np.arange(2000) * 2 * np.pi / 7))
    assert find_step_down(values).position == pytest.approx(2000.3, abs=1.0)


@pytest.mark.parametrize("at", [3, 400, 999, 1001, 2500])
@pytest.mark.parametrize("value_a", [0.5, 0.0, 1e-9])
def test_a_single_wrong_sample_does_not_move_the_end(at: int, value_a: float) -> None:
    values = trace(1000.5)
    values[at] = value_a
    assert find_step_down(values).position == pytest.approx(1000.5, abs=1.5)


PLAN = (900.0, 1100.0)


@pytest.mark.parametrize("last_a", [14e-3, 60e-3])
def test_layers_that_draw_other_currents_are_no_ends(last_a: float) -> None:
    """The largest step of all is that between two layers; the end is where the core goes to sleep."""
    values = trace(1000.3, low_a=10e-3)
    for call in range(4):  # of 250 samples: three layers
        values[call * 250 : call * 250 + 150] = 58e-3
        values[call * 250 + 150 : call * 250 + 200] = 30e-3
        values[call * 250 + 200 : call * 250 + 250] = last_a
    values[1000] = 10e-3 + 0.3 * (last_a - 10e-3)
    step = find_step_down(values.astype(np.float32), PLAN)
    assert step.position == pytest.approx(1000.3, abs=0.1)
    assert step.high_a == pytest.approx(last_a, rel=0.01)
    assert step.low_a == pytest.approx(10e-3, rel=1e-3)


def test_ripple_and_noise_move_the_end_by_no_more_than_is_said() -> None:
    for seed in range(50):
        random = np.random.default_rng(seed)
        fall = random.uniform(950, 1050)
        values = trace(fall, low_a=19e-3)  # a step of 5 %
        values += 1e-4 * np.sin(np.arange(values.size) * 0.9) + 1.5e-4 * random.standard_normal(values.size)
        step = find_step_down(values, PLAN)
        assert 0.5 < step.unsure < 4
        assert step.position == pytest.approx(fall, abs=1.5 * step.unsure + 0.5)


def test_noise_that_hides_the_end_is_refused() -> None:
    values = trace(1000.0, low_a=19e-3) + 2.5e-3 * np.random.default_rng(2).standard_normal(3000)
    with pytest.raises(CurrentProbeError):
        find_step_down(values, PLAN)


def filtered(values: NDArray[np.float64], time_constant: float) -> tuple[NDArray[np.float64], float]:
    """Return ``values`` behind a first-order filter, and by how many samples that delays them."""
    weights = np.exp(-np.arange(round(25 * time_constant) + 10) / time_constant)
    weights /= weights.sum()
    slow = np.convolve(np.r_[np.full(weights.size - 1, values[0]), values], weights, "valid")
    return slow, float((np.arange(weights.size) * weights).sum())


@pytest.mark.parametrize("time_constant", [0.3, 5.0, 20.0])
def test_a_slow_filter_delays_the_end_by_its_time_constant(time_constant: float) -> None:
    slow, delay = filtered(trace(1000.0), time_constant)
    step = find_step_down(slow, PLAN, filter_samples=time_constant)
    assert step.position == pytest.approx(1000 + delay, abs=0.1)
    assert step.unsure < 0.1


@pytest.mark.parametrize("fall", [600.0, 1300.0])
def test_an_end_that_the_plan_does_not_allow_is_refused(fall: float) -> None:
    assert find_step_down(trace(fall)).position == pytest.approx(fall, abs=0.1)
    with pytest.raises(ProbeTimeout, match="planned between samples 900 and 1100") as caught:
        find_step_down(trace(fall), PLAN)
    assert "core clock" in caught.value.hint


def test_a_core_that_wakes_within_the_capture_is_refused() -> None:
    values = trace(1000.0)
    values[-90:] = 20e-3
    with pytest.raises(ProbeProtocolError, match=r"\d+ samples after the step at sample 1000"):
        find_step_down(values, PLAN)


def test_an_interruption_in_the_window_is_refused_though_the_end_is_clear() -> None:
    values = trace(1000.0)
    values[400:440] = 2e-3
    with pytest.raises(ProbeProtocolError, match="before the step at sample 1000"):
        find_step_down(values, PLAN)


@given(
    fall=st.floats(920, 1080),
    share=st.floats(0.0, 0.96),
    layers=st.lists(st.tuples(st.integers(3, 300), st.floats(1.0, 6.0)), min_size=1, max_size=6),
    seed=st.integers(0, 100),
)
@settings(max_examples=100, deadline=None)
def test_any_layers(fall: float, share: float, layers: list[tuple[int, float]], seed: int) -> None:
    """Whatever the layers draw, a few percent over the sleeping core's current or more, and however short they are: the end is found to within
    what is said of it, or refused; no other edge is taken for it.
    """
    pattern = np.concatenate([np.full(count, factor) for count, factor in layers])
    inside = np.clip(fall - np.arange(3000), 0.0, 1.0)
    low_a = share * 5e-3
    values = low_a + (np.resize(pattern, 3000) * 5e-3 - low_a) * inside
    values += 1e-3 * low_a * np.random.default_rng(seed).standard_normal(values.size)
    try:
        step = find_step_down(values, PLAN)
    except CurrentProbeError:
        assert share > 0.9, "weak, but plain to see"
        return
    assert step.position == pytest.approx(fall, abs=1.2 + step.unsure)


def test_random_layers_noise_and_filters() -> None:
    """As above, 200 times, seeded, in up to 5 % of noise and behind a filter: one in a hundred may be off by more than two deviations."""
    random = np.random.default_rng(7)
    off, refused = [], 0
    for _ in range(200):
        fall, share, noise = random.uniform(920, 1080), random.uniform(0.05, 0.97), 10 ** random.uniform(-4, -1.3)
        layers = [(random.integers(5, 300), 1 + 5 * random.random() ** 2) for _ in range(random.integers(1, 7))]
        pattern = np.concatenate([np.full(count, factor) for count, factor in layers])
        inside = np.clip(fall - np.arange(3000), 0.0, 1.0)
        values, delay, time_constant = share + (np.resize(pattern, 3000) - share) * inside, 0.0, 0.0
        if random.random() < 0.7:
            time_constant = float(random.choice([0.32, 3.0]))
            values, delay = filtered(values, time_constant)
        values = 5e-3 * (values + noise * random.standard_normal(3000))
        try:
            step = find_step_down(values.astype(np.float32), PLAN, filter_samples=time_constant)
        except CurrentProbeError:
            refused += 1
            continue
        off.append(abs(step.position - fall - delay) / (1.2 + step.unsure))
    assert refused < 4
    assert np.quantile(off, 0.5) < 0.05
    assert np.quantile(off, 0.99) < 1.0
    assert max(off) < 2.0


def test_filter_and_tail_are_taken_off() -> None:
    fall_s, resolution_s = fall_time(trace(1000.0), 100e3, bandwidth_hz=500e3, tail_s=40e-6)
    assert fall_s == pytest.approx(10e-3 - 0.3183e-6 - 20e-6, abs=1e-8)
    assert resolution_s == pytest.approx(60e-6)


@pytest.mark.parametrize(
    ("values", "error", "words"),
    [
        (np.full(3000, 20e-3), ProbeTimeout, "does not fall"),
        (trace(1000, low_a=19.8e-3), ProbeTimeout, "does not fall"),
        (trace(1000)[::-1], ProbeTimeout, "does not fall"),
        (np.zeros(3000), ProbeTimeout, "does not fall"),
        (trace(10, total=39), ProbeTimeout, "too few"),
        (np.empty(0), ProbeTimeout, "too few"),
        (np.r_[trace(1000), trace(1000)], ProbeProtocolError, "more than once"),
        (np.r_[trace(200, total=500), trace(2000)], ProbeProtocolError, "more than once"),
        (np.where(np.arange(3000) == 7, np.nan, trace(1000)), CurrentProbeError, "not a number"),
    ],
)
def test_what_has_no_one_end_is_refused(
    values: NDArray[np.float64], error: type[CurrentProbeError], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        find_step_down(values)
    assert caught.value.hint


@pytest.mark.parametrize("fall", [25.3, 700.25, 33_000.5, 99_000.75])
def test_long_traces_are_searched_as_well(fall: float) -> None:
    """Wherever the step is, also where the means of many samples cannot show it."""
    random = np.random.default_rng(5)
    values = (trace(fall, total=100_000) * (1 + 0.002 * random.standard_normal(100_000))).astype(np.float32)
    assert find_step_down(values).position == pytest.approx(fall, abs=0.1)
    values[11] = 0.4
    assert find_step_down(values).position == pytest.approx(fall, abs=1.5)


@pytest.mark.parametrize(
    ("damage", "error"),
    [((60_000, 60_100), ProbeProtocolError), ((10_000, 10_040), ProbeProtocolError), ((7, 8), CurrentProbeError)],
)
def test_what_is_wrong_with_a_long_trace_is_told_too(damage: tuple[int, int], error: type[CurrentProbeError]) -> None:
    values = trace(50_000.0, total=100_000)
    values[slice(*damage)] = {60_000: 20e-3, 10_000: 2e-3, 7: np.nan}[damage[0]]
    with pytest.raises(error):
        find_step_down(values)


def test_a_tail_longer_than_the_window() -> None:
    with pytest.raises(ProbeProtocolError, match="sooner"):
        fall_time(trace(100), 100e3, bandwidth_hz=50e3, tail_s=3e-3)


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True, width=32), max_size=200))
def test_no_trace_crashes_it(values: list[float]) -> None:
    try:
        step = find_step_down(np.array(values, np.float32))
    except CurrentProbeError:
        return
    assert 0 < step.position < len(values)
