"""What can go wrong with a virtual board, on demand: ``BENCH_VIRTUAL_FAULTS=debug_stuck@64*1,hse_absent``.

``NAME``, then ``@MHZ``: only where the core clock is that, then ``*N``: N times, and never again in this process (so that one sees the bench
recover). The counts outlive a power cycle of the board, as the reasons of real faults do.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.errors import UnknownName

if TYPE_CHECKING:
    from bench.virtual.board import VirtualBoard

VARIABLE = "BENCH_VIRTUAL_FAULTS"
FAULTS = {
    "hard_fault": "a HardFault, right after the switch to the clock",
    "brown_out": "the supply dips in the energy window, 2 ms after the trigger; the core starts anew",
    "clock_off": "the core runs 3 % fast, from the switch to the clock on (a point has two switches)",
    "drift": "the supply current is 2 % low, from a trigger to the next",
    "wander": "the supply current falls, by 10 % in the first 10 ms after the trigger",
    "hse_absent": "the external clock does not come",
    "flash_verify": "a bit of the first word reads 0 after programming",
    "debug_stuck": "the debug port acknowledges nothing more once it is powered up, until the reset pin is pulled",
    "debug_dead": "... until the supply is cut",
}
_SPEC = re.compile(r"(?P<name>[a-z_]+)(?:@(?P<mhz>[0-9.]+))?(?:\*(?P<times>[0-9]+))?")
_HARD_FAULT = 3
_DIP_AFTER_S, _DIP_S = 2e-3, 1e-3
_CLOCK_ERROR, _DRIFT = 0.03, 0.02
_WANDER, _WANDER_S = 0.1, 10e-3


@dataclass(slots=True)
class Fault:
    """A fault to come: ``hclk_hz`` None at any clock, ``left`` None for ever."""

    name: str
    hclk_hz: float | None
    left: int | None

    def strikes(self, hclk_hz: float) -> bool:
        """Tell whether it strikes now, at ``hclk_hz``; that uses it up."""
        if self.left == 0 or (self.hclk_hz is not None and abs(hclk_hz / self.hclk_hz - 1) > 0.01):
            return False
        if self.left is not None:
            self.left -= 1
        return True


_ledger: dict[tuple[str, str, str], list[Fault]] = {}


def faults_of(unique_id: str, state_dir: str) -> list[Fault]:
    """Return the faults asked of board ``unique_id`` in the environment; what was used up stays so. Raises UnknownName."""
    text = os.environ.get(VARIABLE, "")
    return _ledger.setdefault((unique_id, state_dir, text), parse(text)) if text.strip() else []


def parse(text: str) -> list[Fault]:
    """Return the faults in ``text``, parted by commas. Raises UnknownName."""
    found = []
    for word in filter(None, (part.strip() for part in text.split(","))):
        match = _SPEC.fullmatch(word)
        if match is None or match["name"] not in FAULTS:
            raise UnknownName.among(f"fault in {VARIABLE}, NAME[@MHZ][*TIMES],", word, sorted(FAULTS))
        hclk_hz = float(match["mhz"]) * 1e6 if match["mhz"] else None
        found.append(Fault(match["name"], hclk_hz, int(match["times"]) if match["times"] else None))
    return found


class Injector:
    """Makes ``faults`` happen on ``board``, which tells it what it does."""

    def __init__(self, board: VirtualBoard, faults: list[Fault]) -> None:
        self._board = board
        self._faults = faults
        self._hclk_hz = 0.0
        self._dip_at_s: float | None = None
        self._stuck = ""
        self._is_off = False
        self._drift = 1.0
        self._wanders_from_s: float | None = None

    def strikes(self, name: str) -> bool:
        """Tell whether fault ``name`` strikes now; that uses it up."""
        hclk_hz = self._board.soc.clocks.hclk_hz
        return any(fault.strikes(hclk_hz) for fault in self._faults if fault.name == name)

    @property
    def port_is_dumb(self) -> bool:
        """Whether the debug port acknowledges nothing."""
        return bool(self._stuck)

    def clock_changed(self, set_hclk: Callable[[float], None]) -> None:
        """The core clock may be another one."""
        hclk_hz = self._board.soc.clocks.hclk_hz
        if hclk_hz != self._hclk_hz:
            self._hclk_hz = hclk_hz
            self._is_off = self.strikes("clock_off")
            if self.strikes("hard_fault"):
                self._board.cpu.system.pend(_HARD_FAULT)
        if self._is_off:  # again and again: every write to the clock control sets the right clock
            set_hclk(hclk_hz * (1 + _CLOCK_ERROR))

    def triggered(self) -> None:
        """The trigger pin rose."""
        self._drift = 1 - _DRIFT if self.strikes("drift") else 1.0
        self._wanders_from_s = self._board.time_s if self.strikes("wander") else None
        if self.strikes("brown_out"):
            self._dip_at_s = self._board.time_s + _DIP_AFTER_S

    @property
    def current_factor(self) -> float:
        """By what the supply current is to be multiplied, now."""
        if self._wanders_from_s is None:
            return self._drift
        return self._drift * (1 - _WANDER * min(1.0, (self._board.time_s - self._wanders_from_s) / _WANDER_S))

    def dips(self) -> float | None:
        """Return how long the supply is away from now on; None: it is there."""
        if self._dip_at_s is None or self._board.time_s < self._dip_at_s:
            return None
        self._dip_at_s = None
        return _DIP_S

    def port_powered(self) -> None:
        """The debug port was powered up."""
        for name in ("debug_stuck", "debug_dead"):
            if not self._stuck and self.strikes(name):
                self._stuck = name

    def reset_pulled(self) -> None:
        """The reset pin went low."""
        if self._stuck == "debug_stuck":
            self._stuck = ""

    def supply_cut(self) -> None:
        """The supply went away."""
        self._stuck = ""
        self._hclk_hz = 0.0

    def worn(self, address: int, value: int) -> int:
        """Return what the flash keeps of ``value`` that is programmed at ``address``."""
        if address == self._board.mcu.flash_base and value and self.strikes("flash_verify"):
            return value & (value - 1)
        return value
