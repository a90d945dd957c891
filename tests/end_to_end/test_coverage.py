"""The stated intervals against exact energies: the small sister of ``benchmarks/coverage.py``."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.build import BuildCache
from benchmarks.coverage import WORKLOADS, checks

INSTRUMENTS = 20
# Of 60 points 3 miss on average; 10 or more do once in a thousand times.
MOST_MISSED = 9


def test_intervals_contain_the_exact_energy_as_often_as_they_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, build_cache: BuildCache
) -> None:
    monkeypatch.setenv("BENCH_VIRTUAL_STATE", str(tmp_path / "virtual"))
    drivers = ("lpm01a", "stlink_v3pwr", "ppk2")
    seeds = range(1, 1 + INSTRUMENTS)
    found = list(checks("nucleo_f446ze", 64e6, WORKLOADS[0], drivers, seeds, build_cache))
    assert len(found) == INSTRUMENTS * len(drivers)
    missed = [each for each in found if not each.covered]
    assert len(missed) <= MOST_MISSED
    # An interval may also be too wide: the worst error of a probe must come near its end.
    for driver in drivers:
        worst = max(abs(each.measured_j - each.exact_j) / each.u95_j for each in found if each.driver == driver)
        assert 0.7 < worst < 1.3
    assert all(abs(each.cycles_off) <= each.cycles_u95 for each in found)
