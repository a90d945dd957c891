"""What went wrong on a station and what the bench did about it: data, recorded beside the runs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from bench.domain.measurement import Point


class Action(StrEnum):
    """What the bench does after a failure.

    The first five are the rungs of the ladder, each more drastic than the one before; then what ends the climb; then what is only noted.
    """

    RETRY = "retry"
    RESET = "reset"
    RECONNECT = "reconnect"
    CONNECT_UNDER_RESET = "connect under reset"
    POWER_CYCLE = "power cycle"
    REJECT = "reject the point"
    GIVE_UP = "give up the image"
    QUARANTINE = "quarantine the station"
    RECOVERED = "recovered"
    WITHDRAW = "withdraw"
    UNCONFIRMED = "leave unconfirmed"


@dataclass(frozen=True, slots=True)
class Event:
    """One failure and the action it led to.

    ``attempt`` counts from 1 within a point. ``cause`` is the failure's message, ``detail`` its further lines. RECOVERED repeats the failure
    that is over.
    """

    at: datetime
    point: Point
    failure_class: str
    action: Action
    attempt: int
    cause: str
    detail: str = ""

    def __post_init__(self) -> None:
        if self.at.tzinfo is None:
            raise ValueError("an event's time needs a time zone")
        if self.attempt < 1:
            raise ValueError("attempts count from 1")

    @classmethod
    def of(cls, point: Point, action: Action, attempt: int, failure_class: str, cause: str, detail: str = "") -> Event:
        """Return an event of this moment."""
        return cls(datetime.now(UTC), point, failure_class, action, attempt, cause, detail)

    def __str__(self) -> str:
        where = f"{self.point.clock.hclk_hz / 1e6:g} MHz, attempt {self.attempt}"
        if self.action is Action.RECOVERED:
            return f"{where}: recovered from: {self.cause}"
        return f"{where}: {self.failure_class}: {self.cause}; {self.action}"
