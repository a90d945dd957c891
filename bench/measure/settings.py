"""What a user may choose about a measurement."""

from __future__ import annotations

from dataclasses import dataclass

from bench.errors import ParameterError
from bench.firmware.mailbox import MAX_REPEATS

MAX_WINDOW_S = 10.0
"""Beyond it DWT->CYCCNT (2^32 cycles, 19.9 s at 216 MHz) comes near its wrap, and probes near the end of their acquisition time."""


@dataclass(frozen=True, slots=True)
class Settings:
    """``repeats`` counted calls after ``warmup`` uncounted ones; an energy window of at least ``window_s``; ``seed`` of the inputs.

    ``settle_s`` is slept before the window, and must outlast the release of the debug port (some USB transfers of a few milliseconds each);
    ``idle_s`` after it. The points of an image are measured in an order that ``order_seed`` gives (None: a fresh one, recorded); one of them
    again after every ``sentinel_every`` others and at the end (0: never), when it may differ by ``drift_tolerance`` (relative) besides chance.
    Raises ParameterError for values out of range.
    """

    repeats: int = 10
    warmup: int = 2
    window_s: float = 0.1
    idle_s: float = 0.05
    settle_s: float = 0.05
    seed: int = 1
    sample_rate_hz: float = 100e3
    order_seed: int | None = None
    sentinel_every: int = 16
    drift_tolerance: float = 0.005

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("repeats", self.repeats, 2, MAX_REPEATS),
            ("warmup", self.warmup, 1, 1000),
            ("window", self.window_s, 1e-3, MAX_WINDOW_S),
            ("idle window", self.idle_s, 5e-3, MAX_WINDOW_S),
            ("settling time", self.settle_s, 1e-3, 1.0),
            ("seed", self.seed, 0, 0xFFFFFFFF),
            ("order seed", self.order_seed or 0, 0, 0xFFFFFFFF),
            ("points between sentinels", self.sentinel_every, 0, 1000),
            ("drift tolerance", self.drift_tolerance, 0.0, 1.0),
        ):
            if not low <= value <= high:
                raise ParameterError(f"{name} {value:g} is out of range", hint=f"{name}: {low:g} to {high:g}")
