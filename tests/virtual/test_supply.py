"""The simple current model against the figures it is made from."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.virtual.supply import Activity, OperatingState, SimpleCurrentModel

RUN = OperatingState(
    activity=Activity.RUN, hclk_hz=16e6, source="hsi", voltage_scale=3, over_drive=False, wait_states=0, prefetch=True,
    flash_cache=True, debug_powered=False, low_power_debug=False,
)  # fmt: skip
MODEL = SimpleCurrentModel()


@pytest.mark.parametrize(
    ("mhz", "scale", "expected_ma"),
    [(16, 3, 7.076), (116, 3, 26.176), (132, 2, 31.542), (180, 1, 43.9), (148, 1, 36.38)],
)
def test_published_lines(mhz: float, scale: int, expected_ma: float) -> None:
    state = replace(RUN, hclk_hz=mhz * 1e6, voltage_scale=scale)
    assert MODEL.current_a(state) == pytest.approx(expected_ma * 1e-3, rel=1e-3)


@given(st.floats(0.1e6, 180e6), st.floats(1.01, 2.0), st.sampled_from((1, 2, 3)))
def test_faster_or_at_higher_voltage_never_draws_less(hclk_hz: float, factor: float, scale: int) -> None:
    state = replace(RUN, hclk_hz=hclk_hz, voltage_scale=scale)
    current_a = MODEL.current_a(state)
    assert MODEL.current_a(replace(state, hclk_hz=hclk_hz * factor)) > current_a
    assert MODEL.current_a(replace(state, voltage_scale=max(1, scale - 1))) >= current_a
    assert MODEL.current_a(replace(state, activity=Activity.SLEEP)) < current_a
    assert MODEL.current_a(replace(state, prefetch=False)) < current_a


def test_debug_costs_and_off_is_off() -> None:
    base_a = MODEL.current_a(RUN)
    assert MODEL.current_a(replace(RUN, low_power_debug=True)) == pytest.approx(base_a + 1e-3)
    assert MODEL.current_a(replace(RUN, debug_powered=True)) > base_a
    assert MODEL.current_a(replace(RUN, activity=Activity.OFF)) == 0.0
    assert MODEL.current_a(replace(RUN, activity=Activity.SLEEP, hclk_hz=180e6)) == pytest.approx(9.06e-3)
