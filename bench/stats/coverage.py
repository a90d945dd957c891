"""From a budget to an interval that holds the true value with 95 % probability, and to that of a ratio.

The budget of a measured energy is no sum of many alike: one or two data-sheet limits make up nearly all of it. Such a sum is not normally
distributed, and k = 2 times its standard uncertainty covers far more than 95 %. So the distributions themselves are propagated, as JCGM
101:2008 (GUM Supplement 1) asks for, but by convolution instead of by random numbers: exact to the cells below, the same every time.

The model. A result y is a product of readings; a reading is its true value times (1 + x). Hence the true result is

    Y = y / ((1 + x1) (1 + x2) ...)

and in logarithms the errors add. A term with degrees of freedom is Student's t about 0 (6.4.9); one without is rectangular (6.4.2), its limit
sqrt(3) times the standard uncertainty. The logarithm keeps what is lost in a first-order formula: under a gain limit of 20 % the true value may be
25 % above the reading, but only 17 % below it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from bench.domain.measurement import UncertaintyTerm
from bench.stats.uncertainty import combine, effective_degrees_of_freedom, student

COVERAGE = 0.95
_CELLS = 2048
# Terms below this share of the combined standard uncertainty enter as one normal distribution: 4e-4 of the variance has no shape.
_SHAPELESS = 0.02
# Beyond this limit a reading says so little that 1 / (1 + x) has no useful distribution: errors are added to first order then.
_FIRST_ORDER_FROM = 0.5
# The part of Student's distribution that the cells have to hold. What is beyond is cut off.
_HELD = 0.9995
_SEARCH_POINTS = 129
_PRECISION = 1e-5
_AS_GOOD_AS_NORMAL = 1e4


def expand95(value: float, terms: Iterable[UncertaintyTerm]) -> float:
    """Return the expanded uncertainty of ``value``, in its unit: the least U for which value - U to value + U holds the true value with 95 %."""
    return expanded_relative(terms) * abs(value)


def coverage_factor(terms: Iterable[UncertaintyTerm]) -> float:
    """Return the expanded over the combined standard uncertainty: 1.65 for one limit, 1.96 for many alike terms, more for few repetitions."""
    terms = tuple(terms)
    combined = combine(terms)
    return expanded_relative(terms) / combined if combined else 0.0


def expanded_relative(terms: Iterable[UncertaintyTerm]) -> float:
    """Return the relative expanded uncertainty, 95 % coverage, of a result with the independent ``terms``; 0 for none."""
    terms = tuple(terms)
    combined = combine(terms)
    if combined == 0:
        return 0.0
    shaped = [term for term in terms if term.standard_relative > _SHAPELESS * combined]
    limits = [math.sqrt(3) * term.standard_relative for term in shaped if term.degrees_of_freedom is None]
    random = [term for term in terms if term.degrees_of_freedom is not None or term not in shaped]
    return _half_width(limits, combine(random), effective_degrees_of_freedom(random))


def ratio_terms(first: Sequence[UncertaintyTerm], second: Sequence[UncertaintyTerm]) -> list[UncertaintyTerm]:
    """Return the budget of first / second, both measured on one station with one probe, of the same quantity.

    A systematic term of the same name is one and the same error in both (the gain of one range, the voltage): only the difference of its
    shares is left. All others are independent and stay.
    """
    common = {term.name: term for term in second if term.systematic}
    own = [term for term in first if not (term.systematic and term.name in common)]
    shared = {term.name: term for term in first if term.systematic and term.name in common}
    rest = [term for term in second if not (term.systematic and term.name in shared)]
    differences = [
        _with_standard(term, abs(term.standard_relative - common[name].standard_relative))
        for name, term in shared.items()
    ]
    return [*own, *rest, *differences]


def _with_standard(term: UncertaintyTerm, standard_relative: float) -> UncertaintyTerm:
    return UncertaintyTerm(
        term.quantity, term.name, standard_relative, term.systematic, term.source, term.degrees_of_freedom
    )


def _half_width(limits: Sequence[float], spread: float, degrees_of_freedom: float) -> float:
    """Return U with 95 % of Y / y in 1 - U to 1 + U. ``limits`` of rectangular x; ``spread`` and freedom of a Student's t."""
    first_order = max(limits, default=0.0) >= _FIRST_ORDER_FROM
    reach = math.fsum(limits) if first_order else -math.fsum(math.log1p(-limit) for limit in limits)
    reach = 1.01 * (reach + (student(min(degrees_of_freedom, 100.0), _HELD) * spread if spread else 0.0))
    cell = 2 * reach / _CELLS
    edges: NDArray[np.float64] = cell * (
        np.arange(_CELLS + 1, dtype=np.float64) - (_CELLS + 1) / 2
    )  # the middle cell lies around 0
    errors: NDArray[np.float64] = edges if first_order else -np.expm1(-edges)
    parts = [_rectangular_cells(limit, errors) for limit in limits]
    if spread:
        parts.append(_student_cells(spread, degrees_of_freedom, edges[:-1] + cell / 2))
    cumulative = np.concatenate(([0.0], np.cumsum(_convolve(parts))))

    def covered(half_widths: NDArray[np.float64]) -> NDArray[np.float64]:
        if first_order:
            low, high = -half_widths, half_widths
        else:
            low, high = np.log1p(-np.minimum(half_widths, 1 - 1e-12)), np.log1p(half_widths)
        found: NDArray[np.float64] = np.interp(high, edges, cumulative) - np.interp(low, edges, cumulative)
        return found

    low, high = 0.0, reach if first_order else math.expm1(min(reach, 700.0))
    while high - low > _PRECISION * high:
        half_widths = np.linspace(low, high, _SEARCH_POINTS)
        at = min(max(int(np.searchsorted(covered(half_widths), COVERAGE)), 1), _SEARCH_POINTS - 1)
        low, high = float(half_widths[at - 1]), float(half_widths[at])
    return high


def _rectangular_cells(limit: float, edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the probability of each cell (n,) for -x evenly in +-``limit``; ``edges`` (n + 1,) of the cells in terms of -x."""
    inside: NDArray[np.float64] = np.diff(np.clip(edges / (2 * limit) + 0.5, 0.0, 1.0))
    return inside


def _student_cells(spread: float, degrees_of_freedom: float, centres: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the probability of each cell (n,) around ``centres``; what lies beyond them is missing, as it must be."""
    nu, squares = degrees_of_freedom, (centres / spread) ** 2
    if nu > _AS_GOOD_AS_NORMAL:
        density, top = np.exp(-squares / 2), 1 / math.sqrt(2 * math.pi)
    else:
        density = np.exp(-(nu + 1) / 2 * np.log1p(squares / nu))
        top = math.exp(math.lgamma((nu + 1) / 2) - math.lgamma(nu / 2)) / math.sqrt(nu * math.pi)
    # Cells much wider than the distribution hold all of it; their middles are no measure of it then.
    cell_share = top * (centres[1] - centres[0]) / spread
    found: NDArray[np.float64] = density * min(cell_share, 1 / density.sum())
    return found


def _convolve(parts: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the probabilities of the sum; the middle cell of each part stands for 0."""
    spectra = np.fft.rfft(np.stack(parts))
    # Every part but one with its middle brought to cell 0, where it shifts nothing: half a turn, which turns every second harmonic.
    spectra[1:, 1::2] *= -1
    summed: NDArray[np.float64] = np.fft.irfft(spectra.prod(axis=0), _CELLS)
    return summed
