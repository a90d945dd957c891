"""What the flash interfaces (FLASH) of the STM32F4, F7 and L4 have in common: access control, the lock of the control register, busy times.

RM0390 rev 6 section 3, RM0385 rev 8 section 3, RM0351 rev 9 section 3, RM0432 rev 9 section 3: the same bits of ACR, the same keys.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, NoReturn, Protocol

from bench.virtual.soc.context import Diagnoses, Time
from bench.virtual.soc.registers import Peripheral, Register

ARRAY_BASE = 0x08000000
LOCK, BSY = 1 << 31, 1 << 16

_KEYS = (0x45670123, 0xCDEF89AB)


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


class FlashInterface(ABC):
    """FLASH. ``access_changed`` is called after a write of ACR; it may raise AccessFault when a clock limit is broken.

    ``reset_acr`` and ``reset_cr`` are reset values, ``sr_cleared_by_one`` the bits of SR that a one clears. A subclass makes ``peripheral``.
    """

    reset_acr: ClassVar[int]
    reset_cr: ClassVar[int]
    sr_cleared_by_one: ClassVar[int]
    unlock_section: ClassVar[str]
    option_section: ClassVar[str]
    acr_section: ClassVar[str]
    peripheral: Peripheral

    def __init__(
        self,
        time: Time,
        diagnoses: Diagnoses,
        array: FlashArray,
        access: FlashAccess,
        access_changed: Callable[[], None],
    ) -> None:
        self._time = time
        self._diagnoses = diagnoses
        self._array = array
        self._access = access
        self._access_changed = access_changed
        self._busy_until_s = 0.0
        self._keys_seen = 0
        self._locked_for_good = False
        self._acr = Register("ACR", self.reset_acr, on_write=self._write_acr)
        self._sr = Register(
            "SR", 0, on_read=self._read_sr, on_write=lambda old, new: old & ~(new & self.sr_cleared_by_one)
        )
        self._cr = Register("CR", self.reset_cr, on_write=self._write_cr)

    def reset(self) -> None:
        """System reset: no wait states, caches as ACR resets to, locked; an operation under way is aborted."""
        self.peripheral.reset()
        self._busy_until_s = 0.0
        self._keys_seen = 0
        self._locked_for_good = False
        self._access.set_flash_access(0, *self.caches, self.prefetch)

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

    @abstractmethod
    def program(self, address: int, size: int, value: int) -> None:
        """A store of the core (or the debugger) into the flash array. Raises AccessFault when not set up for it."""

    @abstractmethod
    def _write_acr(self, old: int, new: int) -> int: ...

    @abstractmethod
    def _write_cr(self, old: int, new: int) -> int: ...

    @abstractmethod
    def _cite(self, section: str) -> str:
        """Return the manual and its section, in brackets."""

    def _write_key(self, _: int, new: int) -> int:
        if not self._cr.value & LOCK:
            return 0
        if self._locked_for_good or new != _KEYS[self._keys_seen]:
            self._locked_for_good = True
            self._diagnoses.refuse(
                f"wrong key {new:#010x} written to FLASH_KEYR; FLASH_CR stays locked until the next reset {self._cite(self.unlock_section)}"
            )
        self._keys_seen += 1
        if self._keys_seen == len(_KEYS):
            self._keys_seen = 0
            self._cr.value &= ~LOCK
        return 0

    def _write_option(self, *_: int) -> NoReturn:
        self._diagnoses.refuse(
            f"option bytes are not modelled; they cannot be written {self._cite(self.option_section)}"
        )

    def _refuse_cache_reset(self, old: int, new: int) -> None:
        for enable, reset, name in ((1 << 9, 1 << 11, "IC"), (1 << 10, 1 << 12, "DC")):
            if new & reset and (old | new) & enable:
                self._diagnoses.refuse(
                    f"FLASH_ACR.{name}RST set while {name}EN is set; a cache is reset only while it is off {self._cite(self.acr_section)}"
                )

    def _set_acr(self, new: int) -> int:
        """Empty the caches that ``new`` resets, and take ``new``."""
        if new & 3 << 11:
            self._access.flush_flash_caches(bool(new & 1 << 11), bool(new & 1 << 12))
        self._acr.value = new
        self._access.set_flash_access(self.wait_states, *self.caches, self.prefetch)
        self._access_changed()
        return self._acr.value

    def _refuse_control(self, old: int, section: str) -> None:
        """Refuse a write of CR while it is ``old`` and locked, or an operation is under way."""
        if old & LOCK:
            self._diagnoses.refuse(
                f"FLASH_CR written while it is locked; write the two keys to FLASH_KEYR first {self._cite(self.unlock_section)}"
            )
        if self.busy:
            self._diagnoses.refuse(
                f"FLASH_CR written while an operation is under way; wait for FLASH_SR.BSY to clear {self._cite(section)}"
            )

    def _read_sr(self, stored: int) -> int:
        if not self.busy:
            return stored
        # Whoever looks waits (seconds, in a loop of six instructions): time jumps to the end, and the next look finds the operation done.
        self._wait()
        return stored | BSY

    def _begin(self, seconds: float) -> None:
        self._busy_until_s = self._time.now_s + seconds

    def _wait(self) -> None:
        """Let the operation that is under way end; for a store into the array the bus stalls so long (RM0390 3.5)."""
        if self.busy:
            self._time.skip(self._busy_until_s - self._time.now_s)
