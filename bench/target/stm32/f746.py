"""pyOCD target type ``stm32f746xg``: STM32F746xG, 1 MiB flash, 64 KiB DTCM and 256 KiB SRAM.

Memory map: RM0385 rev 8 section 2.2, flash sectors table 3. The flash algorithm is that of pyOCD's built-in STM32F767 in its single-bank
form: the same flash interface, unlock sequence and sector sizes (RM0385 section 3 and RM0410 section 3), sector numbers 0 to 7. It runs
from the DTCM, which no cache hides from the debugger.

pyOCD's own STM32F7 types set the low-power debug bits of DBGMCU_CR; they survive a reset and add to the supply current until they are
cleared. This type leaves DBGMCU alone: nothing here uses Stop or Standby, and a measurement must not depend on which tool connected last.
"""

from __future__ import annotations

from pyocd.core.memory_map import MemoryMap, RamRegion, RomRegion
from pyocd.core.session import Session
from pyocd.coresight.coresight_target import CoreSightTarget
from pyocd.target.builtin.target_STM32F767xx import FLASH_ALGO

from bench.target.stm32.regions import KIB, flash_region

_PAGE = 0x400


class STM32F746xG(CoreSightTarget):  # type: ignore[misc]
    """STM32F746BG, IG, NG, VG, ZG."""

    VENDOR = "STMicroelectronics"
    PART_NUMBER = "STM32F746xG"

    MEMORY_MAP = MemoryMap(
        flash_region(0, 128, 32, _PAGE, FLASH_ALGO),
        flash_region(128, 128, 128, _PAGE, FLASH_ALGO),
        flash_region(256, 768, 256, _PAGE, FLASH_ALGO),
        RomRegion(name="flash_itcm", start=0x00200000, length=1024 * KIB),
        RomRegion(name="system", start=0x1FF00000, length=0xF450),
        RamRegion(name="itcm", start=0x00000000, length=16 * KIB),
        RamRegion(name="dtcm", start=0x20000000, length=64 * KIB, is_default=True),
        RamRegion(name="sram", start=0x20010000, length=256 * KIB),
    )

    def __init__(self, session: Session) -> None:
        super().__init__(session, self.MEMORY_MAP)
