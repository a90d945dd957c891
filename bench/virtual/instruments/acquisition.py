"""One acquisition of the virtual LPM01A: trigger, sampling with the instrument's own errors, the stream it sends."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.virtual.instruments.encode import Encoder
from bench.virtual.instruments.wiring import Board

STAMP_EVERY = 1000
_NOISE_FLOOR_A = 2e-6
_NOISE_OF_READING = 1e-3
_LOST_SAMPLES_S = 5e-3  # at least three steps of the time stamps' clock


@dataclass(frozen=True, slots=True)
class Errors:
    """How this very instrument (by its seed) differs from an ideal one, inside the limits of the data sheet."""

    gain: float
    offset_a: float
    clock: float
    vdd: float
    temperature_degc: float

    @classmethod
    def of(cls, seed: int) -> Errors:
        """Draw the errors of instrument ``seed``: gain 2 %, offset 100 nA (UM2243), crystal 20 ppm, supply 0.3 %."""
        draw = np.random.default_rng([0x4C504D, seed]).uniform(-1.0, 1.0, 5)
        return cls(
            gain=1.0 + 0.018 * float(draw[0]),
            offset_a=90e-9 * float(draw[1]),
            clock=20e-6 * float(draw[2]),
            vdd=3e-3 * float(draw[3]),
            temperature_degc=27.0 + 3.0 * float(draw[4]),
        )


@dataclass(frozen=True, slots=True)
class Settings:
    """What the host has set when it says ``start``; ``sample_limit`` None: until told to stop."""

    rate_hz: int
    sample_limit: int | None
    hardware_trigger: bool
    trigger_delay_s: float
    events_rising: bool
    events_falling: bool
    range_a: float
    bandwidth_hz: float
    vdd_v: float


class Acquisition:
    """Makes the stream as far as the board's time has come. ``finished`` once the end mark is made."""

    def __init__(
        self, board: Board, settings: Settings, encoder: Encoder, errors: Errors, seed: int, faults: frozenset[str]
    ) -> None:
        self._board = board
        self._settings = settings
        self._encoder = encoder
        self._errors = errors
        self._faults = faults
        self._random = np.random.default_rng([0x6E6F, seed])
        self._armed_s = board.time_s
        self._start_s: float | None = None
        # The instrument counts periods of its own crystal; a fast crystal makes them short.
        self._period_s = 1.0 / settings.rate_hz / (1.0 + errors.clock)
        self._taken = 0
        self._sent = 0
        self._events = 0
        self._events_from_s = 0.0
        self._history = np.zeros(0)
        # A third into the acquisition: in the middle of whatever is measured.
        self._to_lose = 0
        self._statistics = (math.inf, -math.inf, 0.0)
        self._fault_at = (settings.sample_limit or 3 * STAMP_EVERY) // 3
        self.finished = False
        self.unplugged = False

    def produce(self) -> bytes:
        """Return the bytes that became due since the last call."""
        out = bytearray()
        if self._start_s is None and not self._trigger(out):
            return b""
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
        return ["summary beg", *lines, "summary end"]

    def _trigger(self, out: bytearray) -> bool:
        now_s = self._board.time_s
        if self._settings.hardware_trigger:
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
        out += self._encoder.conditions(self._settings.vdd_v, self._errors.temperature_degc)
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
            seen_a = self._take(until - self._taken)
            limit_a = self._settings.range_a * 1.05
            out += self._encoder.samples(np.clip(seen_a, 0.0, limit_a))
            self._sent += seen_a.size
            if float(seen_a.max()) > limit_a:
                self._end_in_overcurrent(out)
                return
            if self._sent % STAMP_EVERY == 0:
                # By the instrument's own clock, of the samples taken (not of those sent): loss shows.
                out += self._encoder.stamp(self._taken * 1000 // self._settings.rate_hz, 3)
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
        true_a = np.asarray(self._board.timeline.current_samples(start_s, self._period_s, count), np.float64)
        seen_a = self._errors.gain * self._low_pass(true_a) + self._errors.offset_a
        spread_a = np.hypot(_NOISE_FLOOR_A, _NOISE_OF_READING * seen_a)
        seen_a = seen_a + spread_a * self._random.standard_normal(count)
        self._taken += count
        self._statistics = (
            min(self._statistics[0], float(seen_a.min())),
            max(self._statistics[1], float(seen_a.max())),
            self._statistics[2] + float(seen_a.sum()),
        )
        return seen_a

    def _low_pass(self, current_a: NDArray[np.float64]) -> NDArray[np.float64]:
        """First-order low pass at the analogue bandwidth; few terms do: a sample period is several time constants."""
        pole = float(np.exp(-2 * np.pi * self._settings.bandwidth_hz * self._period_s))
        terms = max(1, int(np.ceil(np.log(1e-9) / np.log(max(pole, 1e-300)))))
        weights = (1 - pole) * pole ** np.arange(terms)
        weights /= weights.sum()
        if not self._history.size:
            self._history = np.full(terms - 1, current_a[0])
        signal = np.concatenate((self._history, current_a))
        self._history = signal[signal.size - (terms - 1) :]
        return np.convolve(signal, weights, "valid")

    def _end_in_overcurrent(self, out: bytearray) -> None:
        out += self._encoder.overcurrent() + self._encoder.end()
        self.finished = True

    def _misbehave(self, out: bytearray) -> None:
        if "overcurrent" in self._faults:
            self._end_in_overcurrent(out)
        if "garbage" in self._faults:
            # What a broken line gives: idle level, then noise.
            out += b"\xff\x13" + self._random.bytes(62)
        if "lost" in self._faults:
            self._to_lose = max(3, round(_LOST_SAMPLES_S * self._settings.rate_hz))
        self.unplugged = "disconnect" in self._faults
