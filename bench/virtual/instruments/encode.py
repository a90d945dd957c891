"""The sample formats and metadata frames of ST's PowerShield protocol, as the instrument writes them.

Ref: UM2269, acquisition data formats. The host's parser lives elsewhere and shares no code with this.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


def binary_words(current_a: NDArray[np.float64]) -> NDArray[np.uint16]:
    """Return samples as 16-bit words (n,): exponent e and value v, I = v * 16^-e.

    e is the largest up to 14 that leaves v, rounded, below 4096.

    Negative currents become 0: the format has no sign. Raises ValueError at 4096 A and above.
    """
    clipped = np.maximum(current_a, 0.0)
    if clipped.size and float(clipped.max()) >= 4095.5:
        raise ValueError(f"{clipped.max()} A does not fit the format")
    # 4095.5 would round to 4096.
    exponent = np.floor(np.log2(4095.5 / np.maximum(clipped, 1e-30)) / 4)
    exponent = np.clip(exponent, 0, 14).astype(np.int32)
    value = np.rint(np.ldexp(clipped, 4 * exponent)).astype(np.int64)
    # log2 may be off by one unit in the last place exactly at the border.
    over = value > 4095
    exponent, value = (
        exponent - over,
        np.where(over, np.rint(np.ldexp(clipped, 4 * (exponent - 1))), value).astype(np.int64),
    )
    words: NDArray[np.uint16] = ((exponent << 12) | value).astype(np.uint16)
    return words


class Encoder(Protocol):
    """One of the two stream formats."""

    def samples(self, current_a: NDArray[np.float64]) -> bytes: ...
    def stamp(self, time_ms: int, buffer_percent: int) -> bytes: ...
    def event(self, number: int) -> bytes: ...
    def conditions(self, vdd_v: float, temperature_degc: float) -> bytes: ...
    def overcurrent(self) -> bytes: ...
    def error(self, text: str) -> bytes: ...
    def end(self) -> bytes: ...


class BinaryEncoder:
    """``format bin_hexa`` (STLINK-V3PWR: ``bin_hex``). ``overcurrent_bytes``: what frame F5 carries, 0 bytes or 4 (STLINK-V3PWR)."""

    def __init__(self, overcurrent_bytes: int = 0) -> None:
        self._overcurrent_bytes = overcurrent_bytes

    def samples(self, current_a: NDArray[np.float64]) -> bytes:
        """Two bytes a sample, big endian."""
        return binary_words(current_a).astype(">u2").tobytes()

    def stamp(self, time_ms: int, buffer_percent: int) -> bytes:
        """Frame F3: milliseconds, fill of the buffer."""
        return _frame(0xF3, (time_ms & 0x7FFF_FFFF).to_bytes(4, "big") + bytes([buffer_percent]))

    def event(self, number: int) -> bytes:
        """Frame F2: the text of the event."""
        return _frame(0xF2, f"event {number:02d} ris\r\n".encode("ascii"))

    def conditions(self, vdd_v: float, temperature_degc: float) -> bytes:
        """Frames F7 and F8: supply voltage in mV, temperature in degC."""
        millivolts, degc = round(vdd_v * 1e3), round(temperature_degc)
        return _frame(0xF7, millivolts.to_bytes(2, "big")) + _frame(0xF8, degc.to_bytes(2, "big", signed=True))

    def overcurrent(self) -> bytes:
        """Frame F5."""
        return _frame(0xF5, bytes(self._overcurrent_bytes))

    def error(self, text: str) -> bytes:
        """Frame F1: what is wrong."""
        return _frame(0xF1, f"{text}\r\n".encode("ascii"))

    def end(self) -> bytes:
        """Frame F4."""
        return _frame(0xF4, b"")


class AsciiEncoder:
    """``format ascii_dec``: four digits and a power of ten a line, ``6409-07``; a NUL follows each time stamp.

    ``trip_a`` and ``mode`` (dynamic, static) are what the error line of an overcurrent tells.
    """

    def __init__(self, trip_a: float, mode: str = "dynamic") -> None:
        self._trip_a = trip_a
        self._mode = mode

    def samples(self, current_a: NDArray[np.float64]) -> bytes:
        """Nine bytes a sample."""
        return b"".join(_decimal(float(value)) for value in current_a)

    def stamp(self, time_ms: int, buffer_percent: int) -> bytes:
        """A TimeStamp line."""
        return f"TimeStamp: {time_ms // 1000:03d}s {time_ms % 1000:03d}ms, buff {buffer_percent:02d}%\r\n\0".encode(
            "ascii"
        )

    def event(self, number: int) -> bytes:
        """The instrument says ``ris`` of any edge it was told to watch for."""
        return f"event {number:02d} ris\r\n".encode("ascii")

    def conditions(self, vdd_v: float, temperature_degc: float) -> bytes:  # noqa: ARG002
        """Nothing: this format does not carry them."""
        return b""

    def overcurrent(self) -> bytes:
        """An error line."""
        return self.error(f"Overcurrent >{self._trip_a * 1e3:.0f}mA, {self._mode} acquisition stopped")

    def error(self, text: str) -> bytes:
        """An error line."""
        return f"error: {text}\r\n".encode("ascii")

    def end(self) -> bytes:
        """The ``end`` line."""
        return b"end\r\n"


def _frame(kind: int, body: bytes) -> bytes:
    return bytes([0xF0, kind]) + body + b"\xff\xff"


def _decimal(current_a: float) -> bytes:
    # Two digits of exponent; a femtoampere is nothing to this instrument.
    mantissa, _, exponent = f"{current_a if current_a >= 1e-15 else 0.0:.3e}".partition("e")
    power = int(exponent) - 3
    return f"{mantissa.replace('.', '')}{'-' if power < 0 else '+'}{abs(power):02d}\r\n".encode("ascii")
