"""How long a job will still take, from how its last points came in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from statistics import median

LOOK_BACK = 256
"""Points that are looked at: some images, so that building and flashing have their share."""
LEAST = 3
BREAK = 20
"""A gap of so many times the median is a pause or a night, not measuring."""
SHORTEST_BREAK_S = 60.0


def seconds_left(arrivals: Sequence[datetime], points: int) -> float | None:
    """Return how many seconds ``points`` more will take if they come as the last ones did; ``arrivals`` are their times, oldest first.

    None where too few came to tell. Breaks are left out.
    """
    if points <= 0:
        return 0.0
    gaps = [max(0.0, (after - before).total_seconds()) for before, after in pairwise(arrivals)]
    if len(gaps) < LEAST:
        return None
    limit = max(SHORTEST_BREAK_S, BREAK * median(gaps))
    working = [gap for gap in gaps if gap <= limit]
    return points * sum(working) / len(working)
