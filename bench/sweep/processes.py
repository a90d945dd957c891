"""One process per station. What they do comes back through pipes, as calls of the station's listener.

A child has the station's lock as well as its parent, so that the station stays taken until the last of both has ended. It ends on its own
when the parent is gone, however that ended: a pipe whose other end closes says so.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import DupFd
from types import FrameType
from typing import Any

from bench.build import BuildCache
from bench.domain.measurement import Run
from bench.errors import BenchError, TargetError
from bench.measure.settings import Settings
from bench.store import open_store
from bench.sweep.plan import ImagePlan
from bench.sweep.station import StationListener, Tally, measure_station
from bench.sweep.station_lock import adopt

TERMINATE_S = 30.0
"""A child that was told to end has so long to let go of its probes."""
KILL_S = 5.0
"""And so long after that, before it is killed."""


@dataclass(frozen=True, slots=True)
class _Order:
    """What a child is to do."""

    images: tuple[ImagePlan, ...]
    database: str
    settings: Settings
    cache: BuildCache
    tally: Tally


@dataclass(frozen=True, slots=True)
class _Ended:
    """The child's last word: its tally, and the error that ended it early."""

    tally: Tally
    error: BenchError | None


class _Interruptions:
    """Turns SIGINT and SIGTERM into KeyboardInterrupt, but not in the middle of a message, which would spoil all that follow."""

    def __init__(self) -> None:
        self._held = False
        self._came = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._interrupt)

    def _interrupt(self, _signal: int, _frame: FrameType | None) -> None:
        if not self._held:
            raise KeyboardInterrupt
        self._came = True

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let an interruption come after the block."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        if self._came:
            self._came = False
            raise KeyboardInterrupt


class _Teller:
    """A station's listener that passes on everything, without current traces: nobody looks at them while a sweep runs."""

    def __init__(self, pipe: Connection, interruptions: _Interruptions) -> None:
        self._pipe = pipe
        self._interruptions = interruptions

    def event(self, text: str) -> None:
        self._tell("event", text)

    def step(self, text: str) -> None:
        self._tell("step", text)

    def recorded(self, run: Run) -> None:
        self._tell(
            "recorded", run if run.energy_run is None else replace(run, energy_run=replace(run.energy_run, trace=None))
        )

    def gave_up(self, points: int) -> None:
        self._tell("gave_up", points)

    def failed(self, plan: ImagePlan, error: BenchError) -> None:
        self._tell("failed", plan, error)

    def left_out(self, cause: str, points: int) -> None:
        self._tell("left_out", cause, points)

    def _tell(self, what: str, *arguments: object) -> None:
        with self._interruptions.held():
            self._pipe.send((what, arguments))


def measure_in_processes(
    parts: Sequence[tuple[ImagePlan, ...]],
    locks: Sequence[int],
    database: str,
    settings: Settings,
    cache: BuildCache,
    listeners: Sequence[StationListener],
    tallies: list[Tally],
) -> None:
    """Measure every station's images (``parts``) in a process of its own, and replace ``tallies`` by theirs.

    ``locks`` are the descriptors of the stations' locks. Raises what ended a child early, after all have ended, and KeyboardInterrupt, after
    all were told to end.
    """
    context = get_context("spawn")  # a fork would inherit the build threads' locks and the database's connections
    children: dict[Connection, tuple[int, BaseProcess]] = {}
    errors: list[BenchError] = []
    try:
        for index, (images, lock) in enumerate(zip(parts, locks, strict=True)):
            ours, theirs = context.Pipe(duplex=False)
            order = _Order(images, database, settings, cache, tallies[index])
            process = context.Process(target=_measure, args=(order, theirs, DupFd(lock)), name=tallies[index].station)
            process.start()
            theirs.close()
            children[ours] = (index, process)
        errors += _listen(children, listeners, tallies)
    except BaseException:  # an interruption, above all
        for _, child in children.values():
            child.terminate()
        _listen(children, listeners, tallies, patience_s=TERMINATE_S)
        raise
    finally:
        for _, child in children.values():
            child.join(KILL_S)
            if child.is_alive():
                child.kill()
    if errors:
        raise errors[0]


def _listen(
    children: dict[Connection, tuple[int, BaseProcess]],
    listeners: Sequence[StationListener],
    tallies: list[Tally],
    *,
    patience_s: float | None = None,
) -> list[BenchError]:
    """Pass on what the children tell until all have ended, at most ``patience_s``, and return the errors that ended some early."""
    errors: list[BenchError] = []
    waiting = {pipe for pipe in children if not pipe.closed}
    deadline_s = None if patience_s is None else time.monotonic() + patience_s
    while waiting:
        left_s = None if deadline_s is None else deadline_s - time.monotonic()
        if left_s is not None and left_s <= 0:
            break
        for pipe in wait(list(waiting), left_s):
            assert isinstance(pipe, Connection)
            index, process = children[pipe]
            try:
                said = pipe.recv()
            except (EOFError, OSError):
                waiting.discard(pipe)
                pipe.close()
                process.join(TERMINATE_S)
                if process.exitcode:
                    errors.append(_crashed(tallies[index].station, process.exitcode))
                continue
            if isinstance(said, _Ended):
                tallies[index] = said.tally
                if said.error is not None:
                    errors.append(said.error)
            else:
                what, arguments = said
                getattr(listeners[index], what)(*arguments)
    return errors


def _crashed(station: str, code: int) -> BenchError:
    how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
    return TargetError(
        f"{station}: its process {how}",
        hint="what it recorded is kept; start the sweep again to measure the rest",
    )


def _measure(order: _Order, pipe: Connection, lock: Any) -> None:
    """The child: measure, tell, end."""
    interruptions = _Interruptions()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("pyocd").setLevel(logging.CRITICAL)
    error: BenchError | None = None
    try:
        if order.images:
            adopt(order.images[0].station, lock.detach())
        with open_store(order.database) as store:
            measure_station(
                order.images, store.repository, order.settings, order.cache, _Teller(pipe, interruptions), order.tally
            )
    except BenchError as raised:
        error = raised
    except (KeyboardInterrupt, BrokenPipeError):
        pass
    with suppress(KeyboardInterrupt, BrokenPipeError), interruptions.held():
        pipe.send(_Ended(order.tally, error))


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
