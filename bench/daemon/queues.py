"""The durable queues: DBOS Transact, in a file beside ours or in the schema ``dbos`` of the same PostgreSQL database.

One queue per station, of which one workflow runs at a time, whatever the number of daemons. A workflow is the delivery of one lease to one
of the daemons that serve the station; its name is that of the lease, so that delivering twice delivers once. What became of the unit
is in our own tables, in the same transactions as the runs.

DBOS sends nothing anywhere: no Conductor, no cloud, no OpenTelemetry is configured, and what could switch them on from outside is removed.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from bench.domain.job import Lease
from bench.errors import DatabaseUnusable

APPLICATION = "bench"
VERSION = "1"
"""Version of the workflows. Leases of another version are not delivered; it changes with their arguments and nothing else."""
POLL_S = 0.1
ANNOUNCEMENTS = "announcements"
SEND_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Handlers:
    """What the workflows do: measure a unit; tell each of ``targets`` of the end of a job (raising where that fails); keep what failed."""

    measure: Callable[[Lease], str]
    targets: Sequence[Callable[[int], None]]
    announced: Callable[[int, list[str]], None]


class Queues:
    """The queues of one daemon; one of these in a process."""

    def __init__(self, url: str, daemon_id: int, stations: Sequence[str], handlers: Handlers) -> None:
        """Open the queues of ``stations`` and begin to take from them. Raises DatabaseUnusable."""
        for name in [name for name in os.environ if name.startswith(("DBOS_", "DBOS__"))]:
            del os.environ[name]
        from dbos import DBOS, DBOSConfig  # noqa: PLC0415 (its import takes a second)

        logging.getLogger("dbos").setLevel(logging.WARNING)
        self._dbos = DBOS
        self._stations = tuple(stations)
        self._daemon_id = daemon_id

        def measure_unit(unit_id: int, generation: int, job_id: int, station: str) -> str:
            return handlers.measure(Lease(unit_id, generation, job_id, station))

        def tell(target: int, job_id: int) -> None:
            handlers.targets[target](job_id)

        step = DBOS.step(name="tell", retries_allowed=True, max_attempts=SEND_ATTEMPTS, interval_seconds=2.0)(tell)

        def announce_job(job_id: int) -> None:
            failures = []
            for target in range(len(handlers.targets)):
                try:
                    step(target, job_id)
                except Exception as error:  # DBOS gave up; its error holds those of the attempts
                    failures.append(str((getattr(error, "errors", None) or [error])[-1]))
            handlers.announced(job_id, failures)

        self._measure_unit = DBOS.workflow(name="measure_unit", max_recovery_attempts=None)(measure_unit)
        self._announce_job = DBOS.workflow(name="announce_job", max_recovery_attempts=None)(announce_job)
        config: DBOSConfig = {
            "name": APPLICATION,
            "system_database_url": url,
            "application_version": VERSION,
            "executor_id": executor(daemon_id),
            "log_level": "WARNING",
            "use_listen_notify": False,
            "enable_otlp": False,
        }
        names = [queue(station) for station in self._stations] + ([ANNOUNCEMENTS] if handlers.targets else [])
        try:
            with _failures():
                DBOS(config=config)
                DBOS.listen_queues(names)
                DBOS.launch()
                for name in names:
                    DBOS.register_queue(
                        name, global_concurrency=1, polling_interval_sec=POLL_S, on_conflict="always_update"
                    )
        except DatabaseUnusable:
            DBOS.destroy(destroy_registry=True)
            raise

    def deliver(self, lease: Lease) -> None:
        """Deliver ``lease`` to whoever serves its station, once."""
        from dbos import SetWorkflowID  # noqa: PLC0415

        with _failures(), SetWorkflowID(f"unit-{lease.unit_id}-{lease.generation}"):
            self._dbos.enqueue_workflow(
                queue(lease.station), self._measure_unit, lease.unit_id, lease.generation, lease.job_id, lease.station
            )

    def announce(self, job_id: int, end: int) -> None:
        """Have the end of a job announced, once; ``end`` tells one end of the job from another."""
        from dbos import SetWorkflowID  # noqa: PLC0415

        with _failures(), SetWorkflowID(f"announce-{job_id}-{end}"):
            self._dbos.enqueue_workflow(ANNOUNCEMENTS, self._announce_job, job_id)

    def tidy(self, alive: Collection[int]) -> None:
        """Free the queues from what daemons that are not ``alive`` had taken: leases are void, announcements are delivered again."""
        living = {executor(daemon_id) for daemon_id in alive} | {executor(self._daemon_id)}
        names = [queue(station) for station in self._stations] + [ANNOUNCEMENTS]
        with _failures():
            for found in self._dbos.list_workflows(
                status="PENDING", queue_name=names, load_input=False, load_output=False
            ):
                if found.executor_id in living:
                    continue
                self._dbos.cancel_workflow(found.workflow_id)
                if found.queue_name == ANNOUNCEMENTS:
                    self._dbos.resume_workflow(found.workflow_id, queue_name=ANNOUNCEMENTS)

    def over(self, lease: Lease) -> bool:
        """Whether the delivery of ``lease`` has ended, however."""
        with _failures():
            found = self._dbos.get_workflow_status(f"unit-{lease.unit_id}-{lease.generation}")
        return found is not None and found.status not in ("PENDING", "ENQUEUED", "DELAYED")

    def close(self, patience_s: int) -> None:
        """Take nothing more, wait ``patience_s`` for what runs, and close."""
        self._dbos.destroy(workflow_completion_timeout_sec=patience_s, destroy_registry=True)


@contextmanager
def _failures() -> Iterator[None]:
    """Turn whatever DBOS or its database driver raises into DatabaseUnusable."""
    try:
        yield
    except Exception as error:
        raise DatabaseUnusable(
            f"the queues fail: {error}",
            hint="is the disk full, or the database server gone?",
            detail=type(error).__name__,
        ) from error


def queue(station: str) -> str:
    """Return the name of the queue of ``station``."""
    return f"station:{station}"


def executor(daemon_id: int) -> str:
    """Return the name under which DBOS knows a daemon. It is new at every start: leases are given back by us, not recovered by DBOS."""
    return f"daemon-{daemon_id}"
