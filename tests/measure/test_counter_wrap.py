"""The cycle counter holds 2^32 cycles; a count that wrapped looks like any other."""

from __future__ import annotations

import pytest

from bench.errors import CounterWrapped
from bench.measure.verify import refuse_wrap


@pytest.mark.parametrize(
    ("seconds", "mhz", "calls", "wraps"),
    [
        (18.0, 216.0, 1, False),
        (19.9, 216.0, 1, True),  # 4.298e9 cycles
        (18.95, 216.0, 1, True),  # within the margin of the clocks
        (13 * 18.0, 216.0, 13, False),
        (13 * 20.0, 216.0, 13, True),
        (10.0, 0.1, 1, False),
    ],
)
def test_a_stretch_that_may_have_wrapped_is_refused(seconds: float, mhz: float, calls: int, wraps: bool) -> None:
    if not wraps:
        refuse_wrap(seconds, mhz * 1e6, calls, "the window")
        return
    with pytest.raises(CounterWrapped, match=r"the window took .* wraps at 2\^32") as caught:
        refuse_wrap(seconds, mhz * 1e6, calls, "the window")
    assert caught.value.hint
