"""The clock solver: from a frequency to the one clock configuration that the bench uses for it.

Of all settings that give the frequency the solver takes, in this order of importance:

1. the core clock nearest to the request (none further than ``ACCEPT_HZ`` away is accepted);
2. no PLL, where an oscillator and the AHB prescaler give it: less current, less jitter, no lock time;
3. the smallest AHB prescaler, that is the slowest SYSCLK: an MSI at 1 MHz draws less than a faster oscillator divided;
4. the oscillator of least tolerance;
5. the PLL input nearest to the preferred one (RM0390 section 6.3.2: 2 MHz limits jitter), then the slowest VCO.

For that: the first regulator level in the board's order that permits it, the least wait states at VDD, the smallest
APB prescalers.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from bench.clocktree.channels import Channel, channels, level_permits
from bench.domain.board import Board, ClockLimits
from bench.domain.clock import Accelerator, ClockConfiguration, Pll
from bench.errors import ParameterError, UnreachableClock
from bench.units import format_si

ACCEPT_HZ = Fraction(1, 2)
"""How far the core clock may be from the request: what rounding to whole Hz costs (33.333333 MHz means 100/3 MHz)."""


def solve(
    board: Board,
    requested_hz: float,
    vdd_v: float | None = None,
    accelerators: frozenset[Accelerator] | None = None,
) -> ClockConfiguration:
    """Return the configuration of ``board`` whose core clock is within ``ACCEPT_HZ`` of ``requested_hz``.

    ``vdd_v`` is the supply (None: the board's nominal one), ``accelerators`` what to switch on (None: the board's
    default, without prefetch where VDD forbids it). Raises UnreachableClock, naming the nearest reachable clocks, and
    ParameterError for a request that is no frequency, a VDD outside the board's range, or accelerators the MCU lacks
    or forbids at this VDD.
    """
    limits = board.limits
    vdd_v = _checked_vdd(board, vdd_v)
    if not 0 < requested_hz < float("inf"):
        raise ParameterError(f"{requested_hz} Hz is not a clock frequency", hint="ask for something like 16MHz")
    requested = Fraction(requested_hz)
    best: tuple[tuple[Fraction | int | float, ...], Channel, int] | None = None
    for channel, n in _settings_near(channels(limits, vdd_v), requested):
        rank = _rank(limits, channel, n, requested)
        if best is None or rank < best[0]:
            best = rank, channel, n
    if best is None:
        raise _unreachable(board, requested, vdd_v)
    return _configure(limits, best[1], best[2], vdd_v, _checked_accelerators(board, accelerators), accelerators is None)


def nearest(board: Board, requested_hz: float, vdd_v: float | None = None) -> tuple[Fraction | None, Fraction | None]:
    """Return the reachable core clocks nearest to ``requested_hz``, exact: (not above, above), None where none is."""
    requested = Fraction(requested_hz)
    numerator, denominator = requested.numerator, requested.denominator
    # As (numerator, denominator), compared crosswise: a reduced fraction for every channel would cost ten times as much.
    below: tuple[int, int] | None = None
    above: tuple[int, int] | None = None
    for channel in channels(board.limits, _checked_vdd(board, vdd_v)):
        base_hz, divider = channel.oscillator_hz, channel.divider
        floor = numerator * divider // (base_hz * denominator)
        if floor >= channel.n_first:
            hz = base_hz * min(floor, channel.n_last)
            if below is None or hz * below[1] > below[0] * divider:
                below = hz, divider
        if floor < channel.n_last:
            hz = base_hz * max(floor + 1, channel.n_first)
            if above is None or hz * above[1] < above[0] * divider:
                above = hz, divider
    return below and Fraction(*below), above and Fraction(*above)


def clock_table(board: Board, vdd_v: float | None = None) -> list[tuple[int, ClockConfiguration]]:
    """Return the board's clocks: (requested Hz, configuration), in the board's order. Raises as ``solve`` does."""
    return [(requested_hz, solve(board, requested_hz, vdd_v)) for requested_hz in board.clocks_hz]


def _checked_vdd(board: Board, vdd_v: float | None) -> float:
    low_v, high_v = board.limits.vdd_range_v
    if vdd_v is None:
        return board.vdd_v
    if not low_v <= vdd_v <= high_v:
        raise ParameterError(
            f"{board.product} works at {low_v:g} .. {high_v:g} V, not at a VDD of {vdd_v:g} V",
            hint="mend the vdd of the station",
        )
    return vdd_v


def _checked_accelerators(board: Board, accelerators: frozenset[Accelerator] | None) -> frozenset[Accelerator]:
    if accelerators is None:
        return board.limits.default_accelerators
    missing = accelerators - board.limits.accelerators
    if missing:
        there = ", ".join(sorted(board.limits.accelerators)) or "none"
        raise ParameterError(
            f"{board.mcu} has no {', '.join(sorted(missing))}", hint=f"accelerators there are: {there}"
        )
    return accelerators


def _settings_near(all_channels: tuple[Channel, ...], requested: Fraction) -> Iterator[tuple[Channel, int]]:
    """Yield (channel, n) of every setting within ``ACCEPT_HZ`` of the request.

    In integers, for speed: with f the request and c the channel's clock at n = 1, n = round(f / c) and
    abs(n * c - f) <= 1/2, both multiplied by the denominators of f and c.
    """
    numerator, denominator = requested.numerator, requested.denominator
    for channel in all_channels:
        divider = channel.divider
        step = channel.oscillator_hz * denominator
        wanted = numerator * divider
        n = (2 * wanted + step) // (2 * step)
        if n < channel.n_first:
            n = channel.n_first
        elif n > channel.n_last:
            n = channel.n_last
        if 2 * abs(step * n - wanted) <= divider * denominator:
            yield channel, n


def _rank(limits: ClockLimits, channel: Channel, n: int, requested: Fraction) -> tuple[Fraction | int | float, ...]:
    """Return the preference of a setting, the least is best; the last terms only make the choice unique."""
    error_hz = abs(channel.hclk_hz(n) - requested)
    if channel.m is None:
        return error_hz, 0, channel.ahb_div, channel.spec.tolerance_relative, 0, channel.oscillator_hz, 0, 0
    input_hz = Fraction(channel.oscillator_hz, channel.m)
    off_hz = abs(input_hz - limits.pll.input_preferred_hz)
    return (
        error_hz,
        1,
        channel.ahb_div,
        channel.spec.tolerance_relative,
        off_hz,
        input_hz * n,
        channel.oscillator_hz,
        channel.r,
    )


def _configure(
    limits: ClockLimits, channel: Channel, n: int, vdd_v: float, accelerators: frozenset[Accelerator], is_default: bool
) -> ClockConfiguration:
    """Choose regulator level, wait states and APB prescalers for a setting that some level permits."""
    pll = None if channel.m is None else Pll(channel.m, n, channel.r)
    vco_hz = None if pll is None else pll.vco_hz(channel.oscillator_hz)
    hclk_hz = channel.hclk_hz(n)
    level = next(
        level
        for level in limits.levels
        if level_permits(limits, level, vdd_v, hclk_hz * channel.ahb_div, vco_hz, channel.ahb_div)
    )
    timing = limits.flash_timing(level.name, vdd_v)
    wait_states = timing.wait_states(hclk_hz) if timing else None
    assert timing is not None, "level_permits said so"
    assert wait_states is not None, "level_permits said so"
    if Accelerator.PREFETCH in accelerators and not timing.prefetch:
        if not is_default:
            raise ParameterError(
                f"prefetch is not allowed at a VDD of {vdd_v:g} V",
                hint=f"switch prefetch off, or supply more than {timing.vdd_max_v:g} V",
            )
        accelerators -= {Accelerator.PREFETCH}
    return ClockConfiguration(
        oscillator=channel.spec.oscillator,
        oscillator_hz=channel.oscillator_hz,
        pll=pll,
        ahb_div=channel.ahb_div,
        apb1_div=next(div for div in limits.apb_dividers if hclk_hz <= div * level.apb1_max_hz),
        apb2_div=next(div for div in limits.apb_dividers if hclk_hz <= div * level.apb2_max_hz),
        regulator=level.name,
        flash_wait_states=wait_states,
        accelerators=accelerators,
    )


def _unreachable(board: Board, requested: Fraction, vdd_v: float) -> UnreachableClock:
    """Build the error; the nearest clocks are written so that asking for them as written works."""
    reachable = [hclk_hz for hclk_hz in nearest(board, float(requested), vdd_v) if hclk_hz is not None]
    names = [format_si(float(hclk_hz), "Hz", digits=9) for hclk_hz in reachable]
    wanted = format_si(float(requested), "Hz", digits=9)
    return UnreachableClock(
        f"no clock configuration of {board.product} gives {wanted} with a VDD of {vdd_v:g} V; "
        f"nearest reachable: {' and '.join(names) or 'none'}",
        nearest_hz=tuple(float(hclk_hz) for hclk_hz in reachable),
        hint=f"ask for {' or '.join(names)}; its usual clocks: bench boards {board.name}" if names else "",
    )
