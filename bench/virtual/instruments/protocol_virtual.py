"""pyserial's handler for ``virtual://<board unique id>/<instrument>?seed=1&fault=lost_samples,garbage``.

pyserial imports a module ``protocol_<scheme>`` from the packages in ``serial.protocol_handler_packages`` and uses its
``Serial``; the port's seconds are the board's virtual seconds: a read that has to wait lets the board's time pass.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

from serial.serialutil import PortNotOpenError, SerialBase, SerialException

from bench.errors import BenchError
from bench.virtual.instruments.faults import FaultSet, Line, parse_faults
from bench.virtual.instruments.lpm01a import VirtualLpm01a
from bench.virtual.instruments.ppk2 import VirtualPpk2
from bench.virtual.instruments.stlink_v3pwr import VirtualStlinkV3Pwr
from bench.virtual.instruments.wiring import Board, Instrument, UnpluggedError

INSTRUMENTS: dict[str, Callable[[Board, int], Instrument]] = {
    "lpm01a": VirtualLpm01a,
    "ppk2": VirtualPpk2,
    "stlink_v3pwr": VirtualStlinkV3Pwr,
}

_FAULT_KEYS = ("fault", "faults")

# An instrument outlives its port, as a real one does, but not its board.
_wired: weakref.WeakKeyDictionary[Board, dict[tuple[str, int], Instrument]] = weakref.WeakKeyDictionary()

_STEP_S = 20e-3
"""The host's driver hands bytes over in portions of about this length."""
_FOREVER_S = 600.0
"""A read without time-out gives up after so many virtual seconds: nobody is there to press Ctrl-C in virtual time."""


def acquire_board(unique_id: str) -> Board:
    """Return the virtual board ``unique_id``. Raises LookupError, ValueError or BenchError for an unknown one."""
    # Late: the board brings the emulator, and who only lists handlers needs none.
    from bench.virtual.world import acquire  # noqa: PLC0415

    return cast(Board, acquire(unique_id))


def release_board(unique_id: str) -> None:
    """Give a board back that ``acquire_board`` returned."""
    from bench.virtual.world import release  # noqa: PLC0415

    release(unique_id)


_counted: dict[tuple[str, str], FaultSet] = {}


def _faults(text: str, url: str) -> FaultSet:
    """Return the faults in ``text``. What was used up of those that are counted stays used up, however often the port is opened."""
    faults = parse_faults(text)
    return _counted.setdefault((url, os.environ.get("BENCH_VIRTUAL_STATE", "")), faults) if faults.left else faults


class Serial(SerialBase):  # type: ignore[misc,unused-ignore]
    """The host end of a virtual port."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._instrument: Instrument | None = None
        self._board: Board | None = None
        self._board_id = ""
        self._received = bytearray()
        super().__init__(*args, **kwargs)

    def open(self) -> None:
        """Connect to the instrument that ``port``, a URL, names. Raises SerialException when there is none such."""
        if self.is_open:
            raise SerialException("the port is open already")
        url = urlsplit(self.port or "")
        name = url.path.strip("/")
        query = parse_qs(url.query, keep_blank_values=False)
        if (
            url.scheme != "virtual"
            or not url.netloc
            or name not in INSTRUMENTS
            or query.keys() - {"seed", *_FAULT_KEYS}
        ):
            raise SerialException(
                f"{self.port!r} is not virtual://<board>/<instrument>?seed=<number>&fault=<a,b>, "
                f"instrument one of {sorted(INSTRUMENTS)}"
            )
        try:
            seed = int(query.get("seed", ["0"])[0])
            if seed < 0:
                raise ValueError(f"seed {seed} is negative")
            faults = _faults(",".join(value for key in _FAULT_KEYS for value in query.get(key, [])), self.port or "")
            board = acquire_board(url.netloc)
        except (LookupError, ValueError, BenchError) as error:
            raise SerialException(f"{self.port!r}: {error}") from error
        instruments = _wired.setdefault(board, {})
        if (name, seed) not in instruments:
            # By proxy: the dictionary must not keep its own key alive.
            instruments[name, seed] = Line(INSTRUMENTS[name](weakref.proxy(board), seed))
        instrument = instruments[name, seed]
        instrument.set_faults(faults)
        self._board, self._board_id, self._instrument = board, url.netloc, instrument
        self._received.clear()
        self.is_open = True

    def close(self) -> None:
        """Let go of the instrument; it stays as it is."""
        if self.is_open:
            self.is_open = False
            self._board = self._instrument = None
            release_board(self._board_id)

    def from_url(self, url: str) -> str:
        """pyserial's hook for handlers; the URL is taken apart in ``open``."""
        return url

    @property
    def time_s(self) -> float:
        """The clock that this port's time-outs are measured by: the board's virtual seconds."""
        if self._board is None:
            raise PortNotOpenError
        return self._board.time_s

    @property
    def in_waiting(self) -> int:
        """How many bytes can be read without time passing."""
        self._fetch()
        return len(self._received)

    def read(self, size: int = 1) -> bytes:
        """Return up to ``size`` bytes; waits at most ``timeout`` virtual seconds for them.

        With a ``timeout`` of None: _FOREVER_S, then SerialException.
        """
        self._fetch()
        board = self._board
        assert board is not None
        deadline_s = board.time_s + (_FOREVER_S if self.timeout is None else self.timeout)
        while len(self._received) < size and (left_s := deadline_s - (before_s := board.time_s)) > 0:
            board.advance(min(_STEP_S, left_s))
            self._fetch()
            if board.time_s == before_s:
                break  # less than half a cycle of the core is left
        if self.timeout is None and len(self._received) < size:
            raise SerialException(f"nothing came in {_FOREVER_S:g} virtual seconds")
        data = bytes(self._received[:size])
        del self._received[:size]
        return data

    def write(self, b: Any, /) -> int:
        """Hand ``b`` to the instrument at once."""
        data = bytes(b)
        try:
            self._device().receive(data)
        except UnpluggedError:
            raise SerialException("the device was unplugged") from None
        except ValueError as error:
            # More volts than the board stands: nothing a test or a demonstration should get over.
            raise SerialException(f"the board was destroyed: {error}") from error
        return len(data)

    def flush(self) -> None:
        """Nothing to wait for."""

    def reset_input_buffer(self) -> None:
        """Throw away what has come."""
        self._fetch()
        self._received.clear()

    def reset_output_buffer(self) -> None:
        """Nothing is ever kept back."""

    def _device(self) -> Instrument:
        if not self.is_open or self._instrument is None:
            raise PortNotOpenError
        return self._instrument

    def _fetch(self) -> None:
        try:
            self._received += self._device().transmit()
        except UnpluggedError:
            if not self._received:
                raise SerialException("the device was unplugged") from None

    def _reconfigure_port(self) -> None:
        """Baud rate and the like mean nothing to USB CDC, nor here."""

    def _update_rts_state(self) -> None: ...
    def _update_dtr_state(self) -> None: ...
    def _update_break_state(self) -> None: ...
