"""Start times as people write them: ``22:00``, ``2026-03-01 06:30``."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from bench.errors import ParameterError

FORMS = "write 22:00 (local time; tomorrow if that is past) or 2026-03-01 06:30"
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})")


def local(naive: datetime) -> datetime:
    """Return ``naive`` as local time of this host. A time that a change of clocks skips is taken as the old offset counts on."""
    return naive.astimezone()


def parse_start(text: str, now: datetime, localise: Callable[[datetime], datetime] = local) -> datetime:
    """Return the point in time, in UTC, that ``text`` means at ``now`` (aware): the next such time of day, or a date and time.

    ``localise`` makes a naive datetime an aware one of the local zone. Raises ParameterError for another form, and for a date in the past.
    """
    stripped = text.strip()
    if match := _CLOCK.fullmatch(stripped):
        hour, minute = int(match[1]), int(match[2])
        if hour > 23 or minute > 59:
            raise ParameterError(f"there is no time {stripped}", hint=FORMS)
        # Today's date is that of the zone, found by looking around the present: a zone is up to a day away from UTC.
        around = now.astimezone(UTC).replace(tzinfo=None, hour=hour, minute=minute, second=0, microsecond=0)
        days = (localise(around + timedelta(days=shift)).astimezone(UTC) for shift in (-1, 0, 1, 2))
        return next(moment for moment in days if moment > now)
    try:
        naive = datetime.fromisoformat(stripped)
    except ValueError:
        raise ParameterError(f"{text!r} is not a start time", hint=FORMS) from None
    if len(stripped) <= len("2026-03-01"):
        raise ParameterError(f"{text!r} has no time of day", hint=FORMS)
    moment = (localise(naive) if naive.tzinfo is None else naive).astimezone(UTC)
    if moment < now:
        raise ParameterError(f"{stripped} is past, it is {localise_text(now)} now", hint=FORMS)
    return moment


def localise_text(moment: datetime) -> str:
    """Return ``moment`` in local time, to the minute, as people read it."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M")
