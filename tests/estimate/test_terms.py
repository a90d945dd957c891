"""Lines that a fully connected layer fetches, against a cache that is played through read by read."""

from __future__ import annotations

import pytest

from bench.domain.workload import DType
from bench.estimate.memory import ELEMENT_BYTES
from bench.estimate.terms import Cache, columns_of, counts, fetches

F746 = Cache(4096, 32, ways=4)


def played(n_in: int, n_out: int, cache: Cache) -> int:
    """Return the misses of one call out of several; weights lie n_out bytes apart and are read column by column."""
    sets = cache.size_bytes // (cache.line_bytes * cache.ways)
    held: list[list[int]] = [[] for _ in range(sets)]
    misses = 0
    for _ in range(2):  # the first call finds the cache empty
        misses = 0
        for output in range(n_out):
            for line in ((row * n_out + output) // cache.line_bytes for row in range(n_in)):
                lines = held[line % sets]
                if line in lines:
                    lines.remove(line)
                else:
                    misses += 1
                lines.append(line)
                del lines[: -cache.ways]
    return misses


@pytest.mark.parametrize(
    ("n_in", "n_out", "tolerance"),
    [
        (640, 128, 0.01),  # 128 bytes apart: eight sets of 32 are used
        (128, 128, 0.01),
        (128, 640, 0.01),
        (33, 256, 0.05),  # four sets, with eight lines and more each
        (70, 130, 0.1),
        (700, 130, 0.01),
        (700, 24, 0.01),
        (150, 700, 0.15),  # 21.9 lines apart: spread over all sets, some of which keep theirs
        (8, 128, 0.0),  # all of it stays
    ],
)
def test_lines_fetched_through_a_cache_of_four_ways(n_in: int, n_out: int, tolerance: float) -> None:
    columns = columns_of([{"n_in": n_in, "n_out": n_out}])
    plain = counts("fully_connected", columns, ELEMENT_BYTES[DType.INT8], None)
    (found,) = fetches("fully_connected", columns, plain, ELEMENT_BYTES[DType.INT8], F746)
    assert found == pytest.approx(played(n_in, n_out, F746), rel=tolerance)
