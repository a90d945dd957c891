"""A serial port that plays a recorded dialogue: what the host must write next, and what comes back."""

from __future__ import annotations

from collections.abc import Sequence

import serial

Step = tuple[bytes, bytes]


class ScriptedPort:
    """``steps``: (expected write, bytes that then arrive). A read beyond what arrived times out at once (b"")."""

    def __init__(self, steps: Sequence[Step], *, dies_when_empty: bool = False, portion: int = 1 << 20) -> None:
        self.steps = list(steps)
        self.timeout: float | None = 1.0
        self.waits_s: list[float | None] = []
        self.closed = False
        self._dies = dies_when_empty
        self._portion = portion
        self._incoming = bytearray()

    @property
    def in_waiting(self) -> int:
        return min(len(self._incoming), self._portion)

    def write(self, data: bytes) -> int:
        assert self.steps, f"the dialogue is over, but the driver wrote {data!r}"
        expected, answer = self.steps.pop(0)
        assert data == expected
        self._incoming += answer
        return len(data)

    def read(self, size: int = 1) -> bytes:
        if not self._incoming:
            self.waits_s.append(self.timeout)
            if self._dies:
                raise serial.SerialException("device reports readiness to read but returned no data")
        data = bytes(self._incoming[:size])
        del self._incoming[:size]
        return data

    def close(self) -> None:
        self.closed = True


def acknowledged(*commands: str) -> list[Step]:
    return [(f"{c}\n".encode(), f"\r\nPowerShield > ack {c}\r\n\r\n".encode()) for c in commands]
