"""From the database to a table."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bench.domain.lut import row
from bench.domain.station import Source
from bench.errors import UnknownName, UsageError
from bench.lut import provenance_path, read, rows, write, write_provenance
from bench.store import Selection, Store, open_store
from tests.store.store_samples import CLOCK, NOON, RESULT, SLOW, a_failure, a_point, a_run

HARDWARE = a_point(station="bench-2", source=Source.HARDWARE)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(str(tmp_path / "measurements.db")) as opened:
        yield opened


def test_a_row_per_point_by_clock(store: Store) -> None:
    for clock in (CLOCK, SLOW):
        store.repository.record(a_run(a_point(clock=clock), result=replace(RESULT, cycles=1.0)))
        store.repository.record(a_run(a_point(clock=clock), minutes=1))
        store.repository.record(a_failure(a_point(clock=clock), minutes=2))
    table = list(rows(store, Selection()))
    assert table == [row(a_run(a_point(clock=clock), minutes=1)) for clock in (SLOW, CLOCK)]


def test_sources_are_not_mixed_unasked(store: Store) -> None:
    store.repository.record(a_run())
    store.repository.record(a_run(HARDWARE))
    with pytest.raises(UsageError, match="several sources for this selection: hardware and virtual") as caught:
        rows(store, Selection())
    assert "--source hardware --source virtual" in caught.value.hint
    assert [r.source for r in rows(store, Selection(stations=("bench-2",)))] == ["hardware"]
    assert [r.source for r in rows(store, Selection(sources=(Source.VIRTUAL,)))] == ["virtual"]
    assert [r.source for r in rows(store, Selection(sources=tuple(Source)))] == ["hardware", "virtual"]


def test_the_side_car_says_whose_currents_were_not_measured(store: Store, tmp_path: Path) -> None:
    run = a_run(HARDWARE)
    assert run.energy_run is not None
    stated = replace(run, energy_run=replace(run.energy_run, probe="constant"))
    store.repository.record(run)  # an earlier one, measured: not in the table
    store.repository.record(replace(stated, measured_at=run.measured_at.replace(year=2031)))
    store.repository.record(a_run(a_point(clock=SLOW, station="bench-3", source=Source.HARDWARE)))
    path, selection = tmp_path / "lut.csv", Selection()
    count = write(path, rows(store, selection))
    content = json.loads(
        write_provenance(path, store, selection, rows=count, created_at=NOON, bench_version="0").read_text()
    )
    assert content["current_from"] == [
        {"source": "hardware", "station": "bench-2", "probe": "constant", "points": 1, "measured": False},
        {
            "source": "hardware",
            "station": "bench-3",
            "probe": run.energy_run.probe,
            "points": 1,
            "measured": True,
        },
    ]


def test_names_that_the_database_does_not_hold(store: Store) -> None:
    store.repository.record(a_run())
    for selection in (
        Selection(boards=("nucleo_f446zee",)),
        Selection(stations=("virtual-nucleo_f446zee",)),
        Selection(primitives=("conv3d",)),
        Selection(dtypes=("fp16",)),
    ):
        with pytest.raises(UnknownName, match=r"unknown (board|station|primitive|data type) in .*measurements.db"):
            rows(store, selection)
    assert list(rows(store, Selection(sources=(Source.PUBLISHED,)))) == []


def test_the_side_car_says_where_the_table_comes_from(store: Store, tmp_path: Path) -> None:
    store.repository.record(a_run())
    path, selection = tmp_path / "lut.csv", Selection(boards=("nucleo_f446ze",))
    count = write(path, rows(store, selection))
    written = write_provenance(path, store, selection, rows=count, created_at=NOON, bench_version="0.1.0")
    assert written == provenance_path(path) == tmp_path / "lut.csv.provenance.json"
    content = json.loads(written.read_text())
    assert content["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (content["rows"], content["sources"], content["selection"]["boards"]) == (1, ["virtual"], ["nucleo_f446ze"])
    assert (content["created_at"], content["schema_version"]) == ("2025-03-01T12:00:00.123456Z", 1)
    assert read(path) == [row(a_run())]
