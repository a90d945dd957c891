"""The flash controller: locked until unlocked, programming clears bits only, erase by sector, every misuse flagged."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.virtual.cpu import AccessFault
from bench.virtual.soc import flash
from tests.virtual.soc.soc_fixture import FLASH_ACR, FLASH_CR, FLASH_KEYR, FLASH_SR, KEYS, Chip

PG, SER, MER, STRT, LOCK, X32, X8 = 1, 2, 4, 1 << 16, 1 << 31, 2 << 8, 0
BUSY = 1 << 16
SECTOR_0 = 0x08000000


def program(chip: Chip, address: int, value: int) -> None:
    chip.write(address, value)
    assert chip.read(FLASH_SR) & BUSY
    wait_idle(chip)


def wait_idle(chip: Chip) -> None:
    for _ in range(100):
        if not chip.read(FLASH_SR) & BUSY:
            return
        chip.core.cycles += 6
    raise AssertionError("flash stays busy")


def test_locked_after_reset(chip: Chip) -> None:
    assert chip.read(FLASH_CR) == LOCK
    with pytest.raises(AccessFault):
        chip.write(FLASH_CR, PG)
    assert "locked" in chip.log.texts[-1]


def test_unlock_program_and_read_back(chip: Chip) -> None:
    chip.unlock_flash()
    chip.write(FLASH_CR, X32 | PG)
    program(chip, SECTOR_0 + 8, 0x12345678)
    assert chip.core.flash[8:12] == (0x12345678).to_bytes(4, "little")
    chip.write(FLASH_CR, LOCK)
    assert chip.read(FLASH_CR) & LOCK


@pytest.mark.parametrize("keys", [(KEYS[1],), (KEYS[0], KEYS[0]), (0,)])
def test_a_wrong_key_locks_until_reset(chip: Chip, keys: tuple[int, ...]) -> None:
    for key in keys[:-1]:
        chip.write(FLASH_KEYR, key)
    with pytest.raises(AccessFault):
        chip.write(FLASH_KEYR, keys[-1])
    with pytest.raises(AccessFault):
        chip.unlock_flash()
    chip.soc.system_reset(software=False)
    chip.unlock_flash()
    chip.write(FLASH_CR, PG)


@given(st.lists(st.integers(0, 0xFFFFFFFF), min_size=1, max_size=5))
def test_programming_only_clears_bits(values: list[int]) -> None:
    chip = Chip()
    chip.unlock_flash()
    chip.write(FLASH_CR, X32 | PG)
    expected = 0xFFFFFFFF
    for value in values:
        program(chip, SECTOR_0, value)
        expected &= value
    assert int.from_bytes(chip.core.flash[:4], "little") == expected


@pytest.mark.parametrize("number", range(8))
def test_erase_touches_one_sector(chip: Chip, number: int) -> None:
    chip.core.flash[:] = bytes(flash.SIZE)
    chip.unlock_flash()
    start_s = chip.time.now_s
    chip.write(FLASH_CR, X32 | SER | number << 3 | STRT)
    wait_idle(chip)
    address, size = flash.sector_span(number)
    offset = address - SECTOR_0
    assert chip.core.flash.count(b"\xff") == size
    assert chip.core.flash[offset : offset + size] == b"\xff" * size
    assert chip.time.now_s - start_s >= {16: 0.25, 64: 0.55, 128: 1.0}[size // 1024]


def test_mass_erase(chip: Chip) -> None:
    chip.core.flash[:] = bytes(flash.SIZE)
    chip.unlock_flash()
    chip.write(FLASH_CR, X32 | MER | STRT)
    wait_idle(chip)
    assert chip.core.flash.count(b"\xff") == flash.SIZE


@pytest.mark.parametrize(
    ("cr", "size", "offset", "flag"),
    [
        (X32, 4, 0, 1 << 7),
        (X32 | PG, 2, 0, 1 << 6),
        (X8 | PG, 4, 0, 1 << 6),
        (X32 | PG, 4, 2, 1 << 5),
        (3 << 8 | PG, 4, 0, 1 << 6),
    ],
    ids=["PG not set", "narrower than PSIZE", "wider than PSIZE", "unaligned", "x64 without VPP"],
)
def test_bad_programming_sets_its_flag_and_faults(chip: Chip, cr: int, size: int, offset: int, flag: int) -> None:
    chip.unlock_flash()
    chip.write(FLASH_CR, cr)
    with pytest.raises(AccessFault):
        chip.soc.write(SECTOR_0 + offset, size, 0)
    assert chip.read(FLASH_SR) & flag
    assert chip.core.flash.count(b"\xff") == flash.SIZE
    chip.write(FLASH_SR, flag)
    assert not chip.read(FLASH_SR)


def test_a_store_into_locked_flash_faults(chip: Chip) -> None:
    for address in (SECTOR_0, 0x100):
        with pytest.raises(AccessFault):
            chip.write(address, 0)
    assert "store into flash" in chip.log.texts[-1]


@pytest.mark.parametrize("cr", [SER | 8 << 3, SER | MER, SER | PG, 0])
def test_bad_erase_faults(chip: Chip, cr: int) -> None:
    chip.unlock_flash()
    with pytest.raises(AccessFault):
        chip.write(FLASH_CR, X32 | cr | STRT)
    assert chip.read(FLASH_SR) & 1 << 7


def test_control_register_waits_for_the_operation(chip: Chip) -> None:
    chip.unlock_flash()
    chip.write(FLASH_CR, X32 | SER | STRT)
    with pytest.raises(AccessFault):
        chip.write(FLASH_CR, LOCK)
    assert "BSY" in chip.log.texts[-1]


def test_x32_needs_2_7_volts() -> None:
    chip = Chip(vdd_v=2.5)
    chip.unlock_flash()
    chip.write(FLASH_CR, X32 | PG)
    with pytest.raises(AccessFault):
        chip.write(SECTOR_0, 0)
    assert "2.5 V" in chip.log.texts[-1]
    chip.write(FLASH_CR, 1 << 8 | PG)
    chip.soc.write(SECTOR_0, 2, 0x1234)
    assert chip.core.flash[:2] == b"\x34\x12"


def test_caches_are_reset_only_while_off(chip: Chip) -> None:
    chip.write(FLASH_ACR, 3 << 11)
    assert chip.core.flushed == [(True, True)]
    chip.write(FLASH_ACR, 3 << 9)
    with pytest.raises(AccessFault):
        chip.write(FLASH_ACR, 3 << 9 | 1 << 11)
    with pytest.raises(AccessFault):
        chip.soc.write(FLASH_ACR, 1, 0)
    with pytest.raises(IndexError):
        flash.sector_span(8)
