"""What the virtual instruments of ST's PowerShield family share: commands, replies and state.

Ref: UM2269 (PowerShield firmware), commands and replies. Where UM2269 leaves the exact bytes open, they are those that public host programs
expect. The output feeds the board's IDD jumper, the trigger input is wired to the board's trigger pin.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import ClassVar

from bench.virtual.instruments.acquisition import Acquisition, Settings, stale_samples
from bench.virtual.instruments.encode import AsciiEncoder, BinaryEncoder, Encoder
from bench.virtual.instruments.faults import struck
from bench.virtual.instruments.frontend import DataSheet, Errors, FrontEnd
from bench.virtual.instruments.wiring import Board, UnpluggedError

RATES_HZ = frozenset(digit * 10**decade for decade in range(5) for digit in (1, 2, 5)) | {100_000}
_PREFIX = {"": "0", "n": "-9", "u": "-6", "m": "-3", "s": "0", "k": "3"}
_NUMBER = re.compile(r"(\d+(?:\.\d+)?)(?:([numsk]?)|([+-]\d+))")
_STATIC_FOREVER_S = 1.0
_CONSTANT_TO = 0.1
"""A current whose mean over a millisecond leaves its mean by more (relative) is not constant. What the instrument goes by is not documented."""
ASCII = "ascii_dec"


class RefusedError(Exception):
    """A command that the instrument answers with an error."""


class VirtualPowerShield:
    """The device end. ``seed`` stands for the serial number: it decides the errors and the noise."""

    sheet: ClassVar[DataSheet]
    reply: ClassVar[str]
    """How a line goes out."""
    defaults: ClassVar[Mapping[str, float | str]]
    choices: ClassVar[Mapping[str, tuple[str, ...]]]
    limits: ClassVar[Mapping[str, tuple[float, float]]]
    longest_s: ClassVar[float]
    binary_format: ClassVar[str]
    overcurrent_bytes: ClassVar[int] = 0
    needs_control: ClassVar[bool]
    answers: Mapping[str, str]
    """Commands that do nothing here, and what they answer."""

    def __init__(self, board: Board, seed: int = 0) -> None:
        self._board = board
        self._seed = seed
        self._errors = Errors.of(self.sheet, seed)
        self._faults: frozenset[str] = frozenset()
        self._input = bytearray()
        self._output = bytearray()
        self._settings: dict[str, float | str] = dict(self.defaults)
        self._host_controls = not self.needs_control
        self._powered = False
        self._acquisition: Acquisition | None = None
        self._acquisitions = 0
        self._unplugged = False
        self._commands: dict[str, Callable[[str], str]] = {
            "freq": self._set_rate,
            "acqtime": self._set_length,
            "pwr": self._power,
            "targrst": self._reset_target,
            "start": self._start,
            "temp": self._temperature,
        }
        if self.needs_control:
            self._commands |= {"htc": self._take_control, "hrc": self._release_control}

    def set_faults(self, faults: frozenset[str]) -> None:
        """Misbehave from now on in these ways, and plug in again an instrument that has left."""
        self._faults = faults
        self._unplugged = False
        if "stale" in faults:
            self._output += stale_samples(self._encoder())

    def receive(self, data: bytes) -> None:
        """Take bytes from the host; a command is a line."""
        if self._unplugged:
            raise UnpluggedError
        self._input += data
        while b"\n" in self._input:
            raw, _, rest = self._input.partition(b"\n")
            self._input = bytearray(rest)
            line = raw.decode("ascii", "replace").strip()
            if line:
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
        if self._settings["format"] == ASCII:
            self._output += "".join(f"{line}\r\n" for line in acquisition.summary).encode("ascii")
        self._say("Acquisition completed")
        if self._settings["pwr"] == "auto" and self._settings["pwrend"] == "off":
            self._switch(False)

    def _say(self, text: str) -> None:
        self._output += self.reply.format(text).encode("ascii", "replace")

    def _execute(self, line: str) -> None:
        name, _, argument = line.partition(" ")
        argument = argument.strip()
        try:
            if name == "stop":
                self._stop()
            elif name == "psrst":
                self._reset()
            elif name == "echo":
                self._output += self.reply.format(line).encode("ascii", "replace").removesuffix(b"\r\n")
            elif self._acquisition is not None:
                raise RefusedError("acquisition running")
            else:
                self._say(f"ack {self._acknowledged(line)} {self._dispatch(name, argument)}".rstrip())
        except RefusedError as refused:
            self._say(f"error {line}\r\nError detail: {refused}")

    def _acknowledged(self, line: str) -> str:
        """What an acknowledgement of ``line`` names."""
        return line

    def _dispatch(self, name: str, argument: str) -> str:
        if name in self.answers:
            return self.answers[name]
        if name not in self._commands and name not in self._settings:
            raise RefusedError("unknown command")
        if name in self._settings and not self._host_controls:
            raise RefusedError("host has no control")
        if name in self._commands:
            return self._commands[name](argument)
        if name in self.choices:
            if argument not in self.choices[name]:
                raise RefusedError("parameter not valid")
            self._settings[name] = argument
            return ""
        if argument == "get":
            return f"{round(float(self._settings[name]) * 1e3):04d}-03"
        low, high = self.limits[name]
        value = _number(argument)
        if not low - 1e-9 <= value <= high + 1e-9:
            raise RefusedError("parameter out of range")
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
            raise RefusedError("parameter out of range")
        self._settings["freq"] = rate_hz
        return ""

    def _set_length(self, argument: str) -> str:
        if argument in ("0", "inf"):
            self._settings["acqtime"] = float("inf")
            return ""
        length_s = _number(argument)
        if not 99.9e-6 <= length_s <= self.longest_s + 1e-9:
            raise RefusedError("parameter out of range")
        self._settings["acqtime"] = length_s
        return ""

    def _power(self, argument: str) -> str:
        mode, _, _ = argument.partition(" ")
        if mode == "get":
            return "on" if self._powered else "off"
        if mode not in ("auto", "on", "off"):
            raise RefusedError("parameter not valid")
        self._settings["pwr"] = mode
        if mode != "auto" and (mode == "on") != self._powered:
            self._switch(mode == "on")
        return ""

    def _switch(self, on: bool) -> None:
        self._powered = on
        self._board.set_supply(self._errors.supply_v(float(self._settings["volt"])) if on else None)

    def _reset_target(self, argument: str) -> str:
        off_s = _number(argument)
        if off_s and not 1e-3 <= off_s <= 1.0:
            raise RefusedError("parameter out of range")
        self._switch(False)
        if off_s:
            self._board.advance(off_s)
            self._switch(True)
        return ""

    def _temperature(self, argument: str) -> str:
        degc = self._errors.temperature_degc
        if argument not in ("degc", "degf", "refresh pcb"):
            raise RefusedError("parameter not valid")
        return f"{degc * 1.8 + 32 if argument == 'degf' else degc:.1f}"

    def _encoder(self) -> Encoder:
        if self._settings["format"] == ASCII:
            return AsciiEncoder(self._trip_a, "static" if self._static else "dynamic")
        return BinaryEncoder(self.overcurrent_bytes)

    def _start(self, _: str) -> str:
        if not self._host_controls:
            raise RefusedError("host has no control")
        settings = self._settings
        if not self._powered:
            if settings["pwr"] != "auto":
                raise RefusedError("target not powered")
            self._switch(True)
        rate_hz, length_s = float(settings["freq"]), float(settings["acqtime"])
        period_s, limit = 1 / rate_hz, None if length_s == math.inf else max(1, round(length_s * rate_hz))
        if self._static:
            # One averaged value is all that static mode gives.
            period_s, limit = _STATIC_FOREVER_S if limit is None else length_s, 1
        self._begin(period_s, limit)
        return ""

    def _begin(self, period_s: float, limit: int | None) -> None:
        # The instrument counts periods of its own crystal; a fast crystal makes them short.
        true_period_s = period_s / (1.0 + self._errors.clock)
        events, supply_v = str(self._settings.get("eventsrc", "")), self._errors.supply_v(float(self._settings["volt"]))
        self._acquisitions += 1
        # A second acquisition has other noise than the first, in every run of the program the same.
        noise_seed = self._seed * 1_000_003 + self._acquisitions
        self._acquisition = Acquisition(
            self._board,
            Settings(
                period_s=period_s,
                sample_limit=limit,
                hardware_trigger=self._settings["trigsrc"] != "sw",
                trigger_delay_s=float(self._settings["trigdelay"]),
                events_rising=events in ("d7 ris", "d7 both"),
                events_falling=events in ("d7 fal", "d7 both"),
                trip_a=self._trip_a,
                vdd_v=supply_v * (1.0 + self._errors.vdd_read),
                temperature_degc=self._errors.temperature_degc,
                constant_to=_CONSTANT_TO if self._static else None,
            ),
            self._encoder(),
            FrontEnd(self._board, *self._front, true_period_s, noise_seed),
            true_period_s,
            struck(self._faults),
        )

    @property
    def _static(self) -> bool:
        """Whether the current is to be averaged instead of sampled."""
        return self._settings.get("acqmode") == "stat"

    @property
    def _front(self) -> tuple[DataSheet, Errors]:
        """What measures in the present mode."""
        return self.sheet, self._errors

    @property
    def _trip_a(self) -> float:
        return self._front[0].trip_a

    def _stop(self) -> None:
        acquisition = self._acquisition
        if acquisition is None:
            raise RefusedError("no acquisition")
        self._output += acquisition.stop()
        self._finish(acquisition)

    def _reset(self) -> None:
        self._acquisition = None
        self._settings = dict(self.defaults)
        self._host_controls = not self.needs_control
        self._input.clear()
        if self._powered:
            self._switch(False)


def _number(text: str) -> float:
    """Return ``1800m``, ``1k`` or ``2-3`` (2e-3) as a number. Raises RefusedError."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise RefusedError("parameter not valid")
    # By decimal text, so that 1800m is 1.8 and not a neighbour of it.
    return float(f"{match[1]}e{match[3] or _PREFIX[match[2]]}")
