"""How long a sweep takes, and what it wears."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bench.boards.stations import all_stations
from bench.domain.sweep import PrimitiveSweep, SweepRequest
from bench.measure.settings import Settings
from bench.store import open_store
from bench.store.history import Start
from bench.sweep.forecast import GUESSED_IMAGE_S, GUESSED_POINT_S, forecast, timing_of
from bench.sweep.matrix import plan_sweep
from tests.store.store_samples import CLOCK, IMAGE, NOON, SLOW, a_point, a_run

PLAN = plan_sweep(SweepRequest(primitives=(PrimitiveSweep("relu"),), freq=f"{CLOCK.id},{SLOW.id}"), all_stations(None))
SETTINGS = Settings()


def starts(*seconds_clock_image: tuple[float, str, int]) -> list[Start]:
    return [Start(NOON + timedelta(seconds=s), clock, image) for s, clock, image in seconds_clock_image]


def test_points_by_clock_and_images_besides() -> None:
    found = timing_of(
        starts((0, "a", 1), (1, "b", 1), (4, "a", 1), (5, "b", 1), (8 + 7, "a", 2), (16, "b", 2), (19 + 9, "a", 3)),
        SETTINGS,
    )
    assert not found.guessed
    assert found.image_s == pytest.approx(8)
    assert found.point_s == {"a": pytest.approx(1), "b": pytest.approx(3)}


def test_a_nights_rest_does_not_count() -> None:
    found = timing_of(starts((0, "a", 1), (1, "a", 1), (40_000, "a", 2), (40_001, "a", 2), (40_007, "a", 3)), SETTINGS)
    assert found.point_s == {"a": pytest.approx(1)}
    assert found.image_s == pytest.approx(5)


def test_without_history_it_is_a_guess_and_says_so() -> None:
    found = timing_of([], SETTINGS)
    assert found.guessed
    images = len(PLAN.images)
    point_s = GUESSED_POINT_S + SETTINGS.window_s + SETTINGS.settle_s + SETTINGS.idle_s
    assert found.seconds(PLAN.images) == pytest.approx(images * (GUESSED_IMAGE_S + 2 * point_s))


def test_the_database_tells_time_and_wear(tmp_path: Path) -> None:
    other = replace(IMAGE, sha256="ef" * 32)
    with open_store(str(tmp_path / "m.db")) as store:
        for minutes, clock, image in (
            (0, SLOW, IMAGE),
            (0.1, CLOCK, IMAGE),
            (0.15, SLOW, other),
            (0.25, CLOCK, other),
            (0.3, CLOCK, IMAGE),
        ):
            store.repository.record(a_run(a_point(clock=clock), minutes, image=image))
        store.repository.record(a_run(a_point(station="virtual-nucleo_l496zg"), 9))
        assert store.repository.history.flashes("virtual-nucleo_f446ze") == 3
        (found,) = forecast(PLAN, store.repository, SETTINGS)
    assert (found.points, found.images, found.flashes, found.flashed_before) == (
        PLAN.points,
        len(PLAN.images),
        len(PLAN.images),
        3,
    )
    assert not found.guessed
    assert found.wear == pytest.approx((len(PLAN.images) + 3) / 10_000)
    assert forecast(PLAN, None, SETTINGS)[0].flashed_before == 0
