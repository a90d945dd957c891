"""Thousands of requests: solutions obey every limit, and what is unreachable really is, with the true neighbours
named."""

from __future__ import annotations

import random
from bisect import bisect_right
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.boards import load_board
from bench.clocktree import ACCEPT_HZ, check, nearest, solve
from bench.domain.board import Board
from bench.domain.clock import ClockConfiguration
from bench.errors import ParameterError, UnreachableClock
from bench.units import parse
from tests.clocktree.clock_boards import MHZ, all_clocks_of_f446, f446, l496


def assert_sound(board: Board, requested_hz: float, vdd_v: float) -> None:
    """Either a configuration that is right in every respect, or an error with neighbours that are reachable."""
    neighbours = [hz for hz in nearest(board, requested_hz, vdd_v) if hz is not None]
    if min(abs(hz - Fraction(requested_hz)) for hz in neighbours) > ACCEPT_HZ:
        with pytest.raises(UnreachableClock) as caught:
            solve(board, requested_hz, vdd_v)
        assert caught.value.nearest_hz == tuple(float(hz) for hz in neighbours)
        for neighbour_hz in caught.value.nearest_hz:
            assert solve(board, neighbour_hz, vdd_v).hclk_hz == neighbour_hz
        return
    clock = solve(board, requested_hz, vdd_v)
    assert abs(clock.hclk_exact_hz - Fraction(requested_hz)) <= ACCEPT_HZ
    assert check(clock, board.limits, vdd_v) == []
    assert ClockConfiguration.parse(clock.id) == clock


BOARDS = st.sampled_from([f446(), l496(), load_board("disco_l4r9i")])
VDD = st.sampled_from([1.71, 1.9, 2.1, 2.2, 2.4, 2.5, 2.7, 3.0, 3.6])


@settings(max_examples=600, deadline=None)
@given(BOARDS, st.floats(1e3, 250e6))
def test_any_request(board: Board, requested_hz: float) -> None:
    assert_sound(board, requested_hz, 3.3)


@settings(max_examples=200, deadline=None)
@given(BOARDS, st.integers(1, 200_000).map(lambda khz: khz * 1e3), VDD)
def test_any_request_at_any_supply(board: Board, requested_hz: float, vdd_v: float) -> None:
    assert_sound(board, requested_hz, vdd_v)


def test_sweep_over_the_reachable_clocks() -> None:
    """2,000 reachable clocks, all of them solved exactly or (rounded to Hz, as people type them) within the
    tolerance."""
    clocks = random.Random(1).sample(all_clocks_of_f446(), 2000)
    for hz in clocks:
        clock = solve(f446(), round(hz))
        assert abs(clock.hclk_exact_hz - round(hz)) <= ACCEPT_HZ
        assert check(clock, f446().limits) == []


def test_neighbours_agree_with_brute_force() -> None:
    clocks = all_clocks_of_f446()
    generator = random.Random(2)
    for requested_hz in [generator.uniform(10e3, 185e6) for _ in range(500)]:
        index = bisect_right(clocks, Fraction(requested_hz))
        expected = clocks[index - 1] if index else None, clocks[index] if index < len(clocks) else None
        assert nearest(f446(), requested_hz) == expected
        distances = [abs(hz - Fraction(requested_hz)) for hz in expected if hz is not None]
        if min(distances) > ACCEPT_HZ:
            with pytest.raises(UnreachableClock) as caught:
                solve(f446(), requested_hz)
            assert caught.value.nearest_hz == tuple(float(hz) for hz in expected if hz is not None)
        else:
            assert abs(solve(f446(), requested_hz).hclk_exact_hz - Fraction(requested_hz)) == min(distances)


def test_unreachable_clock_is_explained_in_words_that_work() -> None:
    words = r"NUCLEO-F446ZE gives 33\.34 MHz .* 33\.3333333 MHz and 33\.375 MHz"
    with pytest.raises(UnreachableClock, match=words) as caught:
        solve(f446(), 33.34e6)
    assert caught.value.exit_code == 2
    assert list(caught.value.nearest_hz) == pytest.approx([100e6 / 3, 33.375e6], rel=1e-15)
    for text in ("33.3333333 MHz", "33.375 MHz"):
        assert text in caught.value.hint
        solve(f446(), parse(text, "Hz"))


@pytest.mark.parametrize(
    ("requested_hz", "nearest_hz"), [(181e6, 180e6), (1e12, 180e6), (10e3, 15625.0), (1e-9, 15625.0)]
)
def test_beyond_the_ends_one_neighbour_is_named(requested_hz: float, nearest_hz: float) -> None:
    with pytest.raises(UnreachableClock) as caught:
        solve(f446(), requested_hz)
    assert caught.value.nearest_hz == (nearest_hz,)


def test_without_overdrive_supply_the_top_is_168_mhz() -> None:
    with pytest.raises(UnreachableClock, match=r"VDD of 1\.8 V") as caught:
        solve(f446(), 180 * MHZ, 1.8)
    assert caught.value.nearest_hz == (168e6,)


@pytest.mark.parametrize("requested_hz", [0.0, -16e6, float("nan"), float("inf"), float("-inf")])
def test_no_frequency(requested_hz: float) -> None:
    with pytest.raises(ParameterError, match="not a clock frequency"):
        solve(f446(), requested_hz)


@pytest.mark.parametrize("vdd_v", [0.0, 1.69, 3.61, -3.3, float("nan")])
def test_vdd_out_of_range(vdd_v: float) -> None:
    with pytest.raises(ParameterError, match="VDD"):
        solve(f446(), 16e6, vdd_v)
