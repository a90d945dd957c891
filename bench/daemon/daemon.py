"""The daemon: serves stations, until it is asked to stop."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bench.build import BuildCache
from bench.daemon import process
from bench.daemon.dispatcher import Active, Dispatcher, declare_dead
from bench.daemon.notify import Notifier
from bench.daemon.queues import Handlers, Queues
from bench.daemon.service import GONE_AFTER_S, Service
from bench.daemon.stop import Stop
from bench.daemon.worker import Worker
from bench.domain.job import EventKind, Lease
from bench.domain.station import Station
from bench.errors import StoreError
from bench.store import Store

TAKEOVER_AFTER_S = 120.0
"""So long may a station be without a daemon before an equal one takes its work: a host may restart meanwhile."""
ROUND_S = 0.25
BUSY_PAUSE_S = 5.0
STOP_PATIENCE_S = 60.0

_log = logging.getLogger("bench.daemon")


@dataclass(frozen=True, slots=True)
class Timing:
    """How often the heart beats, when a daemon counts as gone, and when its stations' work goes to others, all in seconds."""

    gone_after_s: float = GONE_AFTER_S
    takeover_after_s: float = TAKEOVER_AFTER_S

    @property
    def beat_s(self) -> float:
        """Several beats may be lost before a daemon counts as gone."""
        return self.gone_after_s / 5


class Daemon:
    """Serves ``stations`` from the database ``store``; one of these in a process.

    ``libraries`` are the folders of kernel libraries by flavor. ``run`` returns when ``stop`` was asked and all boards are released.
    """

    def __init__(
        self,
        store: Store,
        stations: Sequence[Station],
        libraries: Mapping[str, Path | None],
        cache: BuildCache,
        notifier: Notifier,
        stop: Stop,
        timing: Timing | None = None,
    ) -> None:
        self._store = store
        self._stations = {station.name: station for station in stations}
        self._notifier = notifier
        self._stop = stop
        self._timing = timing or Timing()
        self._worker = Worker(store, self._stations, libraries, cache, stop)
        self._service = Service(store, self._stations, libraries, gone_after_s=self._timing.gone_after_s)
        self._active = Active()
        self._builds = ThreadPoolExecutor(max_workers=1, thread_name_prefix="build")
        self._daemon_id = 0

    def run(self) -> None:
        """Serve until asked to stop. Raises StoreError where the database cannot be used at the start; later it is waited for."""
        declare_dead(self._store)
        me = process.me()
        pid = int(me["pid"])
        self._daemon_id = self._store.rack.enter(
            host=str(me["host"]),
            space=str(me["space"]),
            pid=pid,
            pid_started=process.started(pid),
            stations=tuple(self._stations.values()),
        )
        heart = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        heart.start()
        handlers = Handlers(self._measure, self._notifier.targets(self._service), self._announced)
        queues = Queues(self._store.queue_url, self._daemon_id, tuple(self._stations), handlers)
        _log.info("serving %s from %s", ", ".join(self._stations), self._store.name)
        try:
            self._serve(queues)
        finally:
            self._end(queues)

    def _serve(self, queues: Queues) -> None:
        dispatcher = Dispatcher(
            self._store,
            queues,
            self._daemon_id,
            tuple(self._stations),
            self._active,
            gone_after_s=self._timing.gone_after_s,
            takeover_after_s=self._timing.takeover_after_s,
            queued=self._build_ahead,
        )
        ill = ""
        while not self._stop.asked:
            try:
                dispatcher.round(announce=bool(self._notifier))
                ill = ""
            except StoreError as error:
                if str(error) != ill:  # once is enough for an outage
                    _log.warning("waiting for the database: %s", error)
                ill = str(error)
            self._stop.wait(ROUND_S)

    def _measure(self, lease: Lease) -> str:
        """What a station's queue delivers: measure, and keep the dispatcher from taking the unit for lost meanwhile."""
        self._active.enter(lease.unit_id)
        try:
            outcome = self._worker.measure(lease, self._daemon_id)
        except StoreError as error:
            _log.warning("%s: the database failed, the unit is taken up again: %s", lease.station, error)
            outcome = "dropped"
        finally:
            self._active.leave(lease.unit_id)
        if outcome in ("busy", "dropped"):
            self._stop.wait(BUSY_PAUSE_S)  # the station's queue waits as well
        return outcome

    def _build_ahead(self, lease: Lease) -> None:
        self._builds.submit(self._worker.prebuild, lease)

    def _announced(self, job_id: int, failures: list[str]) -> None:
        """Keep that the end of a job was told, and what did not arrive."""
        for failure in failures:
            _log.warning("job %d: not notified: %s", job_id, failure)
            self._store.jobs.log(job_id, "", EventKind.TROUBLE, f"not notified: {failure}")
        self._store.jobs.announced(job_id)

    def _beat(self) -> None:
        """Say that we live, until the process ends."""
        while True:
            try:
                self._store.rack.beat(self._daemon_id, tuple(self._stations))
            except StoreError:
                _log.debug("no heartbeat", exc_info=True)
            if self._stop.wait(self._timing.beat_s) and self._active.wait_until_idle(self._timing.beat_s):
                return

    def _end(self, queues: Queues) -> None:
        """Let the points at hand finish, release the boards, and say that we stopped."""
        if not self._stop.asked:
            self._stop.ask()
        _log.info("stopping after the points at hand")
        if not self._active.wait_until_idle(STOP_PATIENCE_S):
            _log.warning("points at hand are abandoned after %g s", STOP_PATIENCE_S)
            self._stop.ask()
            self._active.wait_until_idle(STOP_PATIENCE_S)
        self._builds.shutdown(cancel_futures=True)
        try:
            self._store.units.withdraw(self._store.units.queued(tuple(self._stations)))
            self._store.rack.leave(self._daemon_id)
        except StoreError as error:
            _log.warning("stopped without saying so: %s", error)
        queues.close(patience_s=1)
        _log.info("stopped")
