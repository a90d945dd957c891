"""Keeps a station open from one image to the next.

Opening one takes longer than measuring some points: an LPM01A calibrates itself for seconds when it switches the supply on, pyOCD walks the
debug components, and a virtual board is made anew.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType

from bench.measure.settings import Settings
from bench.measure.station import OpenStation
from bench.sweep.plan import ImagePlan

ANEW_AFTER_S = 600.0
"""A station is opened anew after so long: probes calibrate themselves when they switch the supply on, and a night changes temperatures."""


class KeptOpen(AbstractContextManager["KeptOpen"]):
    """The station of the images that are measured one after the other; opened by the first, closed at the end."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._place: OpenStation | None = None
        self._since_s = 0.0

    def at(self, plan: ImagePlan) -> OpenStation:
        """Return the station of ``plan``, as the image before left it, or not connected."""
        place = self._place
        if place is not None and (place.station != plan.station or self._clock() - self._since_s > ANEW_AFTER_S):
            self.let_go()
            place = None
        if place is None:
            place = self._place = OpenStation(plan.station, plan.board, self._settings)
            self._since_s = self._clock()
        return place

    def let_go(self) -> None:
        """Close the station, so that the next image begins with one that is opened anew: after any failure."""
        if self._place is not None:
            self._place.close()
            self._place = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.let_go()
