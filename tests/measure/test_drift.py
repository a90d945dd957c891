"""The order of points, and the sentinel that is measured again."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.domain.measurement import Result, UncertaintyTerm, Verdict
from bench.measure.drift import Sentinel, changes, withdrawn
from bench.measure.order import SEEDS, draw_seed, shuffled
from tests.store.store_samples import a_failure, a_run

RANDOM = UncertaintyTerm("energy_j", "repeatability", 1e-3, False, "made up")
SHARED = UncertaintyTerm("energy_j", "probe gain", 2e-2, True, "made up")


def result(energy_j: float = 1.0, latency_s: float = 1.0) -> Result:
    return Result(1000.0, 10.0, latency_s, 1e-3, energy_j=energy_j, energy_u95_j=0.04, budget=(RANDOM, SHARED))


@given(st.integers(0, 60), st.integers(0, SEEDS - 1))
def test_an_order_is_a_permutation_that_the_seed_alone_gives(count: int, seed: int) -> None:
    order = shuffled(count, seed)
    assert sorted(order) == list(range(count))
    assert order == shuffled(count, seed)


def test_orders_differ_and_stay_what_they_were() -> None:
    assert len({tuple(shuffled(14, seed)) for seed in range(100)}) == 100
    assert shuffled(6, 1) == sorted(range(6), key=[0.13436, 0.84743, 0.76377, 0.25507, 0.49544, 0.44949].__getitem__)
    assert 0 <= draw_seed() < SEEDS


@pytest.mark.parametrize(
    ("after", "drifted"),
    [(1.0, False), (1.009, False), (0.991, False), (1.0095, True), (0.98, True)],
    ids=str,
)
def test_chance_and_tolerance_are_allowed_and_nothing_shared_is(after: float, drifted: bool) -> None:
    # 3 * hypot(0.1 %, 0.1 %) + 0.5 % = 0.924 %; the gain of 2 % is the same in both.
    found = changes(result(), result(energy_j=after), 0.005)
    assert [change.quantity for change in found] == ["latency_s", "energy_j"]
    assert found[1].allowed == pytest.approx(0.00924, rel=1e-3)
    assert any(change.is_drift for change in found) == drifted


def test_without_a_current_probe_the_latency_is_compared() -> None:
    bare = Result(1000.0, 10.0, 1.0, 1e-3)
    assert [change.quantity for change in changes(bare, bare, 0.005)] == ["latency_s"]
    assert changes(bare, replace(bare, latency_s=1.02), 0.005)[0].is_drift


def test_the_sentinel_is_due_after_so_many_points_and_at_the_end() -> None:
    sentinel = Sentinel(every=2, tolerance=0.005)
    sentinel.saw(3, a_failure())
    assert sentinel.index is None
    sentinel.saw(5, a_run())
    assert sentinel.index == 5
    assert not sentinel.due(last=True), "nothing lies in between"
    sentinel.saw(6, a_run())
    assert not sentinel.due(last=False)
    assert sentinel.due(last=True)
    sentinel.saw(7, a_run())
    assert sentinel.due(last=False)
    assert not Sentinel(every=0, tolerance=0.005).due(last=True)


def test_a_drift_names_the_points_in_between_and_begins_a_new_segment() -> None:
    sentinel = Sentinel(every=1, tolerance=0.005)
    first, between = a_run(), a_run(minutes=1)
    assert first.result is not None
    assert first.result.energy_j is not None
    sentinel.saw(0, first)
    sentinel.saw(1, between)
    again = replace(first, result=replace(first.result, energy_j=1.02 * first.result.energy_j))
    found, suspects = sentinel.judge(again)
    assert suspects == [(1, between)]
    late = withdrawn(between, found)
    assert (late.verdict, late.failure_class, late.result) == (Verdict.REJECTED, "drift", None)
    assert late.energy_run == between.energy_run
    assert "energy +2 %" in late.reason
    sentinel.saw(1, between)
    _, suspects = sentinel.judge(again)
    assert suspects == [], "the new value is the reference"
