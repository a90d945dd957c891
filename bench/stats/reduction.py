"""From one run's raw values to its result: net cycles, latency, current, energy of one call, and the budget of their uncertainty."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from bench.domain.clock import ClockConfiguration
from bench.domain.measurement import CycleRun, EnergyRun, Result, UncertaintyTerm
from bench.errors import ClockUnconfirmed, CurrentProbeError, ParameterError
from bench.stats.accuracy import ProbeAccuracy
from bench.stats.coverage import expand95
from bench.stats.repetitions import RESOLUTION_CYCLES, NetCycles, net_cycles
from bench.stats.uncertainty import rectangular
from bench.stats.window import mean_standard_error, true_clock

LATENCY, ENERGY = "latency_s", "energy_j"

# A measured clock may leave the oscillator's limits by so many of its standard uncertainties before it is off.
_CLOCK_COVERAGE = 3.0
# Between the trigger's edges the target also enters and leaves the counted loop: at most so many cycles, which matter at clocks below 1 MHz.
_UNCOUNTED_CYCLES = 64
# The target counts the empty loop over at most so many calls (bench.firmware.mailbox, loop_empty_cycles).
_EMPTY_LOOPS = 16


@dataclass(frozen=True, slots=True)
class _Clock:
    hz: float
    terms: tuple[UncertaintyTerm, ...]


def reduce(
    cycle_run: CycleRun,
    energy_run: EnergyRun | None,
    clock: ClockConfiguration,
    *,
    oscillator_tolerance: float,
    accuracy: ProbeAccuracy | None,
) -> Result:
    """Return the derived values of one run, per call of the workload.

    cycles = median(kernel) - median(empty); latency = cycles / f; energy = VDD * mean current of the window * latency. f is the nominal core
    clock (``oscillator_tolerance`` is its relative limit) or the one measured in the energy window, whichever is known better. The supply
    current is that of the whole MCU while it computes; nothing idle is subtracted.

    Raises ClockUnconfirmed, CurrentProbeError for a current that is not positive, and what ``net_cycles``, ``true_clock`` and
    ``mean_standard_error`` raise.
    """
    count = net_cycles(cycle_run.kernel_cycles, cycle_run.empty_cycles)
    core, measured_hz = _core_clock(energy_run, clock, oscillator_tolerance, accuracy)
    latency_s = count.net / core.hz
    latency_terms = (*_count_terms(count, energy_run), *core.terms)
    result = Result(
        cycles=count.net,
        cycles_overhead=count.overhead,
        latency_s=latency_s,
        latency_u95_s=expand95(latency_s, latency_terms),
        sysclk_measured_hz=measured_hz,
        budget=latency_terms,
    )
    if energy_run is None or accuracy is None:
        return result
    power_w = energy_run.vdd_v * energy_run.active.mean_a
    energy_j = power_w * latency_s
    energy_terms = (
        *(replace(term, quantity=ENERGY) for term in latency_terms),
        *_energy_terms(energy_run, count, accuracy),
    )
    return replace(
        result,
        vdd_v=energy_run.vdd_v,
        current_a=energy_run.active.mean_a,
        idle_current_a=energy_run.idle.mean_a,
        power_w=power_w,
        energy_j=energy_j,
        energy_u95_j=expand95(energy_j, energy_terms),
        budget=(*latency_terms, *energy_terms),
    )


def confirm_clock(nominal_hz: float, measured_hz: float, u_measured_hz: float, tolerance: float) -> None:
    """Raise ClockUnconfirmed when the measured clock is off: further from the nominal one than ``tolerance`` (relative) and three standard
    uncertainties of the measurement together.
    """
    allowed_hz = nominal_hz * tolerance + _CLOCK_COVERAGE * u_measured_hz
    if abs(measured_hz - nominal_hz) > allowed_hz:
        raise ClockUnconfirmed(
            f"the core ran at {measured_hz / 1e6:.6g} MHz by the current probe's clock, {nominal_hz / 1e6:.6g} MHz were asked for"
            f" ({(measured_hz / nominal_hz - 1) * 100:+.3g} %, allowed ±{allowed_hz / nominal_hz * 100:.2g} %)",
            hint="check the oscillator fitted to the board (frequency, bypass) and its tolerance in the board's description",
        )


def _core_clock(
    energy_run: EnergyRun | None, clock: ClockConfiguration, oscillator_tolerance: float, accuracy: ProbeAccuracy | None
) -> tuple[_Clock, float | None]:
    """Return the better known core clock with its terms, and the measured one."""
    u_nominal = rectangular(oscillator_tolerance)
    nominal = _Clock(
        clock.hclk_hz,
        (UncertaintyTerm(LATENCY, f"clock: {clock.oscillator} tolerance", u_nominal, True, "board description"),),
    )
    if energy_run is None or accuracy is None or not accuracy.sees_window:
        return nominal, None
    measured_hz, u_edges_hz = true_clock(energy_run.window_cycles, energy_run.window_s, energy_run.window_resolution_s)
    uncounted = rectangular(_UNCOUNTED_CYCLES / energy_run.window_cycles)
    u_edges, u_base = math.hypot(u_edges_hz / measured_hz, uncounted), rectangular(accuracy.timebase_relative)
    confirm_clock(clock.hclk_hz, measured_hz, measured_hz * math.hypot(u_edges, u_base), oscillator_tolerance)
    if math.hypot(u_edges, u_base) >= u_nominal:
        return nominal, measured_hz
    edge = rectangular(energy_run.window_resolution_s / 2) / energy_run.window_s
    time_base = f"data sheet of {energy_run.probe}"
    terms = (
        UncertaintyTerm(LATENCY, "clock: window start", edge, False, "resolution of the probe's edges"),
        UncertaintyTerm(LATENCY, "clock: window end", edge, False, "resolution of the probe's edges"),
        UncertaintyTerm(LATENCY, "clock: around the loop", uncounted, False, "cycles between pin and counter"),
        UncertaintyTerm(LATENCY, "clock: probe time base", u_base, True, time_base),
    )
    return _Clock(measured_hz, terms), measured_hz


def _count_terms(count: NetCycles, energy_run: EnergyRun | None) -> tuple[UncertaintyTerm, ...]:
    return (
        UncertaintyTerm(
            LATENCY,
            "cycles: repeatability",
            count.u_repeat / count.net,
            False,
            "spread of the repetitions",
            count.degrees_of_freedom,
        ),
        *(
            UncertaintyTerm(LATENCY, f"cycles: resolution, {name}", RESOLUTION_CYCLES / count.net, False, "one cycle")
            for name in ("kernel", "empty kernel")
        ),
        *(() if energy_run is None else (_context_term(count, energy_run),)),
    )


def _context_term(count: NetCycles, run: EnergyRun) -> UncertaintyTerm:
    """Return what the cycles of a call depend on the code around it: counted alone, and in the window's row of calls.

    With wait states the first fetches of a kernel hit or miss by what ran before it. Neither count is wrong.
    """
    in_a_row = run.window_cycles / run.loops - run.loop_empty_cycles / min(run.loops, _EMPTY_LOOPS)
    limit = abs(in_a_row - count.net) / count.net
    return UncertaintyTerm(LATENCY, "cycles: context", rectangular(limit), False, "calls alone against calls in a row")


def _energy_terms(run: EnergyRun, count: NetCycles, accuracy: ProbeAccuracy) -> tuple[UncertaintyTerm, ...]:
    """Return the terms of the power: of the current's mean, of what else is in the window, and of the voltage."""
    mean_a, probe = run.active.mean_a, f"data sheet of {run.probe}"
    if not (mean_a > 0 and run.vdd_v > 0):
        raise CurrentProbeError(
            f"the mean current of the window is {mean_a:.3g} A at {run.vdd_v:.3g} V; both must be positive",
            hint="check that the probe supplies the board through its IDD jumper, and its polarity",
        )
    u_mean_a, freedom, how = _repeatability(run)
    candidates = accuracy.at(mean_a)
    gain, offset_a = max(each.gain_error for each in candidates), max(each.offset_error_a for each in candidates)
    # Where either of two ranges may have measured, nothing can be said to be common with another point.
    common, where = len(candidates) == 1, " or ".join(map(str, candidates))
    # How much the current changes at the window's edges, relative to its mean: what is at stake for anything that blurs the window.
    step = abs(mean_a - run.idle.mean_a) / mean_a
    edge = rectangular(run.window_resolution_s / 2) / run.window_s * step
    edges = (
        (
            UncertaintyTerm(ENERGY, "current: window start", edge, False, "resolution of the probe's edges"),
            UncertaintyTerm(ENERGY, "current: window end", edge, False, "resolution of the probe's edges"),
        )
        if not accuracy.average_s
        else (
            _part_term(run, step, accuracy.average_s),
            UncertaintyTerm(
                ENERGY, "current: resolution", rectangular(accuracy.average_resolution), False, "digits of a reading"
            ),
        )
    )
    # The loop around the kernel is in the window too. Its own current is unknown; it is taken to be as far from the kernel's as idling is.
    loop_share = abs(1 - count.net * run.loops / run.window_cycles)
    return (
        UncertaintyTerm(ENERGY, "current: repeatability", u_mean_a / mean_a, False, how, freedom),
        UncertaintyTerm(ENERGY, f"current: probe gain, {where}", rectangular(gain), common, probe),
        UncertaintyTerm(ENERGY, f"current: probe offset, {where}", rectangular(offset_a) / mean_a, common, probe),
        *edges,
        UncertaintyTerm(
            ENERGY,
            "current: loop overhead",
            rectangular(loop_share * step),
            False,
            "idle current as the limit",
        ),
        UncertaintyTerm(
            ENERGY,
            "supply voltage",
            rectangular(accuracy.vdd_relative),
            True,
            f"{'measured' if run.vdd_measured else 'as set'}; {probe}",
        ),
    )


def _part_term(run: EnergyRun, step: float, average_s: float) -> UncertaintyTerm:
    """Return what it matters that an average holds a part of a call besides whole ones.

    A call that draws two currents, D apart, for shares d and 1 - d of its length P: over n P + r the mean is off that of whole calls by
    D (min(r / P, d) - d r / P) P / (n P + r) at most, D d (1 - d) P / T where r = d P, and D P / 4 T where d is a half. Nobody knows D; it is taken to
    be the step to the idle current.
    """
    call_s = run.window_s / run.loops
    return UncertaintyTerm(
        ENERGY,
        "current: part of a call",
        rectangular(step / 4 * call_s / average_s),
        False,
        "idle current as the limit",
    )


def _repeatability(run: EnergyRun) -> tuple[float, float, str]:
    """Return standard error of the mean current, its degrees of freedom, and how it was found."""
    active = run.active
    if run.trace is not None:
        error_a, freedom = mean_standard_error(
            run.trace.samples_a, run.trace.sample_rate_hz, active.start_s, active.end_s
        )
        return error_a, freedom, f"means of {freedom + 1:.0f} blocks of the trace"
    if active.samples < 2:
        raise ParameterError(
            f"the window holds {active.samples} sample(s), too few for a standard error", hint="use a longer --window"
        )
    return (
        active.std_a / math.sqrt(active.samples),
        active.samples - 1.0,
        "spread of the readings, taken as independent (no trace)",
    )
