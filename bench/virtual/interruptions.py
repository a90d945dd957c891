"""Lets interruptions wait while native code runs.

A Python signal handler runs as soon as the main thread executes Python again: while the core runs, that is a callback from native code, and an
exception cannot pass through native frames. Ctrl-C would be lost, and the callback's work with it.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_HELD = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def interruptions_held() -> Iterator[None]:
    """Call the handlers of SIGINT and SIGTERM after the block, if the signals come within it; nothing to do outside the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        came.append(number)

    handlers = {number: handler for number in _HELD if callable(handler := signal.getsignal(number))}
    try:
        for number in handlers:
            signal.signal(number, note)
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for one in dict.fromkeys(came):
            handlers[signal.Signals(one)](one, None)
