"""The current model of the virtual L4 boards gives back the datasheet's table, and what is added to it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.virtual.supply import Activity, OperatingState
from bench.virtual.supply_l4 import l4r9, l496

RUN = OperatingState(
    activity=Activity.RUN, hclk_hz=80e6, source="pll", voltage_scale=1, over_drive=False, wait_states=4, prefetch=False, flash_cache=True,
    debug_powered=False, low_power_debug=False,
)  # fmt: skip


@pytest.mark.parametrize(
    ("scale", "mhz", "ma"),
    [(1, 80, 9.44), (1, 48, 5.72), (1, 16, 2.01), (2, 26, 2.65), (2, 4, 0.52), (2, 0.1, 0.14), (1, 8, 1.08)],
)
def test_l496_is_the_datasheets(scale: int, mhz: float, ma: float) -> None:
    state = replace(RUN, voltage_scale=scale, hclk_hz=mhz * 1e6)
    assert l496().current_a(state) == pytest.approx(ma * 1e-3, rel=1e-6)


def test_a_higher_voltage_draws_more() -> None:
    model = l4r9()
    low, normal, boost = (
        model.current_a(replace(RUN, hclk_hz=26e6, voltage_scale=scale, over_drive=over))
        for scale, over in ((2, False), (1, False), (1, True))
    )
    assert low < normal < boost
    assert model.current_a(RUN) == pytest.approx(80 * 112e-6, rel=0.02)


@pytest.mark.parametrize("model", [l496(), l4r9()])
def test_states(model: object) -> None:
    def current_a(**changes: object) -> float:
        return model.current_a(replace(RUN, **changes))  # type: ignore[attr-defined, arg-type, no-any-return]

    assert current_a(activity=Activity.OFF) == 0.0
    assert 0 < current_a(activity=Activity.RESET) < 1e-3
    assert current_a(activity=Activity.SLEEP) < 0.5 * current_a()
    assert current_a(flash_cache=False) > current_a()
    assert current_a(prefetch=True) > current_a()
    assert current_a(debug_powered=True) == pytest.approx(current_a() + 1.5e-3)
    assert current_a(low_power_debug=True) == pytest.approx(current_a() + 1e-3)
