"""Measures all points of one image on one station: in a random order, each again as the policy allows, with a sentinel against drift.

The choices are pure and sit elsewhere (``policy``, ``order``, ``drift``); here is what they lead to.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from bench.domain.clock import ClockConfiguration
from bench.domain.event import Action, Event
from bench.domain.measurement import Point, Run, Verdict
from bench.errors import BenchError, CurrentProbeError, Drifted, StationQuarantined, UsageError, error_context
from bench.measure.drift import Change, Sentinel, withdrawn
from bench.measure.image import Image
from bench.measure.order import draw_seed, shuffled
from bench.measure.policy import choose, hopeless
from bench.measure.procedure import Narrator, Procedure, points, rejected
from bench.measure.settings import Settings
from bench.measure.station import OpenStation
from bench.target.session import Connect

Log = Callable[[Event], None]


class Campaign:
    """One image on one station. ``log`` takes every failure and recovery, as data; the narrator hears of it, too."""

    def __init__(
        self,
        place: OpenStation,
        image: Image,
        settings: Settings,
        narrator: Narrator,
        log: Log = lambda _: None,
        clocks: Sequence[ClockConfiguration] | None = None,
    ) -> None:
        """``clocks``: those of the image's to measure; None: all. ``place`` may be connected already, as an earlier image left it."""
        self._place = place
        self._image = image
        self._settings = settings
        self._narrator = narrator
        self._log = log
        self._points = points(place.station, image.board, image.work, image.clocks)
        self._wanted = [index for index, clock in enumerate(image.clocks) if clocks is None or clock in clocks]
        self._procedure: Procedure | None = None
        self._flashed = self._booted = False
        self._pending = Action.RETRY if place.connected else Action.RECONNECT
        self._last: BenchError | None = None
        self._rejections: list[BenchError] = []
        self._condemned: list[BenchError] = []

    def runs(self) -> Iterator[Run]:
        """Connect, flash what differs, and yield the runs as they are measured, in a random order.

        Beside one run for each point there are those of the sentinel (``Run.sentinel``). A run that drift invalidates comes once more, rejected
        (same point and ``measured_at``), and its point is measured again, once. So the last run of a point counts.

        Raises StationQuarantined where the station is of no use any more, and UsageError where it is wrongly described.
        """
        seed = draw_seed() if self._settings.order_seed is None else self._settings.order_seed
        queue = deque(self._wanted[index] for index in shuffled(len(self._wanted), seed))
        sentinel = Sentinel(self._settings.sentinel_every, self._settings.drift_tolerance)
        repeated: set[int] = set()
        position = 0
        while queue:
            index = queue.popleft()
            run = replace(self._measure(index), order_seed=seed, order_position=position)
            position += 1
            sentinel.saw(index, run)
            yield run
            self._give_up_on_a_useless_probe(index)
            if sentinel.due(last=not queue):
                assert sentinel.index is not None
                self._narrator.step(f"the sentinel again: {self._name(sentinel.index)}")
                again = replace(self._measure(sentinel.index), order_seed=seed, order_position=position, sentinel=True)
                position += 1
                if again.verdict is Verdict.REJECTED:
                    sentinel.skip()
                    self._tell(
                        sentinel.index, Action.UNCONFIRMED, 1, Drifted(f"the sentinel point failed: {again.reason}")
                    )
                    continue
                yield again
                found, suspects = sentinel.judge(again)
                self._narrate(sentinel.index, found)
                for suspect, old in suspects:
                    late = withdrawn(old, found)
                    self._tell(suspect, Action.WITHDRAW, 1, Drifted(late.reason, hint=late.detail))
                    yield late
                    if suspect not in repeated:
                        repeated.add(suspect)
                        queue.append(suspect)

    def _measure(self, index: int) -> Run:
        """Return the run of a point, after as many attempts as the policy allows. Raises StationQuarantined, UsageError."""
        failures: list[BenchError] = []
        tried: list[Action] = []
        while True:
            run, error = self._try(index)
            attempt = len(failures) + 1
            if error is None:
                if failures:
                    self._tell(index, Action.RECOVERED, attempt, failures[-1])
                self._rejections.clear()
                return replace(run, attempts=attempt)
            failures.append(error)
            self._last = error
            action = choose(failures, self._place.rungs, self._condemned)
            self._tell(index, action, attempt, error)
            if action is Action.GIVE_UP:
                raise error
            if action is Action.QUARANTINE:
                raise StationQuarantined(self._place.station.name, failures[0], ", ".join(tried)) from error
            # Whatever comes next begins with a target that was reset, unless the failure was the probe's and is simply tried again.
            self._pending = Action.RESET if action is Action.REJECT else action
            if action is Action.REJECT:
                self._rejections.append(error)
                self._condemned.append(error)
                return replace(run, attempts=attempt)
            tried.append(action)

    def _try(self, index: int) -> tuple[Run, BenchError | None]:
        """Do what the last failure asks for, and measure once."""
        point = self._points[index]
        try:
            self._get_ready()
            assert self._procedure is not None
        except UsageError as error:
            error.context.insert(0, self._place.station.name)
            raise
        except BenchError as error:
            return rejected(point, self._image, error), error
        with error_context(self._place.station.name):
            return self._procedure.attempt(index, point)

    def _get_ready(self) -> None:
        """Bring the station to where a point can be measured: connected, flashed, the harness waiting."""
        pending, self._pending = self._pending, Action.RETRY
        if pending is not Action.RETRY:
            self._booted = False
        if pending in (Action.RECONNECT, Action.CONNECT_UNDER_RESET, Action.POWER_CYCLE):
            self._flashed, self._procedure = False, None
        if pending is Action.POWER_CYCLE:
            self._place.power_cycle()
        elif pending is Action.CONNECT_UNDER_RESET:
            self._place.connect(Connect.UNDER_RESET)
        elif pending is Action.RECONNECT or not self._place.connected:
            self._place.reconnect(current_probe=isinstance(self._last, CurrentProbeError))
        if self._procedure is None:
            place = self._place
            self._procedure = Procedure(
                place.station, self._image, place.under_test, place.meter, self._settings, self._narrator
            )
        if not self._flashed:
            self._place.look()
            self._procedure.flash()
            self._flashed = True
        if not self._booted:
            self._procedure.boot()
            self._booted = True

    def _give_up_on_a_useless_probe(self, index: int) -> None:
        if hopeless(self._rejections):
            cause = self._rejections[-1]
            self._tell(index, Action.QUARANTINE, 1, cause)
            raise StationQuarantined(
                self._place.station.name,
                cause,
                f"{len(self._rejections)} points in a row that the current probe ruined",
            )

    def _tell(self, index: int, action: Action, attempt: int, error: BenchError) -> None:
        event = Event.of(self._points[index], action, attempt, error.failure_class, error.message, details(error))
        self._log(event)
        if action not in (
            Action.REJECT,
            Action.GIVE_UP,
            Action.QUARANTINE,
        ):  # the rejected run says it, or the error that is raised
            self._narrator.event(str(event))

    def _narrate(self, index: int, found: list[Change]) -> None:
        said = ", ".join(str(change) for change in found)
        self._narrator.event(f"sentinel, {self._name(index)} measured again: {said}")

    def _name(self, index: int) -> str:
        point: Point = self._points[index]
        return f"{point.clock.hclk_hz / 1e6:g} MHz"


def details(error: BenchError) -> str:
    """Return the further lines of ``error``: what mends it, what else is known."""
    return "\n".join(part for part in (error.hint, error.detail) if part)
