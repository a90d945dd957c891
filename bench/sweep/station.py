"""Measures the images of one station, one after the other, whatever fails; leaves the station out when it keeps failing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bench.build import BuildCache
from bench.domain.measurement import Run, Verdict
from bench.errors import BenchError, StationBusy, StationQuarantined, StoreError
from bench.measure.settings import Settings
from bench.store import Repository
from bench.sweep.ahead import BuildAhead
from bench.sweep.execute import Listener, build_with, execute
from bench.sweep.kept_open import KeptOpen
from bench.sweep.plan import ImagePlan

STATION_CLASSES = frozenset({"connect", "probe", "target"})
"""Failures that speak against the station and not against the image."""
FATAL_CLASSES = frozenset({"identify", "station"})
"""Failures after which nothing may be tried any more: another board is there, or the procedure gave the station up."""
MAX_FAILED_IMAGES = 3
"""So many images in a row may fail for the station's sake."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A point that was not accepted."""

    point: str
    failure_class: str
    reason: str


@dataclass(slots=True)
class Tally:
    """What came of a station's part of a sweep, so far. ``left_out`` is the first cause where the station was left out, else empty.

    ``points`` = ``accepted`` + rejected ones + ``not_measured``.
    """

    station: str
    points: int
    accepted: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    left_out: str = ""

    @property
    def done(self) -> int:
        """Points that have a verdict."""
        return self.accepted + len(self.rejected)

    @property
    def not_measured(self) -> int:
        """Points that were not tried."""
        return self.points - self.done


class StationListener(Listener, Protocol):
    """Hears besides what ends an image, and a station."""

    def failed(self, plan: ImagePlan, error: BenchError) -> None: ...

    def left_out(self, cause: str, points: int) -> None: ...


def measure_station(
    images: Sequence[ImagePlan],
    repository: Repository,
    settings: Settings,
    cache: BuildCache,
    listener: StationListener,
    tally: Tally,
) -> None:
    """Measure ``images``, all of one station, and count in ``tally``, which is right at any moment, also after an exception.

    Raises StoreError where the database fails, StationBusy where another process measures there: nothing would come of the rest.
    """
    failed, cause = 0, ""
    with BuildAhead(images, build_with(cache)) as ahead, KeptOpen(settings) as kept:
        for plan in images:
            outcome = _image(plan, repository, settings, cache, listener, tally, ahead, kept)
            if not outcome:
                failed, cause = 0, ""
                continue
            failure_class, reason = outcome
            failed, cause = failed + 1, cause or reason
            if failure_class in FATAL_CLASSES or failed >= MAX_FAILED_IMAGES:
                tally.left_out = cause
                listener.left_out(cause, tally.not_measured)
                return


def _image(
    plan: ImagePlan,
    repository: Repository,
    settings: Settings,
    cache: BuildCache,
    listener: StationListener,
    tally: Tally,
    ahead: BuildAhead,
    kept: KeptOpen,
) -> tuple[str, str] | None:
    """Measure one image. Return class and reason where it failed for the station's sake, None where it did not."""
    runs: dict[str, Run] = {}
    try:
        for run in execute(plan, repository, settings, cache, listener, ahead.take, kept.at(plan)):
            if run.sentinel:
                continue
            _count(tally, run, runs.get(run.point.clock.id))
            runs[run.point.clock.id] = run
        if any(run.verdict is Verdict.REJECTED for run in runs.values()):
            kept.let_go()
    except (StoreError, StationBusy):
        raise
    except BenchError as error:
        kept.let_go()
        cause = error.cause if isinstance(error, StationQuarantined) else error
        for clock in plan.clocks:
            if clock.id not in runs:
                point = f"{plan.station.name}, {plan.work}, {clock.hclk_hz / 1e6:g} MHz ({clock.id})"
                tally.rejected.append(Rejected(point, cause.failure_class, cause.message))
        listener.failed(plan, error)
        if error.failure_class in STATION_CLASSES | FATAL_CLASSES:
            return error.failure_class, cause.message
        return None
    if runs and all(run.failure_class in STATION_CLASSES for run in runs.values()):
        first = next(iter(runs.values()))
        return first.failure_class, first.reason
    return None


def _count(tally: Tally, run: Run, earlier: Run | None) -> None:
    """Count ``run``; ``earlier`` is what was said of the same point before, and is withdrawn now."""
    if earlier is not None and earlier.verdict is Verdict.ACCEPTED:
        tally.accepted -= 1
    if run.verdict is Verdict.ACCEPTED:
        tally.accepted += 1
    else:
        tally.rejected.append(Rejected(str(run.point), run.failure_class, run.reason))
