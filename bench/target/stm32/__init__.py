"""pyOCD target definitions for STM32 parts that pyOCD knows only through a downloaded pack."""

from __future__ import annotations


def register_targets() -> None:
    """Make this project's target types known to pyOCD in this process; a type that is there already (a pack's) stays. Idempotent."""
    # Late: importing this package must stay cheap, pyOCD loads its plugin in every process.
    from pyocd.target import TARGET  # noqa: PLC0415
    from pyocd.target.builtin import BUILTIN_TARGETS  # noqa: PLC0415

    from bench.target.stm32.f446 import STM32F446xE  # noqa: PLC0415
    from bench.target.stm32.f746 import STM32F746xG  # noqa: PLC0415
    from bench.target.stm32.l4 import STM32L4R9xI, STM32L496xG  # noqa: PLC0415

    for table in (BUILTIN_TARGETS, TARGET):
        table.setdefault("stm32f446xe", STM32F446xE)
        table.setdefault("stm32f746xg", STM32F746xG)
        table.setdefault("stm32l496xg", STM32L496xG)
        table.setdefault("stm32l4r9xi", STM32L4R9xI)
