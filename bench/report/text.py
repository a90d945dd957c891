"""Numbers and names as people read them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from datetime import datetime

from bench.units import format_si

_PREFIXES = ((1e-12, "p"), (1e-9, "n"), (1e-6, "µ"), (1e-3, "m"), (1.0, ""), (1e3, "k"), (1e6, "M"), (1e9, "G"))
_MICRO = re.compile(r"(?<=\d )u(?=[A-Za-z])")


def si(value: float | None, unit: str, digits: int = 4) -> str:
    """Return ``value`` with an SI prefix, a dash for none or not a number."""
    if value is None or math.isnan(value):
        return "–"
    return _MICRO.sub("µ", format_si(value, unit, digits)) if unit else f"{value:.{digits}g}"


def scale_of(values: Iterable[float], unit: str, *, log: bool = False) -> tuple[float, str]:
    """Return the prefix's value, and the unit with its prefix, that bring the largest of ``values`` to 1 .. 1000; their middle if ``log``."""
    found = [abs(value) for value in values if not math.isnan(value)]
    typical = max(found, default=0.0)
    if log and typical > 0:
        typical = math.sqrt(typical * min(found))
    if not unit or typical == 0:
        return 1.0, unit
    factor, prefix = next(((f, p) for f, p in reversed(_PREFIXES) if typical >= f), _PREFIXES[0])
    return factor, prefix + unit


def regulator(name: str) -> str:
    """Return a regulator level for people: ``scale1od`` is ``scale 1 OD`` (over-drive)."""
    match = re.fullmatch(r"([a-z]+)(\d+)([a-z]*)", name)
    if match is None:
        return name
    extra = {"od": " OD", "boost": " + boost"}.get(match[3], f" {match[3]}" if match[3] else "")
    return f"{match[1]} {match[2]}{extra}"


def span(first: datetime | None, last: datetime | None) -> str:
    """Return a range of days, or one day."""
    if first is None or last is None:
        return "–"
    days = f"{first:%Y-%m-%d}", f"{last:%Y-%m-%d}"
    return days[0] if days[0] == days[1] else f"{days[0]} to {days[1]}"


def file_stem(*parts: str) -> str:
    """Return ``parts`` as one file name without an ending: letters, digits, dots, dashes, joined by underscores."""
    return "_".join(re.sub(r"[^A-Za-z0-9._=-]+", "-", part).strip("-._") for part in parts if part)[:150] or "plot"
