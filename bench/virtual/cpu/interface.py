"""What the emulated core and the board around it agree upon: memories, regions, the bus, and why the core stopped."""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from typing import Literal, Protocol

#: Granularity of the emulator's memory map in bytes; bases and sizes of memories and regions are multiples of it.
PAGE_BYTES = 1024

MemoryKind = Literal["flash", "ram"]


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """A memory that the core reaches directly, without the bus.

    ``data`` is shared with the host, not copied: `allocate` makes one, ``mmap.mmap`` of a file serves for flash. Whoever changes
    bytes of it other than through `Cpu.write_memory` calls `Cpu.invalidate_code` afterwards.

    A store of the core to a memory with ``writable=False`` goes to ``Bus.write``, which does what the flash controller would do, or
    raises `AccessFault`. ``aliases`` are further base addresses of the same bytes (the flash at 0 after a boot from flash).
    ``kind="flash"`` makes accesses pay the wait states set by `Cpu.set_flash_access`.
    """

    base: int
    size: int
    executable: bool
    writable: bool
    data: mmap.mmap | bytearray
    kind: MemoryKind
    aliases: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for base in (self.base, *self.aliases):
            if base % PAGE_BYTES or not 0 <= base < 1 << 32:
                raise ValueError(f"memory at {base:#x}: the base is not a 32-bit multiple of {PAGE_BYTES}")
        if self.size <= 0 or self.size % PAGE_BYTES or len(self.data) < self.size:
            raise ValueError(f"memory at {self.base:#x}: size {self.size} with {len(self.data)} bytes of data")

    @property
    def bases(self) -> tuple[int, ...]:
        """Every address at which the memory begins."""
        return (self.base, *self.aliases)


@dataclass(frozen=True, slots=True)
class Region:
    """An address range whose accesses go to the `Bus` one by one (peripherals, the private peripheral bus)."""

    base: int
    size: int

    def __contains__(self, address: int) -> bool:
        return self.base <= address < self.base + self.size


def allocate(size: int, fill: int = 0) -> mmap.mmap:
    """Return ``size`` bytes of zero-filled (or ``fill``-filled) page-aligned anonymous memory for a `Memory`."""
    data = mmap.mmap(-1, size)
    if fill:
        data[:] = bytes([fill]) * size
    return data


class AccessFault(Exception):
    """Raised by a `Bus`: the access is refused. It becomes a precise BusFault (or its escalation) on the core."""

    def __init__(self, message: str, *, kind: str = "bus") -> None:
        super().__init__(message)
        self.kind = kind


class Bus(Protocol):
    """Everything behind the core's memories. Called between two instructions: every method of `Cpu` but run/step may be used from here."""

    def read(self, address: int, size: int) -> int:
        """Read ``size`` (1, 2, 4) bytes, little endian. Raises AccessFault."""
        ...

    def write(self, address: int, size: int, value: int) -> None:
        """Write ``size`` (1, 2, 4) bytes, little endian. Raises AccessFault."""
        ...


class StopReason(Enum):
    """Why `Cpu.run` or `Cpu.step` returned."""

    CYCLES = "cycles"  # the budget is used up
    BREAKPOINT = "breakpoint"  # a BKPT instruction or a hardware breakpoint; PC is on it
    SLEEP = "sleep"  # WFI or WFE; PC is behind it
    LOCKUP = "lockup"  # a fault where no fault can be taken (DDI 0403E B1.5.15)
    STEP = "step"  # one instruction, or one exception entry, was done
    HALT_REQUEST = "halt request"  # request_halt() or a vector catch


def overlaps(spans: Sequence[tuple[int, int]]) -> tuple[int, int] | None:
    """Return the bases of two of the (base, size) ``spans`` that overlap, or None."""
    ordered = sorted(spans)
    for (base, size), (other, _) in pairwise(ordered):
        if base + size > other:
            return base, other
    return None
