"""Intervals against distributions whose quantiles are known, and against random numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.domain.measurement import UncertaintyTerm
from bench.stats import combine, coverage_factor, expand95, ratio_terms, student95
from bench.stats.coverage import expanded_relative


def limit(half_width: float, name: str = "gain", systematic: bool = True) -> UncertaintyTerm:
    return UncertaintyTerm("energy_j", name, half_width / math.sqrt(3), systematic, "test")


def spread(standard: float, freedom: float, name: str = "repeatability") -> UncertaintyTerm:
    return UncertaintyTerm("energy_j", name, standard, False, "test", freedom)


def drawn(terms: list[UncertaintyTerm], count: int = 400_000) -> np.ndarray:
    """Return true values over the reading, drawn as the terms say, by no code of the bench."""
    random, truth = np.random.default_rng(7), np.ones(count)
    for term in terms:
        if term.degrees_of_freedom is None:
            half = math.sqrt(3) * term.standard_relative
            truth /= 1 + random.uniform(-half, half, count)
        else:
            truth *= 1 + term.standard_relative * random.standard_t(term.degrees_of_freedom, count)
    return truth


def test_nothing_is_exact() -> None:
    assert expand95(5.0, []) == 0.0
    assert coverage_factor([limit(0.0)]) == 0.0


def test_one_limit_covers_95_percent_of_it() -> None:
    assert expand95(200.0, [limit(0.001)]) == pytest.approx(200 * 0.00095, rel=1e-3)
    assert coverage_factor([limit(0.001)]) == pytest.approx(0.95 * math.sqrt(3), rel=1e-3)


def test_a_wide_gain_limit_reaches_further_up_than_down() -> None:
    """Reading = (1 + x) true, x evenly in +-20 %: the true value is up to 25 % above. What -U to +U leaves out is at the upper end alone."""
    assert expand95(1.0, [limit(0.2)]) == pytest.approx(0.18 / 0.82, rel=1e-3)


@pytest.mark.parametrize(("wide", "narrow"), [(0.02, 0.02), (0.02, 0.01), (0.02, 0.003)])
def test_two_limits_make_a_trapezoid(wide: float, narrow: float) -> None:
    # Density of a trapezoid: the tails beyond U hold (wide + narrow - U)^2 / (4 wide narrow), where U is in its flanks.
    half_width = wide + narrow - math.sqrt(4 * 0.05 * wide * narrow)
    assert half_width > wide - narrow
    assert expanded_relative([limit(wide), limit(narrow, "vdd")]) == pytest.approx(half_width, rel=2e-3)


@pytest.mark.parametrize("freedom", [2, 3, 5, 9, 19, 100, math.inf])
def test_a_spread_alone_is_students(freedom: float) -> None:
    assert expanded_relative([spread(1e-3, freedom)]) == pytest.approx(1e-3 * student95(freedom), rel=4e-3)


def test_many_alike_terms_are_normal() -> None:
    assert coverage_factor([limit(0.01, str(i)) for i in range(12)]) == pytest.approx(1.96, rel=0.01)


@pytest.mark.parametrize(
    "terms",
    [
        [limit(0.2), limit(0.02, "vdd"), spread(1e-3, 19)],
        [limit(0.02), limit(0.01, "vdd"), limit(0.004, "loop"), spread(0.003, 5)],
        [limit(0.02), spread(0.02, 3)],
        [limit(0.05), limit(1e-4, "edge"), spread(1e-6, 1)],
        [*(limit(0.01 * share, str(share)) for share in (1, 0.5, 0.25, 0.1, 0.01)), spread(1e-3, 9)],
    ],
)
def test_it_covers_95_percent_of_what_is_drawn(terms: list[UncertaintyTerm]) -> None:
    covered = float(np.mean(np.abs(drawn(terms) - 1) <= expanded_relative(terms)))
    assert covered == pytest.approx(0.95, abs=0.0015)
    # What the sum of squares times 1.96 would have covered.
    normal = float(np.mean(np.abs(drawn(terms) - 1) <= 1.96 * combine(terms)))
    assert abs(normal - 0.95) > abs(covered - 0.95)


def test_an_offset_as_large_as_the_reading() -> None:
    assert expanded_relative([limit(1.0, "offset"), limit(0.02)]) == pytest.approx(0.95, rel=0.01)


@given(st.lists(st.floats(1e-7, 0.1), min_size=1, max_size=7), st.floats(1e-7, 0.05), st.integers(1, 60))
def test_it_lies_between_bounds(limits: list[float], standard: float, freedom: int) -> None:
    terms = [*(limit(half, str(i)) for i, half in enumerate(limits)), spread(standard, freedom)]
    half_width = expanded_relative(terms)
    # Not less than each alone, but for what the cells cost; not more than all at their worst.
    assert half_width > 0.99 * 0.95 * max(limits)
    worst = sum(-math.log1p(-half) for half in limits) + 1.01 * student95(freedom) * standard
    assert half_width < 1.01 * math.expm1(worst)
    assert half_width == expanded_relative(terms)


def test_ratios_keep_only_what_differs() -> None:
    first = [limit(0.02), limit(0.01, "vdd"), limit(1e-3, "offset"), spread(1e-3, 19)]
    second = [limit(0.02), limit(0.01, "vdd"), limit(3e-3, "offset"), spread(2e-3, 9)]
    terms = ratio_terms(first, second)
    assert {term.name for term in terms if term.standard_relative > 0} == {"offset", "repeatability"}
    offset = next(term for term in terms if term.name == "offset")
    assert offset.standard_relative == pytest.approx(2e-3 / math.sqrt(3))
    assert expanded_relative(terms) < 0.3 * expanded_relative(first)


def test_ratios_across_ranges_keep_both_gains() -> None:
    terms = ratio_terms([limit(0.02, "gain, range to 5 mA")], [limit(0.02, "gain, range to 50 mA")])
    assert combine(terms) == pytest.approx(math.sqrt(2) * 0.02 / math.sqrt(3))
    # A gain of which nobody knows the range is common with nothing.
    terms = ratio_terms([limit(0.02, systematic=False)], [limit(0.02, systematic=False)])
    assert combine(terms) == pytest.approx(math.sqrt(2) * 0.02 / math.sqrt(3))


def test_a_ratio_covers_95_percent_of_what_is_drawn() -> None:
    """Two points of one instrument: a common gain and voltage, own noise, the same offset at different currents."""
    random, count = np.random.default_rng(3), 200_000
    gain, offset = random.uniform(-0.02, 0.02, count), random.uniform(-1e-6, 1e-6, count)
    ratios = []
    for current_a, noise in ((50e-6, 1e-3), (300e-6, 2e-3)):
        read_a = current_a * (1 + gain) * (1 + noise * random.standard_normal(count)) + offset
        ratios.append(read_a / current_a)
    budgets = [
        [limit(0.02), limit(1e-6 / a, "offset"), spread(noise, 1e9)] for a, noise in ((50e-6, 1e-3), (300e-6, 2e-3))
    ]
    half_width = expanded_relative(ratio_terms(*budgets))
    covered = float(np.mean(np.abs(ratios[1] / ratios[0] - 1) <= half_width))
    assert covered == pytest.approx(0.95, abs=0.01)
    assert half_width < 0.022
