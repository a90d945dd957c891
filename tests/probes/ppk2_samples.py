"""What a PPK2 sends, as bytes: metadata and samples, for tests of the driver."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

METADATA = (
    "Calibrated: 0\n"
    + "".join(f"R{n}: {r}\n" for n, r in enumerate((1003.3506, 101.5865, 10.3027, 0.9636, 0.0564)))
    + "".join(f"GS{n}: {g}\n" for n, g in enumerate((0.0, 112.789, 18.0115, 2.4217, 0.0729)))
    + "".join(f"GI{n}: {g}\n" for n, g in enumerate((1.0, 0.9695, 0.9609, 0.9519, 0.9582)))
    + "".join(f"O{n}: {o}\n" for n, o in enumerate((112.942, 75.4627, 64.602, 50.4983, 84.2514)))
    + "".join(f"S{n}: {s}\n" for n, s in enumerate((0.000000048, 0.000000596, 0.000005281, 0.000062577, 0.002940743)))
    + "".join(
        f"I{n}: {i}\n" for n, i in enumerate((-0.000000104, -0.000001443, -0.000036439, -0.000374119, -0.009388455))
    )
    + "".join(f"UG{n}: 1.00\n" for n in range(5))
    + "HW: 9173\nIA: 59\nEND\n"
)
"""Of the form and size of what instruments tell."""


def words(
    trigger: Sequence[bool] | NDArray[np.bool_],
    *,
    adc: int | NDArray[np.int64] = 500,
    ranges: int | NDArray[np.int64] = 3,
    first: int = 0,
) -> NDArray[np.uint32]:
    """Samples (n,) by the level of D0; ``first`` is the counter of the first."""
    level = np.asarray(trigger, bool).astype(np.uint32)
    counter = (first + np.arange(level.size)).astype(np.uint32) & np.uint32(0x3F)
    packed: NDArray[np.uint32] = (
        np.asarray(adc, np.uint32)
        | np.asarray(ranges, np.uint32) << np.uint32(14)
        | counter << np.uint32(18)
        | level << np.uint32(24)
    )
    return packed.astype("<u4")


def pulse(before: int = 50, high: int = 40, after: int = 60) -> NDArray[np.bool_]:
    """The levels of a trigger that is raised once."""
    return np.repeat([False, True, False], [before, high, after])
