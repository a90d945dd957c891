"""Placement of tensors: nothing that is needed at the same time overlaps, and no arena is smaller than what is live."""

from __future__ import annotations

from itertools import combinations, pairwise

from hypothesis import given
from hypothesis import strategies as st

from bench.domain.arena import ALIGNMENT_BYTES, Buffer, live_bytes, place

buffers = st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 12), st.integers(0, 6)), max_size=14).map(
    lambda drawn: [Buffer(f"b{i}", size, first, first + life) for i, (size, first, life) in enumerate(drawn)]
)


@given(buffers)
def test_what_is_needed_together_does_not_overlap(drawn: list[Buffer]) -> None:
    arena = place(drawn)
    for one, other in combinations(drawn, 2):
        if one.meets(other) and one.size_bytes and other.size_bytes:
            a, b = arena.offsets[one.name], arena.offsets[other.name]
            assert a + one.size_bytes <= b or b + other.size_bytes <= a
    assert all(offset % ALIGNMENT_BYTES == 0 for offset in arena.offsets.values())
    assert all(arena.offsets[buffer.name] + buffer.size_bytes <= arena.size_bytes for buffer in drawn)
    assert arena.size_bytes >= live_bytes(drawn)


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=12))
def test_a_chain_needs_its_two_largest_neighbours(sizes: list[int]) -> None:
    chain = [Buffer(f"b{i}", size, i, i + 1) for i, size in enumerate(sizes)]
    chain[-1] = Buffer(chain[-1].name, sizes[-1], len(sizes) - 1, len(sizes) - 1)
    rounded = [buffer.aligned_bytes for buffer in chain]
    assert live_bytes(chain) == max([a + b for a, b in pairwise(rounded)] or rounded)
