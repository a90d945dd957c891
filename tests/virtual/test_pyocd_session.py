"""Unmodified pyOCD on a virtual board, in this process: discovery, its flash algorithm, run control, detaching, time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pyocd.core import exceptions
from pyocd.core.helpers import ConnectHelper
from pyocd.core.session import Session
from pyocd.core.soc_target import SoCTarget
from pyocd.core.target import Target
from pyocd.coresight.cortex_m import CortexM
from pyocd.flash.eraser import FlashEraser
from pyocd.flash.file_programmer import FileProgrammer
from pyocd.flash.loader import FlashLoader

from bench.target.stm32 import register_targets
from bench.virtual import world
from bench.virtual.board import VirtualBoard
from bench.virtual.probe import VirtualProbe
from bench.virtual.supply import model_of
from tests.virtual.firmware import compile_firmware, image, symbol

UID = "virtual-nucleo_f446ze"
SOURCE = """
volatile uint32_t count, stop;
int __attribute__((noinline)) work(int n) { volatile int sum = 0; for (int i = 0; i < n; i++) sum += i; return sum; }
int main(void) { stop = 0; for (;;) { count++; work(10); if (stop) __asm volatile("bkpt 3"); } }
"""


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_VIRTUAL_STATE", str(tmp_path / "state"))
    register_targets()


def connect(**options: object) -> Session:
    probe = next(p for p in ConnectHelper.get_all_connected_probes(blocking=False) if p.unique_id == UID)
    session = Session(probe, options={"reset.post_delay": 0.0, "hide_programming_progress": True, **options})
    session.open()
    return session


@pytest.fixture
def session() -> Iterator[Session]:
    """Return an open session on a fresh virtual board."""
    opened = connect()
    yield opened
    opened.close()


def parts(session: Session) -> tuple[SoCTarget, VirtualBoard]:
    target, probe = session.target, session.probe
    assert isinstance(target, SoCTarget)
    assert isinstance(probe, VirtualProbe)
    return target, probe.board


def flash(session: Session, directory: Path) -> Path:
    elf = compile_firmware(directory, SOURCE)
    FileProgrammer(session).program(str(elf), file_format="elf")
    return elf


def test_discovery_finds_a_cortex_m4_with_its_components(session: Session) -> None:
    target, _ = parts(session)
    core = target.selected_core_or_raise
    assert session.board.target_type == "stm32f446xe"
    assert core.name == "Cortex-M4"
    assert core.has_fpu
    assert core.fpb.nb_code == 6
    assert core.dwt.watchpoint_count == 4
    assert target.is_halted()


def test_pyocds_flash_algorithm_programs_and_is_kept(session: Session, tmp_path: Path) -> None:
    target, board = parts(session)
    code = image(flash(session, tmp_path))
    assert bytes(target.read_memory_block8(0x08000000, len(code))) == code
    assert board.diagnoses == []
    assert board.time_s > 0.25, "erasing takes its time, in virtual seconds"
    session.close()
    again = connect()
    assert bytes(again.target.read_memory_block8(0x08000000, len(code))) == code
    again.close()


def test_chip_erase(session: Session) -> None:
    target, board = parts(session)
    loader = FlashLoader(session, chip_erase="sector")
    loader.add_data(0x08060000, bytes(256))
    loader.commit()
    FlashEraser(session, FlashEraser.Mode.CHIP).erase()
    assert set(target.read_memory_block8(0x08000000, 512 * 1024)) == {0xFF}
    assert board.diagnoses == []


def test_every_sector_can_be_written(session: Session) -> None:
    target, _ = parts(session)
    pattern = bytes(range(256))
    addresses = [0x08000000, 0x0800C000, 0x08010000, 0x08020000, 0x08060000, 0x0807FF00]
    loader = FlashLoader(session, chip_erase="sector")
    for address in addresses:
        loader.add_data(address, pattern)
    loader.commit()
    for address in addresses:
        assert bytes(target.read_memory_block8(address, 256)) == pattern


def test_run_control(session: Session, tmp_path: Path) -> None:
    target, _ = parts(session)
    elf = flash(session, tmp_path)
    target.reset_and_halt()
    assert target.read_core_register("pc") == symbol(elf, "Reset_Handler")
    work = symbol(elf, "work")
    target.set_breakpoint(work)
    target.resume()
    wait_halted(session)
    assert target.read_core_register("pc") == work
    assert target.read_core_register("r0") == 10
    target.step()
    assert target.read_core_register("pc") in (work + 2, work + 4)
    target.remove_breakpoint(work)
    target.write_core_register("r7", 0x12345678)
    assert target.read_core_register("r7") == 0x12345678
    target.write_core_register("s5", 1.5)
    assert target.read_core_register("s5") == 1.5
    target.write32(symbol(elf, "stop"), 1)
    target.resume()
    wait_halted(session)
    assert target.read16(target.read_core_register("pc")) == 0xBE03


def wait_halted(session: Session, limit_s: float = 1.0) -> None:
    clock = session.probe.time_source
    deadline = clock.monotonic() + limit_s
    while not session.target.is_halted():
        assert clock.monotonic() < deadline
        clock.sleep(1e-3)


def test_detaching_is_seen_by_the_board(session: Session, tmp_path: Path) -> None:
    target, board = parts(session)
    elf = flash(session, tmp_path)
    target.reset_and_halt()
    target.write32(0xE0042004, 7)
    attached = board.state
    assert board.debug_attached
    assert board.state.low_power_debug
    target.write32(0xE0042004, 0)
    target.write32(CortexM.DEMCR, 0)
    target.write32(CortexM.DHCSR, CortexM.DBGKEY)
    target.dp.power_down_debug()
    assert not board.debug_attached
    assert not board.state.low_power_debug
    model, alone = model_of("stm32f446"), replace(board.state, activity=attached.activity)
    assert model.current_a(alone) < model.current_a(replace(alone, low_power_debug=True)) < model.current_a(attached)
    board.advance(1e-3)
    with pytest.raises(exceptions.TransferError):
        target.read32(symbol(elf, "count"))
    target.dp.power_up_debug()
    count = target.read32(symbol(elf, "count"))
    assert count > 10, "it ran, and was not reset by attaching again"
    target.write32(CortexM.DHCSR, CortexM.DBGKEY | CortexM.C_DEBUGEN)
    target.halt()
    assert target.get_state() is Target.State.HALTED
    assert target.read32(symbol(elf, "count")) >= count


@pytest.mark.parametrize(
    "kind", [Target.ResetType.HARDWARE, Target.ResetType.SYSTEM, Target.ResetType.CORE, Target.ResetType.EMULATED]
)
def test_resets(session: Session, tmp_path: Path, kind: Target.ResetType) -> None:
    target, _ = parts(session)
    elf = flash(session, tmp_path)
    target.reset(kind)
    assert not target.is_halted()
    target.reset_and_halt(kind)
    assert target.is_halted()
    assert target.read_core_register("pc") == symbol(elf, "Reset_Handler")


@pytest.mark.parametrize("mode", ["halt", "pre-reset", "under-reset", "attach"])
def test_connect_modes(mode: str) -> None:
    session = connect(connect_mode=mode)
    assert session.target.is_halted() == (mode != "attach")
    session.close()


def test_accesses_that_fail_are_transfer_faults(session: Session) -> None:
    target, _ = parts(session)
    with pytest.raises(exceptions.TransferFaultError, match="0x40026000"):
        target.read32(0x40026000)
    with pytest.raises(exceptions.TransferFaultError):
        target.write32(0x08000000, 0)


def test_no_supply_no_answer(session: Session) -> None:
    target, board = parts(session)
    board.set_supply(None)
    with pytest.raises(exceptions.TransferError, match="no supply"):
        target.read32(0x20000000)
    board.set_supply(3.3)


def test_the_board_is_shared_in_a_process_and_gone_after_the_last_release(session: Session) -> None:
    _, board = parts(session)
    assert world.acquire(UID) is board
    session.close()
    assert world.peek(UID) is board
    world.release(UID)
    assert world.peek(UID) is None


def test_flash_file_is_checked(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(exist_ok=True)
    (tmp_path / "state" / f"{UID}.flash").write_bytes(b"something else")
    with pytest.raises(exceptions.ProbeError, match="14 bytes"):
        connect()


def test_only_known_boards_exist() -> None:
    assert VirtualProbe.get_probe_with_id("virtual-nucleo_f446ze-2") is not None
    assert VirtualProbe.get_probe_with_id("virtual-nucleo_xyz") is None
    assert VirtualProbe.get_probe_with_id("066BFF") is None
