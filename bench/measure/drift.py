"""The sentinel: one point of an image that is measured again and again, to see whether the station stays what it was.

Two measurements of one point on one station differ by what is not systematic: limits of the probe's gain, say, are the same in both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import hypot

from bench.domain.measurement import Result, Run, Verdict
from bench.errors import Drifted

COVERAGE = 3.0
"""Standard uncertainties of the difference that it may have by chance (99.7 %): a false alarm costs the points of a whole segment."""
QUANTITIES = ("latency_s", "energy_j")


@dataclass(frozen=True, slots=True)
class Change:
    """By how much ``quantity`` of the sentinel changed, and by how much it may: both relative."""

    quantity: str
    relative: float
    allowed: float

    @property
    def is_drift(self) -> bool:
        """Whether it is more than chance and tolerance explain."""
        return abs(self.relative) > self.allowed

    def __str__(self) -> str:
        return f"{self.quantity.rpartition('_')[0]} {100 * self.relative:+.3g} % (allowed ±{100 * self.allowed:.2g} %)"


def changes(before: Result, after: Result, tolerance: float) -> list[Change]:
    """Return how each quantity that both results have changed. ``tolerance``: relative, what a station at rest may wander (its temperature)."""
    found = []
    for quantity in QUANTITIES:
        old, new = getattr(before, quantity), getattr(after, quantity)
        if old and new is not None:
            spread = hypot(_random_relative(before, quantity), _random_relative(after, quantity))
            found.append(Change(quantity, new / old - 1.0, COVERAGE * spread + tolerance))
    return found


def _random_relative(result: Result, quantity: str) -> float:
    """Return the standard uncertainty of ``quantity`` that is not shared by all points of the station, relative."""
    return hypot(
        *(term.standard_relative for term in result.budget if term.quantity == quantity and not term.systematic)
    )


class Sentinel:
    """Remembers the sentinel's last good run, and what was measured since. ``every`` points it is due; 0: never."""

    def __init__(self, every: int, tolerance: float) -> None:
        self._every = every
        self._tolerance = tolerance
        self._since: list[tuple[int, Run]] = []
        self.index: int | None = None
        self._run: Run | None = None

    def saw(self, index: int, run: Run) -> None:
        """Take note of ``run`` of point ``index``; the first accepted one becomes the sentinel."""
        if run.verdict is not Verdict.ACCEPTED:
            return
        if self.index is None:
            self.index, self._run = index, run
        else:
            self._since.append((index, run))

    def due(self, *, last: bool) -> bool:
        """Tell whether to measure the sentinel now: after every so many points, and after the ``last`` one."""
        return bool(self._every and self._since) and (last or len(self._since) >= self._every)

    def judge(self, again: Run) -> tuple[list[Change], list[tuple[int, Run]]]:
        """Compare ``again``, the sentinel's new run, with the one before, and begin a new segment with it.

        Returns the changes, and where one is a drift the points in between, each as (index, run).
        """
        since, before = self._since, self._run
        self._since, self._run = [], again
        assert before is not None
        assert before.result is not None
        assert again.result is not None
        found = changes(before.result, again.result, self._tolerance)
        return found, since if any(change.is_drift for change in found) else []

    def skip(self) -> None:
        """Begin a new segment unconfirmed: the sentinel could not be measured."""
        self._since = []


def withdrawn(run: Run, found: Sequence[Change]) -> Run:
    """Return ``run``, rejected for drift; its raw values stay."""
    error = Drifted(
        f"the sentinel point drifted meanwhile: {', '.join(str(change) for change in found if change.is_drift)}",
        hint="let the board warm up, keep draughts and other loads away, check supply and wiring; the point is measured again",
    )
    return replace(
        run,
        verdict=Verdict.REJECTED,
        result=None,
        failure_class=error.failure_class,
        reason=error.message,
        detail=error.hint,
    )
