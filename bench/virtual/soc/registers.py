"""Peripherals as tables of registers. What a table does not list does not exist: touching it is a bus fault, never a silent zero."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bench.virtual.cpu.interface import AccessFault

WORD = 0xFFFFFFFF


@dataclass(slots=True)
class Register:
    """One 32-bit register.

    ``writable`` masks the bits that a write changes; the others keep their value. ``on_read`` gets the stored value and returns what
    is read. ``on_write`` gets the stored and the written word (unmasked) and returns what is stored; then ``writable`` does not apply.
    ``after_write`` is called when the value is in place.
    """

    name: str
    reset: int = 0
    writable: int = WORD
    on_read: Callable[[int], int] | None = None
    on_write: Callable[[int, int], int] | None = None
    after_write: Callable[[], None] | None = None
    value: int = 0

    def __post_init__(self) -> None:
        self.value = self.reset

    def read(self) -> int:
        """Return what a read gives."""
        return self.value if self.on_read is None else self.on_read(self.value)

    def write(self, word: int) -> None:
        """Write a word."""
        if self.on_write is None:
            self.value = (self.value & ~self.writable) | (word & self.writable)
        else:
            self.value = self.on_write(self.value, word) & WORD
        if self.after_write is not None:
            self.after_write()


class Peripheral:
    """A block of registers at ``base``. ``narrow`` peripherals also take byte and halfword accesses (merged into the word)."""

    def __init__(self, name: str, base: int, registers: Iterable[tuple[int, Register]], *, narrow: bool = True) -> None:
        self.name = name
        self.base = base
        self.registers = dict(registers)
        self._narrow = narrow

    def __getitem__(self, name: str) -> Register:
        for register in self.registers.values():
            if register.name == name:
                return register
        raise KeyError(f"{self.name} has no register {name}")

    def reset(self) -> None:
        """Return to the values after a system reset."""
        for register in self.registers.values():
            register.value = register.reset

    def _find(self, address: int, size: int) -> tuple[Register, int]:
        register = self.registers.get((address - self.base) & ~3)
        if register is None:
            raise AccessFault(f"{self.name} has no register at {address:#010x} (offset {address - self.base:#x})")
        if address % size or (size != 4 and not self._narrow):
            raise AccessFault(f"{self.name}_{register.name}: {size}-byte access at {address:#010x} is not allowed")
        return register, 8 * (address & 3)

    def read(self, address: int, size: int) -> int:
        """Read ``size`` (1, 2 or 4) bytes. Raises AccessFault where there is no register."""
        register, shift = self._find(address, size)
        return (register.read() >> shift) & ((1 << 8 * size) - 1)

    def write(self, address: int, size: int, value: int) -> None:
        """Write ``size`` bytes. Raises AccessFault where there is no register, or it refuses the write."""
        register, shift = self._find(address, size)
        if size != 4:
            mask = ((1 << 8 * size) - 1) << shift
            value = (register.value & ~mask) | ((value << shift) & mask)
        register.write(value & WORD)
