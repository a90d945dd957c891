"""Unmodified pyOCD on a virtual NUCLEO-F746ZG: discovery through three ROM tables, the F767's flash algorithm, caches between core and debugger."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pyocd.core.helpers import ConnectHelper
from pyocd.core.session import Session
from pyocd.core.soc_target import SoCTarget
from pyocd.flash.eraser import FlashEraser
from pyocd.flash.file_programmer import FileProgrammer
from pyocd.flash.loader import FlashLoader

from bench.target.stm32 import register_targets
from bench.virtual.board import VirtualBoard
from bench.virtual.probe import VirtualProbe
from tests.virtual.firmware import compile_firmware, image, symbol

UID = "virtual-nucleo_f746zg"
SOURCE = """
#define SRAM ((volatile uint32_t *)0x20010000)
static void all(uint32_t address) { for (uint32_t s = 0; s < 32; s++) for (uint32_t w = 0; w < 4; w++) REG(address) = w << 30 | s << 5; }
int main(void) {
  SRAM[0] = 1;
  all(0xE000EF60);
  REG(0xE000ED14) |= 1u << 16;
  SRAM[0] = 2;
  __asm volatile("bkpt 3");
  all(0xE000EF6C);
  __asm volatile("bkpt 4");
  return 0;
}
"""

IN_ITCM = """
#define ITCM ((volatile uint32_t *)0x100)
__attribute__((noipa)) uint32_t loop(uint32_t n) { uint32_t x = 1; while (n--) { x = x * 3 + 1; __asm volatile("" : "+r"(x)); } return x; }
volatile uint32_t from_flash, from_itcm;
int main(void) {
  for (uint32_t i = 0; i < 16; i++) ITCM[i] = ((volatile uint32_t *)((uint32_t)loop & ~1u))[i];
  __asm volatile("dsb; isb");
  REG(0x40023C00) = 5;
  REG(0xE000EDFC) |= 1u << 24; REG(0xE0001FB0) = 0xC5ACCE55u; REG(0xE0001000) |= 1;
  uint32_t (*volatile copy)(uint32_t) = (uint32_t (*)(uint32_t))0x101;
  uint32_t begin = REG(0xE0001004), a = copy(1000), between = REG(0xE0001004), b = loop(1000), end = REG(0xE0001004);
  from_itcm = between - begin; from_flash = a == b ? end - between : 0;
  return 0;
}
"""


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """Return an open session on a fresh virtual board."""
    monkeypatch.setenv("BENCH_VIRTUAL_STATE", str(tmp_path / "state"))
    register_targets()
    probe = next(p for p in ConnectHelper.get_all_connected_probes(blocking=False) if p.unique_id == UID)
    opened = Session(probe, options={"reset.post_delay": 0.0, "hide_programming_progress": True})
    opened.open()
    yield opened
    opened.close()


def parts(session: Session) -> tuple[SoCTarget, VirtualBoard]:
    target, probe = session.target, session.probe
    assert isinstance(target, SoCTarget)
    assert isinstance(probe, VirtualProbe)
    return target, probe.board


def test_discovery_finds_a_cortex_m7_with_its_components(session: Session) -> None:
    target, board = parts(session)
    core = target.selected_core_or_raise
    assert session.board.target_type == "stm32f746xg"
    assert core.name == "Cortex-M7"
    assert core.has_fpu
    assert core.fpb.nb_code == 8
    assert core.fpb.revision == 2
    assert target.is_halted()
    assert board.diagnoses == []


def test_every_sector_can_be_written_and_the_chip_erased(session: Session) -> None:
    target, board = parts(session)
    pattern = bytes(range(256)) * 4
    addresses = [0x08000000, 0x08018000, 0x08020000, 0x08040000, 0x08080000, 0x080FFC00]
    loader = FlashLoader(session, chip_erase="sector")
    for address in addresses:
        loader.add_data(address, pattern)
    loader.commit()
    for address in addresses:
        assert bytes(target.read_memory_block8(address, len(pattern))) == pattern
    assert bytes(target.read_memory_block8(0x00218000, 16)) == pattern[:16], "the ITCM port shows the same flash"
    FlashEraser(session, FlashEraser.Mode.CHIP).erase()
    assert set(target.read_memory_block8(0x08000000, 1024 * 1024)) == {0xFF}
    assert board.diagnoses == []


def test_the_debugger_sees_cached_ram_once_it_was_cleaned(session: Session, tmp_path: Path) -> None:
    target, board = parts(session)
    elf = compile_firmware(tmp_path, SOURCE)
    FileProgrammer(session).program(str(elf), file_format="elf")
    assert bytes(target.read_memory_block8(0x08000000, 64)) == image(elf)[:64]
    target.reset_and_halt()
    assert target.read_core_register("pc") == symbol(elf, "Reset_Handler"), "vectors are taken from the ITCM flash"
    seen = []
    for _ in range(2):
        target.resume()
        board.advance(1e-3)
        assert target.is_halted()
        seen.append(target.read32(0x20010000))
        target.write_core_register("pc", target.read_core_register("pc") + 2)
    assert seen == [1, 2]
    assert board.diagnoses == []


def test_code_in_the_itcm_ram_does_not_wait_for_the_flash(session: Session, tmp_path: Path) -> None:
    target, board = parts(session)
    elf = compile_firmware(tmp_path, IN_ITCM)
    FileProgrammer(session).program(str(elf), file_format="elf")
    target.reset_and_halt()
    target.resume()
    board.advance(10e-3)
    assert target.is_halted()
    code = target.read_memory_block8(symbol(elf, "loop") & ~1, 16)
    assert target.read_memory_block8(0x100, 16) == code, "a debugger reaches it too"
    from_itcm, from_flash = (target.read32(symbol(elf, name)) for name in ("from_itcm", "from_flash"))
    assert 1000 < from_itcm < 5000
    assert from_flash > 1.5 * from_itcm, "caches off, five wait states"
    assert board.diagnoses == []
