"""Embedded flash interface (FLASH) of the STM32L4: access control, unlock, page erase in two banks, programming by double words.

Registers: RM0351 rev 9 section 3.7, RM0432 rev 9 section 3.7; erase 3.3.6, programming and its errors 3.3.7.
Erase and programming times: DS11585 rev 11, flash memory characteristics, typical.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.virtual.soc.context import Diagnoses, Time
from bench.virtual.soc.flash import FlashAccess, FlashArray
from bench.virtual.soc.registers import Peripheral, Register

BASE = 0x40022000
ARRAY_BASE = 0x08000000

_KEYS = (0x45670123, 0xCDEF89AB)
_PG, _PER, _MER1, _BKER, _MER2, _STRT, _FSTPG = 1 << 0, 1 << 1, 1 << 2, 1 << 11, 1 << 15, 1 << 16, 1 << 18
_OPT = 1 << 17 | 1 << 27
_OPTLOCK, _LOCK = 1 << 30, 1 << 31
_CR_STORED = 0x078D8FFF & ~(1 << 12 | 1 << 13 | 1 << 14)
_EOP, _OPERR, _PROGERR, _WRPERR, _PGAERR, _SIZERR, _PGSERR = 1 << 0, 1 << 1, 1 << 3, 1 << 4, 1 << 5, 1 << 6, 1 << 7
_SR_CLEARED_BY_ONE = 0xC3FB
_BLOCKING = _PROGERR | _WRPERR | _PGAERR | _SIZERR | 3 << 8
_BSY = 1 << 16
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


class FlashController:
    """FLASH. ``access_changed`` is called after a write of ACR; it may raise AccessFault when a clock limit is broken."""

    def __init__(self, time: Time, diagnoses: Diagnoses, array: FlashArray, access: FlashAccess, geometry: Geometry,
                 access_changed: Callable[[], None]) -> None:  # fmt: skip
        self._time = time
        self._diagnoses = diagnoses
        self._array = array
        self._access = access
        self._geometry = geometry
        self._access_changed = access_changed
        self._busy_until_s = 0.0
        self._keys_seen = 0
        self._locked_for_good = False
        self._first_word: tuple[int, int] | None = None
        self._acr = Register("ACR", 0x600, on_write=self._write_acr)
        self._sr = Register("SR", 0, on_read=self._read_sr, on_write=lambda old, new: old & ~(new & _SR_CLEARED_BY_ONE))
        self._cr = Register("CR", _LOCK | _OPTLOCK, on_write=self._write_cr)
        self.peripheral = Peripheral(
            "FLASH", BASE,
            [(0x00, self._acr), (0x08, Register("KEYR", 0, on_write=self._write_key)),
             (0x0C, Register("OPTKEYR", 0, on_write=self._write_option)), (0x10, self._sr), (0x14, self._cr),
             (0x18, Register("ECCR", 0, writable=0)), (0x20, Register("OPTR", geometry.option_bytes, on_write=self._write_option))],
            narrow=False,
        )  # fmt: skip

    def reset(self) -> None:
        """System reset: no wait states, caches on, prefetch off, locked; an operation under way is aborted."""
        self.peripheral.reset()
        self._busy_until_s = 0.0
        self._keys_seen = 0
        self._locked_for_good = False
        self._first_word = None
        self._access.set_flash_access(0, True, True, False)

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

    # Access control and locks

    def _write_acr(self, old: int, new: int) -> int:
        for enable, reset, name in ((1 << 9, 1 << 11, "IC"), (1 << 10, 1 << 12, "DC")):
            if new & reset and (old | new) & enable:
                self._diagnoses.refuse(
                    f"FLASH_ACR.{name}RST set while {name}EN is set; a cache is reset only while it is off {self._cite('3.7.1')}"
                )
        if new & 3 << 13:
            self._diagnoses.refuse(f"FLASH_ACR: powering the flash down is not modelled {self._cite('3.7.1')}")
        if new & 3 << 11:
            self._access.flush_flash_caches(bool(new & 1 << 11), bool(new & 1 << 12))
        self._acr.value = new & (0x1F00 | _LATENCY[self._geometry.manual])
        self._access.set_flash_access(self.wait_states, *self.caches, self.prefetch)
        self._access_changed()
        return self._acr.value

    def _write_key(self, _: int, new: int) -> int:
        if not self._cr.value & _LOCK:
            return 0
        if self._locked_for_good or new != _KEYS[self._keys_seen]:
            self._locked_for_good = True
            self._diagnoses.refuse(
                f"wrong key {new:#010x} written to FLASH_KEYR; FLASH_CR stays locked until the next reset {self._cite('3.3.5')}"
            )
        self._keys_seen += 1
        if self._keys_seen == len(_KEYS):
            self._keys_seen = 0
            self._cr.value &= ~_LOCK
        return 0

    def _write_option(self, *_: int) -> int:
        self._diagnoses.refuse(f"option bytes are not modelled; they cannot be written {self._cite('3.4')}")

    def _read_sr(self, stored: int) -> int:
        if not self.busy:
            return stored
        # Whoever looks waits: time jumps to the end of the operation, and the next look finds it done.
        self._time.skip(self._busy_until_s - self._time.now_s)
        return stored | _BSY

    def _begin(self, seconds: float) -> None:
        self._busy_until_s = self._time.now_s + seconds

    # Erase

    def _write_cr(self, old: int, new: int) -> int:
        if old & _LOCK:
            self._diagnoses.refuse(
                f"FLASH_CR written while it is locked; write the two keys to FLASH_KEYR first {self._cite('3.3.5')}"
            )
        if self.busy:
            self._diagnoses.refuse(
                f"FLASH_CR written while an operation is under way; wait for FLASH_SR.BSY to clear {self._cite('3.7.5')}"
            )
        if new & (_FSTPG | _OPT):
            self._diagnoses.refuse(
                f"FLASH_CR = {new:#010x}: fast programming and option bytes are not modelled {self._cite('3.7.5')}"
            )
        self._cr.value = (new & _CR_STORED & ~_STRT) | (old & _OPTLOCK) | (new & _LOCK)
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
        if self.busy:
            self._time.skip(self._busy_until_s - self._time.now_s)  # the bus stalls until the operation ends
        if not self._cr.value & _PG:
            state = "locked" if self._cr.value & _LOCK else "unlocked, PG not set"
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
