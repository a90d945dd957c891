"""The supply current behaves as silicon's does, and its coefficients are what the fit makes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.virtual.soc.mcus import MCUS
from bench.virtual.supply import TYPICAL, Activity, Mix, OperatingState, charges_of, model_of
from benchmarks import supply_fit, supply_validation

RUN = OperatingState(
    activity=Activity.RUN, hclk_hz=16e6, source="hsi", voltage_scale=3, over_drive=False, wait_states=0, prefetch=True,
    flash_cache=True, debug_powered=False, low_power_debug=False,
)  # fmt: skip
F446 = model_of("stm32f446")
SLOWEST_SCALE = {"stm32f446": 3, "stm32f746": 3, "stm32l496": 2, "stm32l4r9": 2}

mixes = st.builds(Mix, st.floats(0.2, 1.0), st.floats(0, 0.1), st.floats(0, 0.05), st.floats(0, 0.1), st.floats(0.5, 3))
mcus = st.sampled_from(sorted(MCUS))


@given(mcus, mixes, st.floats(0.1e6, 200e6), st.floats(1.01, 2.0))
def test_a_faster_clock_draws_more_within_a_level(mcu: str, mix: Mix, hclk_hz: float, factor: float) -> None:
    state = replace(RUN, hclk_hz=hclk_hz, voltage_scale=SLOWEST_SCALE[mcu])
    assert model_of(mcu).current_a(replace(state, hclk_hz=hclk_hz * factor), mix) > model_of(mcu).current_a(state, mix)


@given(mcus, mixes, st.integers(0, 5), st.booleans(), st.booleans())
def test_more_work_and_more_memory_traffic_never_draw_less(
    mcu: str, mix: Mix, wait_states: int, cached: bool, prefetch: bool
) -> None:
    state = replace(RUN, voltage_scale=1, wait_states=wait_states, flash_cache=cached, prefetch=prefetch)
    base_a = model_of(mcu).current_a(state, mix)
    for name in ("float_operations", "instruction_fills", "data_fills", "code_bytes", "instructions"):
        assert model_of(mcu).current_a(state, replace(mix, **{name: getattr(mix, name) * 2})) >= base_a, name


@pytest.mark.parametrize("mcu", ["stm32f446", "stm32l496"])
def test_code_and_data_from_flash_cost_more_than_from_the_caches(mcu: str) -> None:
    state = replace(RUN, wait_states=3, voltage_scale=1)
    in_cache_a = model_of(mcu).current_a(state)
    assert model_of(mcu).current_a(state, replace(TYPICAL, instruction_fills=0.05)) > in_cache_a
    assert model_of(mcu).current_a(state, replace(TYPICAL, data_fills=0.05)) > in_cache_a
    uncached = replace(state, flash_cache=False, wait_states=0)
    assert model_of(mcu).current_a(uncached) > model_of(mcu).current_a(replace(uncached, flash_cache=True))


@given(mcus, mixes)
def test_asleep_draws_less_than_running_and_off_nothing(mcu: str, mix: Mix) -> None:
    model = model_of(mcu)
    state = replace(RUN, voltage_scale=1)
    assert model.current_a(replace(state, activity=Activity.SLEEP), mix) < model.current_a(state, mix)
    assert model.current_a(replace(state, activity=Activity.OFF), mix) == 0.0


def test_a_higher_core_voltage_draws_more_in_proportion() -> None:
    static_a = charges_of("stm32f446").static_a
    slow_a, middle_a, fast_a = (F446.current_a(replace(RUN, voltage_scale=scale)) - static_a for scale in (3, 2, 1))
    assert middle_a / slow_a == pytest.approx(1.26 / 1.14)
    assert fast_a / slow_a == pytest.approx(1.32 / 1.14)


def test_an_l4_plus_draws_more_in_its_boost() -> None:
    state = replace(RUN, voltage_scale=1)
    l4r9 = model_of("stm32l4r9")
    assert l4r9.current_a(replace(state, over_drive=True)) > l4r9.current_a(state)
    l496 = model_of("stm32l496")
    assert l496.current_a(replace(state, over_drive=True)) == l496.current_a(state)


def test_pll_debugger_and_low_power_debug_bits_add() -> None:
    base_a = F446.current_a(RUN)
    assert F446.current_a(replace(RUN, low_power_debug=True)) == pytest.approx(base_a + 1e-3)
    assert F446.current_a(replace(RUN, debug_powered=True)) == pytest.approx(base_a + 1.5e-3)
    assert F446.current_a(replace(RUN, source="pll_r")) > base_a
    assert F446.current_a(replace(RUN, activity=Activity.SLEEP, debug_powered=True)) > F446.current_a(
        replace(RUN, activity=Activity.SLEEP)
    )


@given(mixes, mixes, st.floats(0.01, 0.99))
def test_charges_of_parts_add_up(one: Mix, other: Mix, share: float) -> None:
    both = Mix(*(share * getattr(one, name) + (1 - share) * getattr(other, name) for name in Mix.__slots__))
    parts_a = share * F446.current_a(RUN, one) + (1 - share) * F446.current_a(RUN, other)
    assert F446.current_a(RUN, both) == pytest.approx(parts_a)


def test_negative_coefficients_are_refused() -> None:
    with pytest.raises(ValueError, match="read_c are negative"):
        replace(charges_of("stm32f446"), read_c=-1e-12)


def test_the_coefficients_are_what_the_fit_makes() -> None:
    for mcu, charges in supply_fit.fit_all().items():
        assert (supply_fit.OUTPUT / f"{mcu}.toml").read_text(encoding="utf-8") == supply_fit.toml(mcu, charges)
    assert {path.stem for path in supply_fit.OUTPUT.glob("*.toml")} == set(MCUS)


@pytest.mark.parametrize(("mcu", "most"), [("stm32l496", 0.02), ("stm32f446", 0.065), ("stm32f746", 0.06)])
def test_residuals_of_the_fit(mcu: str, most: float) -> None:
    errors = [abs(error) for _, error in supply_fit.residuals(mcu, charges_of(mcu))]
    assert len(errors) == 140
    assert sum(errors) / len(errors) < most


@pytest.mark.parametrize("mcu", supply_validation.MCUS)
def test_lenet_currents_are_within_eight_percent_in_the_mean(mcu: str) -> None:
    found = [point for point in supply_validation.points() if point.mcu == mcu]
    assert len(found) == 8 * 14
    assert supply_validation.mean_error(found) < 0.08


def test_energy_of_an_inference_is_least_at_the_last_clock_before_a_voltage_step() -> None:
    clocks_mhz = (16, 24, 32, 48, 64, 80, 90, 100, 116, 124, 132, 148, 164, 180)
    rows = {
        (row["mcu"], row["config"], row["wait_states"]): row for row in supply_fit.read_csv(supply_validation.MIXES)
    }

    def energy(config: str, clock_mhz: float) -> float:
        row = rows["stm32f446", config, str(supply_fit.wait_states("stm32f446", clock_mhz))]
        cycles = float(row["cycles"])
        mix = Mix(*(float(row[name]) / cycles for name in Mix.__slots__))
        return F446.current_a(supply_fit.published_state("stm32f446", clock_mhz), mix) * cycles / clock_mhz

    for config in supply_validation.CONFIGURATIONS:
        assert min(clocks_mhz, key=lambda clock_mhz: energy(config, clock_mhz)) == 116, config
