"""The interface of a core's timing model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class FlashAccelerator:
    """Geometry of the flash interface: bytes of one flash line, and lines of the instruction and data caches.

    STM32F446: 128-bit lines, 64 instruction lines, 8 data lines (RM0390 rev 6 §3.4.2).
    """

    line_bytes: int = 16
    instruction_lines: int = 64
    data_lines: int = 8


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """Straight-line code: ``code`` at ``address``, entered at its begin and left at its end."""

    address: int
    code: bytes

    @property
    def end(self) -> int:
        """Address behind the last byte."""
        return self.address + len(self.code)


@dataclass(frozen=True, slots=True)
class EdgeCost:
    """What it costs to run a block after another one, without flash wait states.

    ``refill_cycles`` is what the way from the previous block's end costs (a taken branch); ``starts_cycles[i]`` is what was spent,
    refill included, when instruction i begins; ``total_cycles`` when the block has ended. ``addresses[i]`` is where instruction i is.
    """

    refill_cycles: int
    addresses: tuple[int, ...]
    starts_cycles: tuple[int, ...]
    total_cycles: int


class CoreTiming(Protocol):
    """Timing model of one core type. Pure: the same blocks give the same cost."""

    @property
    def cpu_model(self) -> str:
        """Emulated core: "cortex-m4" or "cortex-m7"."""
        ...

    @property
    def accelerator(self) -> FlashAccelerator:
        """The flash interface in front of the core."""
        ...

    @property
    def exception_entry_cycles(self) -> int:
        """From the instruction before to the handler's first, zero wait states."""
        ...

    @property
    def exception_return_cycles(self) -> int:
        """From the exception return to the first instruction behind it."""
        ...

    def edge(self, previous: CodeBlock | None, block: CodeBlock) -> EdgeCost:
        """Cost of ``block`` run right after ``previous`` (None: after reset or an exception entry)."""
        ...
