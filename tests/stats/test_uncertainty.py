"""Uncertainty arithmetic against known answers."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.domain.measurement import UncertaintyTerm
from bench.errors import ParameterError
from bench.stats import combine, rectangular, student95
from bench.stats.uncertainty import effective_degrees_of_freedom, student


def term(standard: float, freedom: float | None = None) -> UncertaintyTerm:
    return UncertaintyTerm("energy_j", "x", standard, False, "test", freedom)


# GUM table G.2, 95 %.
TABLE = {1: 12.71, 2: 4.30, 3: 3.18, 4: 2.78, 5: 2.57, 9: 2.26, 10: 2.23, 19: 2.09, 20: 2.09, 50: 2.01, 100: 1.984}


@pytest.mark.parametrize(("freedom", "t"), TABLE.items())
def test_student_as_tabulated(freedom: int, t: float) -> None:
    assert student95(freedom) == pytest.approx(t, abs=0.006)


def test_student_precisely() -> None:
    assert student95(1) == pytest.approx(math.tan(0.95 * math.pi / 2), rel=1e-12)
    assert student95(2) == pytest.approx(0.95 * math.sqrt(2 / (1 - 0.95**2)), rel=1e-12)
    assert student95(5) == pytest.approx(2.570581836, rel=1e-9)
    assert student95(30) == pytest.approx(2.042272456, rel=1e-9)
    assert student95(math.inf) == pytest.approx(1.959963985, rel=1e-9)
    assert student95(10_000) == pytest.approx(student95(math.inf), rel=3e-4)


def test_student_rounds_degrees_of_freedom_down() -> None:
    assert student95(5.99) == student95(5)
    assert student95(18.9999999999) == student95(19)
    assert student95(0.9) == student95(1)
    with pytest.raises(ParameterError, match="positive"):
        student95(0)


def test_student_at_other_levels() -> None:
    assert student(9, 0.999) == pytest.approx(4.780912586, rel=1e-9)
    assert student(1, 0.5) == pytest.approx(1.0, rel=1e-12)
    assert student(math.inf, 0.68268949) == pytest.approx(1.0, rel=1e-7)
    for level in (0.0, 1.0, math.nan):
        with pytest.raises(ParameterError, match="probability"):
            student(3, level)


@given(st.integers(1, 2000))
def test_more_degrees_of_freedom_never_widen(freedom: int) -> None:
    assert student95(freedom) >= student95(freedom + 1) >= student95(math.inf)


def test_combining_is_the_root_of_the_sum_of_squares() -> None:
    assert combine([term(0.03), term(0.04)]) == pytest.approx(0.05)
    assert combine([]) == 0.0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_the_combination_lies_between_the_largest_term_and_their_sum(values: list[float]) -> None:
    combined = combine(map(term, values))
    assert max(values) * (1 - 1e-12) <= combined <= sum(values) * (1 + 1e-12) + 1e-150 or combined < 1e-150


def test_effective_degrees_of_freedom_of_the_gum() -> None:
    # The terms of the GUM's end gauge (H.1, nm), whose 16.7 it rounds down to 16.
    terms = [term(25, 18), term(9.7, 25.6), term(2.9, 50), term(16.6, 2)]
    squares = 25**2 + 9.7**2 + 2.9**2 + 16.6**2
    nu = squares**2 / (25**4 / 18 + 9.7**4 / 25.6 + 2.9**4 / 50 + 16.6**4 / 2)
    assert effective_degrees_of_freedom(terms) == pytest.approx(nu)
    assert student95(nu) == student95(16)
    assert effective_degrees_of_freedom([term(1.0)]) == math.inf
    assert effective_degrees_of_freedom([term(0.0, 3)]) == math.inf
    assert effective_degrees_of_freedom([term(1e-200, 4)]) == pytest.approx(4)


def test_a_limit() -> None:
    assert rectangular(0.02) == pytest.approx(0.011547005)
    for bad in (-1.0, math.inf, math.nan):
        with pytest.raises(ParameterError, match="finite"):
            rectangular(bad)
