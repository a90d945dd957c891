"""The interface of a core's timing model: what a model of a further core (a Cortex-M7, say) has to provide, and what it is asked.

A model is pure Python and slow; it is asked once for every pair of basic blocks that follow one another, and its answer is memoised and
charged by native code from then on. What depends on more than the pair is described by data, and done by the native code itself:

- wait states and caches of the flash interface: `FlashAccelerator`, and `Cpu.set_flash_access` for the switches;
- divisions, which end early: `DivideTiming`;
- conditional branches that may be predicted wrongly: ``EdgeCost.mispredict_cycles`` with ``EdgeCost.taken``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class FlashAccelerator:
    """Geometry of the flash interface: instruction side and data side have a cache each, least recently used lines are replaced.

    ``line_bytes`` (a power of two) is what one flash access brings, and a cache line. ``*_lines`` is how many lines a cache has,
    ``*_ways`` how many of them a given flash line may be in (0: any, fully associative; else a divisor of lines). ``fill_cycles``
    is what fetching a line costs on top of the wait states (a bus between core and flash; 0 on the F4 and L4).
    Whether caches and prefetch are on, and the wait states, are switches: `Cpu.set_flash_access`.

    The default is the STM32F446: 128-bit lines, 64 instruction lines, 8 data lines (RM0390 rev 6 §3.4.2). An L4 is
    ``FlashAccelerator(line_bytes=8, instruction_lines=128, data_lines=32)`` (RM0351 rev 9 §3.3.5: 32 and 8 lines of 4 x 64 bits, taken
    as lines of 64 bits each, since a miss fetches 64); an L1 cache of 4 KB, two ways, is ``line_bytes=32, instruction_lines=128,
    instruction_ways=2``.
    """

    line_bytes: int = 16
    instruction_lines: int = 64
    data_lines: int = 8
    instruction_ways: int = 0
    data_ways: int = 0
    fill_cycles: int = 0

    def __post_init__(self) -> None:
        if self.line_bytes < 8 or self.line_bytes & (self.line_bytes - 1):
            raise ValueError(f"flash lines of {self.line_bytes} bytes: a power of two from 8 on is possible")
        for lines, ways in ((self.instruction_lines, self.instruction_ways), (self.data_lines, self.data_ways)):
            if lines < 1 or ways < 0 or (ways and lines % ways):
                raise ValueError(f"a cache of {lines} lines in sets of {ways}: the ways have to divide the lines")
        if self.fill_cycles < 0:
            raise ValueError(f"{self.fill_cycles} cycles for a line: cannot be negative")


@dataclass(frozen=True, slots=True)
class DivideTiming:
    """Cycles of SDIV and UDIV by operands: ``overhead + ceil(q / bits_per_cycle)``, at least ``minimum``, at most ``maximum``.

    The manual gives 2 and 12 as the ends and says that operands end it early (Arm DDI 0439 §3.3.1); four bits a cycle are taken from the
    way the ends fit, the overhead from published loops on an STM32F446 and an STM32L496 (ZIP-CNN, 2023, annex A.2): an int8 division
    takes 3 cycles more than an addition on both.

    q is how many significant bits the quotient can have: bits of the dividend's magnitude less bits of the divisor's, plus one; none
    when the dividend is the shorter one. `CoreTiming.edge` counts ``minimum`` for a division; native code adds the rest.
    """

    minimum: int = 2
    maximum: int = 12
    overhead: int = 3
    bits_per_cycle: int = 4

    def cycles(self, dividend: int, divisor: int) -> int:
        """Cycles for two magnitudes below 2^32. A division by zero gives 0 at once."""
        if divisor == 0 or dividend < divisor:
            return self.minimum
        quotient_bits = dividend.bit_length() - divisor.bit_length() + 1
        return min(self.maximum, max(self.minimum, self.overhead - (-quotient_bits // self.bits_per_cycle)))


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """Straight-line code: ``code`` at ``address``, entered at its begin and left at its end.

    ``memories[i]`` is the memory that instruction i reads or writes, as the top four bits of the address it touched when the block was
    first entered: 0 flash, 2 SRAM, and so on; -1 where there is no access, or it was not known. Empty: nothing is known.
    """

    address: int
    code: bytes
    memories: tuple[int, ...] = ()

    @property
    def end(self) -> int:
        """Address behind the last byte."""
        return self.address + len(self.code)


@dataclass(frozen=True, slots=True)
class EdgeCost:
    """What it costs to run a block after another one, without flash wait states.

    ``refill_cycles`` is what the way from the previous block's end costs (a taken branch); ``starts_cycles[i]`` is what was spent,
    refill included, when instruction i begins (instructions issued together begin together); ``total_cycles`` when the block has
    ended. ``addresses[i]`` is where instruction i is.

    ``mispredict_cycles`` come on top when the previous block ended in a conditional branch and a two-bit counter of that branch
    predicted the other way than ``taken``. Leave both at their defaults for a core without prediction, and for ways that are always right.
    """

    refill_cycles: int
    addresses: tuple[int, ...]
    starts_cycles: tuple[int, ...]
    total_cycles: int
    mispredict_cycles: int = 0
    taken: bool = False


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
    def divide(self) -> DivideTiming:
        """Cycles of integer division."""
        ...

    @property
    def asks_ahead(self) -> bool:
        """Whether an instruction word is asked for when the word before begins to be used; else when it is needed."""
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
