"""A fake of Jetperch's host driver: the topics that the driver uses, their retained values and the stream messages, all in the caller's thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Callback = Callable[[str, Any], None]

JS220, JS110 = "u/js220/001234", "u/js110/000042"
RATES = {"js220": (2_000_000, 2), "js110": (2_000_000, 1)}
"""Rate at which sample numbers count, and how many make one sample that is sent."""


def message(start: int, data: NDArray[Any], model: str = "js220", **fields: Any) -> dict[str, Any]:
    """A stream message; ``start`` is the number of its first sample among those sent."""
    rate, step = RATES[model]
    return {
        "sample_id": start * step,
        "utc": 0,
        "field_id": 1,
        "index": 0,
        "sample_rate": rate,
        "decimate_factor": step,
        "time_map": {"offset_time": 0, "offset_counter": 0, "counter_rate": float(rate)},
        "data": data,
    } | fields


class FakeDriver:
    """Streams what it is given as soon as all three streams are switched on."""

    def __init__(self, paths: list[str], messages: Iterator[tuple[str, dict[str, Any]]] | None = None) -> None:
        self.paths = paths
        self.published: list[tuple[str, Any]] = []
        self.opened: list[tuple[str, str]] = []
        self.closed = self.finalized = False
        self.values: dict[str, Any] = {}
        self.fails: dict[str, Exception] = {}
        self._messages = messages or iter(())
        self._subscribed: dict[str, list[Callback]] = {}

    def device_paths(self) -> list[str]:
        return self.paths

    def open(self, device_prefix: str, mode: str) -> None:
        if device_prefix not in self.paths:
            raise RuntimeError("jsdrv_open failed 12 | NOT_FOUND : The requested resource was not found")
        self.opened.append((device_prefix, mode))

    def close(self, device_prefix: str) -> None:
        self.closed = True

    def finalize(self) -> None:
        self.finalized = True

    def publish(self, topic: str, value: Any) -> None:
        for end, error in self.fails.items():
            if topic.endswith(end):
                raise error
        device, _, name = topic.partition(self.paths[0] + "/")
        assert device == "", topic
        assert name in self._topics(), f"the instrument has no topic {name}"
        self.published.append((name, value))
        self.values[name] = value
        if all(self.values.get(f"s/{each}/ctrl") for each in ("i", "v", "gpi/0")):
            self.stream()

    def subscribe(self, topic: str, flags: str, fn: Callback) -> None:
        assert flags == "pub"
        subscribed = self._subscribed.setdefault(topic, [])
        assert not any(each is fn for each in subscribed), f"{topic} is subscribed twice"
        subscribed.append(fn)

    def unsubscribe_all(self, fn: Callback) -> None:
        for callbacks in self._subscribed.values():
            callbacks[:] = [each for each in callbacks if each is not fn]  # by identity, as the host driver

    def tell(self, topic: str, value: Any) -> None:
        """Publish ``value`` to whoever has subscribed."""
        for callback in list(self._subscribed.get(topic, ())):
            callback(topic, value)

    def stream(self) -> None:
        """Send all messages, each to its topic."""
        for name, value in self._messages:
            self.tell(name if name.startswith("@") else f"{self.paths[0]}/{name}/!data", value)

    def _topics(self) -> set[str]:
        range_topic = "s/i/range/select" if "js110" in self.paths[0] else "s/i/range/mode"
        return {"h/fs", range_topic, "s/v/range/select", "s/i/ctrl", "s/v/ctrl", "s/gpi/0/ctrl"}


def recording(
    *,
    model: str = "js220",
    before: int = 7000,
    high: int = 20_000,
    after: int = 40_000,
    block: int = 4096,
    first: int = 1000,
    active_a: float = 30e-3,
    idle_a: float = 5e-3,
) -> list[tuple[str, dict[str, Any]]]:
    """The messages of one window: current, voltage and trigger of each block."""
    levels = np.repeat([False, True, False], [before, high, after])
    current = np.where(levels, active_a, idle_a).astype(np.float32)
    current += np.float32(1e-5) * np.random.default_rng(3).standard_normal(levels.size).astype(np.float32)
    voltage = np.full(levels.size, 3.29, np.float32)
    found: list[tuple[str, dict[str, Any]]] = []
    for at in range(0, levels.size, block):
        part = slice(at, at + block)
        found += [
            ("s/i", message(first + at, current[part], model)),
            ("s/v", message(first + at, voltage[part], model)),
            ("s/gpi/0", message(first + at, np.packbits(levels[part], bitorder="little"), model)),
        ]
    return found
