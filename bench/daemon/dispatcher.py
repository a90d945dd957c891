"""One round of a daemon's housekeeping: give its stations work, take back what others dropped, end what is done."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import timedelta

from bench.daemon import process
from bench.daemon.choice import Fleet, choose, hopeless
from bench.daemon.queues import Queues
from bench.domain.job import Lane, Lease
from bench.store import Store

AHEAD = 2
"""Units at a station, with the one it measures: the next one is built meanwhile, and a more urgent job waits for no more than these."""
TIDY_EVERY = 20
"""Rounds between two looks for what was dropped without a trace."""
ANNOUNCE_WITHIN = timedelta(days=1)
"""Of the end of a job that is longer ago nobody needs to be told."""

_log = logging.getLogger("bench.daemon")


class Active:
    """The units that this process measures at present; workers enter and leave."""

    def __init__(self) -> None:
        self._units: set[int] = set()
        self._changed = threading.Condition()

    def enter(self, unit_id: int) -> None:
        """A worker begins with a unit."""
        with self._changed:
            self._units.add(unit_id)

    def leave(self, unit_id: int) -> None:
        """A worker is done with a unit."""
        with self._changed:
            self._units.discard(unit_id)
            self._changed.notify_all()

    def units(self) -> frozenset[int]:
        """Return the units."""
        with self._changed:
            return frozenset(self._units)

    def wait_until_idle(self, seconds: float) -> bool:
        """Wait until no unit is measured, at most ``seconds``; return whether that is so."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._units, seconds)


class Dispatcher:
    """Gives the stations ``mine`` of daemon ``daemon_id`` work. Every daemon has one; what they do at the same time does no harm."""

    def __init__(
        self,
        store: Store,
        queues: Queues,
        daemon_id: int,
        mine: Sequence[str],
        active: Active,
        *,
        gone_after_s: float,
        takeover_after_s: float,
        queued: Callable[[Lease], None],
    ) -> None:
        """``queued`` hears of every lease that is queued at a station of ours."""
        self._store = store
        self._queues = queues
        self._daemon_id = daemon_id
        self._mine = tuple(mine)
        self._active = active
        self._gone_after_s = gone_after_s
        self._takeover_after = timedelta(seconds=takeover_after_s)
        self._queued = queued
        self._delivered: set[Lease] = set()
        self._rounds = 0

    def round(self, *, announce: bool) -> None:
        """Do what there is to do now; ``announce``: also have the ends of jobs announced. Raises StoreError."""
        self.take_back()
        fleet = self._fleet()
        self._withdraw(fleet)
        lanes = self._store.units.lanes()
        self._assign(fleet, lanes)
        self._deliver()
        for lane in lanes:
            if cause := hopeless(lane, fleet):
                self._store.units.give_up(lane.id, "station", cause)
        for job_id in self._store.jobs.end():
            _log.info("job %d ended", job_id)
        if announce:
            for job in self._store.jobs.unannounced(ANNOUNCE_WITHIN):
                self._queues.announce(job.id, int(job.ended_at.timestamp() * 1000) if job.ended_at else 0)

    def take_back(self) -> None:
        """Take back the units of daemons that are gone, and those of ours that no worker has."""
        declare_dead(self._store)
        daemons = self._store.rack.daemons(self._gone_after_s, all_of_them=True)
        gone = [daemon.id for daemon in daemons if not daemon.alive and daemon.id != self._daemon_id]
        taken = self._store.units.reclaim(gone) if gone else []
        taken += self._store.units.reclaim([self._daemon_id], but=self._active.units())
        for lease in taken:
            _log.warning("unit %d at %s was dropped, it is taken up again", lease.unit_id, lease.station)
        if taken or self._rounds % TIDY_EVERY == 0:
            self._queues.tidy([daemon.id for daemon in daemons if daemon.alive])
        self._rounds += 1

    def _fleet(self) -> Fleet:
        stations = {place.name: place for place in self._store.rack.stations(self._gone_after_s)}
        return Fleet(stations, self._store.jobs.clock(), self._takeover_after)

    def _withdraw(self, fleet: Fleet) -> None:
        """Let units wait again that are queued where nobody may measure any more."""
        idle = [name for name in self._store.units.busy() if not fleet.usable(name)]
        if idle:
            self._store.units.withdraw(self._store.units.queued(idle))

    def _assign(self, fleet: Fleet, lanes: Sequence[Lane]) -> None:
        busy = self._store.units.busy()
        for station in self._mine:
            open_lanes = list(lanes)
            while busy.get(station, 0) < AHEAD and (lane := choose(station, open_lanes, fleet)) is not None:
                if self._store.units.assign(lane.id, station) is None:
                    open_lanes.remove(lane)
                else:
                    busy[station] = busy.get(station, 0) + 1

    def _deliver(self) -> None:
        """Deliver what is queued at our stations, also what a daemon that died queued; a second delivery is none."""
        queued = set(self._store.units.queued(self._mine))
        for lease in sorted(queued - self._delivered, key=lambda lease: (lease.unit_id, lease.generation)):
            self._queues.deliver(lease)
            self._queued(lease)
        if self._rounds % TIDY_EVERY == 0:
            lost = [lease for lease in queued & self._delivered if self._queues.over(lease)]
            self._store.units.withdraw(lost)
        self._delivered = queued


def declare_dead(store: Store) -> None:
    """Declare the daemons of this host gone whose process has ended, without waiting for their heartbeat to be missed."""
    space = process.space()
    if space:
        starts = {pid: process.started(pid) for pid in store.rack.pids(space)}
        for daemon_id in store.rack.dead_processes(space, starts):
            store.rack.declare_gone(daemon_id)
