"""Every board file of the project holds, and says what the documents say."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.boards import board_files, board_names, data_dir, load_board
from bench.clocktree import check, clock_table
from bench.domain.board import Board
from bench.domain.clock import Oscillator
from bench.errors import ConfigurationError, ParameterError, UnknownName

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", board_names())
def test_every_board(name: str) -> None:
    board = load_board(name)
    assert board.name == name
    assert len(board.clocks_hz) == 14
    for requested_hz, clock in clock_table(board):
        assert clock.hclk_hz == requested_hz
        assert check(clock, board.limits, board.vdd_v) == []
        assert board.expected_current_a(requested_hz) > 0
    assert board.flash.sectors_bytes
    assert board.documents


@pytest.mark.parametrize("name", board_names())
def test_every_block_cites_its_document(name: str) -> None:
    """Every top-level block of more than one value has a comment above it that names a document."""
    documents = [short for short, _ in load_board(name).documents]
    lines = board_files()[name].read_text(encoding="utf-8").splitlines()
    for block in (
        "identity",
        "memory",
        "trigger_pin",
        "  oscillators",
        "  pll",
        "  levels",
        "  flash",
        "typical_currents",
    ):
        begin = lines.index("clock:") if block.startswith(" ") else 0
        start = lines.index(f"{block}:", begin)
        comment: list[str] = []
        while lines[start - 1 - len(comment)].lstrip().startswith("#"):
            comment.append(lines[start - 1 - len(comment)])
        assert any(document in line for document in documents for line in comment), (
            f"{name}: {block.strip()} cites nothing"
        )


def test_nucleo_f446ze() -> None:
    board = load_board("nucleo_f446ze")
    assert (board.product, board.mcu, board.core) == ("NUCLEO-F446ZE", "STM32F446ZE", "Cortex-M4F")
    assert (board.flash.base, board.flash.size_bytes) == (0x0800_0000, 512 * 1024)
    assert (board.sram.base, board.sram.size_bytes) == (0x2000_0000, 128 * 1024)
    assert board.identity.dev_id == 0x421
    assert (str(board.trigger_pin), board.trigger_pin.port_index, board.idd_jumper) == ("PF13", 5, "JP5")
    assert board.clocks_hz == tuple(
        mhz * 1_000_000 for mhz in (16, 24, 32, 48, 64, 80, 90, 100, 116, 124, 132, 148, 164, 180)
    )


@pytest.mark.parametrize(
    ("name", "dev_id", "flash_kib", "page_kib", "sram_kib", "trigger"),
    [("nucleo_l496zg", 0x461, 1024, 2, 320, "PF13"), ("disco_l4r9i", 0x470, 2048, 4, 640, "PA4")],
)
def test_l4_boards(name: str, dev_id: int, flash_kib: int, page_kib: int, sram_kib: int, trigger: str) -> None:
    board = load_board(name)
    assert board.identity.dev_id == dev_id
    assert board.flash.sectors_bytes == (page_kib * 1024,) * (flash_kib // page_kib)
    assert board.sram.size_bytes == sram_kib * 1024
    assert str(board.trigger_pin) == trigger
    automatic = {spec.oscillator for spec in board.limits.oscillators if spec.automatic}
    assert automatic == {Oscillator.MSI, Oscillator.HSI}


def test_l496_measures_the_published_clocks() -> None:
    mhz = (0.1, 0.2, 0.4, 0.8, 1, 2, 4, 8, 16, 24, 32, 48, 64, 80)
    assert load_board("nucleo_l496zg").clocks_hz == tuple(int(value * 1e6) for value in mhz)


def test_expected_current() -> None:
    board = load_board("nucleo_f446ze")
    assert board.expected_current_a(180e6) == pytest.approx(46e-3)
    assert board.expected_current_a(105e6) == pytest.approx(29e-3)  # half way between 90 and 120 MHz
    assert board.expected_current_a(1e6) == pytest.approx(3e-3)  # held below the lowest point: an upper bound
    for hclk_hz in (0.0, -1.0, 181e6, float("nan")):
        with pytest.raises(ParameterError, match="no typical current"):
            board.expected_current_a(hclk_hz)


def test_memory_lookup() -> None:
    board = load_board("nucleo_f446ze")
    assert 0x0807_FFFF in board.flash
    assert 0x0808_0000 not in board.flash
    with pytest.raises(UnknownName, match="memory region 'ccm'"):
        board.region("ccm")


def test_unknown_board_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'nucleo_f446ze'") as caught:
        load_board("nucleo_f446re")
    assert caught.value.exit_code == 2
    assert "nucleo_f446ze" in caught.value.hint


@pytest.mark.parametrize("name", ["", "../boards/nucleo_f446ze", "nucleo_f446ze.yaml"])
def test_a_name_is_not_a_path(name: str) -> None:
    with pytest.raises(UnknownName):
        load_board(name)


def test_extra_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = board_files()["nucleo_f446ze"].read_text(encoding="utf-8")
    (tmp_path / "mine.yaml").write_text(text.replace("name: nucleo_f446ze", "name: mine"), encoding="utf-8")
    (tmp_path / "nucleo_f446ze.yaml").write_text(text.replace("vdd: 3.3 V", "vdd: 3.0 V"), encoding="utf-8")
    monkeypatch.setenv("BENCH_BOARDS", str(tmp_path))
    assert "mine" in board_names()
    assert load_board("mine").name == "mine"
    hidden: Board = load_board("nucleo_f446ze")
    assert hidden.vdd_v == 3.0


def test_extra_folder_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_BOARDS", str(tmp_path / "nowhere"))
    with pytest.raises(ConfigurationError, match=r"BENCH_BOARDS names .*nowhere"):
        board_names()


def test_data_folders() -> None:
    assert data_dir("boards") == REPOSITORY / "boards"
    with pytest.raises(ConfigurationError, match="'no_such_data' is missing"):
        data_dir("no_such_data")
