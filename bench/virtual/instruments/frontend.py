"""The analogue half of a virtual instrument: what it makes of the true current before it turns it into bytes.

Bandwidth, ranges that switch with hysteresis and need a moment to settle, gain and offset of each range, noise. Its errors are drawn
by seed from the limits of the data sheet, so that many seeds are many instruments of one kind.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.virtual.instruments.wiring import Board

_DOWN_AT = 0.8
"""A range is left downwards below this share of the upper end of the next lower one."""
_SUPPLY_LIMIT_V = 3.6
"""What the boards stand (DS10693 table 16): nobody sets up a virtual 3.6 V to see it destroyed by the instrument's 1 %."""


@dataclass(frozen=True, slots=True)
class DataSheet:
    """Limits of one kind of instrument. ``salt`` tells kinds apart in the random numbers.

    ``range_tops_a``: upper end of each range, finest first. Samples above ``trip_a`` are beyond the instrument. ``glitch``: by so much
    (relative) a sample right after a change of range is off, and ``settle_s`` is the time constant with which that dies away.
    """

    salt: int
    gain: float
    offset_a: float
    clock: float
    vdd_set: float
    vdd_read: float
    range_tops_a: tuple[float, ...]
    trip_a: float
    bandwidth_hz: float
    noise_floor_a: float
    noise_of_reading: float
    glitch: float
    settle_s: float


@dataclass(frozen=True, slots=True)
class Errors:
    """How this very instrument (by its seed) differs from an ideal one. Gains and offsets by range; the rest relative."""

    gains: tuple[float, ...]
    offsets_a: tuple[float, ...]
    clock: float
    vdd_set: float
    vdd_read: float
    temperature_degc: float

    @classmethod
    def of(cls, sheet: DataSheet, seed: int) -> Errors:
        """Draw the errors of instrument ``seed``, each evenly between the limits."""
        ranges = len(sheet.range_tops_a)
        draw = np.random.default_rng([sheet.salt, seed]).uniform(-1.0, 1.0, 2 * ranges + 4)
        gains, offsets, (clock, vdd_set, vdd_read, temperature) = np.split(draw, [ranges, 2 * ranges])
        return cls(
            gains=tuple(float(value) for value in 1.0 + sheet.gain * gains),
            offsets_a=tuple(float(value) for value in sheet.offset_a * offsets),
            clock=sheet.clock * float(clock),
            vdd_set=sheet.vdd_set * float(vdd_set),
            vdd_read=sheet.vdd_read * float(vdd_read),
            temperature_degc=27.0 + 3.0 * float(temperature),
        )

    def supply_v(self, volts: float) -> float:
        """The voltage that the instrument gives when ``volts`` is set."""
        given_v = volts * (1.0 + self.vdd_set)
        return min(given_v, _SUPPLY_LIMIT_V) if volts <= _SUPPLY_LIMIT_V else given_v


class FrontEnd:
    """Sees consecutive samples of the board's current. The result does not depend on how they are cut into calls."""

    def __init__(self, board: Board, sheet: DataSheet, errors: Errors, period_s: float, noise_seed: int) -> None:
        self._board = board
        self._sheet = sheet
        self._period_s = period_s
        self._gains = np.asarray(errors.gains)
        self._offsets_a = np.asarray(errors.offsets_a)
        self._random = np.random.default_rng([0x6E6F, noise_seed])
        self._history = np.zeros(0)
        self._range = -1
        self._settled = 1 << 30
        self._weights = _low_pass_weights(1.0 / (2 * np.pi * sheet.bandwidth_hz * period_s))

    def take(self, start_s: float, count: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return the next ``count`` samples [A], from board time ``start_s`` on, and the range that each was seen in."""
        true_a = np.asarray(self._board.timeline.current_samples(start_s, self._period_s, count), np.float64)
        smooth_a = self._low_pass(true_a)
        ranges, since = self._follow(smooth_a)
        seen_a = self._gains[ranges] * smooth_a + self._offsets_a[ranges]
        spread_a = np.hypot(self._sheet.noise_floor_a, self._sheet.noise_of_reading * seen_a)
        seen_a = seen_a + spread_a * self._random.standard_normal(count)
        # A glitch shorter than a sample is averaged into it.
        share = min(1.0, self._sheet.settle_s / self._period_s)
        glitch = self._sheet.glitch * share * np.exp(-np.minimum(since, 100) * self._period_s / self._sheet.settle_s)
        return seen_a * (1.0 + np.where(since < 50, glitch, 0.0)), ranges

    def _follow(self, current_a: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the range of each sample, and how many samples ago it was entered."""
        tops = np.asarray(self._sheet.range_tops_a[:-1])
        lowest, highest = np.searchsorted(tops, current_a), np.searchsorted(_DOWN_AT * tops, current_a)
        ranges, since = np.empty(current_a.size, np.int64), np.empty(current_a.size, np.int64)
        at = 0
        while at < current_a.size:
            wanted = int(np.clip(self._range, lowest[at], highest[at]))
            if wanted != self._range:
                # The first sample of all finds the range already there.
                self._settled = 0 if self._range >= 0 else 1 << 30
                self._range = wanted
            leaving = np.flatnonzero((lowest[at:] > wanted) | (highest[at:] < wanted))
            until = at + int(leaving[0]) if leaving.size else current_a.size
            ranges[at:until] = wanted
            since[at:until] = self._settled + np.arange(until - at)
            self._settled += until - at
            at = until
        return ranges, since

    def _low_pass(self, current_a: NDArray[np.float64]) -> NDArray[np.float64]:
        """First-order low pass at the analogue bandwidth."""
        terms = self._weights.size
        if not self._history.size:
            self._history = np.full(terms - 1, current_a[0] if current_a.size else 0.0)
        signal = np.concatenate((self._history, current_a))
        self._history = signal[signal.size - (terms - 1) :]
        return np.convolve(signal, self._weights, "valid")


def _low_pass_weights(time_constant: float) -> NDArray[np.float64]:
    """Return the weights of a sample and of those before it in what a first-order low pass makes of it, averaged over the sample.

    ``time_constant`` is in samples. Within a sample the input counts as constant; the delay comes out as exactly one time constant.
    """
    pole = float(np.exp(-1.0 / time_constant))
    carried = time_constant * (1.0 - pole)
    # Few terms do: a sample period is several time constants.
    terms = max(1, int(np.ceil(np.log(1e-9) / np.log(max(pole, 1e-300)))))
    before = carried * (1.0 - pole) * pole ** np.arange(terms)
    weights = np.concatenate(([1.0 - carried], before))
    return weights / float(weights.sum())
