"""Embedded flash interface (FLASH) of the STM32L4: access control, unlock, page erase in two banks, programming by double words.

Registers: RM0351 rev 9 section 3.7, RM0432 rev 9 section 3.7; erase 3.3.6, programming and its errors 3.3.7.
Erase and programming times: DS11585 rev 11, flash memory characteristics, typical.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from bench.virtual.soc.context import Diagnoses, Time
from bench.virtual.soc.flash_interface import ARRAY_BASE, LOCK, FlashAccess, FlashArray, FlashInterface
from bench.virtual.soc.registers import Peripheral, Register

BASE = 0x40022000

_PG, _PER, _MER1, _BKER, _MER2, _STRT, _FSTPG = 1 << 0, 1 << 1, 1 << 2, 1 << 11, 1 << 15, 1 << 16, 1 << 18
_OPT = 1 << 17 | 1 << 27
_OPTLOCK = 1 << 30
_CR_STORED = 0x078D8FFF & ~(1 << 12 | 1 << 13 | 1 << 14)
_PROGERR, _WRPERR, _PGAERR, _SIZERR, _PGSERR = 1 << 3, 1 << 4, 1 << 5, 1 << 6, 1 << 7
_BLOCKING = _PROGERR | _WRPERR | _PGAERR | _SIZERR | 3 << 8
_LATENCY = {"RM0351": 7, "RM0432": 15}

PROGRAM_S = 81.69e-6
PAGE_ERASE_S = 22.02e-3
MASS_ERASE_S = 22.13e-3


@dataclass(frozen=True, slots=True)
class Geometry:
    """Two banks of 256 pages; ``option_bytes`` is what OPTR reads, as delivered. ``manual`` is what diagnoses cite."""

    page_bytes: int
    option_bytes: int
    manual: str
    pages_per_bank: int = 256

    @property
    def bank_bytes(self) -> int:
        """Size of one bank."""
        return self.page_bytes * self.pages_per_bank

    @property
    def size(self) -> int:
        """Size of both banks."""
        return 2 * self.bank_bytes


class FlashController(FlashInterface):
    """See `FlashInterface`; erase by page in two banks, programming by double words."""

    reset_acr: ClassVar[int] = 0x600
    reset_cr: ClassVar[int] = LOCK | _OPTLOCK
    sr_cleared_by_one: ClassVar[int] = 0xC3FB
    unlock_section: ClassVar[str] = "3.3.5"
    option_section: ClassVar[str] = "3.4"
    acr_section: ClassVar[str] = "3.7.1"

    def __init__(self, time: Time, diagnoses: Diagnoses, array: FlashArray, access: FlashAccess, geometry: Geometry,
                 access_changed: Callable[[], None]) -> None:  # fmt: skip
        super().__init__(time, diagnoses, array, access, access_changed)
        self._geometry = geometry
        self._first_word: tuple[int, int] | None = None
        self.peripheral = Peripheral(
            "FLASH", BASE,
            [(0x00, self._acr), (0x08, Register("KEYR", 0, on_write=self._write_key)),
             (0x0C, Register("OPTKEYR", 0, on_write=self._write_option)), (0x10, self._sr), (0x14, self._cr),
             (0x18, Register("ECCR", 0, writable=0)), (0x20, Register("OPTR", geometry.option_bytes, on_write=self._write_option))],
            narrow=False,
        )  # fmt: skip

    def reset(self) -> None:
        """See `FlashInterface.reset`."""
        super().reset()
        self._first_word = None

    def page_span(self, bank: int, number: int) -> tuple[int, int]:
        """Return (address, size in bytes) of a page of bank 0 or 1. Raises IndexError."""
        geometry = self._geometry
        if bank not in (0, 1) or not 0 <= number < geometry.pages_per_bank:
            raise IndexError(
                f"there are pages 0 to {geometry.pages_per_bank - 1} in banks 0 and 1, not {number} in {bank}"
            )
        return ARRAY_BASE + bank * geometry.bank_bytes + number * geometry.page_bytes, geometry.page_bytes

    def _cite(self, section: str) -> str:
        return f"({self._geometry.manual} {section})"

    def _write_acr(self, old: int, new: int) -> int:
        self._refuse_cache_reset(old, new)
        if new & 3 << 13:
            self._diagnoses.refuse(f"FLASH_ACR: powering the flash down is not modelled {self._cite('3.7.1')}")
        return self._set_acr(new & (0x1F00 | _LATENCY[self._geometry.manual]))

    # Erase

    def _write_cr(self, old: int, new: int) -> int:
        self._refuse_control(old, "3.7.5")
        if new & (_FSTPG | _OPT):
            self._diagnoses.refuse(
                f"FLASH_CR = {new:#010x}: fast programming and option bytes are not modelled {self._cite('3.7.5')}"
            )
        self._cr.value = (new & _CR_STORED & ~_STRT) | (old & _OPTLOCK) | (new & LOCK)
        if not new & _PG:
            self._first_word = None
        if new & _STRT:
            self._erase(new)
        return self._cr.value

    def _fail(self, flag: int, text: str, section: str) -> None:
        self._sr.value |= flag
        self._diagnoses.refuse(f"{text} {self._cite(section)}")

    def _refuse_pending_errors(self) -> None:
        if self._sr.value & _BLOCKING:
            self._fail(
                _PGSERR,
                f"an operation was started while FLASH_SR = {self._sr.value:#x} holds an error; clear it first",
                "3.7.4",
            )

    def _erase(self, cr: int) -> None:
        self._refuse_pending_errors()
        page, mass = cr & _PER, cr & (_MER1 | _MER2)
        if cr & _PG or bool(page) == bool(mass):
            self._fail(_PGSERR, f"FLASH_CR = {cr:#x} with STRT: set PER, or MER1 and MER2, and not PG", "3.3.6")
        geometry = self._geometry
        if page:
            address, size = self.page_span(int(bool(cr & _BKER)), cr >> 3 & 0xFF)
            self._array.write_memory(address, b"\xff" * size)
            self._begin(PAGE_ERASE_S)
            return
        for bank, bit in enumerate((_MER1, _MER2)):
            if cr & bit:
                self._array.write_memory(ARRAY_BASE + bank * geometry.bank_bytes, b"\xff" * geometry.bank_bytes)
        self._begin(MASS_ERASE_S)

    # Programming

    def program(self, address: int, size: int, value: int) -> None:
        """A store of the core (or the debugger) into the flash array; two words make a double word. Raises AccessFault for a misuse."""
        self._wait()
        if not self._cr.value & _PG:
            state = "locked" if self._cr.value & LOCK else "unlocked, PG not set"
            self._fail(_PGSERR, f"store into flash at {address:#010x} while FLASH_CR is {state}", "3.3.7")
        self._refuse_pending_errors()
        if size != 4:
            self._first_word = None
            self._fail(
                _SIZERR,
                f"{size}-byte store into flash at {address:#010x}; only double words can be programmed",
                "3.3.7",
            )
        if self._first_word is None:
            if address % 8:
                self._fail(
                    _PGAERR, f"the first word of a double word is stored at {address:#010x}, no multiple of 8", "3.3.7"
                )
            self._first_word = address, value
            return
        (start, low), self._first_word = self._first_word, None
        if address != start + 4:
            self._fail(
                _PGAERR, f"the second word of the double word at {start:#010x} is stored at {address:#010x}", "3.3.7"
            )
        double = (low | value << 32).to_bytes(8, "little")
        if self._array.read_memory(start, 8) != b"\xff" * 8 and any(double):
            self._fail(
                _PROGERR, f"the double word at {start:#010x} was not erased; it can only be cleared to zero", "3.3.7"
            )
        self._array.write_memory(start, double)
        self._begin(PROGRAM_S)
