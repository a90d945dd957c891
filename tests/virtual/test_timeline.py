"""The record of current and pins: exact integrals, bounded memory."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.virtual.clock import VirtualClock
from bench.virtual.timeline import Edge, Timeline


@given(
    st.lists(st.tuples(st.floats(1e-6, 1e-2), st.floats(0, 0.2)), min_size=1, max_size=30),
    st.floats(0, 1),
    st.integers(1, 50),
)
def test_samples_are_exact_means(stretches: list[tuple[float, float]], where: float, count: int) -> None:
    timeline = Timeline()
    end_s = 0.0
    for seconds, current_a in stretches:
        timeline.append(end_s, end_s + seconds, current_a)
        end_s += seconds
    start_s = where * end_s * 0.5
    period_s = (end_s - start_s) / count
    samples = timeline.current_samples(start_s, period_s, count)
    expected_c = 0.0
    at_s = 0.0
    for seconds, current_a in stretches:
        expected_c += current_a * max(0.0, at_s + seconds - max(at_s, start_s))
        at_s += seconds
    assert samples.shape == (count,)
    assert samples.sum() * period_s == pytest.approx(expected_c, abs=1e-12)
    assert timeline.charge_c(start_s, end_s) == pytest.approx(expected_c, abs=1e-12)
    assert samples.min() >= min(a for _, a in stretches) - 1e-9
    assert samples.max() <= max(a for _, a in stretches) + 1e-9


def test_a_step_inside_a_sample_is_weighted() -> None:
    timeline = Timeline()
    timeline.append(0.0, 0.3, 0.010)
    timeline.append(0.3, 1.0, 0.020)
    np.testing.assert_allclose(timeline.current_samples(0.0, 0.5, 2), [0.014, 0.020])


def test_outside_the_record_raises() -> None:
    timeline = Timeline(horizon_s=1.0)
    for i in range(40):
        timeline.append(i * 0.1, (i + 1) * 0.1, 0.001 * (i % 7))
    assert timeline.start_s >= 2.5
    for start_s, end_s in ((0.0, 1.0), (3.5, 4.5), (3.5, 3.4)):
        with pytest.raises(ValueError, match=r"outside the record|before its start"):
            timeline.charge_c(start_s, end_s)
    with pytest.raises(ValueError, match="does not follow"):
        timeline.append(1.0, 2.0, 0.0)
    with pytest.raises(ValueError, match="period"):
        timeline.current_samples(3.5, 0.0, 1)


def test_edges_and_levels() -> None:
    timeline = Timeline()
    for at_s, level in ((0.1, True), (0.15, True), (0.2, False), (0.3, True)):
        timeline.add_level("PF13", at_s, level)
    assert timeline.edges("PF13", 0.1, 0.3) == [Edge(0.1, True), Edge(0.2, False)]
    assert [timeline.level("PF13", at_s) for at_s in (0.05, 0.1, 0.19, 0.2, 0.5)] == [False, True, True, False, True]
    assert timeline.edges("PA0", 0, 1) == []
    assert not timeline.level("PA0", 1)
    with pytest.raises(ValueError, match="does not follow"):
        timeline.add_level("PF13", 0.25, False)


def test_forgotten_edges_leave_their_level() -> None:
    timeline = Timeline(horizon_s=1.0)
    timeline.add_level("PF13", 0.5, True)
    timeline.append(0.0, 5.0, 0.0)
    timeline.append(5.0, 10.0, 0.1)
    assert timeline.edges("PF13", 0.0, 10.0) == []
    assert timeline.level("PF13", 9.5)


def test_virtual_clock_is_continuous_over_frequency_changes() -> None:
    cycles = 0
    clock = VirtualClock(lambda: cycles, 16e6)
    cycles += 16_000
    assert clock.now_s == pytest.approx(1e-3)
    clock.set_hclk(180e6)
    assert clock.now_s == pytest.approx(1e-3)
    cycles += 180_000
    clock.skip(0.5)
    assert clock.now_s == pytest.approx(0.502)
    assert clock.cycles_until(0.503) == 180_000
    assert clock.cycles_until(0.0) == 1
    with pytest.raises(ValueError, match="above 0"):
        clock.set_hclk(0)
    with pytest.raises(ValueError, match="backwards"):
        clock.skip(-1)
