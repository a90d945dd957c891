"""Supply current of a virtual STM32L4 from its operating state. Simple: it knows the clock configuration, not the instructions.

Sources
  L496 run    DS11585 rev 11 table 26, typical, 25 degC, from flash, ART on, prefetch off, peripherals off, by voltage range; below 1 MHz
              its 0.1 MHz figure; straight lines between
  L4R9 run    112 uA/MHz (DS12023 rev 9, headline, range 1), in the boost and in range 2 scaled by the regulator's output (1.28 V, 1.0 V
              against 1.2 V: RM0432 rev 9 section 5.1.8), the standing current of the L496
  ART         without the caches, or with prefetch on, a tenth more: an estimate
  sleep       standing current + 36 uA/MHz: an estimate for flash and SRAM clocked, peripherals off
  HSI16, PLL  in the table (which has HSE, and the PLL above 48 MHz)
  debug       +1.5 mA while the debug port is powered: an assumption, its order of magnitude only;
              +1 mA while a DBGMCU low-power debug bit is set (published observation on other STM32)

The current of a linear regulator hardly depends on VDD, hence VDD does not enter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bench.virtual.supply import Activity, OperatingState

_RESET_A = 0.5e-3
_DEBUG_A, _LOW_POWER_DEBUG_A = 1.5e-3, 1.0e-3
_UNCACHED = 1.1


@dataclass(frozen=True, slots=True)
class TableCurrentModel:
    """Run currents [mA] at clocks [MHz], by (voltage range, boost); beyond its ends a table goes on in its last slope."""

    run_ma: Mapping[tuple[int, bool], tuple[tuple[float, float], ...]]
    standing_ma: float
    sleep_ma_per_mhz: float

    def current_a(self, state: OperatingState) -> float:
        """Return the supply current [A] drawn in ``state``."""
        if state.activity is Activity.OFF:
            return 0.0
        extra_a = _DEBUG_A * state.debug_powered + _LOW_POWER_DEBUG_A * state.low_power_debug
        if state.activity is Activity.RESET:
            return _RESET_A + extra_a
        mhz = state.hclk_hz / 1e6
        if state.activity is not Activity.RUN:
            return (self.standing_ma + self.sleep_ma_per_mhz * mhz) * 1e-3 + extra_a
        share = 1.0 if state.flash_cache and not state.prefetch else _UNCACHED
        return self._run_ma(self.run_ma[state.voltage_scale, state.over_drive], mhz) * share * 1e-3 + extra_a

    @staticmethod
    def _run_ma(table: tuple[tuple[float, float], ...], mhz: float) -> float:
        clocks, currents = np.array(table).T
        if mhz > clocks[-1]:
            slope = (currents[-1] - currents[-2]) / (clocks[-1] - clocks[-2])
            return float(currents[-1] + slope * (mhz - clocks[-1]))
        if mhz < clocks[0]:
            slope = (currents[1] - currents[0]) / (clocks[1] - clocks[0])
            return float(currents[0] + slope * (mhz - clocks[0]))
        return float(np.interp(mhz, clocks, currents))


def l496() -> TableCurrentModel:
    """The STM32L496."""
    return TableCurrentModel(
        {
            (1, False): ((16, 2.01), (24, 2.94), (32, 3.87), (48, 5.72), (64, 7.61), (72, 8.52), (80, 9.44)),
            (2, False): ((0.1, 0.14), (1, 0.23), (2, 0.33), (4, 0.52), (8, 0.91), (16, 1.68), (26, 2.65)),
        },
        standing_ma=0.11,
        sleep_ma_per_mhz=0.036,
    )


def l4r9() -> TableCurrentModel:
    """The STM32L4R9."""
    standing_ma, range_1 = 0.13, 0.112
    slopes = {(1, False): range_1, (1, True): range_1 * 1.28 / 1.2, (2, False): range_1 * 1.0 / 1.2}
    return TableCurrentModel(
        {key: ((0.0, standing_ma), (120.0, standing_ma + 120 * slope)) for key, slope in slopes.items()},
        standing_ma=standing_ma,
        sleep_ma_per_mhz=0.036,
    )
