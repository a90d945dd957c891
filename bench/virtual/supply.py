"""Supply current of a virtual STM32F446 from its operating state. Simple: it knows the clock configuration, not the instructions.

Sources
  run       straight lines fitted to a published LeNet-5 fp32 run on an STM32F446ZE at 3.3 V (Garbay, ZIP-CNN, 2023, annex B.2),
            flash cache and prefetch on: 4.02 + 0.191 f mA (16-116 MHz, regulator scale 3), 3.69 + 0.211 f (124-132 MHz, scale 2),
            1.60 + 0.235 f (148-180 MHz, scale 1), f in MHz
  ART       ratio of the typical currents with prefetch off, and with the cache off too, to those with both on: DS10693 rev 10 tables 23-25
  sleep     1.5 mA + 0.042 mA/MHz, peripherals off: an estimate (about 9 mA at 180 MHz), not a table of the datasheet
  debug     +1.5 mA while the debug port is powered: an assumption, its order of magnitude only;
            +1 mA while a DBGMCU low-power debug bit is set (published observation)

Above the lowest voltage scale a line holds from its own clock range on; below that range the larger of the lines is taken, so that a
higher core voltage never draws less. The current of a linear regulator hardly depends on VDD, hence VDD does not enter.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import numpy as np


class Activity(Enum):
    """What the core is doing."""

    RUN = "run"
    SLEEP = "sleep"
    HALTED = "halted"
    RESET = "reset"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class OperatingState:
    """All that the supply current depends on. Clocks in Hz; ``voltage_scale`` 1 (fast) to 3; ``flash_cache`` = both ART caches on."""

    activity: Activity
    hclk_hz: float
    source: str
    voltage_scale: int
    over_drive: bool
    wait_states: int
    prefetch: bool
    flash_cache: bool
    debug_powered: bool
    low_power_debug: bool


class CurrentModel(Protocol):
    """Gives the supply current of a state. A deeper model may also look at what the core executed since it was asked last."""

    def current_a(self, state: OperatingState) -> float:
        """Return the supply current [A] drawn in ``state``."""
        ...


# mA and mA/MHz per regulator scale, prefetch and caches on.
_RUN_LINES = {3: (4.02, 0.191), 2: (3.69, 0.211), 1: (1.60, 0.235)}

# DS10693 rev 10 tables 23-25, typical, 25 degC, peripherals off, mA.
_ART_MHZ = (8, 16, 30, 60, 90, 120, 144, 150, 168, 180)
_ART_AND_PREFETCH = (3, 5, 10, 18, 26, 32, 38, 41, 43, 46)
_ART_ALONE = (2, 3, 6, 10, 14, 18, 24, 26, 29, 32)
_ART_OFF = (3, 5, 10, 17, 24, 29, 34, 37, 38, 41)

_RESET_A = 1.0e-3


class SimpleCurrentModel:
    """The model described at the top of this module; it has no state."""

    def current_a(self, state: OperatingState) -> float:
        """Return the supply current [A] drawn in ``state``."""
        if state.activity is Activity.OFF:
            return 0.0
        extra_a = 1.5e-3 * state.debug_powered + 1.0e-3 * state.low_power_debug
        if state.activity is Activity.RESET:
            return _RESET_A + extra_a
        mhz = state.hclk_hz / 1e6
        if state.activity is Activity.RUN:
            return self._run_ma(state, mhz) * 1e-3 + extra_a
        return (1.5 + 0.042 * mhz) * 1e-3 + extra_a

    @staticmethod
    def _run_ma(state: OperatingState, mhz: float) -> float:
        lines = [line for scale, line in _RUN_LINES.items() if scale >= state.voltage_scale]
        full_ma = max(base + slope * mhz for base, slope in lines)
        if state.flash_cache and state.prefetch:
            return full_ma
        table = _ART_ALONE if state.flash_cache else _ART_OFF
        ratio = np.asarray(table, dtype=float) / np.asarray(_ART_AND_PREFETCH, dtype=float)
        return full_ma * float(np.interp(mhz, _ART_MHZ, ratio))
