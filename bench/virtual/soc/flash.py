"""Embedded flash interface (FLASH) of the STM32F446: access control, unlock, sector erase, programming.

Registers: RM0390 rev 6 section 3.8; unlock 3.5.1, parallelism 3.5.2, erase 3.5.3, programming 3.5.4, errors 3.7; sectors table 4.
Erase and programming times: DS10693 rev 10 tables 46 and 47, typical.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

from bench.virtual.soc.context import Diagnoses, Time
from bench.virtual.soc.registers import Peripheral, Register

BASE = 0x40023C00
ARRAY_BASE = 0x08000000
KIB = 1024
SECTORS = (*(16 * KIB,) * 4, 64 * KIB, *(128 * KIB,) * 3)
SIZE = sum(SECTORS)

_KEYS = (0x45670123, 0xCDEF89AB)
_PG, _SER, _MER, _STRT, _LOCK = 1 << 0, 1 << 1, 1 << 2, 1 << 16, 1 << 31
_EOP, _PGAERR, _PGPERR, _PGSERR, _BSY = 1 << 0, 1 << 5, 1 << 6, 1 << 7, 1 << 16
_SR_CLEARED_BY_ONE = 0x1F3
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


class FlashArray(Protocol):
    """The bytes of the flash, at ``ARRAY_BASE``; a write makes the core forget translated code."""

    def read_memory(self, address: int, size: int) -> bytes:
        """Return bytes."""
        ...

    def write_memory(self, address: int, data: bytes) -> None:
        """Replace bytes."""
        ...


class FlashAccess(Protocol):
    """The core's side of the flash access time."""

    def set_flash_access(self, wait_states: int, icache: bool, dcache: bool, prefetch: bool) -> None:
        """Set wait states, caches, prefetch."""
        ...

    def flush_flash_caches(self, instruction: bool, data: bool) -> None:
        """Empty caches."""
        ...


def sector_span(number: int) -> tuple[int, int]:
    """Return (address, size in bytes) of a sector of the STM32F446xE. Raises IndexError for a number outside 0-7."""
    return F446.sector_span(number)


class FlashController:
    """FLASH. ``access_changed`` is called after a write of ACR; it may raise AccessFault when a clock limit is broken."""

    geometry: ClassVar[FlashGeometry] = F446

    def __init__(self, time: Time, diagnoses: Diagnoses, array: FlashArray, access: FlashAccess, vdd_v: Callable[[], float],
                 access_changed: Callable[[], None]) -> None:  # fmt: skip
        self._time = time
        self._diagnoses = diagnoses
        self._array = array
        self._access = access
        self._vdd_v = vdd_v
        self._access_changed = access_changed
        self._busy_until_s = 0.0
        self._keys_seen = 0
        self._locked_for_good = False
        self._acr = Register("ACR", 0, on_write=self._write_acr)
        self._sr = Register("SR", 0, on_read=self._read_sr, on_write=lambda old, new: old & ~(new & _SR_CLEARED_BY_ONE))
        self._cr = Register("CR", _LOCK, on_write=self._write_cr)
        self.peripheral = Peripheral(
            "FLASH", BASE,
            [(0x00, self._acr), (0x04, Register("KEYR", 0, on_write=self._write_key)),
             (0x08, Register("OPTKEYR", 0, on_write=self._write_option)), (0x0C, self._sr), (0x10, self._cr),
             (0x14, Register("OPTCR", _OPTCR, on_write=self._write_option))],
            narrow=False,
        )  # fmt: skip

    def reset(self) -> None:
        """System reset: no wait states, caches off, locked; an operation under way is aborted."""
        self.peripheral.reset()
        self._busy_until_s = 0.0
        self._keys_seen = 0
        self._locked_for_good = False
        self._access.set_flash_access(0, False, False, False)

    @property
    def wait_states(self) -> int:
        """ACR.LATENCY."""
        return self._acr.value & 15

    @property
    def prefetch(self) -> bool:
        """ACR.PRFTEN."""
        return bool(self._acr.value & 1 << 8)

    @property
    def caches(self) -> tuple[bool, bool]:
        """ACR.ICEN, ACR.DCEN."""
        return bool(self._acr.value & 1 << 9), bool(self._acr.value & 1 << 10)

    @property
    def busy(self) -> bool:
        """Whether an erase or programming operation is under way."""
        return self._time.now_s < self._busy_until_s

    def _write_acr(self, old: int, new: int) -> int:
        for enable, reset, name in ((1 << 9, 1 << 11, "IC"), (1 << 10, 1 << 12, "DC")):
            if new & reset and (old | new) & enable:
                self._diagnoses.refuse(
                    f"FLASH_ACR.{name}RST set while {name}EN is set; a cache is reset only while it is off (RM0390 3.8.1)"
                )
        if new & 3 << 11:
            self._access.flush_flash_caches(bool(new & 1 << 11), bool(new & 1 << 12))
        self._acr.value = new & 0x1F0F
        self._access.set_flash_access(self.wait_states, *self.caches, self.prefetch)
        self._access_changed()
        return self._acr.value

    def _write_key(self, _: int, new: int) -> int:
        if not self._cr.value & _LOCK:
            return 0
        if self._locked_for_good or new != _KEYS[self._keys_seen]:
            self._locked_for_good = True
            self._diagnoses.refuse(
                f"wrong key {new:#010x} written to FLASH_KEYR; FLASH_CR stays locked until the next reset (RM0390 3.5.1)"
            )
        self._keys_seen += 1
        if self._keys_seen == len(_KEYS):
            self._keys_seen = 0
            self._cr.value &= ~_LOCK
        return 0

    def _write_option(self, *_: int) -> int:
        self._diagnoses.refuse(
            "option bytes are not modelled; FLASH_OPTKEYR and FLASH_OPTCR cannot be written (RM0390 3.6)"
        )

    def _read_sr(self, stored: int) -> int:
        if not self.busy:
            return stored
        # Whoever looks waits (seconds, in a loop of six instructions): time jumps to the end, and the next look finds the operation done.
        self._time.skip(self._busy_until_s - self._time.now_s)
        return stored | _BSY

    def _begin(self, seconds: float) -> None:
        self._busy_until_s = self._time.now_s + seconds

    def _parallelism(self) -> int:
        psize = self._cr.value >> 8 & 3
        if psize == 3 or self._vdd_v() < _LOWEST_V[psize]:
            self._sr.value |= _PGPERR
            self._diagnoses.refuse(
                f"FLASH_CR.PSIZE = {psize} (x{8 << psize}) does not work at VDD {self._vdd_v():g} V (RM0390 3.5.2 table 6)"
            )
        return psize

    def _write_cr(self, old: int, new: int) -> int:
        if old & _LOCK:
            self._diagnoses.refuse(
                "FLASH_CR written while it is locked; write the two keys to FLASH_KEYR first (RM0390 3.5.1)"
            )
        if self.busy:
            self._diagnoses.refuse(
                "FLASH_CR written while an operation is under way; wait for FLASH_SR.BSY to clear (RM0390 3.5.3)"
            )
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
        if self.busy:
            self._time.skip(
                self._busy_until_s - self._time.now_s
            )  # the bus stalls until the operation ends (RM0390 3.5)
        if not self._cr.value & _PG:
            self._sr.value |= _PGSERR
            state = "locked" if self._cr.value & _LOCK else "unlocked, PG not set"
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
