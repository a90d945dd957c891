"""pyOCD target type ``stm32f446xe``: STM32F446xE, 512 KiB flash, 128 KiB SRAM.

Memory map: RM0390 rev 6 section 2.2.2, flash sectors table 4. The flash algorithm is that of pyOCD's built-in STM32F412: the same flash
interface, unlock sequence and sector sizes (RM0390 section 3 and RM0402 section 3), sector numbers 0 to 7.

pyOCD's own STM32F4 types set the low-power debug bits of DBGMCU_CR after connecting; they survive a reset and add about 1 mA to the
supply current until they are cleared. This type leaves DBGMCU alone: nothing here uses Stop or Standby, and a measurement must not
depend on which tool connected last.
"""

from __future__ import annotations

from pyocd.core.memory_map import MemoryMap, RamRegion, RomRegion
from pyocd.core.session import Session
from pyocd.coresight.coresight_target import CoreSightTarget
from pyocd.target.builtin.target_STM32F412xx import FLASH_ALGO

from bench.target.stm32.regions import KIB, flash_region

_PAGE = 0x1000


class STM32F446xE(CoreSightTarget):  # type: ignore[misc]
    """STM32F446RE, ME, VE, ZE."""

    VENDOR = "STMicroelectronics"
    PART_NUMBER = "STM32F446xE"

    MEMORY_MAP = MemoryMap(
        flash_region(0, 64, 16, _PAGE, FLASH_ALGO),
        flash_region(64, 64, 64, _PAGE, FLASH_ALGO),
        flash_region(128, 384, 128, _PAGE, FLASH_ALGO),
        RomRegion(name="system", start=0x1FFF0000, length=0x7A30),
        RamRegion(name="sram", start=0x20000000, length=128 * KIB),
    )

    def __init__(self, session: Session) -> None:
        super().__init__(session, self.MEMORY_MAP)
