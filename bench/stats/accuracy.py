"""What a current probe's data sheet promises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from bench.errors import ParameterError
from bench.stats.uncertainty import rectangular
from bench.units import format_si

# An auto-ranging probe leaves a range downwards only well below its lower end (hysteresis), and upwards a little off its upper end (its gain,
# the noise). Around a boundary nobody knows which of the two ranges a sample was taken in.
_HYSTERESIS = 0.75
_NOISE = 1.02


@dataclass(frozen=True, slots=True)
class CurrentRange:
    """A range of an ammeter up to ``top_a``, with its limits of error: ``gain_error`` (relative) and ``offset_error_a``.

    A reading is (1 + gain) * current + offset, with |gain| <= ``gain_error`` and |offset| <= ``offset_error_a``: half-widths of rectangular
    distributions, not standard deviations. Every range has a gain and an offset of its own. Raises ParameterError for limits below 0,
    a gain error from 1 on, or a range without extent.
    """

    top_a: float
    gain_error: float
    offset_error_a: float

    def __post_init__(self) -> None:
        rectangular(self.gain_error)
        rectangular(self.offset_error_a)
        if not (self.top_a > 0 and self.gain_error < 1):
            raise ParameterError(f"not a range: up to {self.top_a} A, gain error {self.gain_error}")

    def __str__(self) -> str:
        return f"range to {format_si(self.top_a, 'A')}"


def same_limits(tops_a: Sequence[float], gain_error: float, offset_error_a: float) -> tuple[CurrentRange, ...]:
    """Return ranges up to ``tops_a`` with one data-sheet limit for all; each has its own errors within it all the same."""
    return tuple(CurrentRange(top_a, gain_error, offset_error_a) for top_a in tops_a)


def with_limits(
    ranges: Sequence[CurrentRange], gain_error: float | None, offset_error_a: float | None
) -> tuple[CurrentRange, ...]:
    """Return ``ranges`` with the limits that a user states, from a calibration or a data sheet of the very instrument; None: as they are."""
    return tuple(
        CurrentRange(
            each.top_a,
            each.gain_error if gain_error is None else gain_error,
            each.offset_error_a if offset_error_a is None else offset_error_a,
        )
        for each in ranges
    )


@dataclass(frozen=True, slots=True)
class ProbeAccuracy:
    """The limits of a probe: of the current by ``ranges`` (finest first, at least one), ``vdd_relative`` of the supply voltage,
    ``timebase_relative`` of its clock (a plain crystal's 100 ppm unless the data sheet knows better). ``average_s``: the probe gives averages
    over so long each, from within the window, instead of samples (0), with ``average_resolution`` as the relative limit of their digits. ``sees_window``: it tells how long the window was.

    Limits are half-widths of rectangular distributions. Raises ParameterError for negative or infinite limits and ranges out of order.
    """

    ranges: tuple[CurrentRange, ...]
    vdd_relative: float
    timebase_relative: float = 100e-6
    average_s: float = 0.0
    average_resolution: float = 0.0
    sees_window: bool = True

    def __post_init__(self) -> None:
        rectangular(self.vdd_relative)
        rectangular(self.timebase_relative)
        rectangular(self.average_s)
        rectangular(self.average_resolution)
        tops = [each.top_a for each in self.ranges]
        if not tops or any(low >= high for low, high in pairwise(tops)):
            raise ParameterError(f"ranges must ascend, and one there must be; got {tops}")

    def at(self, current_a: float) -> tuple[CurrentRange, ...]:
        """Return the ranges that may measure ``current_a``, finest first: one, or two around a boundary.

        Beyond the last range it is the last one; the driver has refused what saturates.
        """
        below_a = (0.0, *(each.top_a for each in self.ranges))
        last = self.ranges[-1]
        return tuple(
            each
            for each, low_a in zip(self.ranges, below_a, strict=False)
            if current_a <= _NOISE * each.top_a and current_a > _HYSTERESIS * low_a
        ) or ((self.ranges[0],) if current_a <= 0 else (last,))
