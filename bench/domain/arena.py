"""Where the tensors of a network lie: those that are never needed at the same time share memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

ALIGNMENT_BYTES = 16
"""Of every tensor, as in the image of a single layer: cache lines and wide loads see the same there and here."""


@dataclass(frozen=True, slots=True)
class Buffer:
    """A tensor of ``size_bytes`` that is written at step ``first`` and needed up to step ``last``, both included."""

    name: str
    size_bytes: int
    first: int
    last: int

    def meets(self, other: Buffer) -> bool:
        """Whether both are needed at some step."""
        return self.first <= other.last and other.first <= self.last

    @property
    def aligned_bytes(self) -> int:
        """The size, rounded up to whole units of alignment."""
        return -(-self.size_bytes // ALIGNMENT_BYTES) * ALIGNMENT_BYTES


@dataclass(frozen=True, slots=True)
class Arena:
    """A block of ``size_bytes`` and where in it each buffer begins, by name."""

    size_bytes: int
    offsets: dict[str, int]


_ORDERS: tuple[Callable[[Buffer], tuple[int, ...]], ...] = (
    lambda buffer: (-buffer.aligned_bytes, buffer.first),
    lambda buffer: (-buffer.aligned_bytes * (buffer.last - buffer.first + 1), buffer.first),
    lambda buffer: (buffer.first, -buffer.aligned_bytes),
    lambda buffer: (buffer.last - buffer.first, -buffer.aligned_bytes),
)


def live_bytes(buffers: Sequence[Buffer]) -> int:
    """Return the most that is needed at any one step: no arena is smaller."""
    steps = {buffer.first for buffer in buffers}
    return max(
        (sum(buffer.aligned_bytes for buffer in buffers if buffer.first <= step <= buffer.last) for step in steps),
        default=0,
    )


def place(buffers: Sequence[Buffer]) -> Arena:
    """Return the smallest arena that first fit finds over a few orders (by size, by size x life, by time, by life).

    To place buffers with lifetimes in the least memory is NP-hard (dynamic storage allocation: Garey and Johnson, SR2); what embedded runtimes do is
    first fit by size (Pisarchyk and Lee, Efficient Memory Management for Deep Neural Net Inference, 2020). It stops at ``live_bytes``, the optimum.
    """
    least = live_bytes(buffers)
    best: Arena | None = None
    for order in _ORDERS:
        arena = _first_fit(sorted(buffers, key=order))
        if best is None or arena.size_bytes < best.size_bytes:
            best = arena
        if best.size_bytes == least:
            break
    return best or Arena(0, {})


def _first_fit(buffers: Sequence[Buffer]) -> Arena:
    """Place one after the other at the lowest offset that is free all its life."""
    placed: list[tuple[Buffer, int]] = []
    for buffer in buffers:
        offset = 0
        for other, start in sorted(placed, key=lambda pair: pair[1]):
            if not buffer.meets(other) or start >= offset + buffer.aligned_bytes:
                continue
            offset = max(offset, start + other.aligned_bytes)
        placed.append((buffer, offset))
    size = max((start + buffer.aligned_bytes for buffer, start in placed), default=0)
    return Arena(size, {buffer.name: start for buffer, start in placed})
