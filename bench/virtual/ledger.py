"""Books the supply current of a virtual board, span by span."""

from __future__ import annotations

from bench.virtual.cpu import Cpu
from bench.virtual.supply import TYPICAL, CurrentModel, Mix, OperatingState
from bench.virtual.timeline import Timeline


class Ledger:
    """The record of one board's current, ``timeline``; ``state`` is what held since the last booking, None: without supply.

    Whoever changes anything that the current depends on books first, then sets ``state``.
    """

    def __init__(self, model: CurrentModel, cpu: Cpu) -> None:
        self.timeline = Timeline()
        self.state: OperatingState | None = None
        self._model = model
        self._cpu = cpu
        self._booked_s = 0.0
        self._booked_work = cpu.activity

    def book(self, now_s: float, factor: float = 1.0) -> None:
        """Book the span up to ``now_s``: the state did not change in it, and the core's counters say what it did. ``factor``: of a fault."""
        if now_s <= self._booked_s:
            return
        mix = TYPICAL
        if self._cpu.cycles > self._booked_work.cycles:
            work = self._cpu.activity
            mix = Mix.of(work - self._booked_work)
            self._booked_work = work
        current_a = 0.0 if self.state is None else self._model.current_a(self.state, mix)
        self.timeline.append(self._booked_s, now_s, current_a * factor)
        self._booked_s = now_s
