"""Embedded flash interface (FLASH) of the STM32F446: access control, unlock, sector erase, programming.

Registers: RM0390 rev 6 section 3.8; unlock 3.5.1, parallelism 3.5.2, erase 3.5.3, programming 3.5.4, errors 3.7; sectors table 4.
Erase and programming times: DS10693 rev 10 tables 46 and 47, typical.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from bench.virtual.soc.context import Diagnoses, Time
from bench.virtual.soc.flash_interface import ARRAY_BASE, LOCK, FlashAccess, FlashArray, FlashInterface
from bench.virtual.soc.registers import Peripheral, Register

BASE = 0x40023C00
KIB = 1024
SECTORS = (*(16 * KIB,) * 4, 64 * KIB, *(128 * KIB,) * 3)
SIZE = sum(SECTORS)

_PG, _SER, _MER, _STRT = 1 << 0, 1 << 1, 1 << 2, 1 << 16
_PGAERR, _PGPERR, _PGSERR = 1 << 5, 1 << 6, 1 << 7
_OPTCR = 0x0FFFAAED

PROGRAM_S = 16e-6
# By parallelism x8, x16, x32: seconds to erase a 16, 64, 128 KiB sector, and everything.
_ERASE_S = {
    16 * KIB: (0.400, 0.300, 0.250),
    64 * KIB: (1.200, 0.700, 0.550),
    128 * KIB: (2.0, 1.3, 1.0),
    SIZE: (8.0, 5.5, 4.0),
}


@dataclass(frozen=True, slots=True)
class FlashGeometry:
    """Sectors [bytes] from ``ARRAY_BASE`` on; seconds to erase a sector of a size, or everything, at parallelism x8, x16, x32."""

    name: str
    sectors: tuple[int, ...]
    erase_s: Mapping[int, tuple[float, float, float]]

    @property
    def size(self) -> int:
        """All of the flash [bytes]."""
        return sum(self.sectors)

    def sector_span(self, number: int) -> tuple[int, int]:
        """Return (address, size in bytes) of a sector. Raises IndexError for a number that there is not."""
        if not 0 <= number < len(self.sectors):
            raise IndexError(f"the {self.name} has flash sectors 0 to {len(self.sectors) - 1}, not {number}")
        return ARRAY_BASE + sum(self.sectors[:number]), self.sectors[number]


F446 = FlashGeometry("STM32F446xE", SECTORS, _ERASE_S)

# Lowest supply for a parallelism, RM0390 table 6; x64 needs an external VPP that the board does not have.
_LOWEST_V = {0: 1.7, 1: 2.1, 2: 2.7}


def sector_span(number: int) -> tuple[int, int]:
    """Return (address, size in bytes) of a sector of the STM32F446xE. Raises IndexError for a number outside 0-7."""
    return F446.sector_span(number)


class FlashController(FlashInterface):
    """See `FlashInterface`; erase by sector, programming by the parallelism in CR.PSIZE."""

    reset_acr: ClassVar[int] = 0
    reset_cr: ClassVar[int] = LOCK
    sr_cleared_by_one: ClassVar[int] = 0x1F3
    unlock_section: ClassVar[str] = "3.5.1"
    option_section: ClassVar[str] = "3.6"
    acr_section: ClassVar[str] = "3.8.1"
    geometry: ClassVar[FlashGeometry] = F446

    def __init__(self, time: Time, diagnoses: Diagnoses, array: FlashArray, access: FlashAccess, vdd_v: Callable[[], float],
                 access_changed: Callable[[], None]) -> None:  # fmt: skip
        super().__init__(time, diagnoses, array, access, access_changed)
        self._vdd_v = vdd_v
        self.peripheral = Peripheral(
            "FLASH", BASE,
            [(0x00, self._acr), (0x04, Register("KEYR", 0, on_write=self._write_key)),
             (0x08, Register("OPTKEYR", 0, on_write=self._write_option)), (0x0C, self._sr), (0x10, self._cr),
             (0x14, Register("OPTCR", _OPTCR, on_write=self._write_option))],
            narrow=False,
        )  # fmt: skip

    def _cite(self, section: str) -> str:
        return f"(RM0390 {section})"

    def _write_acr(self, old: int, new: int) -> int:
        self._refuse_cache_reset(old, new)
        return self._set_acr(new & 0x1F0F)

    def _parallelism(self) -> int:
        psize = self._cr.value >> 8 & 3
        if psize == 3 or self._vdd_v() < _LOWEST_V[psize]:
            self._sr.value |= _PGPERR
            self._diagnoses.refuse(
                f"FLASH_CR.PSIZE = {psize} (x{8 << psize}) does not work at VDD {self._vdd_v():g} V (RM0390 3.5.2 table 6)"
            )
        return psize

    def _write_cr(self, old: int, new: int) -> int:
        self._refuse_control(old, "3.5.3")
        self._cr.value = new & 0x8300037F
        if new & _STRT:
            self._erase(new)
        return self._cr.value

    def _erase(self, cr: int) -> None:
        modes = cr & (_PG | _SER | _MER)
        if modes not in (_SER, _MER):
            self._sr.value |= _PGSERR
            self._diagnoses.refuse(
                f"FLASH_CR.STRT with PG, SER, MER = {modes:#05b}: set exactly one of SER and MER (RM0390 3.5.3)"
            )
        psize = self._parallelism()
        if modes == _MER:
            address, size = ARRAY_BASE, self.geometry.size
        else:
            number = cr >> 3 & 15
            geometry = self.geometry
            if number >= len(geometry.sectors):
                self._sr.value |= _PGSERR
                self._diagnoses.refuse(
                    f"FLASH_CR.SNB = {number}: the {geometry.name} has sectors 0 to {len(geometry.sectors) - 1} (RM0390 3.3 table 4)"
                )
            address, size = geometry.sector_span(number)
        self._array.write_memory(address, b"\xff" * size)
        self._begin(self.geometry.erase_s[size][psize])

    def program(self, address: int, size: int, value: int) -> None:
        """A store of the core (or the debugger) into the flash array: bits can only be cleared. Raises AccessFault when not set up for it."""
        self._wait()
        if not self._cr.value & _PG:
            self._sr.value |= _PGSERR
            state = "locked" if self._cr.value & LOCK else "unlocked, PG not set"
            self._diagnoses.refuse(f"store into flash at {address:#010x} while FLASH_CR is {state} (RM0390 3.5.4)")
        psize = self._parallelism()
        if address % size:
            self._sr.value |= _PGAERR
            self._diagnoses.refuse(f"unaligned {size}-byte store into flash at {address:#010x} (RM0390 3.7)")
        if size != 1 << psize:
            self._sr.value |= _PGPERR
            self._diagnoses.refuse(
                f"{size}-byte store into flash at {address:#010x} with FLASH_CR.PSIZE = {psize} (x{8 << psize}) (RM0390 3.5.2)"
            )
        old = int.from_bytes(self._array.read_memory(address, size), "little")
        self._array.write_memory(address, (old & value).to_bytes(size, "little"))
        self._begin(PROGRAM_S)
