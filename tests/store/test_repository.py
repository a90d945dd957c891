"""Recording and finding runs, on SQLite and on PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from sqlalchemy import create_engine, text

from bench.domain.event import Action, Event
from bench.domain.lut import row
from bench.domain.measurement import Run, Verdict
from bench.domain.station import Source
from bench.errors import DatabaseUnusable, UnknownName
from bench.store import Selection, Store, open_store, reading
from bench.store.engine import parse_url
from tests.store.store_samples import (
    CLOCK,
    ENERGY,
    NOON,
    RESULT,
    SLOW,
    TRACE,
    a_failure,
    a_point,
    a_run,
    for_table,
    runs,
    without_trace,
)

BOARD_B = a_point(station="bench-2", source=Source.HARDWARE, board="nucleo_l496zg")


def test_a_run_comes_back_as_it_was(store: Store) -> None:
    number = store.repository.record(a_run())
    assert store.repository.run(number, trace=True) == a_run()
    assert store.repository.run(number) == without_trace(a_run())
    assert store.repository.trace(number) == TRACE


@settings(
    max_examples=25,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # shrinking so large a value through a database takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(run=runs)
def test_any_run_comes_back_as_it_was(store: Store, run: Run) -> None:
    number = store.repository.record(run)
    assert store.repository.run(number, trace=True) == run


def test_a_rejected_run_keeps_its_cause_and_what_raw_values_there_are(store: Store) -> None:
    saturated = replace(
        a_run(), verdict=Verdict.REJECTED, result=None, failure_class="probe", reason="the probe saturated"
    )
    store.repository.record(saturated)
    store.repository.record(a_failure(minutes=1, detail="erase error\nat 0x0800c000"))
    found = [stored.run for stored in store.repository.runs()]
    assert found == [a_failure(minutes=1, detail="erase error\nat 0x0800c000"), without_trace(saturated)]


def test_text_that_no_database_holds_is_kept_readable(store: Store) -> None:
    number = store.repository.record(a_failure(detail="got \0 and \udcff, \N{GREEK SMALL LETTER MU}A"))
    assert store.repository.run(number).detail == "got \\x00 and \\udcff, \N{GREEK SMALL LETTER MU}A"


def test_runs_come_newest_first_and_filtered(store: Store) -> None:
    record = store.repository.record
    old, new, failed = record(a_run(minutes=1)), record(a_run(minutes=3)), record(a_failure(minutes=2))
    other = record(a_run(BOARD_B, minutes=4))

    def found(*args: object, **kwargs: object) -> list[int]:
        return [stored.id for stored in store.repository.runs(*args, **kwargs)]  # type: ignore[arg-type]

    assert found() == [other, new, failed, old]
    assert found(limit=2) == [other, new]
    assert found(verdict=Verdict.REJECTED) == [failed]
    assert found(since=NOON + timedelta(minutes=2)) == [other, new, failed]
    assert found(Selection(stations=("bench-2",))) == [other]
    assert found(Selection(boards=("nucleo_f446ze",))) == [new, failed, old]
    assert found(Selection(sources=(Source.HARDWARE, Source.VIRTUAL))) == [other, new, failed, old]
    assert found(Selection(primitives=("relu",))) == []
    assert found(Selection(dtypes=("fp32",), sources=(Source.VIRTUAL,)), limit=1) == [new]


def test_a_table_has_the_latest_accepted_run_of_each_point(store: Store) -> None:
    record = store.repository.record
    record(a_run(a_point(clock=CLOCK), minutes=1))
    record(a_run(a_point(clock=SLOW), minutes=7))
    latest = a_run(a_point(clock=CLOCK), minutes=5, result=replace(RESULT, cycles=111.0))
    record(latest)
    record(a_run(a_point(clock=CLOCK), minutes=2))  # recorded later, measured earlier
    record(a_failure(a_point(clock=CLOCK), minutes=9))  # a failure does not hide what was measured
    record(a_failure(a_point(k=7), minutes=9))
    record(a_run(BOARD_B, minutes=0))
    found = list(store.repository.latest_accepted())
    assert found == [
        for_table(a_run(BOARD_B, minutes=0)),
        for_table(a_run(a_point(clock=SLOW), minutes=7)),
        for_table(latest),
    ]
    assert [row(run).cycles for run in found] == [RESULT.cycles, RESULT.cycles, 111.0]
    assert list(store.repository.table()) == list(map(row, found))
    assert len(list(store.repository.latest_accepted(Selection(sources=(Source.VIRTUAL,))))) == 2


def test_of_two_runs_at_the_same_time_the_later_recorded_counts(store: Store) -> None:
    store.repository.record(a_run())
    store.repository.record(a_run(result=replace(RESULT, cycles=7.0)))
    (found,) = store.repository.latest_accepted()
    assert found.result is not None
    assert found.result.cycles == 7.0


def test_streaming_crosses_the_chunks(store: Store) -> None:
    for number in range(7):
        store.repository.record(a_run(minutes=number))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "_CHUNK", 2)
        found = list(store.repository.runs())
    assert [stored.run for stored in found] == [without_trace(a_run(minutes=number)) for number in range(6, -1, -1)]


def test_sources_counts_and_names(store: Store) -> None:
    record = store.repository.record
    assert store.repository.sources() == ()
    record(a_run(minutes=1)), record(a_run(minutes=2)), record(a_failure(minutes=3))
    record(a_failure(BOARD_B))
    assert store.repository.sources() == (Source.VIRTUAL,)  # a failure is no source
    record(a_run(BOARD_B, energy_run=replace(ENERGY, trace=None)))
    assert store.repository.sources() == (Source.HARDWARE, Source.VIRTUAL)
    assert store.repository.sources(Selection(boards=("nucleo_f446ze",))) == (Source.VIRTUAL,)
    counts = store.repository.counts()
    assert (counts.stations, counts.points, counts.images, counts.accepted, counts.rejected, counts.traces) == (
        2,
        2,
        1,
        3,
        2,
        2,
    )
    known = store.repository.known()
    assert known.stations == ("bench-2", "virtual-nucleo_f446ze")
    assert known.boards == ("nucleo_f446ze", "nucleo_l496zg")
    assert (known.primitives, known.dtypes, known.sources) == (
        ("conv2d",),
        ("fp32",),
        (Source.HARDWARE, Source.VIRTUAL),
    )


def test_a_run_that_fails_half_way_leaves_nothing(store: Store) -> None:
    store.repository.record(a_run())
    before = store.repository.counts()
    broken = a_run(a_point(k=9), result=replace(RESULT, energy_j=float("nan")))
    with pytest.raises(ValueError, match=r"Result\.energy_j is nan"):
        store.repository.record(broken)
    too_large = replace(ENERGY, window_cycles=2**70)
    with pytest.raises((DatabaseUnusable, OverflowError)):
        store.repository.record(a_run(a_point(k=9), energy_run=too_large))
    assert store.repository.counts() == before
    assert store.check().problems == ()


def test_what_is_not_there(store: Store) -> None:
    with pytest.raises(UnknownName, match="there is no run 12"):
        store.repository.run(12)
    with pytest.raises(UnknownName, match="there is no run 12"):
        store.repository.trace(12)
    assert list(store.repository.runs()) == []
    assert list(store.repository.latest_accepted()) == []
    assert store.repository.trace(store.repository.record(a_failure())) is None


def test_an_environment_with_a_name_twice_is_refused(store: Store) -> None:
    with pytest.raises(ValueError, match="a name twice"):
        store.repository.record(a_run(environment=(("host", "a"), ("host", "b"))))


def test_a_damaged_trace_is_named(store: Store, url: str) -> None:
    number = store.repository.record(a_run())
    engine = create_engine(parse_url(url))
    with engine.begin() as connection:
        connection.execute(text("UPDATE trace SET samples = 3"))
    with pytest.raises(DatabaseUnusable, match="4 samples instead of 3"):
        store.repository.trace(number)
    with engine.begin() as connection:
        connection.execute(text("UPDATE trace SET data = :data"), {"data": b"rubbish"})
    engine.dispose()
    with pytest.raises(DatabaseUnusable, match=f"the trace of run {number} is damaged"):
        store.repository.run(number, trace=True)


def test_a_reader_does_not_block_the_writer(store: Store) -> None:
    for minutes in range(3):
        store.repository.record(a_run(minutes=minutes))
    reading = store.repository.runs()
    first = next(reading)
    store.repository.record(a_run(minutes=10))
    assert [first.run.measured_at, *(stored.run.measured_at for stored in reading)] == [
        NOON + timedelta(minutes=minutes) for minutes in (2, 1, 0)
    ]


def test_two_stores_write_to_one_database(store: Store, url: str) -> None:
    with open_store(url) as second:
        numbers = [
            opened.repository.record(a_run(minutes=i)) for i, opened in enumerate([store, second, store, second])
        ]
    assert len(set(numbers)) == 4
    assert store.repository.counts().points == 1


def test_events_come_back_as_they_were_and_in_their_order(store: Store) -> None:
    later = Event(NOON + timedelta(minutes=1), a_point(), "run", Action.RECOVERED, 2, "it was\0this", "more")
    first = Event(NOON, BOARD_B, "probe", Action.POWER_CYCLE, 1, "samples lost")
    for event in (later, first):
        store.repository.record_event(event)
    assert list(store.repository.events()) == [first, replace(later, cause="it was\\x00this")]
    assert list(store.repository.events(Selection(stations=("bench-2",)))) == [first]
    assert list(store.repository.events(since=later.at)) == [replace(later, cause="it was\\x00this")]


def test_a_withdrawn_run_keeps_its_raw_values_and_loses_its_result(store: Store) -> None:
    number = store.repository.record(a_run())
    late = replace(a_run(), verdict=Verdict.REJECTED, result=None, failure_class="drift", reason="it drifted")
    store.repository.withdraw(number, late)
    assert store.repository.run(number, trace=True) == late
    assert list(store.repository.latest_accepted()) == []
    assert store.check().problems == ()
    with pytest.raises(UnknownName):
        store.repository.withdraw(number + 1, late)
