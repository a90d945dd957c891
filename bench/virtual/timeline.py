"""What a virtual board did, over virtual time: its supply current (piecewise constant) and the level of its pins.

The record is bounded: what is older than ``horizon_s`` is forgotten, and asking for it (or for the future) raises ValueError.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_ROUNDING_S = 1e-9
"""Times are sums of many floats; a question may be this far outside the record."""


class Edge(NamedTuple):
    """One change of a pin: when [s, virtual], and whether low to high."""

    time_s: float
    rising: bool


@dataclass(slots=True)
class _PinRecord:
    """The edges of one pin; before the first one remembered it was at ``initial``."""

    initial: bool = False
    times_s: list[float] = field(default_factory=list)
    rising: list[bool] = field(default_factory=list)


class Timeline:
    """A bounded record of current and pins.

    The current is held as its integral (charge) at the corners of the piecewise constant curve, so that the mean over any interval is
    exact and costs one interpolation.
    """

    def __init__(self, start_s: float = 0.0, horizon_s: float = 60.0) -> None:
        if horizon_s <= 0:
            raise ValueError(f"the horizon must be above 0 s, not {horizon_s} s")
        self._horizon_s = horizon_s
        self._corners_s: list[float] = [start_s]
        self._charges_c: list[float] = [0.0]
        self._last_current_a: float | None = None
        self._pins: dict[str, _PinRecord] = {}

    @property
    def start_s(self) -> float:
        """The oldest time that is remembered [s]."""
        return self._corners_s[0]

    @property
    def end_s(self) -> float:
        """Up to where the current is known [s]."""
        return self._corners_s[-1]

    def append(self, start_s: float, end_s: float, current_a: float) -> None:
        """Add a stretch of constant current. It must begin where the record ends (a later start leaves a gap without current).

        Raises ValueError for a stretch that begins before the end of the record, or ends before it begins.
        """
        last_s = self._corners_s[-1]
        if start_s < last_s - _ROUNDING_S or end_s < start_s:
            raise ValueError(f"stretch {start_s} s to {end_s} s does not follow the record, which ends at {last_s} s")
        if start_s > last_s + _ROUNDING_S:
            self._add_corner(start_s, 0.0)
        if end_s > last_s:
            self._add_corner(end_s, current_a)
        if self._corners_s[0] < end_s - 1.25 * self._horizon_s:
            self._forget(end_s - self._horizon_s)

    def _add_corner(self, end_s: float, current_a: float) -> None:
        charge_c = self._charges_c[-1] + current_a * (end_s - self._corners_s[-1])
        if current_a == self._last_current_a:
            self._corners_s[-1], self._charges_c[-1] = end_s, charge_c
        else:
            self._corners_s.append(end_s)
            self._charges_c.append(charge_c)
            self._last_current_a = current_a

    def _forget(self, before_s: float) -> None:
        keep = max(bisect_right(self._corners_s, before_s) - 1, 0)
        del self._corners_s[:keep]
        del self._charges_c[:keep]
        for record in self._pins.values():
            gone = bisect_left(record.times_s, before_s)
            if gone:
                record.initial = record.rising[gone - 1]
                del record.times_s[:gone]
                del record.rising[:gone]

    def _charge_at(self, times_s: NDArray[np.float64]) -> NDArray[np.float64]:
        first_s, last_s = float(times_s[0]), float(times_s[-1])
        if first_s < self.start_s - _ROUNDING_S or last_s > self.end_s + _ROUNDING_S:
            raise ValueError(
                f"{first_s:.9f} s to {last_s:.9f} s is outside the record, which spans {self.start_s:.9f} s to {self.end_s:.9f} s"
            )
        low = max(bisect_right(self._corners_s, first_s) - 1, 0)
        high = min(bisect_left(self._corners_s, last_s) + 1, len(self._corners_s))
        corners_s = np.asarray(self._corners_s[low:high])
        charges_c = np.asarray(self._charges_c[low:high])
        charge: NDArray[np.float64] = np.interp(times_s, corners_s, charges_c - charges_c[0])
        return charge

    def current_samples(self, start_s: float, period_s: float, count: int) -> NDArray[np.float64]:
        """Return ``count`` mean currents [A] of consecutive intervals of ``period_s``, the first beginning at ``start_s``.

        Each is the exact integral over its interval divided by the period. Raises ValueError outside the record, for a period that is not
        above 0 or a negative count.
        """
        if period_s <= 0 or count < 0:
            raise ValueError(f"need a period above 0 s and a count of at least 0, not {period_s} s and {count}")
        edges_s = start_s + period_s * np.arange(count + 1, dtype=np.float64)
        means: NDArray[np.float64] = np.diff(self._charge_at(edges_s)) / period_s
        return means

    def charge_c(self, start_s: float, end_s: float) -> float:
        """Return the charge [C] drawn between two times. Raises ValueError outside the record or for end before start."""
        if end_s < start_s:
            raise ValueError(f"the window ends at {end_s} s, before its start at {start_s} s")
        charges = self._charge_at(np.array([start_s, end_s]))
        return float(charges[1] - charges[0])

    def add_level(self, pin: str, at_s: float, level: bool) -> None:
        """Record that ``pin`` (a name like "PA5") is at ``level`` from ``at_s`` on; nothing is added if it was already."""
        record = self._pins.setdefault(pin, _PinRecord())
        if record.times_s and at_s < record.times_s[-1]:
            raise ValueError(f"{pin}: an edge at {at_s} s does not follow the last one, at {record.times_s[-1]} s")
        current = record.rising[-1] if record.rising else record.initial
        if level != current:
            record.times_s.append(at_s)
            record.rising.append(level)

    def edges(self, pin: str, start_s: float, end_s: float) -> list[Edge]:
        """Return the edges of ``pin`` with start_s <= time < end_s, in order; a pin that never moved has none."""
        record = self._pins.get(pin)
        if record is None:
            return []
        low, high = bisect_left(record.times_s, start_s), bisect_left(record.times_s, end_s)
        return [Edge(record.times_s[i], record.rising[i]) for i in range(low, high)]

    def level(self, pin: str, at_s: float) -> bool:
        """Return the level of ``pin`` at a time; low for a pin that never moved."""
        record = self._pins.get(pin)
        if record is None:
            return False
        index = bisect_right(record.times_s, at_s)
        return record.rising[index - 1] if index else record.initial
