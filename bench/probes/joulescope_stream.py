"""The streams of a Joulescope: messages of its host driver in, one checked window out. Pure.

Ref: pyjoulescope_driver 2.2, binding.pyx (fields of a stream message) and record.py (their use). A message holds ``data`` with its first sample's number
``sample_id``, which counts at ``sample_rate``; every ``decimate_factor``-th is sent. Currents and voltages are float32, logic inputs one bit a
sample, lowest bit first, whose last byte may be padded. Signals of one instrument count alike, so that equal numbers are equal times.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.errors import ProbeProtocolError, ProbeTimeout, SamplesLost
from bench.units import format_si

_LOST_HINT = "measure again; without a USB hub, on another port, on a less busy host"
_PROTOCOL_HINT = "update pyjoulescope_driver and the instrument's firmware; re-plug the probe"
_PADDING = 8
"""So many samples at the end of a logic signal may be padding until the next message tells."""
_MAX_SAMPLES = 1 << 26
"""In one message; an instrument sends some ten thousand."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Consecutive samples (n,) from sample number ``start`` on, ``step`` numbers apart, numbered at ``rate_hz``."""

    start: int
    step: int
    rate_hz: float
    values: NDArray[np.generic]


def parse_message(name: str, message: object, *, bits: bool) -> Piece:
    """Return what ``message`` of signal ``name`` holds; ``bits``: a logic input. Raises ProbeProtocolError."""
    if not isinstance(message, Mapping):
        raise _bad(name, f"a message is {type(message).__name__}, not a mapping")
    fields = {}
    for key, low, high in (
        ("sample_id", 0, 2**63),
        ("sample_rate", 1, 100_000_000),
        ("decimate_factor", 1, 100_000_000),
    ):
        value = message.get(key)
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or not low <= value <= high:
            raise _bad(name, f"{key} is {value!r}")
        fields[key] = int(value)
    data = message.get("data")
    wanted = np.uint8 if bits else np.float32
    if not isinstance(data, np.ndarray) or data.ndim != 1 or data.dtype != wanted or data.size > _MAX_SAMPLES:
        raise _bad(name, f"data are no {np.dtype(wanted).name} samples")
    step = fields["decimate_factor"]
    if fields["sample_id"] % step:
        raise _bad(name, f"sample number {fields['sample_id']} is no multiple of {step}")
    values = np.unpackbits(data, bitorder="little").astype(bool) if bits else data
    return Piece(fields["sample_id"], step, float(fields["sample_rate"]), values)


class Signal:
    """One signal's samples, without gaps. Incremental: the result does not depend on how they are cut into messages."""

    def __init__(self, name: str, *, bits: bool = False) -> None:
        self.name = name
        self._bits = bits
        self._pieces: list[Piece] = []

    @property
    def empty(self) -> bool:
        """Nothing has come yet."""
        return not self._pieces

    @property
    def rate_hz(self) -> float:
        """The rate at which numbers count."""
        return self._pieces[0].rate_hz

    @property
    def step(self) -> int:
        """Numbers from one sample to the next."""
        return self._pieces[0].step

    @property
    def start(self) -> int:
        """The number of the first sample kept."""
        return self._pieces[0].start

    @property
    def end(self) -> int:
        """The number after the last sample, 0 where there is none."""
        if not self._pieces:
            return 0
        last = self._pieces[-1]
        return last.start + last.step * last.values.size

    def feed(self, message: object) -> None:
        """Take the next message. Raises ProbeProtocolError, SamplesLost where it does not follow the one before."""
        piece = parse_message(self.name, message, bits=self._bits)
        if not piece.values.size:
            return
        if self._pieces:
            self._follow(piece)
        self._pieces.append(piece)

    def drop_before(self, number: int) -> None:
        """Forget whole messages that end at or before sample ``number``, but not the last."""
        while len(self._pieces) > 1 and self._pieces[1].start <= number:
            del self._pieces[0]

    def between(self, start: int, count: int) -> NDArray[np.generic]:
        """Return ``count`` samples from number ``start`` on, which must be kept here."""
        first = (start - self.start) // self.step
        values = np.concatenate([piece.values for piece in self._pieces])[first : first + count]
        assert values.size == count
        return values

    def values(self) -> NDArray[np.generic]:
        """Return all samples kept."""
        return np.concatenate([piece.values for piece in self._pieces])

    def _follow(self, piece: Piece) -> None:
        last = self._pieces[-1]
        if (piece.step, piece.rate_hz) != (last.step, last.rate_hz):
            raise _bad(
                self.name, f"the rate changed from {last.rate_hz / last.step:g} to {piece.rate_hz / piece.step:g} Hz"
            )
        beyond = (self.end - piece.start) // last.step
        if self._bits and 0 < beyond < 8 and beyond < last.values.size:
            # The padding of the last byte.
            self._pieces[-1] = Piece(last.start, last.step, last.rate_hz, last.values[:-beyond])
        elif beyond < 0:
            raise SamplesLost(
                f"about {-beyond} samples of {self.name} lost after number {self.end}, by the instrument's count",
                hint=_LOST_HINT,
            )
        elif beyond > 0:
            raise _bad(self.name, f"sample {piece.start} comes again, {self.end} was next")


@dataclass(frozen=True, slots=True)
class Window:
    """A whole window: the mean current of every 1 / ``sample_rate_hz`` from the trigger's rise on, and when it fell."""

    sample_rate_hz: float
    current_a: NDArray[np.float32]
    fall_s: float
    resolution_s: float
    vdd_v: float


class TriggeredStreams:
    """Looks for the first rise of the trigger in the streams, and collects ``duration_s`` from there on, averaged to ``sample_rate_hz``."""

    def __init__(self, sample_rate_hz: float, duration_s: float) -> None:
        self._sample_rate_hz = sample_rate_hz
        self._duration_s = duration_s
        self._signals = {
            "current": Signal("the current"),
            "voltage": Signal("the voltage"),
            "trigger": Signal("the trigger input", bits=True),
        }
        self._ends: dict[str, int] = {}
        self.rise: int | None = None
        """The number of the first sample with the trigger high after one with it low."""

    @property
    def complete(self) -> bool:
        """All that is wanted is here."""
        return self.rise is not None and all(self._covered(name) for name in self._signals)

    @property
    def always_high(self) -> bool:
        """The trigger has been high in all of its samples."""
        trigger = self._signals["trigger"]
        return not trigger.empty and bool(trigger.values().all())

    def feed(self, name: str, message: object) -> None:
        """Take a message of signal ``name``: current, voltage or trigger. Raises ProbeProtocolError, SamplesLost."""
        if self._covered(name):
            return
        signal = self._signals[name]
        signal.feed(message)
        if signal.empty:
            return
        if name == "trigger" and self.rise is None:
            self._look_for_rise(signal)
        if self.rise is not None:
            for each in self._signals.values():
                if not each.empty and each.start > self.rise:
                    raise SamplesLost(f"{each.name} begins only after the trigger's rise", hint="measure again")
        elif name != "trigger" and not self._signals["trigger"].empty:
            trigger = self._signals["trigger"]
            signal.drop_before(trigger.end - _PADDING * trigger.step)

    def _covered(self, name: str) -> bool:
        """Signal ``name`` is here as far as it is wanted."""
        signal = self._signals[name]
        if self.rise is None or signal.empty:
            return False
        if name not in self._ends:
            self._ends[name] = self.rise + self._span(signal)
        return signal.end >= self._ends[name]

    def window(self) -> Window:
        """Return the window of the complete streams. Raises SamplesLost (a sample that is missing), ProbeTimeout, ProbeProtocolError."""
        assert self.complete
        assert self.rise is not None
        current, trigger = self._signals["current"], self._signals["trigger"]
        high = trigger.between(self.rise, self._count(trigger)).astype(bool)
        edges = np.flatnonzero(np.diff(high.astype(np.int8))) + 1
        if not edges.size:
            raise ProbeTimeout(
                f"the trigger input did not fall within {format_si(self._duration_s, 's')}",
                hint="capture for longer, or check the trigger wire and that the firmware ends its window",
            )
        if edges.size > 1:
            raise ProbeProtocolError(
                f"the trigger input changed {edges.size} times in one window, at samples {', '.join(map(str, edges[:4]))}",
                hint="check the trigger wire (bounce, a floating input) and that the firmware raises the pin once",
            )
        step_s = trigger.step / trigger.rate_hz
        return Window(
            sample_rate_hz=self._sample_rate_hz,
            current_a=self._averaged(current),
            fall_s=float(edges[0]) * step_s,
            resolution_s=step_s,
            vdd_v=float(self._averaged(self._signals["voltage"]).mean(dtype=np.float64)),
        )

    def _look_for_rise(self, trigger: Signal) -> None:
        values = trigger.values()[:-_PADDING].astype(bool)
        rises = np.flatnonzero(~values[:-1] & values[1:]) + 1
        if rises.size:
            self.rise = trigger.start + int(rises[0]) * trigger.step
        else:
            trigger.drop_before(trigger.end - 2 * _PADDING * trigger.step)

    def _averaging(self, signal: Signal) -> int:
        """Return how many samples of ``signal`` make one of the result. Raises ProbeProtocolError."""
        share = signal.rate_hz / signal.step / self._sample_rate_hz
        if share < 1 or share != int(share):
            raise _bad(
                signal.name,
                f"{format_si(signal.rate_hz / signal.step, 'Hz')} is no multiple of the {format_si(self._sample_rate_hz, 'Hz')} asked for",
            )
        return int(share)

    def _count(self, signal: Signal) -> int:
        """Return how many samples of ``signal`` are wanted."""
        if signal.name == self._signals["trigger"].name:
            return round(self._duration_s * signal.rate_hz / signal.step)
        return round(self._duration_s * self._sample_rate_hz) * self._averaging(signal)

    def _span(self, signal: Signal) -> int:
        """Return how many numbers that is, with what a start between two samples and padding may cost."""
        return (self._count(signal) + _PADDING) * signal.step

    def _averaged(self, signal: Signal) -> NDArray[np.float32]:
        assert self.rise is not None
        start = -(-self.rise // signal.step) * signal.step
        values = signal.between(start, self._count(signal)).astype(np.float32)
        missing = np.count_nonzero(~np.isfinite(values))
        if missing:
            raise SamplesLost(f"{missing} of {values.size} samples of {signal.name} are missing", hint=_LOST_HINT)
        share = self._averaging(signal)
        return values if share == 1 else values.reshape(-1, share).mean(axis=1, dtype=np.float64).astype(np.float32)


def _bad(name: str, what: str) -> ProbeProtocolError:
    return ProbeProtocolError(f"{name}: {what}", hint=_PROTOCOL_HINT)
