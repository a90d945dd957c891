"""The data streams of ST's PowerShield protocol: bytes in, samples and marks out.

Ref: UM2269 (PowerShield firmware), acquisition data formats; the same family as STLINK-V3PWR, whose frame
sizes ST publishes with its measurement scripts.

Binary: a sample is two bytes, a 4-bit exponent n and a 12-bit value v, I = v * 16^-n. Exponent 15 never occurs in a
sample: ``F0 Fx ... FF FF`` is a metadata frame. ASCII: a line per sample (``6409-07`` = 6409e-7 A), other lines are
metadata.

The protocol has no checksum. A byte *changed* within a sample cannot be noticed; bytes lost, inserted or
shifted are, at the latest by the next frame or by the count at the end.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bench.errors import ProbeProtocolError

IMPLAUSIBLE_A = 1.0
"""A sample from here on is no current (the supply cannot give it) but a stream out of step."""

_MAX_TEXT_BYTES = 256
_MAX_TRAILER_BYTES = 4096


class MarkKind(Enum):
    """What a piece of metadata says."""

    TIMESTAMP = "time stamp"
    EVENT = "event"
    ERROR = "error"
    INFO = "info"
    END = "end of acquisition"
    OVERCURRENT = "overcurrent"
    TARGET_DOWN = "target supply down"
    VOLTAGE = "supply voltage"
    TEMPERATURE = "temperature"
    POWER = "power state"
    COMPLETED = "acquisition completed"


@dataclass(frozen=True, slots=True)
class Mark:
    """Metadata found before sample number ``at_sample``.

    ``value``: seconds of a TIMESTAMP, volts of a VOLTAGE, degC of a TEMPERATURE. ``buffer_fill``: 0 to 1, of a
    TIMESTAMP; ``overflow``: its overflow bit.
    """

    kind: MarkKind
    at_sample: int
    text: str = ""
    value: float = 0.0
    buffer_fill: float = 0.0
    overflow: bool = False


class StreamParser(Protocol):
    """Incremental: the result does not depend on how the bytes are cut into pieces."""

    marks: list[Mark]
    sample_count: int

    def feed(self, data: bytes) -> None:
        """Take the next bytes. Raises ProbeProtocolError at the first that cannot belong to a stream."""

    def samples(self) -> NDArray[np.float32]:
        """Return all samples so far, (n,), in ampere."""

    @property
    def ended(self) -> bool:
        """The end-of-acquisition mark has come: all samples are here."""

    @property
    def completed(self) -> bool:
        """The instrument takes commands again."""


class _Parser:
    """What both formats share: the pending bytes and what was found."""

    def __init__(self) -> None:
        self.marks: list[Mark] = []
        self.sample_count = 0
        self.ended = False
        self.completed = False
        self._pending = bytearray()
        self._consumed_bytes = 0
        self._trailer_bytes = 0

    def _mark(
        self, kind: MarkKind, text: str = "", value: float = 0.0, buffer_fill: float = 0.0, overflow: bool = False
    ) -> None:
        self.marks.append(Mark(kind, self.sample_count, text, value, buffer_fill, overflow))

    def _drop(self, count: int) -> None:
        del self._pending[:count]
        self._consumed_bytes += count

    def _bad(self, what: str, data: bytes | bytearray) -> ProbeProtocolError:
        return ProbeProtocolError(
            f"{what} at byte {self._consumed_bytes} of the stream, after {self.sample_count} samples: "
            f"{data[:16].hex(' ')}",
            hint="measure again; if it persists, try another cable or USB port, or a lower sample rate",
        )

    def _trailer(self) -> None:
        """Read the text lines behind the end mark: a summary, then "Acquisition completed"."""
        while not self.completed and b"\n" in self._pending:
            size = self._pending.index(b"\n") + 1
            self._trailer_bytes += size
            if self._trailer_bytes > _MAX_TRAILER_BYTES:
                break
            line = _text(self._pending[:size])
            if line is None:
                raise self._bad("no text behind the end of the acquisition", self._pending[:size])
            self._drop(size)
            if "acquisition completed" in line.lower():
                self._mark(MarkKind.COMPLETED, line)
                self.completed = True
            elif line:
                self._mark(_line_kind(line.lower().removeprefix("powershield >").strip()), line)
        # Checked by line (above) and for what is pending, so that the verdict does not depend on how the bytes are cut.
        if not self.completed and self._trailer_bytes + len(self._pending) > _MAX_TRAILER_BYTES:
            raise ProbeProtocolError(
                f"more than {_MAX_TRAILER_BYTES} bytes behind the end of the acquisition",
                hint="re-plug the probe, then measure again",
            )
        if self.completed:
            self._drop(len(self._pending))


def _line_kind(lower: str) -> MarkKind:
    """Return what a line of text, in lower case, is: the instrument may take back what it sent, after its end as well."""
    if not lower.startswith("error"):
        return MarkKind.INFO
    return MarkKind.OVERCURRENT if re.search("over.?current", lower) else MarkKind.ERROR


def _text(raw: bytes | bytearray) -> str | None:
    """Return ``raw`` as a stripped line without NULs, None when it is no printable ASCII."""
    clean = bytes(raw).replace(b"\0", b"").strip(b"\r\n ")
    return clean.decode("ascii") if all(0x20 <= byte <= 0x7E for byte in clean) else None


# Whole sizes in bytes of the frames F0 Fx, by x. F5 is 4 long on LPM01A, 8 on STLINK-V3PWR: told apart by the FF FF.
_FRAME_BYTES = {0xF3: 9, 0xF4: 4, 0xF6: 4, 0xF7: 6, 0xF8: 6, 0xF9: 5, 0xFA: 4, 0xFB: 4}
_TEXT_FRAMES = {0xF1: MarkKind.ERROR, 0xF2: MarkKind.INFO}
_EVENT = re.compile(r"event\s+\d+\s+(ris|fal)", re.IGNORECASE)
_SLICE_WORDS = 2048  # about two intervals between time stamps


class BinaryParser(_Parser):
    """``format bin_hexa``. The CR LF that ends the reply to ``start`` may precede the first sample."""

    def __init__(self) -> None:
        super().__init__()
        self._blocks: list[NDArray[np.float32]] = []

    def feed(self, data: bytes) -> None:
        """Take the next bytes. Raises ProbeProtocolError at the first that cannot belong to a stream."""
        if self.completed:
            return
        self._pending += data
        while not self.ended and self._step():
            pass
        if self.ended:
            self._trailer()

    def samples(self) -> NDArray[np.float32]:
        """Return all samples so far, (n,), in ampere."""
        return np.concatenate(self._blocks) if self._blocks else np.empty(0, np.float32)

    def _step(self) -> bool:
        """Take samples up to the next frame, or one frame; False when more bytes are needed."""
        # No sample can begin with CR or LF (that would be thousands of ampere), so this is unambiguous.
        if self._consumed_bytes < 2 and self._pending.startswith((b"\r", b"\n")):
            self._drop(1)
            return True
        if len(self._pending) < 2:
            return False
        if self._pending[0] >= 0xF0:
            return self._frame()
        count = min(len(self._pending) // 2, _SLICE_WORDS)
        words = np.frombuffer(bytes(self._pending[: 2 * count]), ">u2")
        metadata = np.flatnonzero(words >= 0xF000)
        words = words[: metadata[0]] if metadata.size else words
        current_a = decode_samples(words)
        wrong = np.flatnonzero(current_a >= IMPLAUSIBLE_A)
        if wrong.size:
            first = int(wrong[0])
            self._take(current_a[:first])
            raise self._bad("a sample of no plausible current", self._pending)
        self._take(current_a)
        return True

    def _take(self, current_a: NDArray[np.float32]) -> None:
        if current_a.size:
            self._blocks.append(current_a)
        self.sample_count += current_a.size
        self._drop(2 * current_a.size)

    def _frame(self) -> bool:
        start, kind = self._pending[0], self._pending[1]
        if start != 0xF0 or not (kind in _FRAME_BYTES or kind in _TEXT_FRAMES or kind == 0xF5):
            raise self._bad("neither a sample nor a known frame", self._pending)
        if kind in _TEXT_FRAMES:
            return self._text_frame(_TEXT_FRAMES[kind])
        size = _FRAME_BYTES.get(kind) or (4 if self._pending[2:4] == b"\xff\xff" else 8)
        if len(self._pending) < size:
            return False
        frame = bytes(self._pending[:size])
        if frame[-2:] != b"\xff\xff":
            raise self._bad("a frame that does not end in FF FF", frame)
        self._fixed_frame(kind, frame[2:-2])
        self._drop(size)
        return True

    def _text_frame(self, kind: MarkKind) -> bool:
        end = self._pending.find(b"\xff\xff", 2, _MAX_TEXT_BYTES)
        if end < 0:
            if len(self._pending) >= _MAX_TEXT_BYTES:
                raise self._bad("a text frame without end", self._pending)
            return False
        text = _text(self._pending[2:end])
        if text is None:
            raise self._bad("a text frame that holds no text", self._pending)
        self._mark(MarkKind.EVENT if kind is MarkKind.INFO and _EVENT.search(text) else kind, text)
        self._drop(end + 2)
        return True

    def _fixed_frame(self, kind: int, body: bytes) -> None:
        match kind:
            case 0xF3:
                stamp_ms = int.from_bytes(body[:4], "big")
                self._mark(
                    MarkKind.TIMESTAMP,
                    value=(stamp_ms & 0x7FFF_FFFF) / 1000,
                    buffer_fill=body[4] / 100,
                    overflow=bool(stamp_ms >> 31),
                )
            case 0xF4:
                self._mark(MarkKind.END)
                self.ended = True
            case 0xF5:
                self._mark(MarkKind.OVERCURRENT)
            case 0xF6:
                self._mark(MarkKind.TARGET_DOWN)
            case 0xF7:
                self._mark(MarkKind.VOLTAGE, value=int.from_bytes(body, "big") / 1000)
            case 0xF8:
                self._mark(MarkKind.TEMPERATURE, value=float(int.from_bytes(body, "big", signed=True)))
            case _:
                self._mark(MarkKind.POWER if kind == 0xF9 else MarkKind.INFO, text=body.hex())


def decode_samples(words: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Return the currents, in ampere, of binary samples ``words`` (n,): v * 16^-n; n: upper 4 bits, v: lower 12."""
    exponent = -4 * (words >> 12).astype(np.int32)
    return np.ldexp((words & 0x0FFF).astype(np.float32), exponent).astype(np.float32)


_SAMPLE = re.compile(r"(\d{4})([+-]\d\d)")
_STAMP = re.compile(r"TimeStamp:\s*(\d+)s\s*(\d+)ms,\s*buff\s*(\d+)%", re.IGNORECASE)


class AsciiParser(_Parser):
    """``format ascii_dec``: lines, with a stray NUL here and there."""

    def __init__(self) -> None:
        super().__init__()
        self._values: list[float] = []

    def feed(self, data: bytes) -> None:
        """Take the next bytes. Raises ProbeProtocolError at the first line that cannot belong to a stream."""
        if self.completed:
            return
        self._pending += data
        start = 0
        while not self.ended and (end := self._pending.find(b"\n", start)) >= 0:
            raw = bytes(self._pending[start : end + 1])
            self._line(raw)
            self._consumed_bytes += len(raw)
            start = end + 1
        del self._pending[:start]
        if self.ended:
            self._trailer()
        elif len(self._pending) > _MAX_TEXT_BYTES:
            raise self._bad("a line without end", self._pending)

    def samples(self) -> NDArray[np.float32]:
        """Return all samples so far, (n,), in ampere."""
        return np.array(self._values, np.float32)

    def _line(self, raw: bytes) -> None:
        line = _text(raw)
        if line is None or len(raw) > _MAX_TEXT_BYTES:
            raise self._bad("a line that is no text", raw)
        lower = line.lower()
        if sample := _SAMPLE.fullmatch(line):
            # Put together as text: exact, where 10.0 ** -7 is not.
            current_a = float(f"{sample[1]}e{sample[2]}")
            if current_a >= IMPLAUSIBLE_A:
                raise self._bad("a sample of no plausible current", raw)
            self._values.append(current_a)
            self.sample_count += 1
        elif stamp := _STAMP.fullmatch(line):
            self._mark(MarkKind.TIMESTAMP, value=int(stamp[1]) + int(stamp[2]) / 1000, buffer_fill=int(stamp[3]) / 100)
        elif _EVENT.fullmatch(line):
            self._mark(MarkKind.EVENT, line)
        elif lower == "end":
            self._mark(MarkKind.END)
            self.ended = True
        elif lower.startswith("error"):
            self._mark(_line_kind(lower), line)
        elif lower.startswith("pwr "):
            self._mark(MarkKind.TARGET_DOWN if lower.endswith("off") else MarkKind.POWER, line)
        elif line:
            raise self._bad(f"an unknown line {line[:40]!r}", raw)
