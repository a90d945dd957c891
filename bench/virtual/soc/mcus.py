"""The microcontrollers that a virtual board can carry: chip, core timing and supply current of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bench.virtual.cpu import CoreTiming
from bench.virtual.cpu.timing_m4 import CortexM4Timing
from bench.virtual.cpu.timing_m7 import CortexM7Timing
from bench.virtual.soc.soc import Soc
from bench.virtual.soc.stm32f446 import Stm32F446
from bench.virtual.soc.stm32f746 import Stm32F746
from bench.virtual.supply import CurrentModel, CurrentModelF746, SimpleCurrentModel


@dataclass(frozen=True, slots=True)
class Parts:
    """What a virtual board is made of; ``timing`` and ``current`` make a new model for each board."""

    chip: type[Soc]
    timing: Callable[[], CoreTiming]
    current: Callable[[], CurrentModel]


MCUS: Mapping[str, Parts] = {
    "stm32f446": Parts(Stm32F446, CortexM4Timing, SimpleCurrentModel),
    "stm32f746": Parts(Stm32F746, CortexM7Timing, CurrentModelF746),
}
