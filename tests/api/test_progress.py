"""How long a job will still take."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.api.progress import seconds_left

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def at(*seconds: float) -> list[datetime]:
    return [NOON + timedelta(seconds=value) for value in seconds]


def test_points_come_as_they_came() -> None:
    assert seconds_left(at(0, 2, 4, 6, 8), 10) == pytest.approx(20)
    assert seconds_left(at(0, 1, 2, 3, 13, 14, 15, 16), 7) == pytest.approx(16)  # with the time between two images
    assert seconds_left(at(0, 2), 10) is None
    assert seconds_left([], 0) == 0


def test_a_break_does_not_count() -> None:
    assert seconds_left(at(0, 2, 4, 6, 36_006, 36_008), 10) == pytest.approx(20)


@given(gaps=st.lists(st.floats(0.001, 1e5), min_size=3, max_size=50), points=st.integers(1, 10**6))
def test_it_lies_between_the_shortest_and_the_longest_gap(gaps: list[float], points: int) -> None:
    times, total = [0.0], 0.0
    for gap in gaps:
        times.append(total := total + gap)
    left = seconds_left(at(*times), points)
    assert left is not None
    assert min(gaps) * points * 0.99 - points * 1e-5 <= left <= max(gaps) * points * 1.01 + points * 1e-5
