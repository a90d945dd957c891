"""Clock configurations: exact frequencies, and an id that says everything."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.domain.clock import Accelerator, ClockConfiguration, Oscillator, Pll
from bench.errors import ParameterError

TOP = ClockConfiguration(
    oscillator=Oscillator.HSE_BYPASS,
    oscillator_hz=8_000_000,
    pll=Pll(m=4, n=180, r=2),
    ahb_div=1,
    apb1_div=4,
    apb2_div=2,
    regulator="scale1od",
    flash_wait_states=5,
    accelerators=frozenset({Accelerator.PREFETCH, Accelerator.ICACHE, Accelerator.DCACHE}),
)

CONFIGURATIONS = st.builds(
    ClockConfiguration,
    oscillator=st.sampled_from(Oscillator),
    oscillator_hz=st.integers(1, 100_000_000),
    pll=st.none() | st.builds(Pll, st.integers(1, 63), st.integers(1, 432), st.integers(1, 8)),
    ahb_div=st.integers(1, 512),
    apb1_div=st.integers(1, 16),
    apb2_div=st.integers(1, 16),
    regulator=st.sampled_from(["scale1", "scale1od", "range1", "range1boost", "range2"]),
    flash_wait_states=st.integers(0, 15),
    accelerators=st.frozensets(st.sampled_from(Accelerator)),
)


def test_frequencies() -> None:
    assert TOP.sysclk_exact_hz == TOP.hclk_exact_hz == 180_000_000
    assert (TOP.hclk_hz, TOP.pclk1_hz, TOP.pclk2_hz) == (180e6, 45e6, 90e6)
    assert TOP.timer1_hz == 90e6  # RM0390 section 6.2: twice a divided APB clock


def test_thirds_stay_exact() -> None:
    assert Pll(m=8, n=100, r=3).output_hz(8_000_000) == Fraction(100_000_000, 3)


def test_id() -> None:
    assert str(TOP) == TOP.id == "hsebyp8-m4n180r2-ahb1-apb4.2-scale1od-ws5-pid"


def test_the_accelerators_of_an_f7_in_the_id() -> None:
    seven = replace(TOP, accelerators=frozenset({Accelerator.L1I, Accelerator.L1D}))
    assert seven.id.endswith("-ws5-1i1d")
    everything = replace(TOP, accelerators=frozenset(Accelerator))
    assert everything.id.endswith("-pida1i1d")
    assert ClockConfiguration.parse(everything.id) == everything


@given(CONFIGURATIONS)
def test_id_round_trip(configuration: ClockConfiguration) -> None:
    assert ClockConfiguration.parse(configuration.id) == configuration


@given(CONFIGURATIONS, CONFIGURATIONS)
def test_different_configurations_have_different_ids(one: ClockConfiguration, other: ClockConfiguration) -> None:
    assert (one.id == other.id) == (one == other)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "180MHz",
        TOP.id + "x",
        TOP.id.replace("hsebyp8", "hsebyp"),
        TOP.id.replace("hsebyp8", "lse8"),
        TOP.id.replace("hsebyp8", "hsebyp8.0000001"),
        TOP.id.replace("hsebyp8", "hsebyp8.."),
        TOP.id.replace("hsebyp8", "hsebyp0"),
        TOP.id.replace("ahb1", "ahb0"),
        TOP.id.replace("m4", "m0"),
        TOP.id.replace("-pid", "-dip"),
        TOP.id.replace("-pid", "-"),
    ],
)
def test_what_is_no_id(text: str) -> None:
    with pytest.raises(ParameterError):
        ClockConfiguration.parse(text)


@pytest.mark.parametrize(("m", "n", "r"), [(0, 50, 2), (4, 0, 2), (4, 50, 0), (-4, 50, 2)])
def test_pll_factors_are_positive(m: int, n: int, r: int) -> None:
    with pytest.raises(ParameterError, match="positive"):
        Pll(m, n, r)
