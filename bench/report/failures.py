"""Rejected runs, grouped as people would: reasons that differ in their numbers alone are one kind."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from bench.store import Failure

MAX_KINDS = 60
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


@dataclass(frozen=True, slots=True)
class FailureKind:
    """Rejected runs of one class and wording. ``example`` is the reason of the latest one, ``reasons`` how many wordings there were."""

    failure_class: str
    example: str
    runs: int
    reasons: int
    stations: tuple[str, ...]
    last: datetime


def kinds(failures: Iterable[Failure]) -> list[FailureKind]:
    """Return the kinds of ``failures``, the most frequent first."""
    grouped: dict[tuple[str, str], list[Failure]] = {}
    for failure in failures:
        grouped.setdefault((failure.failure_class, _NUMBER.sub("#", failure.reason)), []).append(failure)
    made = []
    for (failure_class, _), alike in grouped.items():
        latest = max(alike, key=lambda failure: failure.last)
        stations = tuple(sorted({failure.station for failure in alike}))
        reasons = len({failure.reason for failure in alike})
        made.append(
            FailureKind(failure_class, latest.reason, sum(f.runs for f in alike), reasons, stations, latest.last)
        )
    return sorted(made, key=lambda kind: (-kind.runs, kind.failure_class, kind.example))
