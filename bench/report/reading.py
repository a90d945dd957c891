"""What a plot says, in one sentence: the reader should not have to find it, and may check it."""

from __future__ import annotations

from collections.abc import Sequence

from bench.report.over_clock import Group
from bench.report.plot import Plot
from bench.report.text import si

_ALIKE = 0.005
"""Relative; ratios nearer to 1 are called the same."""


def change(ratio: float, what: str) -> str:
    """Return ``ratio`` of two amounts of ``what`` in words: ``36 % less time``, ``the same energy``, ``2.3 times the time``."""
    if abs(ratio - 1) < _ALIKE:
        return f"the same {what}"
    if ratio >= 2:
        return f"{ratio:.2g} times the {what}" if ratio < 10 else f"{ratio:.0f} times the {what}"
    return f"{abs(ratio - 1) * 100:.0f} % {'more' if ratio > 1 else 'less'} {what}"


def changes(ratios: Sequence[float], what: str) -> str:
    """Return the range of ``ratios`` in words, as ``change`` does for one."""
    low, high = min(ratios), max(ratios)
    first, last = change(low, what), change(high, what)
    if first == last:
        return first
    if low < 1 - _ALIKE and high < 1 - _ALIKE:
        return f"{(1 - high) * 100:.0f} to {(1 - low) * 100:.0f} % less {what}"
    if low > 1 + _ALIKE and high < 2:
        return f"{(low - 1) * 100:.0f} to {(high - 1) * 100:.0f} % more {what}"
    return f"{low:.2g} to {high:.2g} times the {what}"


def over_clock(group: Group) -> str:
    """Return where the energy of ``group`` is least, and what the fastest clock costs instead; empty where one clock or no energy was measured."""
    ends = [
        (best, series.samples()[-1])
        for series in group.series
        if len(series) > 1 and (best := series.least_energy()) is not None
    ]
    if not ends:
        return ""
    slow = [(best, fastest) for best, fastest in ends if fastest.clock_hz > best.clock_hz and fastest.energy_j > 0]
    if not slow:
        return "The fastest clock takes the least energy, too."
    clocks = sorted({best.clock_hz for best, _ in ends})
    where = si(clocks[0], "Hz") + (f" to {si(clocks[-1], 'Hz')}" if len(clocks) > 1 else "")
    tops = {fastest.clock_hz for _, fastest in slow}
    top = f"at {si(tops.pop(), 'Hz')}" if len(tops) == 1 else "at the fastest clock"
    time = changes([fastest.latency_s / best.latency_s for best, fastest in slow], "time")
    energy = changes([fastest.energy_j / best.energy_j for best, fastest in slow], "energy")
    return f"Least energy at {where}; {top} a call takes {time} and {energy} than there."


def over_size(plot: Plot) -> str:
    """Return how much dearer an application is in the largest kernel than in the smallest, beside the growth of its window."""
    curve = max(plot.curves, key=lambda one: one.x[-1] / one.x[0])
    first, last = curve.x[0], curve.x[-1]
    alike = [one for one in plot.curves if (one.x[0], one.x[-1]) == (first, last)]
    growth = [one.y[-1] / one.y[0] for one in alike]
    times = f"{min(growth):.2g}" + (f" to {max(growth):.2g}" if f"{min(growth):.2g}" != f"{max(growth):.2g}" else "")
    return f"From k = {first:g} to {last:g} the window has {(last / first) ** 2:.2g} times as many elements, and takes {times} times the cycles."
