"""Executes a sweep: takes the stations, finds what is missing, and measures on all of them at once.

One station is measured in this process. Several get a process each: pyOCD and libusb keep state per process, a probe's driver that crashes takes
only its own station along, and the emulated boards share no interpreter lock. Every process has connections of its own to the
database, where SQLite lets writers wait for each other and PostgreSQL has no need to.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Protocol

from bench.build import BuildCache
from bench.measure.settings import Settings
from bench.store import open_store
from bench.sweep.matrix import SweepPlan
from bench.sweep.missing import Comparison, compare
from bench.sweep.processes import measure_in_processes
from bench.sweep.station import StationListener, Tally, measure_station
from bench.sweep.station_lock import station_lock


class SweepListener(Protocol):
    """Hears what is going to be measured, and gives each station its listener."""

    def planned(self, comparison: Comparison) -> None: ...

    def station(self, name: str, points: int) -> StationListener: ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a sweep: the points that were ``there`` before, and what each station did. ``interrupted``: by the user, in the middle."""

    there: int
    tallies: tuple[Tally, ...]
    interrupted: bool = False

    @property
    def complete(self) -> bool:
        """Whether every point of the plan is accepted now."""
        return all(tally.accepted == tally.points for tally in self.tallies)


def execute_sweep(
    plan: SweepPlan,
    database: str,
    settings: Settings,
    cache: BuildCache,
    listener: SweepListener,
    *,
    again: bool = False,
) -> Outcome:
    """Measure what of ``plan`` is missing in ``database`` (all of it if ``again``) and return what came of it.

    The stations are taken first, then what is missing is looked up: nothing is measured twice by two sweeps. On KeyboardInterrupt it
    stops and says so in the outcome; what was recorded stays. Raises StationBusy before anything is measured, ToolchainMissing, StoreError.
    """
    with ExitStack() as held:
        descriptors = {station.name: held.enter_context(station_lock(station)) for station in plan.stations()}
        with open_store(database) as store:
            comparison = compare(plan, store.repository)
            if again:
                comparison = Comparison(plan, 0, 0, 0)
            listener.planned(comparison)
            left = comparison.left
            stations = left.stations()
            tallies = [Tally(station.name, left.of_station(station.name).points) for station in stations]
            interrupted = False
            try:
                if len(stations) == 1:
                    measure_station(
                        left.images, store.repository, settings, cache,
                        listener.station(stations[0].name, left.points), tallies[0],
                    )  # fmt: skip
                elif stations:
                    heard = [listener.station(tally.station, tally.points) for tally in tallies]
                    parts = [left.of_station(tally.station).images for tally in tallies]
                    measure_in_processes(
                        parts, [descriptors[tally.station] for tally in tallies],
                        database, settings, cache, heard, tallies,
                    )  # fmt: skip
            except KeyboardInterrupt:
                interrupted = True
    return Outcome(comparison.there, tuple(tallies), interrupted)
