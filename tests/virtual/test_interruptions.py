"""Ctrl-C and SIGTERM come when native code has returned: an exception in a callback would be lost in it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from types import FrameType

import pytest

from bench.virtual.board import VirtualBoard
from bench.virtual.cpu import StopReason
from bench.virtual.cpu.timing_m4 import CortexM4Timing
from bench.virtual.interruptions import interruptions_held
from bench.virtual.soc import flash


@pytest.fixture
def terminations() -> Iterator[list[int]]:
    """Return what SIGTERM brought."""
    came: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        came.append(number)

    before = signal.signal(signal.SIGTERM, note)
    yield came
    signal.signal(signal.SIGTERM, before)


def test_an_interruption_comes_after_the_block() -> None:
    passed = []

    def interrupted() -> None:
        with interruptions_held():
            signal.raise_signal(signal.SIGINT)
            passed.append("on")

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert passed
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)  # the handler is what it was


def test_each_signal_calls_its_own_handler_once(terminations: list[int]) -> None:
    with interruptions_held():
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        assert not terminations
    assert terminations == [signal.SIGTERM]


def test_a_failure_passes_with_the_handlers_restored(terminations: list[int]) -> None:
    with pytest.raises(ValueError, match="native"), interruptions_held():
        raise ValueError("native")
    signal.raise_signal(signal.SIGTERM)
    assert terminations == [signal.SIGTERM]


def test_other_threads_leave_the_handlers_alone() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen = []

    def other() -> None:
        with interruptions_held():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert seen == [before]


def test_a_board_finishes_its_stretch(monkeypatch: pytest.MonkeyPatch) -> None:
    board = VirtualBoard("virtual-test", bytearray(b"\xff" * flash.SIZE), CortexM4Timing())
    done: list[bool] = []

    def run(_cycles: int) -> StopReason:
        assert not done, "the interruption was lost"
        signal.raise_signal(signal.SIGINT)
        done.append(True)
        return StopReason.CYCLES

    monkeypatch.setattr(board.cpu, "run", run)
    with pytest.raises(KeyboardInterrupt):
        board.advance(1e-3)
    assert done
