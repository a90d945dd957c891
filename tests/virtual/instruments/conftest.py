from __future__ import annotations

import pytest
import serial

from bench.probes import powershield, ppk2
from bench.virtual.instruments import protocol_virtual
from tests.virtual.instruments.instrument_fakes import FakeBoard, board_with_window

PACKAGE = "bench.virtual.instruments"


@pytest.fixture(autouse=True)
def supply_settles_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The boards here open their window soon after time 0, whoever waits."""
    monkeypatch.setattr(powershield, "_SETTLE_S", 0.0)
    monkeypatch.setattr(ppk2, "_SETTLE_S", 0.0)


@pytest.fixture
def boards(monkeypatch: pytest.MonkeyPatch) -> dict[str, FakeBoard]:
    """Boards by unique id, in place of the world's; pyserial knows the handler."""
    known = {"fake": board_with_window()}
    monkeypatch.setattr(serial, "protocol_handler_packages", [*serial.protocol_handler_packages, PACKAGE])
    monkeypatch.setattr(protocol_virtual, "acquire_board", lambda unique_id: known[unique_id])
    monkeypatch.setattr(protocol_virtual, "release_board", lambda unique_id: None)
    return known


@pytest.fixture
def board(boards: dict[str, FakeBoard]) -> FakeBoard:
    return boards["fake"]
