"""Loads and stores done outside the emulator: accesses to the bus, stores to memory that the core may not write directly."""

from __future__ import annotations

from collections.abc import Sequence

from bench.virtual.cpu.engine import Engine
from bench.virtual.cpu.instructions import IT_BITS, PC, Instruction
from bench.virtual.cpu.interface import AccessFault, Bus, Memory, Region, overlaps

_WORD = 0xFFFF_FFFF


class MemoryMap:
    """Memories and regions, looked up by address; ``flash`` is the one memory of that kind, if there is one.

    Raises ValueError when two of them overlap, or more than one is flash: the flash interface serves one.
    """

    def __init__(self, memories: Sequence[Memory], mmio: Sequence[Region], bus: Bus) -> None:
        spans = [(base, memory.size) for memory in memories for base in memory.bases]
        if clash := overlaps(spans + [(region.base, region.size) for region in mmio]):
            raise ValueError(f"the memories or regions at {clash[0]:#010x} and {clash[1]:#010x} overlap")
        flashes = [memory for memory in memories if memory.kind == "flash"]
        if len(flashes) > 1:
            raise ValueError(f"{len(flashes)} memories are flash; the flash interface serves one")
        self.flash = flashes[0] if flashes else None
        self._bus = bus
        self._regions = tuple((region.base, region.base + region.size) for region in mmio)
        self._views = [
            (base, base + memory.size, memory, memoryview(memory.data)) for memory in memories for base in memory.bases
        ]

    def memory(self, address: int, size: int) -> tuple[Memory, memoryview] | None:
        """The memory that holds all of the range, and a view of these bytes; None when there is none."""
        for begin, end, memory, view in self._views:
            if begin <= address and address + size <= end:
                return memory, view[address - begin : address - begin + size]
        return None

    def in_region(self, address: int) -> bool:
        """Whether accesses to ``address`` go to the bus."""
        for begin, end in self._regions:  # noqa: SIM110  (a generator would take three times as long)
            if begin <= address < end:
                return True
        return False

    def bytes(self, address: int, size: int) -> bytes:
        """Read from a memory. Raises AccessFault when the range is not all in one."""
        found = self.memory(address, size)
        if found is None:
            raise AccessFault(f"no memory at {address:#010x}, {size} bytes")
        return bytes(found[1])

    def read(self, address: int, size: int) -> int:
        """Read like the core does. Raises AccessFault."""
        if self.in_region(address):
            return self._bus.read(address, size) & ((1 << 8 * size) - 1)
        return int.from_bytes(self.bytes(address, size), "little")

    def write(self, address: int, size: int, value: int) -> None:
        """Write like the core does: to a memory, or through the bus. Raises AccessFault."""
        value &= (1 << 8 * size) - 1
        if self.in_region(address):
            self._bus.write(address, size, value)
            return
        found = self.memory(address, size)
        if found is None:
            raise AccessFault(f"no memory at {address:#010x}, {size} bytes")
        memory, view = found
        if memory.writable:
            view[:] = value.to_bytes(size, "little")
        else:
            self._bus.write(address, size, value)

    def spans(self, address: int, size: int) -> list[tuple[int, int]]:
        """Every address range at which the bytes of the given range appear (aliases included)."""
        for begin, end, memory, _ in self._views:
            if begin <= address < end:
                return [(base + address - begin, size) for base in memory.bases]
        return [(address, size)]


class FaultAt(Exception):
    """An access was refused at ``address``; ``unaligned`` when for its alignment."""

    def __init__(self, address: int, cause: str, *, unaligned: bool = False) -> None:
        super().__init__(cause)
        self.address = address
        self.unaligned = unaligned


class LoadStoreUnit:
    """Does load and store instructions that the emulator stopped at, in two steps: all transfers, then all registers."""

    def __init__(self, engine: Engine, memory: MemoryMap) -> None:
        self._engine = engine
        self._memory = memory

    def address(self, instruction: Instruction) -> int:
        """First address that the instruction touches, with the registers as they are."""
        access, core = instruction.access, self._engine.core
        assert access is not None
        base = instruction.address + 4 & ~3 if access.base == PC else core(access.base)
        index = 0 if access.index is None else core(access.index) << access.shift
        return (base + index + access.offset) & _WORD

    def transfer(self, instruction: Instruction, mask: int) -> list[int]:
        """Do the transfers and return what was loaded. ``mask``: address bits that have to be zero in memory. Raises FaultAt."""
        access = instruction.access
        assert access is not None
        unit, memory = access.unit, self._memory
        place = self.address(instruction)
        if place & (unit - 1 if memory.in_region(place) else mask):
            raise FaultAt(place, "unaligned access", unaligned=True)
        loaded: list[int] = []
        try:
            for register in access.registers:
                if access.exclusive:
                    raise AccessFault(f"exclusive access to a device at {place:#010x}")
                if access.load:
                    value = memory.read(place, unit)
                    if access.signed and value >> (8 * unit - 1):
                        value |= _WORD << (8 * unit) & _WORD
                    loaded.append(value)
                else:
                    value = self._engine.get(f"s{register}") if access.fp else self._engine.core(register)
                    memory.write(place, unit, value)
                place = place + unit & _WORD
        except AccessFault as cause:
            raise FaultAt(place, str(cause)) from cause
        return loaded

    def commit(self, instruction: Instruction, loaded: list[int]) -> int | None:
        """Write back the base, advance the IT state, write what was loaded. Returns the value loaded to PC, if any."""
        access, engine = instruction.access, self._engine
        assert access is not None
        if access.base_step:
            engine.set_core(access.base, engine.core(access.base) + access.base_step)
        xpsr = engine.get("xpsr")
        if xpsr & IT_BITS:
            it = xpsr >> 8 & 0xFC | xpsr >> 25 & 3
            it = it & 0xE0 | it << 1 & 0x1F if it & 7 else 0  # ITAdvance(), DDI 0403E A7.3.3
            engine.set("xpsr", xpsr & ~IT_BITS | (it & 0xFC) << 8 | (it & 3) << 25)
        target = None
        for number, value in zip(access.registers, loaded, strict=False):
            if access.fp:
                engine.set(f"s{number}", value)
            elif number == PC:
                target = value
            else:
                engine.set_core(number, value)
        return target
