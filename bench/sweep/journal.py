"""Writes runs and events into the database, and tries again where another process holds it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from bench.domain.event import Action, Event
from bench.domain.measurement import Point, Run
from bench.errors import BenchError, StoreError
from bench.measure.policy import choose
from bench.measure.procedure import Narrator
from bench.store import Repository

T = TypeVar("T")
_RUNGS = frozenset({Action.RETRY})


class Journal:
    """What an image yields, on its way into the database.

    A failure of the database cannot be recorded in it while it lasts: the narrator hears of it at once, and the events follow when it is over.
    """

    def __init__(self, repository: Repository, narrator: Narrator) -> None:
        self._repository = repository
        self._narrator = narrator
        self._numbers: dict[tuple[Point, datetime], int] = {}

    def run(self, run: Run) -> None:
        """Record ``run``; one that is recorded already gets its new verdict. Raises StoreError after some tries."""
        key = (run.point, run.measured_at)
        if key in self._numbers:
            number = self._numbers[key]
            self._trying(run.point, lambda: self._repository.withdraw(number, run))
        else:
            self._numbers[key] = self._trying(run.point, lambda: self._repository.record(run))

    def event(self, event: Event) -> None:
        """Record ``event``. Raises StoreError after some tries."""
        self._trying(event.point, lambda: self._repository.record_event(event))

    def _trying(self, point: Point, write: Callable[[], T]) -> T:
        failures: list[BenchError] = []
        late: list[Event] = []
        while True:
            try:
                done = write()
                break
            except StoreError as error:
                failures.append(error)
                action = choose(failures, _RUNGS)
                late.append(_event(point, action, len(failures), error))
                self._narrator.event(str(late[-1]))
                if action is not Action.RETRY:
                    raise
        if failures:
            late.append(_event(point, Action.RECOVERED, len(failures) + 1, failures[-1]))
            self._narrator.event(str(late[-1]))
        for event in late:
            self._repository.record_event(event)
        return done


def _event(point: Point, action: Action, attempt: int, error: BenchError) -> Event:
    return Event.of(point, action, attempt, error.failure_class, error.message, error.hint)
