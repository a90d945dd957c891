"""Letting go of the debug port and taking it again, where hardware differs from the good case; on the virtual board."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pyocd.core import exceptions

from bench.boards import load_board
from bench.boards.stations import all_stations, find_station
from bench.errors import DebugProbeError
from bench.firmware.mailbox import FIELDS, MAGIC, Command, Report, Request, State
from bench.target.board_under_test import BoardUnderTest
from bench.target.session import open_board

BOARD = load_board("nucleo_f446ze")
DEMCR, VECTOR_CATCHES, VC_HARDERR = 0xE000EDFC, 0x7F1, 1 << 10
DHCSR, C_DEBUGEN = 0xE000EDF0, 1 << 0
REQUEST = Request(sequence=1, command=Command.ENERGY, clock_index=0, input_seed=1)

DONE = Report(
    b"".join(
        {"magic": MAGIC, "done_sequence": 1, "state": State.DONE}.get(field.name, 0).to_bytes(4, "little")
        + bytes(4 * (field.count - 1))
        for field in FIELDS
    )
)


@pytest.fixture(autouse=True)
def fresh_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_VIRTUAL_STATE", str(tmp_path / "virtual"))


@pytest.fixture
def under_test() -> Iterator[BoardUnderTest]:
    with open_board(find_station(all_stations(None), "virtual-nucleo_f446ze"), BOARD) as opened:
        yield opened


def test_no_vector_catch_of_another_tool_survives() -> None:
    station = find_station(all_stations(None), "virtual-nucleo_f446ze")
    with open_board(station, BOARD) as first:
        first._target.write32(DEMCR, first.read_word(DEMCR) | VC_HARDERR)
        assert first.read_word(DEMCR) & VC_HARDERR
    with open_board(station, BOARD) as second:
        assert second.read_word(DEMCR) & VECTOR_CATCHES == 0


def test_a_port_that_stays_up_is_an_error(under_test: BoardUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_test, "_post", lambda request: None)
    monkeypatch.setattr(under_test._target.dp, "power_down_debug", lambda: False)
    with pytest.raises(DebugProbeError, match="powered down"):
        under_test.run_detached(REQUEST)


def test_a_port_that_stays_down_is_an_error(under_test: BoardUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_test._target.dp, "power_up_debug", lambda: False)
    with pytest.raises(DebugProbeError, match="powered up"):
        under_test.reattach(REQUEST, timeout_s=0.1)


@pytest.mark.parametrize("refusals", [3, 1_000_000])
def test_a_core_that_does_not_answer_yet_is_asked_again(
    under_test: BoardUnderTest, monkeypatch: pytest.MonkeyPatch, refusals: int
) -> None:
    left = [refusals]
    write = under_test._target.write32

    def refuse(address: int, value: int) -> None:
        if address == DHCSR and left[0]:
            left[0] -= 1
            raise exceptions.TransferFaultError(fault_address=address)
        write(address, value)

    monkeypatch.setattr(under_test._target, "write32", refuse)
    monkeypatch.setattr(under_test, "_wait_halted", lambda *_: None)
    monkeypatch.setattr(under_test, "_finished", lambda _: None)
    if refusals == 3:
        under_test.reattach(REQUEST, timeout_s=0.1)
        assert left == [0]
        assert under_test.read_word(DHCSR) & C_DEBUGEN
    else:
        with pytest.raises(DebugProbeError):
            under_test.reattach(REQUEST, timeout_s=0.1)


def test_the_swd_clock_stays_below_the_present_and_the_next_core_clock(
    under_test: BoardUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    wires: list[float] = []
    monkeypatch.setattr(under_test._session.probe, "set_clock", wires.append)
    monkeypatch.setattr(under_test, "_report", lambda: DONE)
    monkeypatch.setattr(under_test, "_where", lambda: "there")
    for hclk_hz in (80e6, 100e3, 400e3, 1.0, 80e6):
        under_test.expect_clock(hclk_hz)
        under_test._finished(REQUEST)
    # Down before the core slows, up only after it has sped up; never above 1 MHz, nor below what a probe can do.
    assert wires == [1e6, 50e3, 200e3, 5e3, 1e6]
