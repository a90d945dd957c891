"""The arithmetic of uncertainty budgets: standard uncertainties. What they come to at 95 % is in ``bench.stats.coverage``."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache
from statistics import NormalDist

from bench.domain.measurement import UncertaintyTerm
from bench.errors import ParameterError

# Above this many degrees of freedom Student's t is the normal distribution to within 0.03 %.
_AS_GOOD_AS_INFINITE = 10_000


def rectangular(limit: float) -> float:
    """Return the standard uncertainty of a value known to lie within +-``limit``: limit / sqrt(3) (GUM 4.3.7)."""
    if not limit >= 0 or math.isinf(limit):
        raise ParameterError(f"a limit is a finite number from 0, got {limit}")
    return limit / math.sqrt(3)


def combine(terms: Iterable[UncertaintyTerm]) -> float:
    """Return the combined relative standard uncertainty of independent terms: the root of the sum of squares (GUM 5.1.2, eq. 12).

    The terms are those of a product or quotient, so all sensitivities are 1; no terms give 0.
    """
    return math.hypot(*(term.standard_relative for term in terms))


def effective_degrees_of_freedom(terms: Iterable[UncertaintyTerm]) -> float:
    """Return the effective degrees of freedom by the Welch-Satterthwaite formula (GUM G.4.1, eq. G.2b); ``inf`` is possible."""
    terms = tuple(terms)
    combined = combine(terms)
    if combined == 0:
        return math.inf
    # Relative to the combined value before the fourth power, so that small numbers do not vanish.
    spread = math.fsum(
        (term.standard_relative / combined) ** 4 / term.degrees_of_freedom
        for term in terms
        if term.degrees_of_freedom is not None
    )
    return 1 / spread if spread > 0 else math.inf


def student95(degrees_of_freedom: float) -> float:
    """Return t with 95 % of Student's distribution in -t..t; ``degrees_of_freedom`` >= 1 is rounded down (GUM G.6.4).

    Effective degrees of freedom can fall to just under 1, which counts as 1.
    """
    return student(degrees_of_freedom, 0.95)


def student(degrees_of_freedom: float, probability: float) -> float:
    """Return t with ``probability`` (between 0 and 1) of Student's distribution in -t..t, as ``student95``. Raises ParameterError."""
    if not degrees_of_freedom > 0:
        raise ParameterError(f"degrees of freedom are positive, got {degrees_of_freedom}")
    if not 0 < probability < 1:
        raise ParameterError(f"a probability lies between 0 and 1, got {probability}")
    if degrees_of_freedom > _AS_GOOD_AS_INFINITE:
        return NormalDist().inv_cdf((1 + probability) / 2)
    # A formula's 19.000000001 and 18.999999999 are both 19.
    return _student(max(1, math.floor(degrees_of_freedom + 1e-9)), probability)


@lru_cache(maxsize=256)
def _student(nu: int, probability: float) -> float:
    """Solve A(t, nu) = probability for t = sqrt(nu) tan(theta) by bisection over theta."""
    low, high = 0.0, math.pi / 2
    for _ in range(60):
        theta = (low + high) / 2
        low, high = (theta, high) if _student_probability(theta, nu) < probability else (low, theta)
    return math.sqrt(nu) * math.tan((low + high) / 2)


def _student_probability(theta: float, nu: int) -> float:
    """Return the probability that |t| < sqrt(nu) tan(theta) (Abramowitz and Stegun, 26.7.3 and 26.7.4)."""
    sine, cosine = math.sin(theta), math.cos(theta)
    if nu % 2 == 0:
        term, total = 1.0, 1.0
        for k in range(2, nu, 2):
            term *= (k - 1) / k * cosine**2
            total += term
        return sine * total
    if nu == 1:
        return 2 * theta / math.pi
    term = total = cosine
    for k in range(3, nu, 2):
        term *= (k - 1) / k * cosine**2
        total += term
    return 2 / math.pi * (theta + sine * total)
