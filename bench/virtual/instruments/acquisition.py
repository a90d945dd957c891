"""One acquisition of a virtual PowerShield instrument: trigger, sampling, the stream that it sends."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.virtual.instruments.encode import Encoder
from bench.virtual.instruments.frontend import FrontEnd
from bench.virtual.instruments.wiring import Board

STAMP_EVERY = 1000
_LOST_SAMPLES_S = 5e-3  # at least three steps of the time stamps' clock
_STALE_SAMPLES = 300
_PEAKS_S = 1e-3
"""In static mode the current is watched for changes through a filter of this length."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the host has set when it says ``start``; ``sample_limit`` None: until told to stop. ``constant_to``: in static mode, by how much of its
    mean (relative) the current may change within a sample; None in dynamic mode.
    """

    period_s: float
    sample_limit: int | None
    hardware_trigger: bool
    trigger_delay_s: float
    events_rising: bool
    events_falling: bool
    trip_a: float
    vdd_v: float
    temperature_degc: float
    constant_to: float | None = None


class Acquisition:
    """Makes the stream as far as the board's time has come. ``finished`` once the end mark is made."""

    def __init__(
        self,
        board: Board,
        settings: Settings,
        encoder: Encoder,
        front_end: FrontEnd,
        true_period_s: float,
        faults: frozenset[str],
    ) -> None:
        """``true_period_s``: the sample period by the board's clock, which the instrument takes for ``settings.period_s``."""
        self._board = board
        self._settings = settings
        self._encoder = encoder
        self._front_end = front_end
        self._faults = faults
        self._armed_s = board.time_s
        self._start_s: float | None = None
        self._period_s = true_period_s
        self._taken = 0
        self._sent = 0
        self._events = 0
        self._events_from_s = 0.0
        # A third into the acquisition: in the middle of whatever is measured.
        self._to_lose = 0
        self._statistics = (math.inf, -math.inf, 0.0)
        self._fault_at = (settings.sample_limit or 3 * STAMP_EVERY) // 3
        self.finished = False
        self.unplugged = False

    def produce(self) -> bytes:
        """Return the bytes that became due since the last call."""
        out = bytearray()
        if "stale" in self._faults:
            self._faults -= {"stale"}
            out += stale_samples(self._encoder)
        if self._start_s is None and not self._trigger(out):
            return bytes(out)
        if not self.finished:
            self._run(out)
        return bytes(out)

    def stop(self) -> bytes:
        """End at once: what became due so far and the end mark."""
        out = bytearray(self.produce())
        if not self.finished:
            self.finished = True
            out += self._encoder.end()
        return bytes(out)

    @property
    def summary(self) -> list[str]:
        """Lowest, highest and mean current, as the lines the instrument ends an ASCII stream with."""
        low_a, high_a, sum_a = self._statistics
        values = (low_a, high_a, sum_a / self._taken) if self._taken else (0.0, 0.0, 0.0)
        lines = [
            f"Current {name} (nA): {value * 1e9:.0f}"
            for name, value in zip(("min", "max", "mean"), values, strict=True)
        ]
        mode = "dynamic" if self._settings.constant_to is None else "static"
        return ["summary beg", f"Acquisition mode: {mode}", *lines, "summary end"]

    def _trigger(self, out: bytearray) -> bool:
        now_s = self._board.time_s
        if self._settings.hardware_trigger:
            if "no_trigger" in self._faults:
                return False
            rises = [
                edge.time_s
                for edge in self._board.timeline.edges(self._board.trigger_pin, self._armed_s, now_s)
                if edge.rising and edge.time_s >= self._armed_s
            ]
            if not rises:
                return False
            edge_s = rises[0]
        else:
            edge_s = self._armed_s
        self._start_s = edge_s + self._settings.trigger_delay_s
        # The triggering edge itself is no event.
        self._events_from_s = math.nextafter(self._start_s, math.inf)
        out += self._encoder.conditions(self._settings.vdd_v, self._settings.temperature_degc)
        return True

    def _run(self, out: bytearray) -> None:
        """Take every sample that is over by now, in stretches that end at an event, a time stamp or a fault."""
        assert self._start_s is not None
        now_s = self._board.time_s
        due = int(np.floor((now_s - self._start_s) / self._period_s))
        limit = self._settings.sample_limit
        if limit is not None:
            due = min(due, limit)
        events = self._events_before(due) if due > self._taken else []
        while self._taken < due and not (self.finished or self.unplugged):
            while events and events[0] <= self._taken:
                events.pop(0)
                self._events += 1
                out += self._encoder.event(self._events)
            if self._taken == self._fault_at:
                self._misbehave(out)
                if self.finished or self.unplugged:
                    return
            if self._to_lose:
                # They are taken, so time goes on, but they never leave the instrument.
                lost = min(self._to_lose, due - self._taken)
                self._take(lost)
                self._to_lose -= lost
                continue
            until = min(due, self._taken + STAMP_EVERY - self._sent % STAMP_EVERY)
            if events:
                until = min(until, events[0])
            if self._taken < self._fault_at:
                until = min(until, self._fault_at)
            start_s = self._start_s + self._taken * self._period_s
            seen_a = self._take(until - self._taken)
            self._refuse_changes(start_s, out)
            limit_a = self._settings.trip_a
            out += self._encoder.samples(np.clip(seen_a, 0.0, limit_a))
            self._sent += seen_a.size
            if float(seen_a.max()) > limit_a:
                self._end_in_overcurrent(out)
                return
            if self._sent % STAMP_EVERY == 0:
                # By the instrument's own clock, of the samples taken (not of those sent): loss shows.
                out += self._encoder.stamp(int(self._taken * self._settings.period_s * 1000 + 1e-6), 3)
        if limit is not None and self._taken >= limit and not self.unplugged:
            self.finished = True
            out += self._encoder.end()

    def _events_before(self, due: int) -> list[int]:
        """The samples below number ``due`` within which an event falls that has not been told yet."""
        assert self._start_s is not None
        end_s = self._start_s + due * self._period_s
        found = [
            min(int((edge.time_s - self._start_s) / self._period_s), due - 1)
            for edge in self._board.timeline.edges(self._board.trigger_pin, self._events_from_s, end_s)
            if self._events_from_s <= edge.time_s < end_s
            and (self._settings.events_rising if edge.rising else self._settings.events_falling)
        ]
        self._events_from_s = end_s
        return found

    def _take(self, count: int) -> NDArray[np.float64]:
        """Return the next ``count`` samples, in ampere, as this instrument sees them before its range cuts them off."""
        assert self._start_s is not None
        start_s = self._start_s + self._taken * self._period_s
        seen_a, _ = self._front_end.take(start_s, count)
        self._taken += count
        self._statistics = (
            min(self._statistics[0], float(seen_a.min())),
            max(self._statistics[1], float(seen_a.max())),
            self._statistics[2] + float(seen_a.sum()),
        )
        return seen_a

    def _refuse_changes(self, start_s: float, out: bytearray) -> None:
        """Complain of a current that is not constant within the sample from ``start_s`` on. The number follows all the same."""
        allowed = self._settings.constant_to
        if allowed is None:
            return
        count = max(1, round(self._period_s / _PEAKS_S))
        seen_a = self._board.timeline.current_samples(start_s, self._period_s / count, count)
        mean_a = float(np.mean(seen_a))
        for peak, off_a in (("low", mean_a - float(seen_a.min())), ("high", float(seen_a.max()) - mean_a)):
            if off_a > allowed * mean_a:
                out += self._encoder.error(
                    f"Static acquisition: current not constant (current peak {peak}). Acquisition stopped."
                )
                return

    def _end_in_overcurrent(self, out: bytearray) -> None:
        out += self._encoder.overcurrent() + self._encoder.end()
        self.finished = True

    def _misbehave(self, out: bytearray) -> None:
        if "overcurrent" in self._faults:
            self._end_in_overcurrent(out)
        if "garbage" in self._faults:
            # What a broken line gives: idle level, then noise.
            out += b"\xff\x13" + np.random.default_rng(self._taken).bytes(62)
        if "lost_samples" in self._faults:
            self._to_lose = max(3, round(_LOST_SAMPLES_S / self._settings.period_s))
        self.unplugged = "disconnect" in self._faults


def stale_samples(encoder: Encoder) -> bytes:
    """Return what an earlier acquisition may have left in the buffers."""
    return encoder.samples(np.full(_STALE_SAMPLES, 1.25e-3))
