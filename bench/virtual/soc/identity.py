"""Read-only identity of an STM32: unique id, flash size, and the debug MCU block DBGMCU.

F446: RM0390 rev 6 sections 34 and 33.16. L4: RM0351 rev 9 and RM0432 rev 9, device electronic signature and debug support.
"""

from __future__ import annotations

import hashlib

from bench.virtual.soc.registers import Peripheral, Register

SYSTEM_MEMORY_BASE = 0x1FFF7800
UNIQUE_ID = 0x1FFF7A10
FLASH_SIZE = 0x1FFF7A22
DBGMCU_BASE = 0xE0042000
IDCODE = 0x10006421
"""DEV_ID 0x421 (STM32F446xx), REV_ID 0x1000 (revision A): RM0390 33.6.1; bits 15:12 read 6 on silicon."""

DBG_LOW_POWER = 7
"""DBG_SLEEP, DBG_STOP, DBG_STANDBY."""


def unique_words(board_id: str) -> tuple[int, int, int]:
    """Return the 96-bit unique id of a virtual board as three words, made from its name."""
    digest = hashlib.sha256(board_id.encode()).digest()
    return tuple(int.from_bytes(digest[i : i + 4], "little") for i in (0, 4, 8))  # type: ignore[return-value]


def _constant(name: str, value: int) -> Register:
    return Register(name, value, writable=0)


def system_memory(board_id: str, flash_kib: int) -> Peripheral:
    """The part of the system memory that holds the unique id and the flash size; the boot loader itself does not exist."""
    words = unique_words(board_id)
    offset = UNIQUE_ID - SYSTEM_MEMORY_BASE
    registers = [(offset + 4 * i, _constant(f"U_ID{i}", word)) for i, word in enumerate(words)]
    registers.append((FLASH_SIZE - 2 - SYSTEM_MEMORY_BASE, _constant("F_SIZE", flash_kib << 16 | 0xFFFF)))
    return Peripheral("system memory", SYSTEM_MEMORY_BASE, registers)


def debug_mcu() -> Peripheral:
    """DBGMCU. Its control bits survive a system reset; only a power-on reset clears them (RM0390 33.16.3)."""
    return Peripheral(
        "DBGMCU", DBGMCU_BASE,
        [(0x0, _constant("IDCODE", IDCODE)), (0x4, Register("CR", 0, writable=0xE7)),
         (0x8, Register("APB1_FZ", 0, writable=0x06E01DFF)), (0xC, Register("APB2_FZ", 0, writable=0x00070003))],
    )  # fmt: skip


L4_SYSTEM_MEMORY_BASE = 0x1FFF7400
L4_UNIQUE_ID = 0x1FFF7590
L4_FLASH_SIZE = 0x1FFF75E0


def system_memory_l4(board_id: str, flash_kib: int) -> Peripheral:
    """The part of an L4's system memory that holds the unique id and the flash size."""
    words = unique_words(board_id)
    offset = L4_UNIQUE_ID - L4_SYSTEM_MEMORY_BASE
    registers = [(offset + 4 * i, _constant(f"U_ID{i}", word)) for i, word in enumerate(words)]
    registers.append((L4_FLASH_SIZE - L4_SYSTEM_MEMORY_BASE, _constant("F_SIZE", 0xFFFF0000 | flash_kib)))
    return Peripheral("system memory", L4_SYSTEM_MEMORY_BASE, registers)


def debug_mcu_l4(idcode: int) -> Peripheral:
    """DBGMCU of an L4. Its control bits survive a system reset; only a power-on reset clears them."""
    return Peripheral(
        "DBGMCU", DBGMCU_BASE,
        [(0x0, _constant("IDCODE", idcode)), (0x4, Register("CR", 0, writable=0xE7)), (0x8, Register("APB1FZR1", 0)),
         (0xC, Register("APB1FZR2", 0)), (0x10, Register("APB2FZR", 0))],
    )  # fmt: skip
