"""Supply current of a virtual STM32F746 from its operating state: it knows the clock configuration, not the instructions."""

from __future__ import annotations

import numpy as np

from bench.virtual.supply import Activity, OperatingState

# DS10916 rev 4 (DocID027590) tables 24-27, typical, 25 degC, peripherals off, mA.
_F746_MHZ = (25, 60, 144, 168, 180, 200, 216)
_F746_L1 = (12, 27, 61, 79, 89, 100, 108)
_F746_L1_OFF = (17, 34, 67, 81, 90, 98, 105)
_F746_BASE_MA = 1.3
"""What is left of the first two points of the table at 0 Hz; the table says nothing below 25 MHz."""

_RESET_A = 1.0e-3


class CurrentModelF746:
    """STM32F746 running from flash at its AXIM address: datasheet tables with the L1 caches on and off, linear between their points.

    Below 25 MHz on the straight line from there to 1.3 mA at 0 Hz. Asleep or halted: three tenths of what the clock adds while running, an assumption. The datasheet's points have the regulator's scale in them; the scale chosen does not
    enter on its own. ``flash_cache`` of the state says whether the L1 caches are on.
    """

    def current_a(self, state: OperatingState) -> float:
        """Return the supply current [A] drawn in ``state``."""
        if state.activity is Activity.OFF:
            return 0.0
        extra_a = 1.5e-3 * state.debug_powered + 1.0e-3 * state.low_power_debug
        if state.activity is Activity.RESET:
            return _RESET_A + extra_a
        table = _F746_L1 if state.flash_cache else _F746_L1_OFF
        run_ma = float(np.interp(state.hclk_hz / 1e6, (0, *_F746_MHZ), (_F746_BASE_MA, *table)))
        share = 1.0 if state.activity is Activity.RUN else 0.3
        return (_F746_BASE_MA + share * (run_ma - _F746_BASE_MA)) * 1e-3 + extra_a
