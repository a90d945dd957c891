"""``bench sweep`` as a user runs it: planned, measured, continued, interrupted."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess

import pytest

from bench.boards.stations import all_stations
from bench.domain.lut import COLUMNS
from bench.sweep.station_lock import LOCKS_VARIABLE, station_lock
from tests.end_to_end.conftest import TIMEOUT_S, Workplace

PLAN = """
stations: [virtual-nucleo_f446ze, virtual-nucleo_l496zg]
primitives:
  - {name: relu, grid: {n: [16, 32]}}
dtypes: int8
freq: [16 MHz, 48 MHz]
repeats: 2
window: 2 ms
"""
ONE = ("--station", "virtual-nucleo_f446ze")


@pytest.fixture
def planned(workplace: Workplace) -> Workplace:
    """Return a workplace with a plan in it."""
    (workplace.folder / "plan.yaml").write_text(PLAN)
    return workplace


def runs(place: Workplace) -> list[tuple[str, str, str, str, int]]:
    """Return station, parameters, clock and verdict of all runs, and how often they are there."""
    with sqlite3.connect(place.folder / "measurements.db") as connection:
        return connection.execute(
            "select station.name, params, clock.clock_id, verdict, count(*) from run join point on point.id = point_id join station on "
            "station.id = station_id join workload on workload.id = workload_id join clock on clock.id = point.clock_id where not sentinel group by 1, 2, 3, 4"
        ).fetchall()


def test_a_dry_run_tells_what_then_happens_on_two_stations_at_once(planned: Workplace) -> None:
    dry = planned.bench("sweep", "plan.yaml", "--dry-run")
    assert dry.code == 0, dry.err
    assert "0 of 8 points are there, 8 to measure" in dry.out
    assert "first sector erased 2 times by this, 0 times before" in dry.out
    assert not (planned.folder / "measurements.db").exists()
    future = planned.bench("sweep", "plan.yaml", "--dry-run", "--json").rows()

    done = planned.bench("sweep", "plan.yaml", "--json")
    assert done.code == 0, done.err
    assert "8 points to measure, 4 images, 2 stations" in done.err
    rows = done.rows()
    assert tuple(rows[0]) == tuple(future[0]) == COLUMNS

    def known(row: dict[str, object]) -> dict[str, object]:
        return {name: value for name, value in row.items() if future[0][name] is not None}

    key = ("station", "params", "clock_id")
    assert sorted(map(known, rows), key=lambda row: [row[name] for name in key]) == sorted(
        map(known, future), key=lambda row: [row[name] for name in key]
    )
    assert [entry[3:] for entry in runs(planned)] == [("accepted", 1)] * 8

    nothing = planned.bench("sweep", "plan.yaml")
    assert nothing.code == 0
    assert "8 of 8 points are in measurements.db: 0 measured, 8 were there" in nothing.out
    assert [entry[3:] for entry in runs(planned)] == [("accepted", 1)] * 8


def test_a_station_that_does_not_answer_is_left_out_and_nothing_is_lost(planned: Workplace) -> None:
    (planned.folder / "stations.yaml").write_text(
        "stations:\n  - name: desk\n    board: nucleo_f446ze\n    debug_probe: 0123ABCD\n"
    )
    what = ("--primitive", "relu", "--param", "n=16,32,64,128", "--freq", "16MHz,48MHz")
    done = planned.bench("sweep", "plan.yaml", *what, "--station", "desk")
    assert done.code == 1
    assert "station desk was left out, 6 points not measured" in done.out
    assert "2 rejected (connect): " in done.out
    assert "0 of 8 points are in measurements.db" in done.out
    assert "Traceback" not in done.err


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_says_what_is_done_and_goes_on_where_it_was(planned: Workplace, sent: signal.Signals) -> None:
    arguments = ("sweep", "plan.yaml", *(ONE if sent == signal.SIGTERM else ()))
    with subprocess.Popen(
        planned.command(arguments), cwd=planned.folder, env=planned.environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        assert any(" cycles" in line for line in process.stderr)  # the first point is recorded
        process.send_signal(sent)
        out, err = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 130, err
    assert "interrupted; what was measured until now is in the database" in err
    assert "start the sweep again" in out
    assert "Traceback" not in err
    done = sum(entry[4] for entry in runs(planned))
    assert 1 <= done < (4 if sent == signal.SIGTERM else 8)
    if sent == signal.SIGTERM:
        return
    rest = planned.bench("sweep", "plan.yaml")
    assert rest.code == 0, rest.err
    assert f"{8 - done} measured, {done} were there" in rest.out
    assert [entry[3:] for entry in runs(planned)] == [("accepted", 1)] * 8


def test_a_station_where_somebody_measures_is_refused(planned: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_VIRTUAL_STATE", planned.environment["BENCH_VIRTUAL_STATE"])
    monkeypatch.delenv(LOCKS_VARIABLE, raising=False)
    with station_lock(all_stations(None)[ONE[1]]):
        outcome = planned.bench("sweep", "plan.yaml")
    assert outcome.code == 1
    assert f"station {ONE[1]} is in use by process {os.getpid()}" in outcome.err
    assert not (planned.folder / "measurements.db").exists()
