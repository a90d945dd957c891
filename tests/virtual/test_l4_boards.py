"""The virtual NUCLEO-L496ZG and 32L4R9IDISCOVERY behind the unmodified pyOCD: identity, flash, and clock switches from each to each."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyocd.core.helpers import ConnectHelper
from pyocd.core.session import Session
from pyocd.flash.eraser import FlashEraser
from pyocd.flash.loader import FlashLoader

from bench.boards import load_board
from bench.boards.stations import all_stations, find_station
from bench.target.session import open_board
from bench.target.stm32 import register_targets
from bench.virtual.probe import VirtualProbe

BASE, KIB = 0x08000000, 1024
BOARDS = ("nucleo_l496zg", "disco_l4r9i")


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_VIRTUAL_STATE", str(tmp_path / "state"))
    register_targets()


@pytest.fixture(params=BOARDS)
def session(request: pytest.FixtureRequest) -> Iterator[Session]:
    """Return an open session on a fresh virtual board of each kind."""
    uid = f"virtual-{request.param}"
    probe = next(p for p in ConnectHelper.get_all_connected_probes(blocking=False) if p.unique_id == uid)
    opened = Session(
        probe,
        options={
            "reset.post_delay": 0.0,
            "hide_programming_progress": True,
            "chip_erase": "sector",
            "smart_flash": False,
        },
    )
    opened.open()
    yield opened
    opened.close()


def diagnoses(session: Session) -> list[str]:
    probe = session.probe
    assert isinstance(probe, VirtualProbe)
    return probe.diagnoses


@pytest.mark.parametrize("name", BOARDS)
def test_identified_as_what_the_board_file_says(name: str) -> None:
    board = load_board(name)
    with open_board(find_station(all_stations(None), f"virtual-{name}"), board) as under_test:
        assert len(under_test.unique_id()) == 24


def test_the_algorithm_programs_and_erases_across_pages_and_banks(session: Session) -> None:
    target = session.target
    flash = target.memory_map.get_boot_memory()
    assert flash is not None
    page, half = flash.sector_size, flash.length // 2
    data = random.Random(1).randbytes(page + 100)
    places = (BASE, BASE + 7 * page, BASE + half - page, BASE + flash.length - 2 * page)
    loader = FlashLoader(session)
    for place in places:
        loader.add_data(place, data)
    loader.commit()
    for place in places:
        assert bytes(target.read_memory_block8(place, len(data))) == data
    assert bytes(target.read_memory_block8(BASE + 3 * page, page)) == b"\xff" * page
    first = BASE + half  # the first page of bank 2 holds the rest of the third place
    FlashEraser(session, FlashEraser.Mode.SECTOR).erase([(first, first + page)])
    assert bytes(target.read_memory_block8(first, page)) == b"\xff" * page
    assert bytes(target.read_memory_block8(first - page, page)) == data[:page]
    assert bytes(target.read_memory_block8(places[3], len(data))) == data
    assert diagnoses(session) == []


def test_programming_again_replaces_what_was_there(session: Session) -> None:
    for seed in (1, 2):
        data = random.Random(seed).randbytes(3000)
        loader = FlashLoader(session)
        loader.add_data(BASE, data)
        loader.commit()
        assert bytes(session.target.read_memory_block8(BASE, len(data))) == data
    assert diagnoses(session) == []


def test_a_wire_clock_above_the_core_clock_is_noted(session: Session) -> None:
    target = session.target
    target.reset_and_halt()
    target.write32(0x40021000, target.read32(0x40021000) & ~0xF0 | 1 << 3)  # MSIRGSEL, MSIRANGE 0: 100 kHz
    target.read32(0x20000000)
    assert "SWCLK at 1000 kHz, above HCLK at 100 kHz" in diagnoses(session)[-1]
    session.probe.set_clock(50_000)
    seen = len(diagnoses(session))
    target.read32(0x20000000)
    assert len(diagnoses(session)) == seen
