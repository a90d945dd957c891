"""Serial ports by device name or pyserial URL, and a link on top whose every failure is a bench error."""

from __future__ import annotations

import errno
import time
from contextlib import suppress
from importlib.metadata import entry_points

import serial

from bench.errors import ConfigurationError, ProbeDisconnected, ProbeProtocolError, ProbeTimeout

PROTOCOL_GROUP = "bench.serial_protocols"
_MAX_LINE_BYTES = 512


def register_protocols() -> None:
    """Make pyserial know the URL handlers that installed packages offer.

    The value of an entry point is the package that holds ``protocol_<scheme>`` modules. Only the name of the package is
    handed on; pyserial imports it when such a URL is opened.
    """
    for entry in entry_points(group=PROTOCOL_GROUP):
        if entry.value not in serial.protocol_handler_packages:
            serial.protocol_handler_packages.append(entry.value)


def open_serial(url: str, baudrate: int) -> serial.Serial:
    """Open ``url`` for this process alone, with 1 s time-outs.

    Raises ConfigurationError for a URL whose protocol nobody handles, ProbeDisconnected when the port is not there, is
    in use or is not ours.
    """
    register_protocols()
    try:
        port = serial.serial_for_url(url, baudrate=baudrate, timeout=1.0, write_timeout=1.0, do_not_open=True)
    except ValueError as error:
        raise ConfigurationError(
            f"serial port {url!r}: {error}",
            hint="give a device (/dev/ttyACM0) or a pyserial URL; virtual:// needs the extra 'virtual'",
        ) from error
    try:
        port.exclusive = True
        port.open()
    except (OSError, ValueError) as error:
        raise ProbeDisconnected(f"cannot open serial port {url}: {error}", hint=_open_hint(error)) from error
    return port


def _open_hint(error: OSError | ValueError) -> str:
    number = getattr(error, "errno", None)
    if number == errno.EACCES:
        return "you lack permission: add yourself to the group of the device (dialout) and log in again"
    if number in (errno.EBUSY, errno.EAGAIN):
        return "another program has the port open: close it"
    return "check the cable and the port's name (python -m serial.tools.list_ports -v)"


class SerialLink:
    """Bytes to and from a probe. Waits only inside pyserial, so a virtual port can make its seconds virtual."""

    def __init__(self, port: serial.Serial, name: str, line_end: bytes = b"\n") -> None:
        self._port = port
        self.name = name
        self._line_end = line_end
        self._buffer = bytearray()

    @property
    def now_s(self) -> float:
        """Seconds on the clock that the port's waits are measured by: the host's, or a virtual port's own (``time_s``)."""
        virtual_s: float | None = getattr(self._port, "time_s", None)
        return time.monotonic() if virtual_s is None else virtual_s

    def send(self, line: str) -> None:
        """Send ``line`` and a line end. Raises ProbeTimeout, ProbeDisconnected."""
        self.send_bytes(line.encode("ascii") + self._line_end, repr(line))

    def send_bytes(self, data: bytes, what: str) -> None:
        """Send ``data``, called ``what`` in errors. Raises ProbeTimeout, ProbeDisconnected."""
        try:
            self._port.write(data)
        except serial.SerialTimeoutException as error:
            raise ProbeTimeout(
                f"{self.name} does not take {what}", hint="unplug the probe, plug it in again"
            ) from error
        except (OSError, TypeError) as error:
            raise self._gone(f"sending {what}", error) from error

    def chunk(self, timeout_s: float) -> bytes:
        """Return what has arrived, after waiting for at least one byte; empty when none came in ``timeout_s``.

        Raises ProbeDisconnected.
        """
        if self._buffer:
            data = bytes(self._buffer)
            self._buffer.clear()
            return data
        try:
            if self._port.timeout != timeout_s:
                self._port.timeout = timeout_s
            data = bytes(self._port.read(1))
            waiting = self._port.in_waiting if data else 0
            return data + bytes(self._port.read(waiting)) if waiting else data
        # On POSIX a port that is closed under a read gives a TypeError from os.read(None).
        except (OSError, TypeError) as error:
            raise self._gone("reading", error) from error

    def line(self, timeout_s: float) -> str:
        """Return the next line that is not empty, without its line end and stray NULs.

        Raises ProbeTimeout when none is complete after a silence of ``timeout_s``, ProbeProtocolError for what is not
        text, ProbeDisconnected.
        """
        pending = bytearray()
        for _ in range(_MAX_LINE_BYTES):
            pending += self.chunk(timeout_s) or self._silent(timeout_s, pending)
            raw, newline, rest = pending.partition(b"\n")
            if len(raw) > _MAX_LINE_BYTES or any(byte > 0x7E for byte in raw):
                raise ProbeProtocolError(
                    f"{self.name} sent no text but {bytes(raw[:16]).hex(' ')} ...",
                    hint="check that the port is the probe's; re-plug the probe",
                )
            if newline:
                self._buffer[:] = rest
                text = raw.replace(b"\0", b"").decode("ascii").strip()
                if text:
                    return text
                pending.clear()
        raise ProbeProtocolError(
            f"{self.name} sends bytes without end, but no line",
            hint="check that the port is the probe's; re-plug the probe",
        )

    def drain(self, silence_s: float, limit_bytes: int) -> None:
        """Throw away what comes until ``silence_s`` without a byte, about ``limit_bytes`` at most."""
        dropped = 0
        while dropped < limit_bytes and (data := self.chunk(silence_s)):
            dropped += len(data)

    def close(self) -> None:
        """Close the port; never raises."""
        with suppress(OSError):
            self._port.close()

    def _silent(self, timeout_s: float, pending: bytearray) -> bytes:
        partial = f" after {bytes(pending[:32])!r}" if pending else ""
        raise ProbeTimeout(
            f"{self.name} sent nothing for {timeout_s:g} s{partial}", hint="check cable and port; re-plug the probe"
        )

    def _gone(self, doing: str, error: Exception) -> ProbeDisconnected:
        return ProbeDisconnected(
            f"{self.name} went away while {doing}: {error}", hint="check the cable, then run again"
        )
