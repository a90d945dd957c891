"""The pyOCD target types: memory map, flash geometry, registration."""

from __future__ import annotations

import pytest
from pyocd.core.memory_map import FlashRegion, MemoryType
from pyocd.coresight.coresight_target import CoreSightTarget
from pyocd.target import TARGET
from pyocd.target.builtin import BUILTIN_TARGETS

from bench.boards import board_names, load_board
from bench.target.stm32 import register_targets
from bench.target.stm32.f446 import STM32F446xE
from bench.target.stm32.f746 import STM32F746xG
from bench.target.stm32.l4 import STM32L4R9xI, STM32L496xG
from bench.target.stm32.plugin import TargetTypesPlugin

KIB = 1024


def test_registration_is_idempotent_and_keeps_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    for table in (TARGET, BUILTIN_TARGETS):
        monkeypatch.delitem(table, "stm32f446xe", raising=False)
    register_targets()
    register_targets()
    assert TARGET["stm32f446xe"] is STM32F446xE
    assert BUILTIN_TARGETS["stm32f446xe"] is STM32F446xE
    from_pack = object()
    monkeypatch.setitem(TARGET, "stm32f446xe", from_pack)
    register_targets()
    assert TARGET["stm32f446xe"] is from_pack


def test_plugin_registers_and_offers_no_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(TARGET, "stm32f446xe", raising=False)
    assert not TargetTypesPlugin().should_load()
    assert "stm32f446xe" in TARGET


def test_flash_sectors_are_the_manuals() -> None:
    regions = [r for r in STM32F446xE.MEMORY_MAP if isinstance(r, FlashRegion)]
    sectors = [
        (start, region.sector_size)
        for region in regions
        for start in range(region.start, region.end + 1, region.sector_size)
    ]
    sizes = [16, 16, 16, 16, 64, 128, 128, 128]
    starts = [0x08000000 + sum(sizes[:i]) * KIB for i in range(8)]
    assert sectors == [(start, size * KIB) for start, size in zip(starts, sizes, strict=True)]
    boot = STM32F446xE.MEMORY_MAP.get_boot_memory()
    assert boot is not None
    assert boot.start == 0x08000000


def test_ram_holds_the_flash_algorithm() -> None:
    ram = STM32F446xE.MEMORY_MAP.get_first_matching_region(type=MemoryType.RAM)
    assert (ram.start, ram.length) == (0x20000000, 128 * KIB)
    flash = STM32F446xE.MEMORY_MAP.get_boot_memory()
    for buffer in flash.algo["page_buffers"]:
        assert ram.contains_range(buffer, length=flash.page_size)


def test_f746_memory_map_is_the_manuals() -> None:
    regions = [r for r in STM32F746xG.MEMORY_MAP if isinstance(r, FlashRegion)]
    sectors = [
        (start, region.sector_size)
        for region in regions
        for start in range(region.start, region.end + 1, region.sector_size)
    ]
    sizes = [32, 32, 32, 32, 128, 256, 256, 256]
    starts = [0x08000000 + sum(sizes[:i]) * KIB for i in range(8)]
    assert sectors == [(start, size * KIB) for start, size in zip(starts, sizes, strict=True)]
    dtcm = STM32F746xG.MEMORY_MAP.get_region_for_address(0x20000000)
    flash = STM32F746xG.MEMORY_MAP.get_boot_memory()
    assert flash.start == 0x08000000
    assert dtcm.length == 64 * KIB
    for buffer in flash.algo["page_buffers"]:
        assert dtcm.contains_range(buffer, length=flash.page_size)


@pytest.mark.parametrize(
    ("target", "flash_kib", "page_kib", "ram_kib"), [(STM32L496xG, 1024, 2, 320), (STM32L4R9xI, 2048, 4, 640)]
)
def test_l4_memory_maps_are_the_manuals(
    target: type[CoreSightTarget], flash_kib: int, page_kib: int, ram_kib: int
) -> None:
    flash = target.MEMORY_MAP.get_boot_memory()
    assert isinstance(flash, FlashRegion)
    assert (flash.start, flash.length, flash.sector_size) == (0x08000000, flash_kib * KIB, page_kib * KIB)
    ram = target.MEMORY_MAP.get_first_matching_region(type=MemoryType.RAM)
    assert (ram.start, ram.length) == (0x20000000, ram_kib * KIB)
    for buffer in flash.algo["page_buffers"]:
        assert ram.contains_range(buffer, length=flash.page_size)


@pytest.mark.parametrize("name", board_names())
def test_every_board_has_its_target_and_they_agree(name: str) -> None:
    register_targets()
    board = load_board(name)
    regions = [r for r in TARGET[board.pyocd_target].MEMORY_MAP if isinstance(r, FlashRegion)]
    sectors = [region.sector_size for region in regions for _ in range(region.length // region.sector_size)]
    assert tuple(sectors) == board.flash.sectors_bytes
    assert regions[0].start == board.flash.base
