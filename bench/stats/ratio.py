"""How much more one point costs than another, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bench.domain.measurement import Run, UncertaintyTerm
from bench.errors import ParameterError
from bench.stats.coverage import expanded_relative, ratio_terms

ENERGY, LATENCY = "energy_j", "latency_s"


@dataclass(frozen=True, slots=True)
class Ratio:
    """``value`` of first over second, its expanded uncertainty ``u95`` (95 % coverage), and the ``budget`` of what does not cancel."""

    quantity: str
    value: float
    u95: float
    budget: tuple[UncertaintyTerm, ...]

    @property
    def differs(self) -> bool:
        """Whether the two are different beyond their uncertainty: 1 is outside the interval."""
        return abs(self.value - 1) > self.u95


def ratio_uncertainty(first: Run, second: Run, quantity: str = ENERGY) -> Ratio:
    """Return ``quantity`` (``energy_j`` or ``latency_s``) of ``first`` over that of ``second``, with its uncertainty.

    Two points of one station, measured with one kind of probe, share their instrument's errors: a gain of the same range, the voltage, the time
    base, the oscillator. Of points of different stations nothing is taken to be common. Raises ParameterError where one of the
    two has no such result.
    """
    budgets, values = [], []
    for run in (first, second):
        result = run.result
        value = None if result is None else {ENERGY: result.energy_j, LATENCY: result.latency_s}.get(quantity)
        if result is None or not value:
            raise ParameterError(
                f"{run.point} has no {quantity}",
                hint="compare accepted runs; energy_j needs a station with a current probe",
            )
        values.append(value)
        budgets.append([term for term in result.budget if term.quantity == quantity])
    if not _one_instrument(first, second):
        budgets = [[replace(term, systematic=False) for term in budget] for budget in budgets]
    terms = ratio_terms(*budgets)
    value = values[0] / values[1]
    return Ratio(quantity, value, value * expanded_relative(terms), tuple(terms))


def _one_instrument(first: Run, second: Run) -> bool:
    probes = [None if run.energy_run is None else run.energy_run.probe for run in (first, second)]
    where = [(run.point.station, run.point.source, run.point.board) for run in (first, second)]
    return where[0] == where[1] and probes[0] == probes[1]
