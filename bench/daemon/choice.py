"""Which unit a station does next: pure decisions over what the database says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from bench.domain.job import Lane, StationStatus
from bench.domain.station import Station


@dataclass(frozen=True, slots=True)
class Fleet:
    """The stations by name, the time, and how long one may be without a daemon before another steps in for it."""

    stations: Mapping[str, StationStatus]
    now: datetime
    takeover_after: timedelta

    def usable(self, name: str) -> bool:
        """Whether ``name`` may be given work: a daemon serves it, and it is neither paused nor quarantined."""
        place = self.stations.get(name)
        return place is not None and bool(place.served_by) and not place.paused and place.quarantined_at is None

    def quarantined(self, name: str) -> bool:
        """Whether ``name`` keeps failing."""
        place = self.stations.get(name)
        return place is not None and place.quarantined_at is not None

    def lost(self, name: str, due_at: datetime) -> bool:
        """Whether work that was due at ``due_at`` need not wait for ``name``: it is quarantined, or nobody has served it for too long."""
        place = self.stations.get(name)
        if place is None:
            return self.now - due_at > self.takeover_after
        if place.quarantined_at is not None:
            return True
        return not place.served_by and self.now - max(due_at, place.last_seen_at) > self.takeover_after


def equal(one: Station, other: Station) -> bool:
    """Whether a point may be measured at either: same board, source, supply voltage and kind of current probe."""
    return (one.board, one.source, one.vdd_v, _driver(one)) == (other.board, other.source, other.vdd_v, _driver(other))


def may_take(station: str, lane: Lane, fleet: Fleet) -> bool:
    """Whether ``station`` may do units of ``lane`` now.

    Its peers may at any time; the stations after them each when all before it are lost.
    """
    if station not in lane.stations:
        return False
    place = lane.stations.index(station)
    return place < lane.peers or all(fleet.lost(name, lane.due_at) for name in lane.stations[:place])


def choose(station: str, lanes: Iterable[Lane], fleet: Fleet) -> Lane | None:
    """Return the lane whose next unit ``station`` does: highest priority, then oldest job, then its own lane before one it stands in for."""
    if not fleet.usable(station):
        return None
    open_to = [lane for lane in lanes if may_take(station, lane, fleet)]
    return min(
        open_to,
        key=lambda lane: (-lane.priority, lane.job_id, lane.stations.index(station), lane.id),
        default=None,
    )


def hopeless(lane: Lane, fleet: Fleet) -> str:
    """Return why nobody will ever do the units of ``lane``, all its stations being quarantined; empty while there is hope."""
    if not all(fleet.quarantined(name) for name in lane.stations):
        return ""
    causes = [f"station {name} is quarantined: {fleet.stations[name].cause}" for name in lane.stations]
    return "; ".join(causes)


def _driver(station: Station) -> str | None:
    return None if station.current_probe is None else station.current_probe.driver
