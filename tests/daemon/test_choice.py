"""Which unit a station does next."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from bench.daemon.choice import Fleet, choose, equal, hopeless, may_take
from bench.domain.job import Lane, StationStatus
from bench.domain.station import CurrentProbeConfig, Source, Station

NOW = datetime(2026, 3, 1, 3, tzinfo=UTC)
LONG_AGO = NOW - timedelta(hours=1)
NAMES = ("a", "b", "c")


def station(name: str = "a") -> Station:
    return Station(name, "nucleo_f446ze", Source.HARDWARE, f"probe-{name}", CurrentProbeConfig("ppk2", f"/dev/{name}"))


def status(name: str) -> StationStatus:
    """A station that works."""
    return StationStatus(station(name), ("host:1",), NOW, False, None, "", 0, None, "", None)


GOOD = status("a")
STATES = {
    "good": GOOD,
    "paused": replace(GOOD, paused=True),
    "quarantined": replace(GOOD, quarantined_at=NOW, cause="no probe"),
    "away": replace(GOOD, served_by=(), last_seen_at=NOW - timedelta(seconds=60)),
    "gone": replace(GOOD, served_by=(), last_seen_at=LONG_AGO),
}


def fleet(**states: str) -> Fleet:
    stations = {name: replace(STATES[state], station=station(name)) for name, state in states.items()}
    return Fleet(stations, NOW, timedelta(seconds=120))


def lane(*stations: str, number: int = 1, job: int = 1, priority: int = 0, peers: int = 1) -> Lane:
    return Lane(number, job, priority, stations, peers, LONG_AGO)


def test_priority_goes_before_age_and_age_before_standing_in() -> None:
    all_good = fleet(a="good", b="good")
    old, new, urgent = lane("a", number=1, job=1), lane("a", number=2, job=2), lane("a", number=3, job=3, priority=5)
    assert choose("a", [new, old, urgent], all_good) == urgent
    assert choose("a", [new, old], all_good) == old
    own, other = lane("a", number=4, job=4), lane("b", "a", number=3, job=4)
    assert choose("a", [other, own], fleet(a="good", b="quarantined")) == own


def test_a_station_out_of_service_gets_nothing() -> None:
    for state in ("paused", "quarantined", "away", "gone"):
        assert choose("a", [lane("a")], fleet(a=state)) is None
    assert choose("a", [lane("a")], fleet(b="good")) is None
    assert choose("a", [lane("b")], fleet(a="good", b="gone")) is None


def test_a_spare_steps_in_only_for_what_is_lost() -> None:
    for state, steps_in in {"good": False, "paused": False, "away": False, "quarantined": True, "gone": True}.items():
        chosen = choose("b", [lane("a", "b")], fleet(a=state, b="good"))
        assert (chosen is not None) == steps_in, state
    assert (
        choose("b", [lane("a", "b")], fleet(b="good")) is not None
    )  # nobody ever served a, and the job is an hour old
    assert choose("c", [lane("a", "b", "c")], fleet(a="gone", b="good", c="good")) is None
    assert choose("c", [lane("a", "b", "c")], fleet(a="gone", b="quarantined", c="good")) is not None


def test_peers_share_and_spares_wait_for_all_of_them() -> None:
    shared = lane("a", "b", "c", peers=2)
    assert choose("b", [shared], fleet(a="good", b="good", c="good")) == shared
    assert choose("c", [shared], fleet(a="gone", b="good", c="good")) is None
    assert choose("c", [shared], fleet(a="gone", b="gone", c="good")) == shared


def test_a_lane_is_hopeless_when_all_its_stations_are_quarantined() -> None:
    assert hopeless(lane("a"), fleet(a="quarantined")) == "station a is quarantined: no probe"
    assert hopeless(lane("a", "b"), fleet(a="quarantined", b="gone")) == ""
    assert hopeless(lane("a", "b"), fleet(a="quarantined")) == ""
    assert "station b" in hopeless(lane("a", "b"), fleet(a="quarantined", b="quarantined"))


@given(
    states=st.fixed_dictionaries(dict.fromkeys(NAMES, st.sampled_from(sorted(STATES)))),
    order=st.permutations(NAMES),
    peers=st.integers(1, 3),
)
def test_whoever_may_take_is_in_the_lane_and_somebody_good_always_may(
    states: dict[str, str], order: list[str], peers: int
) -> None:
    there, one = fleet(**states), lane(*order, peers=peers)
    takers = [name for name in NAMES if choose(name, [one], there) is not None]
    assert all(there.usable(name) for name in takers)
    if states[order[0]] == "good":
        assert order[0] in takers
    if all(states[name] in ("quarantined", "gone", "good") for name in order):  # no one to wait for
        assert bool(takers) == ("good" in states.values())
    assert not may_take("elsewhere", one, there)


def test_equal_stations() -> None:
    one = station("a")
    assert equal(one, station("b"))
    assert not equal(one, replace(one, board="nucleo_l496zg"))
    assert not equal(one, replace(one, source=Source.VIRTUAL))
    assert not equal(one, replace(one, vdd_v=1.8))
    assert not equal(one, replace(one, current_probe=None))
    assert not equal(one, replace(one, current_probe=CurrentProbeConfig("lpm01a", "/dev/a")))
