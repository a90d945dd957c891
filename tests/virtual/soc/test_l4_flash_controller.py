"""The L4's flash controller: locked until unlocked, double words into erased flash only, pages in two banks, every misuse flagged."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.virtual.cpu import AccessFault
from bench.virtual.soc.stm32l4 import Stm32L4, Stm32L4R9, Stm32L496
from tests.virtual.soc.l4_fixture import FLASH_ACR, FLASH_CR, FLASH_KEYR, FLASH_SR, L4Chip
from tests.virtual.soc.soc_fixture import KEYS

PG, PER, MER1, BKER, MER2, STRT, LOCK, OPTLOCK = 1, 2, 4, 1 << 11, 1 << 15, 1 << 16, 1 << 31, 1 << 30
PROGERR, PGAERR, SIZERR, PGSERR, BUSY = 1 << 3, 1 << 5, 1 << 6, 1 << 7, 1 << 16
BASE = 0x08000000


@pytest.fixture
def chip() -> L4Chip:
    """An STM32L496, flash unlocked."""
    unlocked = L4Chip()
    unlocked.unlock_flash()
    return unlocked


def wait_idle(chip: L4Chip) -> None:
    for _ in range(100):
        if not chip.read(FLASH_SR) & BUSY:
            return
        chip.core.cycles += 6
    raise AssertionError("flash stays busy")


def program(chip: L4Chip, address: int, low: int, high: int) -> None:
    chip.write(address, low)
    assert not chip.read(FLASH_SR) & BUSY
    chip.write(address + 4, high)
    assert chip.read(FLASH_SR) & BUSY
    wait_idle(chip)


def test_locked_after_reset() -> None:
    chip = L4Chip()
    assert chip.read(FLASH_CR) == LOCK | OPTLOCK
    with pytest.raises(AccessFault):
        chip.write(FLASH_CR, PG)
    assert "RM0351 3.3.5" in chip.log.texts[-1]


@pytest.mark.parametrize("keys", [(KEYS[1],), (KEYS[0], KEYS[0])])
def test_a_wrong_key_locks_until_reset(keys: tuple[int, ...]) -> None:
    chip = L4Chip()
    for key in keys[:-1]:
        chip.write(FLASH_KEYR, key)
    with pytest.raises(AccessFault):
        chip.write(FLASH_KEYR, keys[-1])
    with pytest.raises(AccessFault):
        chip.unlock_flash()
    chip.soc.system_reset(software=False)
    chip.unlock_flash()
    chip.write(FLASH_CR, PG)


@given(st.integers(0, 0xFFFFFFFF), st.integers(0, 0xFFFFFFFF), st.integers(0, 2**17 - 1))
def test_a_double_word_lands_where_it_belongs(low: int, high: int, index: int) -> None:
    chip = L4Chip()
    chip.unlock_flash()
    chip.write(FLASH_CR, PG)
    program(chip, BASE + 8 * index, low, high)
    assert chip.core.flash[8 * index : 8 * index + 8] == (low | high << 32).to_bytes(8, "little")


def test_a_double_word_is_written_once_and_may_be_cleared(chip: L4Chip) -> None:
    chip.write(FLASH_CR, PG)
    program(chip, BASE, 1, 2)
    chip.write(BASE, 0)
    with pytest.raises(AccessFault):
        chip.write(BASE + 4, 1)
    assert chip.read(FLASH_SR) & PROGERR
    with pytest.raises(AccessFault):
        chip.write(BASE + 8, 0)  # the error has to be cleared first
    assert chip.read(FLASH_SR) & PGSERR
    chip.write(FLASH_SR, 0xC3FA)
    program(chip, BASE, 0, 0)
    assert chip.core.flash[:8] == bytes(8)


@pytest.mark.parametrize(("size", "address", "flag"), [(1, BASE, SIZERR), (2, BASE, SIZERR), (4, BASE + 4, PGAERR)])
def test_bad_stores(chip: L4Chip, size: int, address: int, flag: int) -> None:
    chip.write(FLASH_CR, PG)
    with pytest.raises(AccessFault):
        chip.soc.write(address, size, 0)
    assert chip.read(FLASH_SR) & flag
    assert chip.core.flash.count(b"\xff") == len(chip.core.flash)


def test_both_words_belong_together(chip: L4Chip) -> None:
    chip.write(FLASH_CR, PG)
    chip.write(BASE, 0)
    with pytest.raises(AccessFault):
        chip.write(BASE + 12, 0)
    assert chip.read(FLASH_SR) & PGAERR


def test_a_store_without_pg(chip: L4Chip) -> None:
    for address in (BASE, 0x100):
        with pytest.raises(AccessFault):
            chip.write(address, 0)
    assert chip.read(FLASH_SR) & PGSERR
    assert "PG not set" in chip.log.texts[-1]


@pytest.mark.parametrize(("part", "page_bytes"), [(Stm32L496, 2048), (Stm32L4R9, 4096)])
@pytest.mark.parametrize(("bank", "page"), [(0, 0), (0, 255), (1, 0), (1, 7), (1, 255)])
def test_erase_touches_one_page(part: type[Stm32L4], page_bytes: int, bank: int, page: int) -> None:
    chip = L4Chip(part)
    chip.core.flash[:] = bytes(len(chip.core.flash))
    chip.unlock_flash()
    start_s = chip.time.now_s
    chip.write(FLASH_CR, PER | page << 3 | BKER * bank | STRT)
    wait_idle(chip)
    offset = (256 * bank + page) * page_bytes
    assert chip.core.flash.count(b"\xff") == page_bytes
    assert chip.core.flash[offset : offset + page_bytes] == b"\xff" * page_bytes
    assert chip.time.now_s - start_s >= 22e-3


@pytest.mark.parametrize(
    ("bits", "erased"), [(MER1, (True, False)), (MER2, (False, True)), (MER1 | MER2, (True, True))]
)
def test_mass_erase_by_bank(chip: L4Chip, bits: int, erased: tuple[bool, bool]) -> None:
    chip.core.flash[:] = bytes(len(chip.core.flash))
    chip.write(FLASH_CR, bits | STRT)
    wait_idle(chip)
    half = len(chip.core.flash) // 2
    assert (chip.core.flash[0] == 0xFF, chip.core.flash[half] == 0xFF) == erased


@pytest.mark.parametrize("bits", [0, PG, PER | MER1, PER | PG])
def test_bad_erase(chip: L4Chip, bits: int) -> None:
    with pytest.raises(AccessFault):
        chip.write(FLASH_CR, bits | STRT)
    assert chip.read(FLASH_SR) & PGSERR


def test_control_register_waits_and_what_is_not_modelled_is_refused(chip: L4Chip) -> None:
    for bits in (1 << 17, 1 << 18, 1 << 27):
        with pytest.raises(AccessFault):
            chip.write(FLASH_CR, bits)
    chip.write(FLASH_CR, PER | STRT)
    with pytest.raises(AccessFault):
        chip.write(FLASH_CR, LOCK)
    assert "BSY" in chip.log.texts[-1]
    wait_idle(chip)
    chip.write(FLASH_CR, LOCK)
    assert chip.read(FLASH_CR) == LOCK | OPTLOCK


def test_caches_are_reset_only_while_off() -> None:
    chip = L4Chip()
    for reset in (1 << 11, 1 << 12):
        with pytest.raises(AccessFault):
            chip.write(FLASH_ACR, 0x600 | reset)
    chip.write(FLASH_ACR, 0)
    chip.write(FLASH_ACR, 3 << 11)
    assert chip.core.flushed == [(True, True)]
    with pytest.raises(AccessFault):
        chip.write(FLASH_ACR, 1 << 13)


def test_latency_has_as_many_bits_as_the_manual_says() -> None:
    small, large = L4Chip(Stm32L496), L4Chip(Stm32L4R9)
    for chip in (small, large):
        chip.write(FLASH_ACR, 0xF)
    assert (small.read(FLASH_ACR), large.read(FLASH_ACR)) == (7, 15)


def test_pages_that_there_are_not() -> None:
    flash = Stm32L496.geometry
    assert (flash.size, Stm32L4R9.geometry.size) == (1 << 20, 2 << 20)
    with pytest.raises(IndexError):
        L4Chip().soc.flash.page_span(0, 256)  # type: ignore[attr-defined]
