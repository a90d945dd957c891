"""What is left of a plan, given what is recorded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from bench.boards.stations import all_stations
from bench.domain.measurement import Point
from bench.domain.sweep import PrimitiveSweep, SweepRequest
from bench.domain.workload import Workload
from bench.store import Repository, open_store
from bench.store.history import AcceptedPoint
from bench.sweep.matrix import SweepPlan, plan_sweep
from bench.sweep.missing import Conditions, compare, missing
from tests.store.store_samples import IMAGE, RESULT, a_failure, a_run

TODAY = Conditions(IMAGE.compiler, "0.1.0")
PLAN = plan_sweep(
    SweepRequest(
        ("virtual-nucleo_f446ze", "virtual-nucleo_l496zg"),
        tuple(map(PrimitiveSweep, ("relu", "add"))),
        freq="16MHz,48MHz,80MHz",
    ),
    all_stations(None),
)


def points(plan: SweepPlan) -> list[Point]:
    return [
        Point(i.station.name, i.station.source, i.board.name, i.board.mcu, i.board.core, i.work, clock)
        for i in plan.images
        for clock in i.clocks
    ]


POINTS = points(PLAN)


class Recorded:
    """A repository that holds these points."""

    def __init__(self, held: list[AcceptedPoint]) -> None:
        self.history = self
        self._held = held

    def accepted(self, stations: list[str], only: Workload | None = None) -> list[AcceptedPoint]:
        held = [point for point in self._held if point.station in stations]
        return held if only is None else [point for point in held if point.workload == only]


def held(point: Point, **changes: Any) -> AcceptedPoint:
    return replace(
        AcceptedPoint(
            point.station, str(point.source), point.board, point.mcu, point.core, point.workload, point.clock.id,
            TODAY.compiler, TODAY.bench_version, True,
        ),
        **changes,
    )  # fmt: skip


@given(
    st.sets(st.integers(0, len(POINTS) - 1)),
    st.sets(st.integers(0, len(POINTS) - 1)),
    st.sets(st.integers(0, len(POINTS) - 1)),
)
def test_exactly_the_missing_points_are_left_in_the_plans_order(there: set[int], old: set[int], bare: set[int]) -> None:
    rows = [held(POINTS[i]) for i in there - old - bare]
    rows += [held(POINTS[i], compiler="arm-none-eabi-gcc 9.2.1") for i in old]
    rows += [held(POINTS[i], with_energy=False) for i in bare - old]
    found = compare(PLAN, cast(Repository, Recorded(rows)), TODAY)
    assert points(found.left) == [point for i, point in enumerate(POINTS) if i not in there - old - bare]
    assert (found.there, found.outdated, found.without_energy) == (len(there - old - bare), len(old), len(bare - old))
    assert found.there + found.left.points == PLAN.points
    assert all(image.clocks for image in found.left.images)


def test_another_patch_of_the_bench_counts_another_release_does_not() -> None:
    for version, there in (("0.1.9", 1), ("0.2.0", 0), ("1.1.0", 0)):
        rows = [held(POINTS[0], bench_version=version)]
        assert compare(PLAN, cast(Repository, Recorded(rows)), TODAY).there == there


def test_without_a_current_probe_no_energy_is_missing() -> None:
    bare = SweepPlan(tuple(replace(i, station=replace(i.station, current_probe=None)) for i in PLAN.images))
    assert compare(bare, cast(Repository, Recorded([held(POINTS[0], with_energy=False)])), TODAY).there == 1


def test_another_station_board_workload_or_clock_is_another_point() -> None:
    for changes in (
        {"station": "virtual-nucleo_l496zg"},
        {"board": "other"},
        {"source": "hardware"},
        {"mcu": "STM32F446RE"},
        {"clock_id": "x"},
    ):
        assert compare(PLAN, cast(Repository, Recorded([held(POINTS[0], **changes)])), TODAY).there == 0


def test_the_database_is_asked_for_the_latest_accepted_run(tmp_path: Path) -> None:
    first, second, third = POINTS[:3]
    with open_store(str(tmp_path / "m.db")) as store:
        assert compare(PLAN, None, TODAY).left == missing(PLAN, store.repository, TODAY) == PLAN
        store.repository.record(a_run(first, 0))
        store.repository.record(a_run(second, 1, image=replace(IMAGE, compiler="arm-none-eabi-gcc 9.2.1")))
        store.repository.record(a_failure(second, 2))
        store.repository.record(a_failure(third, 3))
        found = compare(PLAN, store.repository, TODAY)
        assert (found.there, found.outdated) == (1, 1)
        store.repository.record(a_run(second, 4))
        store.repository.record(a_run(third, 5, result=replace(RESULT, energy_j=None)))
        found = compare(PLAN, store.repository, TODAY)
        assert (found.there, found.outdated, found.without_energy) == (2, 0, 1)
        # The table shows the latest: an older run under today's conditions does not help.
        store.repository.record(a_run(first, 6, image=replace(IMAGE, compiler="arm-none-eabi-gcc 13.1.0")))
        assert compare(PLAN, store.repository, TODAY).outdated == 1
        assert (
            missing(PLAN, store.repository, Conditions("arm-none-eabi-gcc 13.1.0", "0.1.0")).points == PLAN.points - 1
        )
