"""What the clock registers of all STM32 families share: prescaler codes, and how words that were read back are judged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

AHB_CODES: Mapping[int, int] = {1: 0, 2: 8, 4: 9, 8: 10, 16: 11, 64: 12, 128: 13, 256: 14, 512: 15}
"""RCC_CFGR.HPRE by divider (RM0390 6.3.3, RM0385 5.3.3, RM0351 6.4.3)."""
APB_CODES: Mapping[int, int] = {1: 0, 2: 4, 4: 5, 8: 6, 16: 7}
"""RCC_CFGR.PPRE1 and PPRE2 by divider (same sections)."""
PLL_DIVIDER_CODES: Mapping[int, int] = {2: 0, 4: 1, 6: 2, 8: 3}
"""RCC_PLLCFGR.PLLP on F4 and F7, PLLR on L4, by divider (RM0390 6.3.2, RM0385 5.3.2, RM0351 6.4.4)."""


class ReadBack(NamedTuple):
    """One of the words that the target reads back: register ``name`` must hold ``value`` in the bits of ``mask``; a mask of 0 asks for nothing."""

    name: str
    mask: int
    value: int
