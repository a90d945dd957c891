"""The sample stream of a Nordic PPK2: bytes in, one checked window out. Pure.

Ref: pc-nrfconnect-ppk, src/device/serialDevice.ts. A sample is 32 bits, little endian, 100,000 a second: bits 0-13 ADC, 14-16 range, 18-23
a counter, 24-31 the logic port D0-D7. The stream has no frame marks: it is aligned where it started, and a misalignment shows in the counter.

A loss of a whole multiple of 64 samples leaves the counter as it was: the driver compares with the clock for that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.errors import ProbeProtocolError, ProbeTimeout, SamplesLost
from bench.probes.ppk2_calibration import HISTORY, RANGES
from bench.units import format_si

SAMPLE_RATE_HZ = 100_000
SAMPLE_BYTES = 4
_COUNTER_MASK = 0x3F
_LEAD_SAMPLES = 16
"""So many samples before the trigger must be whole, too: the spike filter starts from them."""

_LOST_HINT = "measure again; without a USB hub, on another port, on a less busy host"
_TRIGGER_HINT = (
    "check the trigger wire from the board's trigger pin to the logic port's D0, and VCC and GND of that port"
)


@dataclass(frozen=True, slots=True)
class Samples:
    """The fields of raw samples, (n,) each. ``trigger``: the level of D0."""

    adc: NDArray[np.uint32]
    ranges: NDArray[np.uint32]
    counter: NDArray[np.uint32]
    trigger: NDArray[np.bool_]

    @classmethod
    def of(cls, words: NDArray[np.uint32]) -> Samples:
        """Take ``words`` (n,) apart."""

        def field(shift: int, mask: int) -> NDArray[np.uint32]:
            return (words >> np.uint32(shift)) & np.uint32(mask)

        return cls(field(0, 0x3FFF), field(14, 0x7), field(18, _COUNTER_MASK), field(24, 1).astype(bool))


@dataclass(frozen=True, slots=True)
class TriggeredWindow:
    """``samples`` from ``before`` samples ahead of the first with the trigger high on; the trigger is low again from sample ``fall`` after
    that one on.
    """

    samples: Samples
    before: int
    fall: int


class TriggeredStream:
    """Collects ``wanted`` samples from the first rising edge of D0 on. What is lost before that edge does not matter.

    Incremental: the result does not depend on how the bytes are cut into pieces.
    """

    def __init__(self, wanted: int) -> None:
        self._wanted = wanted
        self._pending = b""
        self._history = np.empty(0, np.uint32)
        self._window: list[NDArray[np.uint32]] = []
        self.since_rise = 0
        """Samples that have come from the rising edge on."""
        self.seen = 0
        """Samples that have come in all."""
        self.always_high = True

    @property
    def triggered(self) -> bool:
        """The rising edge has come."""
        return bool(self._window)

    @property
    def complete(self) -> bool:
        """All that was wanted is here."""
        return self.triggered and self.since_rise >= self._wanted

    def feed(self, data: bytes) -> None:
        """Take the next bytes. Raises SamplesLost, ProbeProtocolError at the first that cannot belong to a whole stream."""
        data = self._pending + data
        whole = len(data) // SAMPLE_BYTES * SAMPLE_BYTES
        self._pending = data[whole:]
        words = np.frombuffer(data[:whole], "<u4").astype(np.uint32)
        if not words.size:
            return
        self.seen += words.size
        if not self.triggered:
            words = self._await_rise(words)
        if words.size and self.triggered:
            self._check(words)
            self._window.append(words)
            self.since_rise += words.size

    def window(self) -> TriggeredWindow:
        """Return the whole window. Raises ProbeTimeout where the trigger did not fall in it, ProbeProtocolError where it rose again."""
        words = np.concatenate(self._window)
        before = self._window[0].size
        samples = Samples.of(words[: before + self._wanted])
        high = samples.trigger[before:]
        edges = np.flatnonzero(np.diff(high.astype(np.int8))) + 1
        if not edges.size:
            raise ProbeTimeout(
                f"the trigger input did not fall within {format_si(high.size / SAMPLE_RATE_HZ, 's')}",
                hint="capture for longer, or check the trigger wire and that the firmware ends its window",
            )
        if edges.size > 1:
            raise ProbeProtocolError(
                f"the trigger input changed {edges.size} times in one window, at samples {', '.join(map(str, edges[:4]))}",
                hint="check the trigger wire (bounce, a floating input) and that the firmware raises the pin once",
            )
        return TriggeredWindow(samples, before, int(edges[0]))

    def _await_rise(self, words: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """Look for the rise; keep what comes before it, return what comes from it on."""
        words = np.concatenate((self._history, words))
        samples = Samples.of(words)
        self.always_high = self.always_high and bool(samples.trigger.all())
        rises = np.flatnonzero(~samples.trigger[:-1] & samples.trigger[1:]) + 1
        end = int(rises[0]) if rises.size else words.size
        gaps = np.flatnonzero(_steps(samples.counter[: end + 1]) != 1) + 1
        if rises.size and gaps.size and gaps[-1] > end - _LEAD_SAMPLES:
            raise SamplesLost(
                f"about {_lost(samples.counter, int(gaps[-1]))} samples lost {end - int(gaps[-1])} samples before the trigger",
                hint=_LOST_HINT,
            )
        start = max(int(gaps[-1]) if gaps.size else 0, end - HISTORY, 0)
        self._history = words[start:end]
        if not rises.size:
            return words[:0]
        _refuse_ranges(samples.ranges[start:end])
        self._window = [self._history]
        return words[end:]

    def _check(self, words: NDArray[np.uint32]) -> None:
        # Only what is wanted must be whole; the stream may end anyhow.
        words = words[: max(self._wanted - self.since_rise, 0)]
        if not words.size:
            return
        joined = Samples.of(np.concatenate((self._window[-1][-1:], words)))
        _refuse_ranges(joined.ranges)
        gaps = np.flatnonzero(_steps(joined.counter) != 1) + 1
        if gaps.size:
            first = int(gaps[0])
            raise SamplesLost(
                f"about {_lost(joined.counter, first)} samples lost {self.since_rise + first - 1} samples after the trigger "
                "(by the instrument's counter, modulo 64)",
                hint=_LOST_HINT,
            )


def no_rise(stream: TriggeredStream, name: str, waited_s: float) -> ProbeTimeout:
    """Return the error for a trigger that did not come."""
    if stream.seen and stream.always_high:
        return ProbeTimeout(
            f"{name}: D0 was high all the time ({stream.seen} samples); its rise was missed", hint=_TRIGGER_HINT
        )
    return ProbeTimeout(f"{name} saw no rising edge on D0 within {format_si(waited_s, 's')}", hint=_TRIGGER_HINT)


def _steps(counter: NDArray[np.uint32]) -> NDArray[np.uint32]:
    return (counter[1:] - counter[:-1]) & np.uint32(_COUNTER_MASK)


def _lost(counter: NDArray[np.uint32], at: int) -> int:
    return (int(counter[at]) - int(counter[at - 1]) - 1) % (_COUNTER_MASK + 1)


def _refuse_ranges(ranges: NDArray[np.uint32]) -> None:
    wrong = np.flatnonzero(ranges >= RANGES)
    if wrong.size:
        raise ProbeProtocolError(
            f"a sample claims range {ranges[wrong[0]]}, there are 0 to {RANGES - 1}: the stream is out of step",
            hint="re-plug the probe, then measure again",
        )
