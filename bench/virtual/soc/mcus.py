"""The microcontrollers that a virtual board can carry: chip, core timing and supply current of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bench.virtual.cpu import CoreTiming, FlashAccelerator
from bench.virtual.cpu.timing_m4 import CortexM4Timing
from bench.virtual.cpu.timing_m7 import CortexM7Timing
from bench.virtual.soc.soc import Soc
from bench.virtual.soc.stm32f446 import Stm32F446
from bench.virtual.soc.stm32f746 import Stm32F746
from bench.virtual.soc.stm32l4 import Stm32L4R9, Stm32L496
from bench.virtual.supply import CurrentModel, model_of


@dataclass(frozen=True, slots=True)
class Parts:
    """What a virtual board is made of; ``timing`` and ``current`` make a new model for each board."""

    chip: type[Soc]
    timing: Callable[[], CoreTiming]
    current: Callable[[], CurrentModel]


_L4_FLASH = FlashAccelerator(line_bytes=8, instruction_lines=128, data_lines=32)
"""32 instruction lines and 8 data lines of 4 x 64 bits, of which a miss fetches 64 (RM0351 rev 9 section 3.3.4; L4R9 with DBANK set)."""


def _l4_timing() -> CoreTiming:
    return CortexM4Timing(accelerator=_L4_FLASH)


def _parts(name: str, chip: type[Soc], timing: Callable[[], CoreTiming]) -> Parts:
    return Parts(chip, timing, lambda: model_of(name))


MCUS: Mapping[str, Parts] = {
    "stm32f446": _parts("stm32f446", Stm32F446, CortexM4Timing),
    "stm32f746": _parts("stm32f746", Stm32F746, CortexM7Timing),
    "stm32l496": _parts("stm32l496", Stm32L496, _l4_timing),
    "stm32l4r9": _parts("stm32l4r9", Stm32L4R9, _l4_timing),
}
