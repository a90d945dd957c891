"""The order in which the points of an image are measured: at random, so that no trend in time looks like one over the clock."""

from __future__ import annotations

from random import Random
from secrets import randbelow

SEEDS = 1 << 32


def draw_seed() -> int:
    """Return a fresh seed, below 2^32."""
    return randbelow(SEEDS)


def shuffled(count: int, seed: int) -> list[int]:
    """Return 0 .. ``count`` - 1 in an order that depends on ``seed`` alone.

    Sorted by draws of ``random()``: of all of Python's generator, only that is promised to stay the same between versions.
    """
    random = Random(seed)
    keys = [random.random() for _ in range(count)]
    return sorted(range(count), key=keys.__getitem__)
