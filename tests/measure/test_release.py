"""A window that may hold the debugger's current is rejected."""

from __future__ import annotations

import pytest

from bench.boards import load_board
from bench.clocktree import clock_table
from bench.errors import VerifyError
from bench.firmware import mailbox
from bench.firmware.mailbox import Report, Request
from bench.measure.energy import EnergyMeter
from bench.measure.settings import Settings
from bench.probes.base import CaptureRequest
from bench.probes.lpm01a import Lpm01a

BOARD = load_board("nucleo_f446ze")


class ArmedProbe(Lpm01a):
    """A probe whose capture does not matter."""

    def arm(self, request: CaptureRequest) -> None:
        """Do nothing."""

    def collect(self) -> object:  # type: ignore[override]
        """Return nothing that could be reduced."""
        return None


class SlowPort:
    """A board whose debug port goes down only after ``release_s``."""

    def __init__(self, release_s: float) -> None:
        self.release_s = release_s
        self.reattached = False

    def next_sequence(self) -> int:
        return 1

    def run_detached(self, request: Request) -> float:
        return self.release_s

    def sleep(self, seconds: float) -> None:
        pass

    def reattach(self, request: Request, timeout_s: float) -> Report:
        self.reattached = True
        return Report(bytes(mailbox.SIZE_BYTES))


def test_a_port_released_after_the_settling_time_rejects_the_point() -> None:
    settings = Settings()
    board = SlowPort(2 * settings.settle_s)
    meter = EnergyMeter(ArmedProbe("unused"), "lpm01a", BOARD, settings)
    clock = clock_table(BOARD)[0][1]
    with pytest.raises(VerifyError, match="debug port"):
        meter.measure(board, 0, clock, 1000, 0.0)  # type: ignore[arg-type]
    assert board.reattached
