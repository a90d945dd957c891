"""The published arithmetic: unit costs solved from some LeNet-5 estimates predict the others as printed.

An estimate is the sum of unit cost x applications, so the estimates of four pruned networks give the unit costs of conv2d, avgpool2d, relu and
of what they all have alike (fully connected layers, softmax), and these the estimate of a fifth. Counts are those of table 4.12 as printed. The L496's
estimates follow within rounding; the F446's to 2 parts in 10,000, which is more than rounding, so some of its counts were others than printed.
"""

from __future__ import annotations

import numpy as np
import pytest

from bench.estimate.published import primitive_counts, table

SOLVED = ("fp32", "fp32_p50", "fp32_p60", "fp32_p80")
PREDICTED = "fp32_p90"
ROUNDING_MS = 0.5e-4
F446_RELATIVE = 2e-4
# At 2 MHz the L496's estimates contradict each other: the unit costs of pooling and ReLU come out negative.
INCONSISTENT = {("STM32L496ZG", 2.0)}

ESTIMATES = {
    (row["mcu"], row["config"], float(row["freq_mhz"])): float(row["estimated"])
    for row in table("lenet5")
    if row["quantity"] == "latency_ms"
}
CLOCKS = sorted({(mcu, mhz) for mcu, _, mhz in ESTIMATES})


def counted(mcu: str, config: str) -> list[float]:
    """Return applications of conv2d, avgpool2d, relu, and one for the rest."""
    counts = primitive_counts("LeNet5", config, "4.12")
    return [counts["conv2d", "k=5"], counts["avgpool2d", "k=2"], counts["relu", ""], 1]


@pytest.mark.parametrize(("mcu", "mhz"), [clock for clock in CLOCKS if clock not in INCONSISTENT])
def test_unit_costs_predict_the_printed_estimate(mcu: str, mhz: float) -> None:
    """Within what rounding to the printed digits lets through the solution, and nothing more."""
    matrix = np.array([counted(mcu, config) for config in SOLVED])
    printed = np.array([ESTIMATES[mcu, config, mhz] for config in SOLVED])
    shares = np.linalg.solve(matrix.T, np.array(counted(mcu, PREDICTED)))
    allowed = ROUNDING_MS * (1 + np.abs(shares).sum())
    assert allowed < 0.0005
    expected = ESTIMATES[mcu, PREDICTED, mhz]
    if mcu == "STM32F446ZE":
        allowed = F446_RELATIVE * expected
    assert shares @ printed == pytest.approx(expected, rel=0, abs=allowed)


def test_one_clock_contradicts_itself() -> None:
    """The unit costs of a clock cannot be negative."""
    for mcu, mhz in INCONSISTENT:
        matrix = np.array([counted(mcu, config) for config in SOLVED])
        units = np.linalg.solve(matrix, np.array([ESTIMATES[mcu, config, mhz] for config in SOLVED]))
        assert units[1] < 0
        assert units[2] < 0


def test_seventy_percent_is_estimated_from_other_counts() -> None:
    """At 100 kHz on the L496 with 2,272 ReLUs, as the layers have them; the other clocks are off by 0.11 %, alike: other counts."""
    mcu, config = "STM32L496ZG", "fp32_p70"
    off = {}
    for known, mhz in CLOCKS:
        if known != mcu or (mcu, mhz) in INCONSISTENT:
            continue
        matrix = np.array([counted(mcu, name) for name in SOLVED])
        units = np.linalg.solve(matrix, np.array([ESTIMATES[mcu, name, mhz] for name in SOLVED]))
        applied = np.array(counted(mcu, config)) + np.array([0, 0, 10, 0])
        off[mhz] = units @ applied / ESTIMATES[mcu, config, mhz] - 1
    assert off.pop(0.1) == pytest.approx(0, abs=1e-8)
    assert list(off.values()) == pytest.approx([0.0011] * len(off), abs=0.0001)
