"""pyOCD target types ``stm32l496xg`` and ``stm32l4r9xi``.

Memory maps: RM0351 rev 9 and RM0432 rev 9, sections 2.2 and 3.3.1. The flash algorithm is that of pyOCD's built-in STM32L475: the same
flash interface and programming by double words. Its erase knows pages of 2 KiB and banks of 512 KiB, which is the STM32L496; the pages
of an STM32L4R9 have 4 KiB and its banks 1 MiB, so that there the pages are erased through the registers by the host.

pyOCD's own STM32L4 types set the low-power debug bits of DBGMCU_CR; they survive a reset and add to the supply current until they are
cleared. These types leave DBGMCU alone: nothing here uses Stop or Standby, and a measurement must not depend on which tool connected last.
"""

from __future__ import annotations

from typing import ClassVar

from pyocd.core.exceptions import FlashEraseFailure
from pyocd.core.memory_map import MemoryMap, RamRegion, RomRegion
from pyocd.core.session import Session
from pyocd.core.target import Target
from pyocd.coresight.coresight_target import CoreSightTarget
from pyocd.flash.flash import Flash
from pyocd.target.builtin.target_STM32L475xx import FLASH_ALGO
from pyocd.utility.timeout import Timeout

from bench.target.stm32.regions import FLASH_BASE, KIB, flash_region

_PROGRAMMING_PAGE = 0x400

# RM0432 rev 9 section 3.7: registers and bits.
_FLASH_SR, _FLASH_CR = 0x40022010, 0x40022014
_SR_BUSY, _SR_ERRORS = 1 << 16, 0xC3FA
_CR_PER, _CR_BKER, _CR_START = 1 << 1, 1 << 11, 1 << 16

_L4PLUS_PAGE, _L4PLUS_BANK = 4 * KIB, 1024 * KIB
_ERASE_TIMEOUT_S = 1.0  # DS12023: 25 ms at most for a page


class L4PlusFlash(Flash):  # type: ignore[misc]
    """Flash of an L4+ with two banks of 1 MiB: the algorithm unlocks and programs, pages are erased through the registers."""

    def erase_sector(self, address: int) -> None:
        """Erase the page at ``address``. Raises FlashEraseFailure."""
        bank, offset = divmod(address - FLASH_BASE, _L4PLUS_BANK)
        control = _CR_PER | offset // _L4PLUS_PAGE << 3 | (_CR_BKER if bank else 0)
        target: Target = self.target
        target.write32(_FLASH_SR, _SR_ERRORS)
        target.write32(_FLASH_CR, control)
        target.write32(_FLASH_CR, control | _CR_START)
        status = _SR_BUSY
        with Timeout(_ERASE_TIMEOUT_S) as time_out:
            while time_out.check():
                status = target.read32(_FLASH_SR)
                if not status & _SR_BUSY:
                    break
        target.write32(_FLASH_CR, 0)
        if status & (_SR_BUSY | _SR_ERRORS):
            raise FlashEraseFailure(f"FLASH_SR is {status:#x} after the erase of a page", address=address)

    def erase_all(self) -> None:
        """Erase page by page: the algorithm's mass erase is not of this chip. Raises FlashEraseFailure."""
        for address in range(FLASH_BASE, FLASH_BASE + 2 * _L4PLUS_BANK, _L4PLUS_PAGE):
            self.erase_sector(address)


class STM32L496xG(CoreSightTarget):  # type: ignore[misc]
    """STM32L496AG, QG, RG, VG, WG, ZG: 1 MiB flash, 320 KiB SRAM."""

    VENDOR = "STMicroelectronics"
    PART_NUMBER = "STM32L496xG"

    MEMORY_MAP: ClassVar[MemoryMap] = MemoryMap(
        flash_region(0, 1024, 2, _PROGRAMMING_PAGE, FLASH_ALGO),
        RomRegion(name="system", start=0x1FFF0000, length=0x8000),
        RamRegion(name="sram", start=0x20000000, length=320 * KIB),
    )

    def __init__(self, session: Session) -> None:
        super().__init__(session, self.MEMORY_MAP)


class STM32L4R9xI(CoreSightTarget):  # type: ignore[misc]
    """STM32L4R9AI, VI, ZI with the option bit DBANK as delivered: 2 MiB flash in two banks, 640 KiB SRAM."""

    VENDOR = "STMicroelectronics"
    PART_NUMBER = "STM32L4R9xI"

    MEMORY_MAP: ClassVar[MemoryMap] = MemoryMap(
        flash_region(0, 2048, 4, _PROGRAMMING_PAGE, FLASH_ALGO, flash_class=L4PlusFlash),
        RomRegion(name="system", start=0x1FFF0000, length=0x8000),
        RamRegion(name="sram", start=0x20000000, length=640 * KIB),
    )

    def __init__(self, session: Session) -> None:
        super().__init__(session, self.MEMORY_MAP)
