"""A virtual Nordic PPK2: its opcodes, metadata and stream.

Ref: pc-nrfconnect-ppk, src/constants.ts (opcodes) and src/device/serialDevice.ts (samples); Nordic's PPK2 user guide (ranges). In source
mode it feeds the board's IDD jumper, in ampere mode it passes the board's own 3.3 V on; D0 is wired to the board's trigger pin. Range
switching, its spikes and the depth of the buffers are modelled after what users report, not after a document.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.virtual.instruments.faults import struck
from bench.virtual.instruments.frontend import DataSheet, Errors, FrontEnd
from bench.virtual.instruments.ppk2_codes import Constants, words
from bench.virtual.instruments.wiring import Board, UnpluggedError

SHEET = DataSheet(
    salt=0x50504B32,
    gain=0.2,
    offset_a=200e-9,
    clock=100e-6,
    vdd_set=0.02,
    vdd_read=0.0,
    range_tops_a=(50e-6, 500e-6, 5e-3, 50e-3, 1.0),
    trip_a=1.0,
    bandwidth_hz=50e3,
    noise_floor_a=50e-9,
    noise_of_reading=2e-3,
    glitch=0.4,
    settle_s=8e-6,
)
PERIOD_S = 1e-5
BUFFER_SAMPLES = 16384
"""What the buffers between instrument and host hold; what comes while they are full is lost."""
_FAULT_AFTER = 500
"""Samples from the trigger on until a fault strikes."""
_LOST_SAMPLES = 100
_STALE_SAMPLES = 300
_SHORT_CIRCUIT_A = 1.6
_OWN_SUPPLY_V = 3.3
_SOURCE_MODE = 2
_ARGUMENTS = {0x0C: 1, 0x0D: 2, 0x11: 1, 0x12: 5, 0x25: 5}
"""Bytes that follow an opcode; none for all others."""


class VirtualPpk2:
    """The device end. ``seed`` stands for the serial number: it decides the errors, the constants and the noise."""

    def __init__(self, board: Board, seed: int = 0) -> None:
        self._board = board
        self._seed = seed
        self._errors = Errors.of(SHEET, seed)
        self._constants = Constants.of(seed)
        self._faults: frozenset[str] = frozenset()
        self._input = bytearray()
        self._output = bytearray()
        self._mode = _SOURCE_MODE
        self._vdd_mv = 3300
        self._powered = False
        self._unplugged = False
        self._stream: _Stream | None = None
        self._streams = 0
        self._number = 0

    def set_faults(self, faults: frozenset[str]) -> None:
        """Misbehave from now on in these ways, and plug in again an instrument that has left."""
        self._faults = faults
        self._unplugged = False
        self._stale()

    def receive(self, data: bytes) -> None:
        """Take bytes from the host. Unknown opcodes are passed over, as the real one does."""
        if self._unplugged:
            raise UnpluggedError
        self._input += data
        while self._input and len(self._input) > _ARGUMENTS.get(self._input[0], 0):
            count = _ARGUMENTS.get(self._input[0], 0)
            opcode, arguments = self._input[0], bytes(self._input[1 : count + 1])
            del self._input[: count + 1]
            self._collect()
            self._execute(opcode, arguments)

    def transmit(self) -> bytes:
        """Return the bytes due by now."""
        self._collect()
        out = bytes(self._output)
        self._output.clear()
        if self._unplugged and not out:
            raise UnpluggedError
        return out

    def _collect(self) -> None:
        stream = self._stream
        if stream is None:
            return
        self._output += stream.produce()
        self._number = stream.number
        if stream.unplugged:
            self._stream = None
            self._unplugged = True

    def _execute(self, opcode: int, arguments: bytes) -> None:
        match opcode:
            case 0x06:
                self._start()
            case 0x07:
                self._stream = None
            case 0x0C:
                self._powered = bool(arguments[0])
                self._supply()
            case 0x0D:
                self._vdd_mv = min(max(arguments[0] << 8 | arguments[1], 800), 5000)
                if self._powered and self._mode == _SOURCE_MODE:
                    self._supply()
            case 0x11 if arguments[0] != self._mode:
                self._mode = arguments[0]
                if self._powered:
                    self._supply()
            case 0x19:
                self._output += self._constants.metadata(self._vdd_mv, self._mode).encode("ascii")
            case 0x20:
                self._stream, self._powered = None, False
                self._supply()
            case _:
                pass

    def _supply(self) -> None:
        own_v = self._errors.supply_v(self._vdd_mv / 1e3) if self._mode == _SOURCE_MODE else _OWN_SUPPLY_V
        self._board.set_supply(own_v if self._powered else None)

    def _start(self) -> None:
        self._stale()
        self._streams += 1
        noise_seed = self._seed * 1_000_003 + self._streams
        self._stream = _Stream(
            self._board,
            self._errors,
            self._constants,
            self._vdd_mv / 1e3,
            noise_seed,
            self._number,
            struck(self._faults),
        )

    def _stale(self) -> None:
        """Leave the end of an older window in the buffers: D0 high, then low, with counters of long ago."""
        if "stale" in self._faults:
            count = np.arange(_STALE_SAMPLES)
            ranges = np.full(count.size, 3)
            codes = self._constants.codes(np.full(count.size, 12.5e-3), ranges, self._vdd_mv / 1e3)
            self._output += words(codes, ranges, self._number - 1017, count < _STALE_SAMPLES // 2).tobytes()


class _Stream:
    """From one START on."""

    def __init__(
        self,
        board: Board,
        errors: Errors,
        constants: Constants,
        vdd_v: float,
        noise_seed: int,
        number: int,
        faults: frozenset[str],
    ) -> None:
        self.number = number
        self.unplugged = False
        self._board = board
        self._constants = constants
        self._vdd_v = vdd_v
        self._faults = faults
        self._period_s = PERIOD_S / (1.0 + errors.clock)
        self._front_end = FrontEnd(board, SHEET, errors, self._period_s, noise_seed)
        self._start_s = board.time_s
        self._taken = 0
        past = board.timeline.edges(board.trigger_pin, 0.0, self._start_s)
        self._level = bool(past) and past[-1].rising
        self._edges_from_s = self._start_s
        self._fault_at: int | None = None

    def produce(self) -> bytes:
        """Return the samples that became due since the last call, as many as the buffers hold."""
        due = int((self._board.time_s - self._start_s) / self._period_s)
        count = min(due - self._taken, BUFFER_SAMPLES)
        sent = b""
        if count > 0:
            first = self._taken
            trigger = self._advance(count)
            seen_a, ranges = self._front_end.take(self._start_s + first * self._period_s, count)
            sent = self._send(first, seen_a, ranges, trigger)
        if due > self._taken:
            self._advance(due - self._taken)
        return sent

    def _advance(self, count: int) -> NDArray[np.bool_]:
        """Let ``count`` samples pass; return the level of D0 at the end of each."""
        ends_s = self._start_s + (self._taken + 1 + np.arange(count)) * self._period_s
        last_s = float(ends_s[-1])
        edges = self._board.timeline.edges(self._board.trigger_pin, self._edges_from_s, last_s)
        levels = np.array([self._level, *(edge.rising for edge in edges)])
        found: NDArray[np.bool_] = levels[np.searchsorted([edge.time_s for edge in edges], ends_s, side="right")]
        self._edges_from_s, self._level = last_s, bool(levels[-1])
        high = np.flatnonzero(found)
        if self._fault_at is None and high.size:
            self._fault_at = self._taken + int(high[0]) + _FAULT_AFTER
        self._taken += count
        self.number += count
        return np.zeros(count, bool) if "no_trigger" in self._faults else found

    def _send(
        self, first: int, seen_a: NDArray[np.float64], ranges: NDArray[np.int64], trigger: NDArray[np.bool_]
    ) -> bytes:
        """Return samples number ``first`` and up as bytes, with the faults that fall into them."""
        at = seen_a.size if self._fault_at is None else min(max(self._fault_at - first, 0), seen_a.size)
        struck = self._fault_at is not None and first <= self._fault_at < first + seen_a.size
        if "overcurrent" in self._faults:
            seen_a[at:], ranges[at:] = _SHORT_CIRCUIT_A, len(SHEET.range_tops_a) - 1
        sent = words(self._constants.codes(seen_a, ranges, self._vdd_v), ranges, self.number - seen_a.size, trigger)
        before, after = sent[:at].tobytes(), sent[at:].tobytes()
        if struck and "disconnect" in self._faults:
            self.unplugged = True
            return before
        if struck and "garbage" in self._faults:
            before += np.random.default_rng(first).bytes(63)
        if "lost_samples" in self._faults and self._fault_at is not None:
            lost = np.arange(first, first + seen_a.size) - self._fault_at
            return sent[(lost < 0) | (lost >= _LOST_SAMPLES)].tobytes()
        return before + after
