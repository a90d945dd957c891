"""The analogue half: errors by seed, bandwidth, ranges, settling."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.virtual.instruments.frontend import DataSheet, Errors, FrontEnd
from tests.virtual.instruments.instrument_fakes import FakeBoard, FakeTimeline

SHEET = DataSheet(
    salt=1, gain=0.02, offset_a=100e-9, clock=100e-6, vdd_set=0.01, vdd_read=0.01, range_tops_a=(1e-3, 10e-3, 100e-3),
    trip_a=0.1, bandwidth_hz=50e3, noise_floor_a=1e-6, noise_of_reading=1e-3, glitch=0.2, settle_s=10e-6,
)  # fmt: skip
QUIET = replace(SHEET, noise_floor_a=0.0, noise_of_reading=0.0)
PERFECT = Errors((1.0,) * 3, (0.0,) * 3, 0.0, 0.0, 0.0, 25.0)
PERIOD_S = 1e-5


def board(inside_a: float = 50e-3, outside_a: float = 2e-3) -> FakeBoard:
    return FakeBoard(FakeTimeline([(1e-2, 2e-2)], inside_a, outside_a, known_to_s=1.0))


def test_errors_fill_their_limits_and_keep_them() -> None:
    drawn = [Errors.of(SHEET, seed) for seed in range(2000)]
    for values, limit in (
        ([error.gains[1] - 1 for error in drawn], 0.02),
        ([error.offsets_a[2] for error in drawn], 100e-9),
        ([error.clock for error in drawn], 100e-6),
        ([error.vdd_set for error in drawn], 0.01),
        ([error.vdd_read for error in drawn], 0.01),
    ):
        assert np.abs(values).max() < limit
        # Evenly: the standard deviation of a rectangle is its half-width over the root of three.
        assert np.std(values) == pytest.approx(limit / 3**0.5, rel=0.06)
        assert abs(np.mean(values)) < limit * 0.05
    assert Errors.of(SHEET, 3) == Errors.of(SHEET, 3)
    assert Errors.of(SHEET, 3) != Errors.of(replace(SHEET, salt=2), 3)


def test_supply_at_the_boards_limit_stays_there() -> None:
    high = replace(PERFECT, vdd_set=0.01)
    assert high.supply_v(3.3) == pytest.approx(3.333)
    assert high.supply_v(3.6) == 3.6
    assert high.supply_v(5.0) == pytest.approx(5.05)  # nobody is protected from that


def test_ranges_gain_and_offset() -> None:
    errors = Errors((1.0, 1.1, 0.9), (0.0, 1e-6, 2e-6), 0.0, 0.0, 0.0, 25.0)
    seen_a, ranges = FrontEnd(board(), QUIET, errors, PERIOD_S, 0).take(0.0, 4000)
    assert ranges[990] == 1
    assert ranges[1500] == 2
    assert seen_a[990] == pytest.approx(1.1 * 2e-3 + 1e-6)
    assert seen_a[1500] == pytest.approx(0.9 * 50e-3 + 2e-6)


def test_a_change_of_range_needs_a_moment() -> None:
    seen_a, ranges = FrontEnd(board(), QUIET, PERFECT, PERIOD_S, 0).take(0.0, 1500)
    change = int(np.flatnonzero(np.diff(ranges))[0]) + 1
    assert change == 1000
    assert seen_a[change + 1] == pytest.approx(50e-3 * (1 + 0.2 * np.exp(-1)), rel=0.02)
    assert seen_a[change + 20] == pytest.approx(50e-3, rel=1e-4)
    assert seen_a[0] == pytest.approx(2e-3)  # the first range of all was there before


def test_hysteresis() -> None:
    for outside_a, expected in ((9e-3, 2), (7e-3, 1)):
        _, ranges = FrontEnd(board(outside_a=outside_a), QUIET, PERFECT, PERIOD_S, 0).take(0.0, 3000)
        assert ranges[2500] == expected


def test_bandwidth_delays_by_its_time_constant() -> None:
    seen_a, _ = FrontEnd(board(inside_a=9e-3), QUIET, PERFECT, PERIOD_S, 0).take(0.0, 3000)
    charge = float(np.sum(seen_a[900:2500] - 2e-3) / 7e-3)
    assert charge == pytest.approx(1000, abs=1e-4)
    # Centre of the falling edge: that of the current, one time constant later.
    edge = 1990 + float(np.sum(seen_a[1990:2020] - 2e-3) / 7e-3)
    assert edge - 2000 == pytest.approx(1 / (2 * np.pi * 50e3) / PERIOD_S, abs=1e-4)


@given(st.lists(st.integers(0, 3000), max_size=8))
@settings(max_examples=30, deadline=None)
def test_cuts_do_not_matter(cuts: list[int]) -> None:
    whole, _ = FrontEnd(board(), SHEET, PERFECT, PERIOD_S, 7).take(0.0, 3000)
    front_end = FrontEnd(board(), SHEET, PERFECT, PERIOD_S, 7)
    pieces = [
        front_end.take(start * PERIOD_S, stop - start)[0]
        for start, stop in pairwise([0, *sorted(cuts), 3000])
        if stop > start
    ]
    assert np.concatenate(pieces) == pytest.approx(whole, rel=1e-9)
