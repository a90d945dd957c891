"""Flash regions of STM32 in pyOCD's terms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyocd.core.memory_map import FlashRegion

KIB = 1024
FLASH_BASE = 0x08000000


def flash_region(
    offset_kib: int, length_kib: int, sector_kib: int, page_bytes: int, algo: Mapping[str, Any], **more: Any
) -> FlashRegion:
    """Return ``length_kib`` of flash, ``offset_kib`` behind its base, in sectors of ``sector_kib``, programmed ``page_bytes`` at a time by ``algo``."""
    return FlashRegion(
        name=f"flash_{sector_kib}k",
        start=FLASH_BASE + offset_kib * KIB,
        length=length_kib * KIB,
        sector_size=sector_kib * KIB,
        page_size=page_bytes,
        is_boot_memory=offset_kib == 0,
        algo=algo,
        **more,
    )
