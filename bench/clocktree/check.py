"""An independent judge of clock configurations: written by hand, read from a clock id, or found by the solver.

It shares no arithmetic with the solver on purpose.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from bench.domain.board import ClockLimits
from bench.domain.clock import Accelerator, ClockConfiguration, Pll


def check(configuration: ClockConfiguration, limits: ClockLimits, vdd_v: float = 3.3) -> list[str]:
    """Return what ``configuration`` violates at ``vdd_v``, one text each with the numbers; empty when it is sound."""
    return [
        *_oscillator(configuration, limits),
        *(_pll(configuration.pll, configuration.oscillator_hz, limits) if configuration.pll else ()),
        *_prescalers(configuration, limits),
        *_regulator(configuration, limits),
        *_flash(configuration, limits, vdd_v),
    ]


def _mhz(hz: float | Fraction) -> str:
    return f"{float(hz) / 1e6:.9g} MHz"


def _oscillator(configuration: ClockConfiguration, limits: ClockLimits) -> Iterator[str]:
    specs = [spec for spec in limits.oscillators if spec.oscillator is configuration.oscillator]
    if not specs:
        there = ", ".join(spec.oscillator for spec in limits.oscillators)
        yield f"oscillator {configuration.oscillator}: the board has {there}"
    elif configuration.oscillator_hz not in specs[0].frequencies_hz:
        there = ", ".join(_mhz(hz) for hz in specs[0].frequencies_hz)
        yield f"oscillator {configuration.oscillator}: {_mhz(configuration.oscillator_hz)}, the board has {there}"


def _pll(pll: Pll, oscillator_hz: int, limits: ClockLimits) -> Iterator[str]:
    bounds = limits.pll
    for name, factor, (first, last) in (("m", pll.m, bounds.m), ("n", pll.n, bounds.n)):
        if not first <= factor <= last:
            yield f"PLL {name} = {factor}, allowed is {first} .. {last}"
    if pll.r not in bounds.r:
        yield f"PLL r = {pll.r}, allowed is {', '.join(map(str, bounds.r))}"
    for name, hz, low_hz, high_hz in (
        ("input", pll.input_hz(oscillator_hz), bounds.input_min_hz, bounds.input_max_hz),
        ("VCO", pll.vco_hz(oscillator_hz), bounds.vco_min_hz, bounds.vco_max_hz),
        ("output", pll.output_hz(oscillator_hz), bounds.output_min_hz, bounds.output_max_hz),
    ):
        if not low_hz <= hz <= high_hz:
            yield f"PLL {name} at {_mhz(hz)}, allowed is {_mhz(low_hz)} .. {_mhz(high_hz)}"


def _prescalers(configuration: ClockConfiguration, limits: ClockLimits) -> Iterator[str]:
    for name, divider, allowed in (
        ("AHB", configuration.ahb_div, limits.ahb_dividers),
        ("APB1", configuration.apb1_div, limits.apb_dividers),
        ("APB2", configuration.apb2_div, limits.apb_dividers),
    ):
        if divider not in allowed:
            yield f"{name} prescaler {divider}, allowed is {', '.join(map(str, allowed))}"


def _regulator(configuration: ClockConfiguration, limits: ClockLimits) -> Iterator[str]:
    levels = [level for level in limits.levels if level.name == configuration.regulator]
    if not levels:
        yield f"regulator level {configuration.regulator}: there are {', '.join(level.name for level in limits.levels)}"
        return
    level = levels[0]
    maxima: list[tuple[str, float | Fraction, int]] = [
        ("SYSCLK", configuration.sysclk_exact_hz, level.max_sysclk_hz),
        ("APB1", configuration.hclk_exact_hz / configuration.apb1_div, level.apb1_max_hz),
        ("APB2", configuration.hclk_exact_hz / configuration.apb2_div, level.apb2_max_hz),
    ]
    if configuration.pll and level.vco_max_hz is not None:
        maxima.append(("PLL VCO", configuration.pll.vco_hz(configuration.oscillator_hz), level.vco_max_hz))
    for name, hz, max_hz in maxima:
        if hz > max_hz:
            yield f"{name} at {_mhz(hz)}, regulator level {level.name} permits {_mhz(max_hz)}"


def _flash(configuration: ClockConfiguration, limits: ClockLimits, vdd_v: float) -> Iterator[str]:
    wait_states = configuration.flash_wait_states
    if wait_states > limits.flash_wait_states_max:
        yield f"{wait_states} flash wait states, the register takes at most {limits.flash_wait_states_max}"
    for accelerator in sorted(configuration.accelerators - limits.accelerators):
        yield f"accelerator {accelerator}: the MCU has {', '.join(sorted(limits.accelerators)) or 'none'}"
    timing = limits.flash_timing(configuration.regulator, vdd_v)
    if timing is None:
        yield f"regulator level {configuration.regulator} may not be used with a VDD of {vdd_v:g} V"
        return
    if Accelerator.PREFETCH in configuration.accelerators and not timing.prefetch:
        yield f"prefetch is not allowed with a VDD of {vdd_v:g} V"
    max_hz = timing.max_hclk_hz[min(wait_states, len(timing.max_hclk_hz) - 1)]
    if configuration.hclk_exact_hz > max_hz:
        yield (
            f"HCLK at {_mhz(configuration.hclk_exact_hz)}, {wait_states} flash wait states permit {_mhz(max_hz)} "
            f"at {configuration.regulator} with a VDD of {vdd_v:g} V"
        )
