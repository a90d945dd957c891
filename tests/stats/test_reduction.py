"""The reduction of a run, by hand and by its laws."""

from __future__ import annotations

import math
from array import array
from dataclasses import replace
from statistics import stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.domain.clock import ClockConfiguration
from bench.domain.measurement import CurrentStats, CycleRun, EnergyRun, Result, Trace
from bench.errors import ClockUnconfirmed, CurrentProbeError, ParameterError, VerifyError
from bench.stats import CurrentRange, ProbeAccuracy, confirm_clock, expand95, net_cycles, reduce, same_limits

CRYSTAL = ClockConfiguration.parse("hsebyp8-m4n180r2-ahb1-apb4.2-scale1od-ws5-pid")
RC = ClockConfiguration.parse("hsi16-ahb1-apb1.1-scale3-ws0-pid")
ACCURACY = ProbeAccuracy(same_limits((5e-3, 50e-3, 2.0), gain_error=0.02, offset_error_a=1e-6), vdd_relative=0.01)
CYCLES = CycleRun((180_030, 180_030, 180_030), (30, 30, 30), 2, 1, 96, "00")
ACTIVE = CurrentStats(0.0, 0.1, 10_000, 0.03, 0.001, 0.02, 0.04, 0.003)
IDLE = CurrentStats(0.101, 0.151, 5_000, 0.003, 0.0001, 0.002, 0.004, 0.00015)
ENERGY = EnergyRun("lpm01a", 100, 18_003_000, 480, 0.10001667, 1e-6, 3.3, False, None, ACTIVE, IDLE, None)


def reduced(energy: EnergyRun | None = ENERGY, clock: ClockConfiguration = CRYSTAL, tolerance: float = 50e-6) -> Result:
    return reduce(CYCLES, energy, clock, oscillator_tolerance=tolerance, accuracy=ACCURACY)


def standard(result: Result, quantity: str) -> dict[str, float]:
    return {term.name: term.standard_relative for term in result.budget if term.quantity == quantity}


def test_net_cycles_by_hand() -> None:
    net = net_cycles([110, 100, 104], [9, 10, 11, 10])
    assert (net.net, net.overhead) == (94.0, 10.0)
    kernel, empty = (1.2533141 * stdev(c) / math.sqrt(len(c)) for c in ([110, 100, 104], [9, 10, 11, 10]))
    assert net.u_repeat == pytest.approx(math.hypot(kernel, empty))
    assert net.u_resolution == pytest.approx(math.sqrt(2 / 12))
    assert net.u_net == pytest.approx(math.sqrt(kernel**2 + empty**2 + 1 / 6))
    assert net.degrees_of_freedom == pytest.approx((kernel**2 + empty**2) ** 2 / (kernel**4 / 2 + empty**4 / 3))


def test_constant_counts_leave_the_resolution() -> None:
    assert net_cycles([500] * 10, [20] * 10).u_net == pytest.approx(math.sqrt(1 / 6))


def test_one_longer_count_does_not_move_the_result() -> None:
    assert net_cycles([500] * 9 + [5000], [20] * 10).net == 480


@given(st.lists(st.integers(1000, 2**32), min_size=2), st.lists(st.integers(1, 999), min_size=2), st.integers(0, 1000))
def test_net_cycles_do_not_depend_on_a_common_overhead(kernel: list[int], empty: list[int], more: int) -> None:
    plain, shifted = net_cycles(kernel, empty), net_cycles([c + more for c in kernel], [c + more for c in empty])
    assert shifted.net == pytest.approx(plain.net)
    assert shifted.u_net == pytest.approx(plain.u_net)


def test_counts_that_say_nothing() -> None:
    for counts in (([5], [1, 1]), ([5, 5], [1]), ([], [])):
        with pytest.raises(ParameterError, match="at least 2"):
            net_cycles(*counts)
    with pytest.raises(VerifyError, match="no more than the empty kernel"):
        net_cycles([30, 30], [30, 30])


def test_cycles_alone() -> None:
    result = reduced(None)
    assert (result.cycles, result.cycles_overhead) == (180_000, 30)
    assert result.latency_s == pytest.approx(1e-3)
    assert result.latency_u95_s == pytest.approx(expand95(1e-3, result.budget))
    # One limit of 50 ppm and next to nothing else: 95 % of it.
    assert result.latency_u95_s == pytest.approx(0.95 * 50e-6 * 1e-3, rel=0.01)
    assert (result.energy_j, result.current_a, result.sysclk_measured_hz, result.vdd_v) == (None, None, None, None)


def test_energy_by_hand() -> None:
    result = reduced()
    assert result.sysclk_measured_hz == pytest.approx(180e6, rel=1e-6)
    assert result.latency_s == pytest.approx(1e-3)  # the crystal is known better than the probe's time base
    assert (result.current_a, result.idle_current_a, result.vdd_v) == (0.03, 0.003, 3.3)
    assert result.power_w == pytest.approx(0.099)
    assert result.energy_j == pytest.approx(99e-6)
    assert standard(result, "energy_j") == pytest.approx(
        {
            "cycles: repeatability": 0.0,
            "cycles: resolution, kernel": math.sqrt(1 / 12) / 180_000,
            "cycles: resolution, empty kernel": math.sqrt(1 / 12) / 180_000,
            "cycles: context": 0.0,
            "clock: hsebyp tolerance": 50e-6 / math.sqrt(3),
            "current: repeatability": 0.001 / 100 / 0.03,
            "current: probe gain, range to 50 mA": 0.02 / math.sqrt(3),
            "current: probe offset, range to 50 mA": 1e-6 / math.sqrt(3) / 0.03,
            "current: window start": 1e-6 / math.sqrt(12) / 0.10001667 * 0.9,
            "current: window end": 1e-6 / math.sqrt(12) / 0.10001667 * 0.9,
            "current: loop overhead": (1 - 18_000_000 / 18_003_000) * 0.9 / math.sqrt(3),
            "supply voltage": 0.01 / math.sqrt(3),
        }
    )
    # 95 % of a trapezoid of 2 % and 1 %, by hand; the other terms add nothing to speak of.
    assert result.energy_u95_j == pytest.approx(99e-6 * (0.03 - math.sqrt(0.05 * 4 * 0.02 * 0.01)), rel=2e-3)


def test_a_poor_oscillator_gives_way_to_the_measured_clock() -> None:
    """16 MHz by an RC oscillator that runs 0.5 % fast."""
    cycles = 8 * 180_030
    energy = replace(ENERGY, loops=8, window_cycles=cycles, loop_empty_cycles=240, window_s=cycles / 16.08e6)
    result = reduced(energy, RC, tolerance=0.01)
    assert result.sysclk_measured_hz == pytest.approx(16.08e6)
    assert result.latency_s == pytest.approx(180_000 / 16.08e6)
    assert set(standard(result, "latency_s")) == {
        "cycles: repeatability",
        "cycles: resolution, kernel",
        "cycles: resolution, empty kernel",
        "cycles: context",
        "clock: window start",
        "clock: window end",
        "clock: around the loop",
        "clock: probe time base",
    }
    assert result.latency_u95_s / result.latency_s < 0.001


def test_a_clock_that_is_off_is_refused() -> None:
    energy = replace(ENERGY, window_cycles=17_000_000)
    with pytest.raises(ClockUnconfirmed, match=r"169\.97\d MHz .* 180 MHz were asked for \(-5\.57 %") as caught:
        reduced(energy)
    assert "oscillator" in caught.value.hint
    confirm_clock(180e6, 180.001e6, 1e3, 0.0)  # within what the probe can tell
    with pytest.raises(ClockUnconfirmed):
        confirm_clock(180e6, 180.004e6, 1e3, 0.0)


def test_systematic_terms_are_marked() -> None:
    systematic = {term.name for term in reduced().budget if term.systematic}
    assert systematic == {
        "clock: hsebyp tolerance",
        "current: probe gain, range to 50 mA",
        "current: probe offset, range to 50 mA",
        "supply voltage",
    }


def test_calls_in_a_row_may_take_other_cycles_than_one_alone() -> None:
    energy = replace(ENERGY, window_cycles=18_003_500)  # 5 cycles a call more
    assert standard(reduced(energy), "latency_s")["cycles: context"] == pytest.approx(5 / 180_000 / math.sqrt(3))


def test_a_trace_tells_the_repeatability() -> None:
    samples = array("f", [0.02, 0.04] * 5_000 + [0.003] * 5_000)
    energy = replace(ENERGY, trace=Trace(100e3, samples))
    (term,) = (term for term in reduced(energy).budget if term.name == "current: repeatability")
    assert term.standard_relative == pytest.approx(0.0, abs=1e-9)  # a regular pattern has no random error
    assert (term.degrees_of_freedom, term.source) == (19, "means of 20 blocks of the trace")
    (term,) = (term for term in reduced().budget if term.name == "current: repeatability")
    assert term.degrees_of_freedom == 9_999
    assert term.standard_relative == pytest.approx(0.001 / 100 / 0.03)


@given(st.floats(1e-6, 1.0), st.floats(1.0, 5.0), st.integers(1, 1000))
def test_energy_is_power_times_latency(current_a: float, vdd_v: float, overhead: int) -> None:
    energy = replace(ENERGY, vdd_v=vdd_v, active=replace(ACTIVE, mean_a=current_a))
    cycles = replace(CYCLES, kernel_cycles=(180_000 + overhead,) * 3, empty_cycles=(overhead,) * 3)
    result = reduce(cycles, energy, CRYSTAL, oscillator_tolerance=50e-6, accuracy=ACCURACY)
    assert result.energy_j is not None
    assert result.power_w is not None
    assert result.energy_u95_j is not None
    assert result.energy_j == pytest.approx(current_a * vdd_v * 1e-3)
    assert result.energy_j == pytest.approx(result.power_w * result.latency_s)
    assert result.energy_u95_j / result.energy_j > result.latency_u95_s / result.latency_s


def test_a_current_that_is_none() -> None:
    for current_a in (0.0, -1e-6):
        with pytest.raises(CurrentProbeError, match="both must be positive"):
            reduced(replace(ENERGY, active=replace(ACTIVE, mean_a=current_a)))
    with pytest.raises(ParameterError, match="too few"):
        reduced(replace(ENERGY, active=replace(ACTIVE, samples=1)))


def test_limits_are_limits() -> None:
    with pytest.raises(ParameterError, match="finite number from 0"):
        ProbeAccuracy(same_limits((1.0,), 0.0, 0.0), -0.01)
    with pytest.raises(ParameterError, match="finite number from 0"):
        CurrentRange(1.0, -0.01, 0.0)
    with pytest.raises(ParameterError, match="not a range"):
        CurrentRange(0.0, 0.01, 0.0)
    for ranges in ((), same_limits((1.0, 1.0), 0.0, 0.0), same_limits((2.0, 1.0), 0.0, 0.0)):
        with pytest.raises(ParameterError, match="ascend"):
            ProbeAccuracy(ranges, 0.0)


def test_around_a_boundary_either_range_may_have_measured() -> None:
    tops = {a: [each.top_a for each in ACCURACY.at(a)] for a in (-1e-3, 1e-3, 3.7e-3, 4e-3, 5.05e-3, 5.2e-3, 0.03, 3.0)}
    fine, middle, coarse = 5e-3, 50e-3, 2.0
    assert tops == {
        -1e-3: [fine], 1e-3: [fine], 3.7e-3: [fine], 4e-3: [fine, middle], 5.05e-3: [fine, middle],
        5.2e-3: [middle], 0.03: [middle], 3.0: [coarse],
    }  # fmt: skip
    energy = replace(ENERGY, active=replace(ACTIVE, mean_a=4.5e-3))
    assert {term.name for term in reduced(energy).budget if term.systematic} == {
        "clock: hsebyp tolerance",
        "supply voltage",
    }
