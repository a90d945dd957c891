"""A virtual X-NUCLEO-LPM01A: its commands, replies and state.

Ref: UM2269 (PowerShield firmware), commands and replies; UM2243 (board), ranges. Where UM2269 leaves the exact bytes
open, they are those that public host programs expect. Its output feeds the board's IDD jumper, its
D7 input is wired to the board's trigger pin.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from bench.virtual.instruments.acquisition import Acquisition, Errors, Settings
from bench.virtual.instruments.encode import AsciiEncoder, BinaryEncoder
from bench.virtual.instruments.wiring import Board, UnpluggedError

FAULTS = frozenset({"mute", "garbage", "lost", "disconnect", "overcurrent"})
RATES_HZ = frozenset(digit * 10**decade for decade in range(5) for digit in (1, 2, 5)) | {100_000}
_RANGE_A = {"dyn": 50e-3, "stat": 200e-3}
_BANDWIDTH_HZ = 100e3
_PREFIX = {"": "0", "n": "-9", "u": "-6", "m": "-3", "k": "3"}
_NUMBER = re.compile(r"(\d+(?:\.\d+)?)(?:([numk]?)|([+-]\d+))")
_DEFAULTS: dict[str, float | str] = {
    "volt": 3.3,
    "freq": 100.0,
    "acqtime": 10.0,
    "acqmode": "dyn",
    "funcmode": "optim",
    "output": "current",
    "format": "ascii_dec",
    "trigsrc": "sw",
    "trigdelay": 1e-3,
    "eventsrc": "",
    "currthre": 1e-3,
    "pwr": "auto",
    "pwrend": "off",
}
_CHOICES = {
    "acqmode": ("dyn", "stat"),
    "funcmode": ("optim", "high"),
    "output": ("current",),
    "format": ("ascii_dec", "bin_hexa"),
    "trigsrc": ("sw", "d7"),
    "eventsrc": ("", "d7 fal", "d7 ris", "d7 both"),
    "pwrend": ("on", "off"),
}
_RANGES = {"volt": (1.8, 3.3), "trigdelay": (0.0, 30.0), "currthre": (0.0, 50e-3)}


class _RefusedError(Exception):
    """A command that the instrument answers with an error."""


class VirtualLpm01a:
    """The device end. ``seed`` stands for the serial number: it decides the errors and the noise."""

    def __init__(self, board: Board, seed: int = 0) -> None:
        self._board = board
        self._seed = seed
        self._errors = Errors.of(seed)
        self._faults: frozenset[str] = frozenset()
        self._input = bytearray()
        self._output = bytearray()
        self._settings: dict[str, float | str] = dict(_DEFAULTS)
        self._host_controls = False
        self._powered = False
        self._acquisition: Acquisition | None = None
        self._acquisitions = 0
        self._unplugged = False
        self._commands: dict[str, Callable[[str], str]] = {
            "htc": self._take_control,
            "hrc": self._release_control,
            "freq": self._set_rate,
            "acqtime": self._set_length,
            "pwr": self._power,
            "targrst": self._reset_target,
            "start": self._start,
            "temp": self._temperature,
            "lcd": lambda _: "",
            "calib": lambda _: "",
            "status": lambda _: "ok",
            "version": lambda _: "1.0.6",
            "powershield": lambda _: f"{0x4C504D0000000000 + self._seed:016X}",
        }

    def set_faults(self, faults: frozenset[str]) -> None:
        """Misbehave in these ways (FAULTS), and plug in again an instrument that has left. Raises ValueError."""
        if unknown := faults - FAULTS:
            raise ValueError(f"unknown faults {sorted(unknown)}, known: {sorted(FAULTS)}")
        self._faults = faults
        self._unplugged = False

    def receive(self, data: bytes) -> None:
        """Take bytes from the host; a command is a line."""
        if self._unplugged:
            raise UnpluggedError
        self._input += data
        while b"\n" in self._input:
            raw, _, rest = self._input.partition(b"\n")
            self._input = bytearray(rest)
            line = raw.decode("ascii", "replace").strip()
            if line and "mute" not in self._faults:
                self._collect()
                self._execute(line)

    def transmit(self) -> bytes:
        """Return the bytes due by now."""
        self._collect()
        out = bytes(self._output)
        self._output.clear()
        if self._unplugged and not out:
            raise UnpluggedError
        return out

    def _collect(self) -> None:
        """Move the stream on to the board's present time."""
        acquisition = self._acquisition
        if acquisition is None:
            return
        self._output += acquisition.produce()
        if acquisition.unplugged:
            self._acquisition = None
            self._unplugged = True
        elif acquisition.finished:
            self._finish(acquisition)

    def _finish(self, acquisition: Acquisition) -> None:
        self._acquisition = None
        if self._settings["format"] == "ascii_dec":
            self._output += "".join(f"{line}\r\n" for line in acquisition.summary).encode("ascii")
        self._say("Acquisition completed")
        if self._settings["pwr"] == "auto" and self._settings["pwrend"] == "off":
            self._switch(False)

    def _say(self, text: str) -> None:
        self._output += f"\r\nPowerShield > {text}\r\n\r\n".encode("ascii")

    def _execute(self, line: str) -> None:
        name, _, argument = line.partition(" ")
        argument = argument.strip()
        try:
            if name == "stop":
                self._stop()
            elif name == "psrst":
                self._reset()
            elif name == "echo":
                self._output += f"\r\nPowerShield > {line}\r\n".encode("ascii", "replace")
            elif self._acquisition is not None:
                raise _RefusedError("acquisition running")
            else:
                answer = self._dispatch(name, argument)
                self._say(f"ack {line} {answer}".rstrip())
        except _RefusedError as refused:
            self._output += f"\r\nPowerShield > error {line}\r\nError detail: {refused}\r\n\r\n".encode(
                "ascii", "replace"
            )

    def _dispatch(self, name: str, argument: str) -> str:
        if name not in self._commands and name not in self._settings:
            raise _RefusedError("unknown command")
        if name in self._settings and not self._host_controls:
            raise _RefusedError("host has no control")
        if name in self._commands:
            return self._commands[name](argument)
        if name in _CHOICES:
            if argument not in _CHOICES[name]:
                raise _RefusedError("parameter not valid")
            self._settings[name] = argument
            return ""
        if argument == "get":
            return f"{round(float(self._settings[name]) * 1e3):04d}-03"
        low, high = _RANGES[name]
        value = _number(argument)
        if not low - 1e-9 <= value <= high + 1e-9:
            raise _RefusedError("parameter out of range")
        self._settings[name] = value
        if name == "volt" and self._powered:
            self._switch(True)
        return ""

    def _take_control(self, _: str) -> str:
        self._host_controls = True
        return ""

    def _release_control(self, _: str) -> str:
        self._host_controls = False
        return ""

    def _set_rate(self, argument: str) -> str:
        rate_hz = _number(argument)
        if rate_hz not in RATES_HZ:
            raise _RefusedError("parameter out of range")
        self._settings["freq"] = rate_hz
        return ""

    def _set_length(self, argument: str) -> str:
        if argument in ("0", "inf"):
            self._settings["acqtime"] = float("inf")
            return ""
        length_s = _number(argument)
        if not 99.9e-6 <= length_s <= 10.0:
            raise _RefusedError("parameter out of range")
        self._settings["acqtime"] = length_s
        return ""

    def _power(self, argument: str) -> str:
        mode, _, _ = argument.partition(" ")
        if mode == "get":
            return "on" if self._powered else "off"
        if mode not in ("auto", "on", "off"):
            raise _RefusedError("parameter not valid")
        self._settings["pwr"] = mode
        if mode != "auto" and (mode == "on") != self._powered:
            self._switch(mode == "on")
        return ""

    def _switch(self, on: bool) -> None:
        self._powered = on
        self._board.set_supply(self._vdd_v if on else None)

    @property
    def _vdd_v(self) -> float:
        return float(self._settings["volt"]) * (1.0 + self._errors.vdd)

    def _reset_target(self, argument: str) -> str:
        off_s = _number(argument)
        if off_s and not 1e-3 <= off_s <= 1.0:
            raise _RefusedError("parameter out of range")
        self._switch(False)
        if off_s:
            self._board.advance(off_s)
            self._switch(True)
        return ""

    def _temperature(self, argument: str) -> str:
        if argument not in ("degc", "degf"):
            raise _RefusedError("parameter not valid")
        degc = self._errors.temperature_degc
        return f"{degc if argument == 'degc' else degc * 1.8 + 32:.1f}"

    def _start(self, _: str) -> str:
        if not self._host_controls:
            raise _RefusedError("host has no control")
        settings = self._settings
        if not self._powered:
            if settings["pwr"] != "auto":
                raise _RefusedError("target not powered")
            self._switch(True)
        rate_hz, length_s = int(float(settings["freq"])), float(settings["acqtime"])
        events, mode = str(settings["eventsrc"]), str(settings["acqmode"])
        self._acquisitions += 1
        self._acquisition = Acquisition(
            self._board,
            Settings(
                rate_hz=rate_hz,
                sample_limit=None if length_s == float("inf") else max(1, round(length_s * rate_hz)),
                hardware_trigger=settings["trigsrc"] == "d7",
                trigger_delay_s=float(settings["trigdelay"]),
                events_rising=events in ("d7 ris", "d7 both"),
                events_falling=events in ("d7 fal", "d7 both"),
                range_a=_RANGE_A[mode],
                bandwidth_hz=_BANDWIDTH_HZ,
                vdd_v=self._vdd_v,
            ),
            BinaryEncoder() if settings["format"] == "bin_hexa" else AsciiEncoder(),
            self._errors,
            # A second acquisition has other noise than the first, in every run of the program the same.
            self._seed * 1_000_003 + self._acquisitions,
            self._faults,
        )
        return ""

    def _stop(self) -> None:
        acquisition = self._acquisition
        if acquisition is None:
            raise _RefusedError("no acquisition")
        self._output += acquisition.stop()
        self._finish(acquisition)

    def _reset(self) -> None:
        self._acquisition = None
        self._settings = dict(_DEFAULTS)
        self._host_controls = False
        self._input.clear()
        if self._powered:
            self._switch(False)


def _number(text: str) -> float:
    """Return ``1800m``, ``1k`` or ``2-3`` (2e-3) as a number. Raises _RefusedError."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise _RefusedError("parameter not valid")
    # By decimal text, so that 1800m is 1.8 and not a neighbour of it.
    return float(f"{match[1]}e{match[3] or _PREFIX[match[2]]}")
