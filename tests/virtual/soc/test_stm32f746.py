"""The STM32F746 without a core: what differs from the STM32F446, and that each illegal act is caught and cites RM0385."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.virtual.clock import VirtualClock
from bench.virtual.cpu import AccessFault
from bench.virtual.soc import flash, rcc
from bench.virtual.soc.context import Diagnoses
from bench.virtual.soc.cortex_m7 import UNLOCK
from bench.virtual.soc.stm32f746 import Stm32F746
from bench.virtual.soc.stm32f746_parts import recite
from tests.virtual.soc.soc_fixture import FLASH_ACR, FLASH_CR, RCC_AHB1ENR, Chip, FakeCore

DTCM, SRAM = 0x20000000, 0x20010000
CCR, ICIALLU, DCISW, DCCSW, DCCISW, DCCMVAC = (0xE000E000 + o for o in (0xD14, 0xF50, 0xF60, 0xF6C, 0xF74, 0xF68))
DC, IC = 1 << 16, 1 << 17
DWT_CTRL, DWT_CYCCNT, DWT_LAR, DWT_LSR, DEMCR = 0xE0001000, 0xE0001004, 0xE0001FB0, 0xE0001FB4, 0xE000EDFC


class Core746(FakeCore):
    """A core with the STM32F746's memories."""

    def __init__(self) -> None:
        super().__init__()
        self.flash = bytearray(b"\xff" * 1024 * 1024)
        self.ram = bytearray(320 * 1024)

    def read_memory(self, address: int, size: int) -> bytes:
        if address >= DTCM:
            return bytes(self.ram[address - DTCM : address - DTCM + size])
        return super().read_memory(address, size)

    def write_memory(self, address: int, data: bytes) -> None:
        if address >= DTCM:
            self.ram[address - DTCM : address - DTCM + len(data)] = data
        else:
            super().write_memory(address, data)


class Chip746(Chip):
    """An STM32F746 fresh from power-on."""

    def __init__(self, vdd_v: float = 3.3) -> None:
        self.core = Core746()
        self.time = VirtualClock(lambda: self.core.cycles, rcc.HSI_HZ)
        self.log = Diagnoses("test chip")
        self.vdd_v = vdd_v
        self.levels = []
        self.soc = Stm32F746(
            self.core, self.time, self.log, "test chip", lambda: self.vdd_v, lambda: None,
            lambda pin, level: self.levels.append((pin, level)), lambda: None,
        )  # type: ignore[assignment]  # fmt: skip
        self.soc.power_on_reset()

    @property
    def f746(self) -> Stm32F746:
        assert isinstance(self.soc, Stm32F746)
        return self.soc

    def set_wait_states(self, wait_states: int) -> None:
        self.write(FLASH_ACR, wait_states)

    def start_pll(self, m: int = 4, n: int = 216, p: int = 2, q: int = 9) -> bool:
        return super().start_pll(m, n, p, q)

    def to_216_mhz(self, *skipped: str) -> None:
        steps: dict[str, Callable[[], object]] = {
            "hse": self.start_hse, "scale": lambda: self.set_scale(1), "pll": self.start_pll, "over-drive": self.start_over_drive,
            "wait states": lambda: self.set_wait_states(7), "dividers": lambda: self.set_dividers(5, 4), "switch": lambda: self.select(2),
        }  # fmt: skip
        for name, step in steps.items():
            if name not in skipped:
                step()

    def every_line(self, operation: int) -> None:
        for way in range(4):
            for index in range(32):
                self.write(operation, way << 30 | index << 5)

    def cache_on(self) -> None:
        self.every_line(DCISW)
        self.write(CCR, self.read(CCR) | DC)


@pytest.fixture
def chip() -> Chip746:
    return Chip746()


def test_the_manuals_way_to_216_mhz(chip: Chip746) -> None:
    chip.to_216_mhz()
    assert chip.soc.clocks.hclk_hz == 216e6
    assert (chip.soc.clocks.pclk1_hz, chip.soc.clocks.pclk2_hz) == (54e6, 108e6)
    assert chip.log.texts == []


@pytest.mark.parametrize(
    ("skipped", "complaint"),
    [
        ("over-drive", r"216 MHz is above 180 MHz.*over-drive off.*RM0385 4\.1\.4"),
        ("wait states", r"216 MHz is above 30 MHz.*0 flash wait states.*RM0385 3\.3\.2"),
        ("dividers", r"APB1 216 MHz is above 54 MHz"),
        ("pll", r"PLL before it is ready.*RM0385 5\.3\.3"),
    ],
)
def test_a_step_left_out(chip: Chip746, skipped: str, complaint: str) -> None:
    with pytest.raises(AccessFault, match=complaint):
        chip.to_216_mhz(skipped)
    assert "RM0390" not in " ".join(chip.log.texts)


def test_scale_3_carries_144_mhz_and_no_more(chip: Chip746) -> None:
    for n, fits in ((144, True), (146, False)):
        again = Chip746()
        again.start_hse()
        again.set_scale(3)
        assert again.start_pll(n=n)
        again.wait(1e-4)
        again.set_wait_states(7)
        again.set_dividers(5, 4)
        if fits:
            again.select(2)
        else:
            with pytest.raises(AccessFault, match="above 144 MHz, the most at voltage scale 3"):
                again.select(2)


def test_the_dtcm_keeps_its_clock(chip: Chip746) -> None:
    assert chip.read(RCC_AHB1ENR) == 1 << 20
    with pytest.raises(AccessFault, match="DTCM"):
        chip.write(RCC_AHB1ENR, 0)


def test_the_fourth_clock_source_does_not_exist(chip: Chip746) -> None:
    with pytest.raises(AccessFault, match="not allowed"):
        chip.select(3)


def test_flash_has_the_manuals_eight_sectors(chip: Chip746) -> None:
    chip.core.flash[:] = bytes(len(chip.core.flash))
    chip.unlock_flash()
    chip.write(FLASH_CR, 2 << 8 | 2 | 5 << 3 | 1 << 16)
    assert set(chip.core.flash[0x40000:0x80000]) == {0xFF}
    assert chip.core.flash[0x3FFFF] == chip.core.flash[0x80000] == 0
    chip.wait(2.0)
    with pytest.raises(AccessFault, match=r"SNB = 8: the STM32F746xG has sectors 0 to 7 \(RM0385 3\.3\.1 table 3\)"):
        chip.write(FLASH_CR, 2 << 8 | 2 | 8 << 3 | 1 << 16)


def test_erase_without_unlock(chip: Chip746) -> None:
    with pytest.raises(AccessFault, match=r"locked.*RM0385 3\.3\.4"):
        chip.write(FLASH_CR, 2 << 8 | 2 | 1 << 16)


def test_the_itcm_address_of_the_flash_cannot_be_programmed(chip: Chip746) -> None:
    chip.unlock_flash()
    chip.write(FLASH_CR, 2 << 8 | 1)
    with pytest.raises(AccessFault, match="0x08000010"):
        chip.soc.write(0x00200010, 4, 0)
    chip.soc.write(0x08000010, 4, 0)
    assert chip.core.flash[0x10:0x14] == bytes(4)


def test_the_art_is_reset_only_while_it_is_off(chip: Chip746) -> None:
    chip.write(FLASH_ACR, 1 << 9)
    with pytest.raises(AccessFault, match=r"ARTRST.*RM0385 3\.7\.1"):
        chip.write(FLASH_ACR, 1 << 9 | 1 << 11)


def test_the_flash_waits_behind_the_l1_caches_not_behind_the_art(chip: Chip746) -> None:
    chip.write(FLASH_ACR, 7 | 1 << 9 | 1 << 8)
    assert chip.core.flash_access == (7, False, False, True)
    chip.write(ICIALLU, 0)
    chip.write(CCR, IC)
    assert chip.core.flash_access == (7, True, False, True)


def test_ports_go_up_to_k(chip: Chip746) -> None:
    chip.write(RCC_AHB1ENR, 1 << 20 | 1 << 10)
    chip.write(0x40022800, 1)
    chip.write(0x40022818, 1)
    assert chip.levels[-1] == ("PK0", True)


# The locked DWT


def test_the_cycle_counter_needs_its_key(chip: Chip746) -> None:
    chip.write(DEMCR, 1 << 24)
    assert chip.read(DWT_LSR) == 3
    chip.write(DWT_CTRL, 1)
    chip.core.cycles += 1000
    assert chip.read(DWT_CYCCNT) == 0
    assert "locked" in chip.log.texts[-1]
    chip.write(DWT_LAR, 0x12345678)
    chip.write(DWT_CTRL, 1)
    assert chip.read(DWT_CTRL) & 1 == 0
    chip.write(DWT_LAR, UNLOCK)
    assert chip.read(DWT_LSR) == 1
    chip.write(DWT_CTRL, 1)
    chip.core.cycles += 1000
    assert chip.read(DWT_CYCCNT) == 1000


def test_a_debugger_needs_no_key(chip: Chip746) -> None:
    chip.soc.debug_write(DEMCR, 4, 1 << 24)
    chip.soc.debug_write(DWT_CTRL, 4, 1)
    chip.core.cycles += 10
    assert chip.soc.debug_read(DWT_CYCCNT, 4) == 10


def test_breakpoints_of_version_2_are_anywhere(chip: Chip746) -> None:
    assert chip.read(0xE0002000) == 0x10000080
    chip.write(0xE0002000, 3)
    chip.write(0xE0002008, 0x20000102 | 1)
    assert chip.core.breakpoints == {0x20000102}


def test_identity(chip: Chip746) -> None:
    assert chip.read(0xE0042000) & 0xFFF == 0x449
    assert chip.soc.read(0x1FF0F442, 2) == 1024
    assert chip.read(0xE000ED00) == 0x410FC271
    assert [chip.read(0xE000EF40 + 4 * i) for i in range(3)] == [0x10110021, 0x11000011, 0x00000040]


# The caches


def test_cache_geometry_as_the_core_reports_it(chip: Chip746) -> None:
    assert chip.read(0xE000ED78) == 0x09000003
    assert chip.read(0xE000ED80) == 0xF003E019  # 4 KiB data: 32 sets, 4 ways, 32 bytes
    chip.write(0xE000ED84, 1)
    assert chip.read(0xE000ED80) == 0xF007E009  # 4 KiB instructions: 64 sets, 2 ways


def test_a_cache_is_invalidated_before_it_is_switched_on(chip: Chip746) -> None:
    with pytest.raises(AccessFault, match="ICIALLU"):
        chip.write(CCR, IC)
    with pytest.raises(AccessFault, match="128 of 128 lines"):
        chip.write(CCR, DC)
    chip.every_line(DCISW)
    chip.write(CCR, DC)
    assert chip.read(CCR) & (DC | IC) == DC
    chip.soc.system_reset(software=True)
    assert not chip.read(CCR) & DC
    with pytest.raises(AccessFault, match="DCISW"):
        chip.write(CCR, DC)


def test_the_debugger_sees_old_memory_until_the_cache_is_cleaned(chip: Chip746) -> None:
    chip.cache_on()
    chip.core.write_memory(SRAM + 64, b"new data")
    chip.core.write_memory(DTCM + 64, b"new data")
    assert chip.soc.debug_ram_read(SRAM + 64, 8) == bytes(8)
    assert chip.soc.debug_ram_read(DTCM + 64, 8) == b"new data"
    chip.every_line(DCCSW)
    assert chip.soc.debug_ram_read(SRAM + 64, 8) == b"new data"


def test_cleaning_one_way_is_not_enough_and_one_line_is_one_line(chip: Chip746) -> None:
    chip.cache_on()
    chip.core.write_memory(SRAM, b"A" * 64)
    for way in range(3):
        chip.write(DCCSW, way << 30)
    assert chip.soc.debug_ram_read(SRAM, 1) == b"\0"
    chip.write(DCCMVAC, SRAM + 40)
    assert chip.soc.debug_ram_read(SRAM, 64) == bytes(32) + b"A" * 32


def test_what_a_debugger_writes_reaches_the_core_by_an_invalidate(chip: Chip746) -> None:
    chip.cache_on()
    chip.soc.debug_ram_write(SRAM - 4, b"12345678")
    assert chip.core.read_memory(SRAM - 4, 8) == b"1234" + bytes(4)
    chip.every_line(DCISW)
    assert chip.core.read_memory(SRAM - 4, 8) == b"12345678"


def test_switching_off_strands_what_was_not_cleaned_until_it_is(chip: Chip746) -> None:
    chip.cache_on()
    chip.core.write_memory(SRAM, b"dirty")
    chip.write(CCR, 0)
    assert chip.core.read_memory(SRAM, 5) == bytes(5)
    chip.core.write_memory(SRAM + 4096, b"later")
    chip.every_line(DCCISW)
    assert chip.core.read_memory(SRAM, 5) == b"dirty"
    assert chip.core.read_memory(SRAM + 4096, 5) == b"later"
    chip.write(CCR, DC)  # clean and invalidate left it empty


def test_a_reset_loses_what_was_not_cleaned(chip: Chip746) -> None:
    chip.cache_on()
    chip.core.write_memory(SRAM, b"dirty")
    chip.soc.system_reset(software=True)
    assert chip.core.read_memory(SRAM, 5) == bytes(5)


def test_an_operation_on_a_set_that_there_is_not(chip: Chip746) -> None:
    with pytest.raises(AccessFault, match="32 sets"):
        chip.write(DCCSW, 32 << 5)


# Citations


def test_every_citation_of_shared_peripherals_has_its_place_in_the_other_manual() -> None:
    folder = Path(flash.__file__).parent
    for module in ("flash", "rcc", "power"):
        for cited in re.findall(r"RM0390 \d[\d.]*\d(?: table \d+)?", (folder / f"{module}.py").read_text()):
            if "rev" not in cited:
                assert recite(f"({cited})").startswith("(RM0385 ")
    f4 = flash.FlashController
    for section in (f4.unlock_section, f4.option_section, f4.acr_section, "3.5.3"):
        assert recite(f"(RM0390 {section})").startswith("(RM0385 ")
    assert recite("PWR_CR.VOS (RM0390 5.4.1)") == "PWR_CR1.VOS (RM0385 4.4.1)"
