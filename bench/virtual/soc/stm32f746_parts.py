"""Peripherals of the STM32F746 where they differ from the STM32F446's: flash interface, RCC, identity. Ref: RM0385 rev 8.

What is alike is shared code that cites RM0390; `Rm0385Diagnoses` turns those citations into the STM32F746's manual.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import ClassVar, NoReturn

from bench.virtual.soc.context import Diagnoses, Time
from bench.virtual.soc.flash import KIB, FlashController, FlashGeometry
from bench.virtual.soc.flash_interface import FlashAccess, FlashArray
from bench.virtual.soc.identity import unique_words
from bench.virtual.soc.limits import F746, ChipLimits
from bench.virtual.soc.rcc import Rcc
from bench.virtual.soc.registers import Peripheral, Register

_SECTIONS = {
    "3.3 table 4": "3.3.1 table 3", "3.4.1 table 5": "3.3.2", "3.4.1": "3.3.2", "3.5": "3.3.3", "3.5.1": "3.3.4", "3.5.2 table 6": "3.3.5", "3.5.2": "3.3.5",
    "3.5.3": "3.3.6", "3.5.4": "3.3.7", "3.6": "3.4", "3.7": "3.7.4", "3.8.1": "3.7.1", "5.1.3": "4.1.4", "5.1.4": "4.1.4", "5.3": "4.3",
    "5.4.1": "4.4.1", "6.2": "5.2", "6.2.1": "5.2.1", "6.2.3": "5.2.3", "6.3": "5.3", "6.3.1": "5.3.1", "6.3.2": "5.3.2", "6.3.3": "5.3.3",
    "6.3.21": "5.3.21", "17.4.1": "23.4.1", "17.4.4": "23.4.4", "20.3.1": "27.3", "33.8": "40.8",
}  # fmt: skip
"""RM0390 section (and table) to RM0385 section."""
_CITED = re.compile(r"RM0390 (\d+(?:\.\d+)*(?: table \d+)?)")
_TABLE = re.compile(r"DS10693 table \d+")


def recite(text: str) -> str:
    """Return ``text`` with citations of the STM32F446's documents replaced by the STM32F746's. Raises KeyError for an unknown section."""
    text = _CITED.sub(lambda match: f"RM0385 {_SECTIONS[match[1]]}", text)
    return (
        _TABLE.sub("DS10916, electrical characteristics", text)
        .replace("PWR_CR.", "PWR_CR1.")
        .replace("PWR_CSR.", "PWR_CSR1.")
    )


class Rm0385Diagnoses(Diagnoses):
    """Passes diagnoses of shared peripherals on to ``log``, with the STM32F746's citations."""

    def __init__(self, log: Diagnoses) -> None:
        self._log = log

    def note(self, text: str) -> None:
        """See `Diagnoses.note`."""
        self._log.note(recite(text))

    def refuse(self, text: str) -> NoReturn:
        """See `Diagnoses.refuse`."""
        self._log.refuse(recite(text))


FLASH = FlashGeometry(
    "STM32F746xG",
    (*(32 * KIB,) * 4, 128 * KIB, *(256 * KIB,) * 3),
    # DS10916 rev 4, flash memory characteristics, typical.
    {
        32 * KIB: (0.400, 0.300, 0.250),
        128 * KIB: (1.200, 0.700, 0.550),
        256 * KIB: (2.0, 1.3, 1.0),
        1024 * KIB: (8.0, 5.6, 4.0),
    },
)
_ARTEN, _ARTRST = 1 << 9, 1 << 11


class FlashF746(FlashController):
    """FLASH: eight sectors, and one cache (ART) at the ITCM port (RM0385 3.7)."""

    geometry: ClassVar[FlashGeometry] = FLASH

    def __init__(self, time: Time, diagnoses: Diagnoses, array: FlashArray, access: FlashAccess, vdd_v: Callable[[], float],
                 access_changed: Callable[[], None]) -> None:  # fmt: skip
        super().__init__(time, diagnoses, array, access, vdd_v, access_changed)
        self.peripheral.registers[0x14] = Register("OPTCR", 0xC0FFAAFD, on_write=self._write_option)
        self.peripheral.registers[0x18] = Register("OPTCR1", 0x00400080, on_write=self._write_option)

    @property
    def caches(self) -> tuple[bool, bool]:
        """ACR.ARTEN, for instructions and data alike."""
        on = bool(self._acr.value & _ARTEN)
        return on, on

    def _write_acr(self, old: int, new: int) -> int:
        if new & _ARTRST and (old | new) & _ARTEN:
            self._diagnoses.refuse(
                "FLASH_ACR.ARTRST set while ARTEN is set; the ART is reset only while it is off (RM0390 3.8.1)"
            )
        self._acr.value = new & 0x0B0F
        self._access.set_flash_access(self.wait_states, *self.caches, self.prefetch)
        self._access_changed()
        return self._acr.value


_DTCMRAMEN = 1 << 20


class RccF746(Rcc):
    """RCC: PLL without R output, more ports; the clock of the DTCM can be switched off (RM0385 5.3)."""

    limits: ClassVar[ChipLimits] = F746
    sources: ClassVar[tuple[str, ...]] = ("hsi", "hse", "pll", "nothing")
    gates: ClassVar[tuple[tuple[int, str, int, int], ...]] = (
        (0x30, "AHB1ENR", _DTCMRAMEN, 0x7EF417FF),
        (0x34, "AHB2ENR", 0, 0x000000F1),
        (0x38, "AHB3ENR", 0, 0x00000003),
        (0x40, "APB1ENR", 0, 0xFFFFC9FF),
        (0x44, "APB2ENR", 0, 0x04F77733),
    )

    def __init__(self, time: Time, diagnoses: Diagnoses, hse_hz: float, pll_switched: Callable[[bool], None],
                 changed: Callable[[], None]) -> None:  # fmt: skip
        super().__init__(time, diagnoses, hse_hz, pll_switched, changed)
        self.ahb1enr.on_write = self._write_ahb1enr

    def _write_ahb1enr(self, _: int, new: int) -> int:
        if not new & _DTCMRAMEN:
            self._diagnoses.refuse(
                "RCC_AHB1ENR.DTCMRAMEN cleared: the DTCM, where the stack may be, loses its clock (RM0385 5.3.10)"
            )
        return new & self.ahb1enr.writable

    def _write_cfgr(self, old: int, new: int) -> int:
        if new & 3 == 3:
            self._diagnoses.refuse("RCC_CFGR.SW = 11 is not allowed (RM0390 6.3.3)")
        return super()._write_cfgr(old, new)


UNIQUE_ID_PAGE = 0x1FF0F400
UNIQUE_ID = 0x1FF0F420
FLASH_SIZE = 0x1FF0F442
IDCODE = 0x10016449
"""DEV_ID 0x449 (STM32F74xxx and F75xxx), REV_ID 0x1001 (revision Z): RM0385 40.6.1."""


def system_memory(board_id: str, flash_kib: int) -> Peripheral:
    """The part of the system memory that holds the unique id and the flash size (RM0385 41.1, 41.2)."""
    registers = [
        (UNIQUE_ID - UNIQUE_ID_PAGE + 4 * i, Register(f"U_ID{i}", word, writable=0))
        for i, word in enumerate(unique_words(board_id))
    ]
    registers.append((FLASH_SIZE - 2 - UNIQUE_ID_PAGE, Register("F_SIZE", flash_kib << 16 | 0xFFFF, writable=0)))
    return Peripheral("system memory", UNIQUE_ID_PAGE, registers)


def debug_mcu() -> Peripheral:
    """DBGMCU; its control bits survive a system reset (RM0385 40.16)."""
    return Peripheral(
        "DBGMCU", 0xE0042000,
        [(0x0, Register("IDCODE", IDCODE, writable=0)), (0x4, Register("CR", 0, writable=0xE7)),
         (0x8, Register("APB1_FZ", 0, writable=0x06E01FFF)), (0xC, Register("APB2_FZ", 0, writable=0x00070003))],
    )  # fmt: skip
