"""A station file binds the virtual board to any of the probes; faults of the probe reject the point with their name."""

from __future__ import annotations

import pytest

from tests.end_to_end.conftest import QUICK, Workplace

STATION = """\
stations:
  - name: virtual-desk
    board: nucleo_f446ze
    virtual: true
    current_probe: {{driver: {driver}, url: "virtual://virtual-nucleo_f446ze/{instrument}?seed=3&fault={fault}"}}
"""


def bind(workplace: Workplace, driver: str, instrument: str, fault: str = "") -> None:
    (workplace.folder / "stations.yaml").write_text(
        STATION.format(driver=driver, instrument=instrument, fault=fault), encoding="utf-8"
    )


@pytest.mark.parametrize(
    ("driver", "instrument", "relative"),
    [
        ("stlink_v3pwr", "stlink_v3pwr", 0.05),
        ("ppk2", "ppk2", 0.3),
        ("ppk2_ampere", "ppk2", 0.3),
        ("lpm01a_static", "lpm01a", 0.05),
    ],
)
def test_a_point_is_measured(workplace: Workplace, driver: str, instrument: str, relative: float) -> None:
    bind(workplace, driver, instrument)
    outcome = workplace.bench(*QUICK, "--station", "virtual-desk", "--json")
    assert outcome.code == 0, outcome.err
    (row,) = outcome.rows()
    assert float(row["current_a"]) == pytest.approx(
        6.15e-3, rel=relative
    )  # the board model's figure for this loop at 16 MHz
    assert float(row["vdd_v"]) == pytest.approx(3.3, rel=0.02)
    assert 0 < float(row["energy_u95_j"]) < relative * float(row["energy_j"])
    # Static mode gives averages from within the window: the clock is confirmed by its registers, and not measured.
    assert bool(row["sysclk_measured_hz"]) == (driver != "lpm01a_static")


def test_lost_samples_reject_the_point(workplace: Workplace) -> None:
    bind(workplace, "ppk2", "ppk2", "lost_samples")
    outcome = workplace.bench(*QUICK, "--station", "virtual-desk")
    assert outcome.code == 1
    assert "rejected (probe)" in outcome.err
    assert "samples lost" in outcome.err


def test_a_stated_current_is_an_estimate_and_says_so(workplace: Workplace) -> None:
    (workplace.folder / "stations.yaml").write_text(
        "stations:\n  - name: virtual-desk\n    board: nucleo_f446ze\n    virtual: true\n"
        "    current_probe: {driver: constant, url: '6mA?idle=2mA&uncertainty=30%'}\n",
        encoding="utf-8",
    )
    outcome = workplace.bench(*QUICK, "--station", "virtual-desk", "--json")
    assert outcome.code == 0, outcome.err
    (row,) = outcome.rows()
    assert "not measured" in outcome.err
    assert float(row["current_a"]) == pytest.approx(6e-3)
    assert not row["sysclk_measured_hz"]  # nothing measured the window either
    assert float(row["energy_j"]) == pytest.approx(6e-3 * 3.3 * float(row["latency_s"]), rel=1e-3)
    assert 0.2 < float(row["energy_u95_j"]) / float(row["energy_j"]) < 0.6
