"""What a core type is to the debug and system control registers around it: who it says it is, and which components it has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bench.virtual.soc.debug_components import Breakpoints, CycleCounter


@dataclass(frozen=True, slots=True)
class CoreModel:
    """``features``: offset in the SCS and value of ID_PFR0 ... ID_ISAR4, CLIDR, CTR, MPU_TYPE, MVFR0-2."""

    cpuid: int
    features: Mapping[int, int]
    cycle_counter: type[CycleCounter]
    breakpoints: type[Breakpoints]


CORTEX_M4 = CoreModel(
    cpuid=0x410FC241,
    features={
        0xD40: 0x00000030, 0xD44: 0x00000200, 0xD48: 0x00100000, 0xD4C: 0, 0xD50: 0x00100030, 0xD54: 0, 0xD58: 0x01000000, 0xD5C: 0,
        0xD60: 0x01101110, 0xD64: 0x02112000, 0xD68: 0x21232231, 0xD6C: 0x01111131, 0xD70: 0x01310102, 0xD78: 0, 0xD7C: 0, 0xD90: 0,
        0xF40: 0x10110021, 0xF44: 0x11000011, 0xF48: 0,
    },
    cycle_counter=CycleCounter,
    breakpoints=Breakpoints,
)  # fmt: skip
"""Cortex-M4F r0p1: technical reference manual DDI 0439 table 4-1."""
