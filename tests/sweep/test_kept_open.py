"""A station stays open from image to image, as long as that is right."""

from __future__ import annotations

import pytest

from bench.boards.stations import all_stations
from bench.domain.sweep import PrimitiveSweep, SweepRequest
from bench.measure.settings import Settings
from bench.measure.station import OpenStation
from bench.sweep.kept_open import ANEW_AFTER_S, KeptOpen
from bench.sweep.matrix import plan_sweep

PLAN = plan_sweep(
    SweepRequest(
        stations=("virtual-nucleo_f446ze", "virtual-nucleo_l496zg"),
        primitives=(PrimitiveSweep("relu"), PrimitiveSweep("exp")),
        dtypes=("fp32",),
        freq="16MHz",
    ),
    all_stations(None),
)
HERE, THERE = (PLAN.of_station(station.name).images for station in PLAN.stations())


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> list[OpenStation]:
    """Return the stations that are closed, as they are."""
    found: list[OpenStation] = []

    def close(place: OpenStation) -> None:
        found.append(place)

    monkeypatch.setattr(OpenStation, "close", close)
    return found


def test_images_of_one_station_find_it_open_and_it_is_closed_at_the_end(closed: list[OpenStation]) -> None:
    with KeptOpen(Settings()) as kept:
        place = kept.at(HERE[0])
        assert place.station == HERE[0].station
        assert kept.at(HERE[1]) is place
        assert not closed
    assert closed == [place]


def test_another_station_and_one_that_failed_are_opened_anew(closed: list[OpenStation]) -> None:
    with KeptOpen(Settings()) as kept:
        here = kept.at(HERE[0])
        there = kept.at(THERE[0])
        assert there.station == THERE[0].station
        assert closed == [here]
        kept.let_go()
        assert closed == [here, there]
        assert kept.at(THERE[1]) is not there


def test_probes_calibrate_themselves_now_and_then(closed: list[OpenStation]) -> None:
    now_s = [0.0]
    with KeptOpen(Settings(), clock=lambda: now_s[0]) as kept:
        first = kept.at(HERE[0])
        now_s[0] = ANEW_AFTER_S
        assert kept.at(HERE[1]) is first
        now_s[0] += 1
        second = kept.at(HERE[0])
        assert second is not first
        assert closed == [first]
        now_s[0] += ANEW_AFTER_S
        assert kept.at(HERE[0]) is second


def test_what_is_left_of_an_image_is_measured_with_all_of_it() -> None:
    image = plan_sweep(
        SweepRequest(primitives=(PrimitiveSweep("relu"),), dtypes=("fp32",), freq="16MHz,48MHz"), all_stations(None)
    ).images[0]
    assert image.image_clocks == image.clocks
    left = image.only(image.clocks[1:])
    assert left.clocks == image.clocks[1:]
    assert left.image_clocks == left.only(()).image_clocks == image.clocks
