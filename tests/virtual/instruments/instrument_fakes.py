"""A board that draws one current in a window and another outside, and raises its trigger pin around the window."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class FakeEdge:
    time_s: float
    rising: bool


@dataclass
class FakeTimeline:
    windows: list[tuple[float, float]]
    inside_a: float = 20e-3
    outside_a: float = 2e-3
    known_to_s: float = 0.0

    def current_samples(self, start_s: float, period_s: float, count: int) -> NDArray[np.float64]:
        borders_s = start_s + period_s * np.arange(count + 1)
        assert borders_s[-1] <= self.known_to_s + 1e-12, "an instrument cannot look into the future"
        inside_s = np.zeros(count + 1)
        for start, end in self.windows:
            inside_s += np.clip(borders_s, start, end) - start
        return self.outside_a + (self.inside_a - self.outside_a) * np.diff(inside_s) / period_s

    def edges(self, pin: str, start_s: float, end_s: float) -> list[FakeEdge]:
        assert pin == "PA3"
        assert end_s <= self.known_to_s + 1e-12
        all_edges = [
            edge for start, end in sorted(self.windows) for edge in (FakeEdge(start, True), FakeEdge(end, False))
        ]
        return [edge for edge in all_edges if start_s <= edge.time_s < end_s]


@dataclass
class FakeBoard:
    timeline: FakeTimeline
    trigger_pin: str = "PA3"
    supplies: list[float | None] = field(default_factory=list)
    advances: int = 0

    # A dataclass with eq has no hash; boards are told apart by identity.
    __hash__ = object.__hash__

    @property
    def time_s(self) -> float:
        return self.timeline.known_to_s

    def advance(self, seconds: float) -> None:
        assert seconds > 0
        self.advances += 1
        self.timeline.known_to_s += seconds

    def set_supply(self, volts: float | None) -> None:
        self.supplies.append(volts)


def board_with_window(start_s: float = 0.05, length_s: float = 0.1, **timeline: float) -> FakeBoard:
    return FakeBoard(FakeTimeline([(start_s, start_s + length_s)], **timeline))
