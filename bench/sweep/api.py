"""Sweeps for programs: the plan as a dictionary with the keys of a plan file.

from bench.sweep.api import sweep

outcome = sweep({"primitives": ["relu"], "freq": "16MHz"}, "sqlite:///measurements.db")
print(outcome.complete, outcome.there, [tally.accepted for tally in outcome.tallies])
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.boards.stations import all_stations, stations_path
from bench.boards.sweep_file import request_from_dict
from bench.build import BuildCache
from bench.domain.measurement import Run
from bench.domain.primitives.base import CMSIS_NN
from bench.domain.sweep import SweepRequest
from bench.errors import BenchError
from bench.measure.settings import Settings
from bench.sweep.matrix import plan_sweep
from bench.sweep.missing import Comparison
from bench.sweep.plan import ImagePlan
from bench.sweep.sweep import Outcome, SweepListener, execute_sweep


class Quiet:
    """Hears everything and says nothing: what a sweep did is in its outcome and in the database."""

    def planned(self, comparison: Comparison) -> None:
        """Ignore."""

    def station(self, name: str, points: int) -> Quiet:  # noqa: ARG002
        """Return the listener of a station: itself."""
        return self

    def event(self, text: str) -> None:
        """Ignore."""

    def step(self, text: str) -> None:
        """Ignore."""

    def recorded(self, run: Run) -> None:
        """Ignore."""

    def gave_up(self, points: int) -> None:
        """Ignore."""

    def failed(self, plan: ImagePlan, error: BenchError) -> None:
        """Ignore."""

    def left_out(self, cause: str, points: int) -> None:
        """Ignore."""


def sweep(
    request: SweepRequest | Mapping[str, Any],
    database: str,
    *,
    stations: Path | None = None,
    cmsis_nn: Path | None = None,
    listener: SweepListener | None = None,
) -> Outcome:
    """Measure what of ``request`` is missing in ``database``, as ``bench sweep`` does, and return what came of it.

    ``stations`` is the stations file; None: BENCH_STATIONS, else ``stations.yaml`` where it is there. Without a ``listener`` nothing is printed.
    Raises ConfigurationError, UnknownName or ParameterError for a wrong request before anything is measured; what fails later is counted in the
    outcome and recorded with its cause.
    """
    asked = request if isinstance(request, SweepRequest) else request_from_dict(request)
    plan = plan_sweep(asked, all_stations(stations or stations_path()), {CMSIS_NN: cmsis_nn})
    settings = Settings(repeats=asked.repeats, window_s=asked.window_s, seed=asked.seed)
    return execute_sweep(plan, database, settings, BuildCache.default(), listener or Quiet(), again=asked.again)
