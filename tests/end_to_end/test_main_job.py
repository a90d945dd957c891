"""The main job on a virtual board: one convolution, fourteen clocks, from the template to the look-up table."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from bench.domain.lut import COLUMNS
from tests.end_to_end.conftest import QUICK, Outcome, Workplace

CLOCKS_MHZ = [16, 24, 32, 48, 64, 80, 90, 100, 116, 124, 132, 148, 164, 180]


@pytest.fixture(scope="module")
def done(new_workplace: Callable[[], Workplace]) -> tuple[Workplace, Outcome]:
    """Run the main job once."""
    place = new_workplace()
    outcome = place.bench("run", "--primitive", "conv2d", "--k", "5")
    assert outcome.code == 0, outcome.err
    return place, outcome


@pytest.fixture(scope="module")
def table(done: tuple[Workplace, Outcome]) -> list[dict[str, str]]:
    """Export the look-up table as CSV."""
    place, _ = done
    assert place.bench("export", "lut.csv").code == 0
    with (place.folder / "lut.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_one_row_a_clock_with_the_least_energy_marked(done: tuple[Workplace, Outcome]) -> None:
    _, outcome = done
    rows = [line for line in outcome.out.splitlines() if " MHz " in line and "±" in line]
    assert [float(line.split()[0]) for line in rows] == CLOCKS_MHZ
    assert sum("<- least energy" in line for line in rows) == 1
    assert "14 of 14 points accepted" in outcome.out
    assert "source: virtual" in outcome.out
    assert "Traceback" not in outcome.err


def test_the_table_has_the_contracts_columns_and_says_virtual(table: list[dict[str, str]]) -> None:
    assert tuple(table[0]) == COLUMNS
    assert [float(row["sysclk_hz"]) / 1e6 for row in table] == CLOCKS_MHZ
    assert {row["source"] for row in table} == {"virtual"}
    assert {row["station"] for row in table} == {"virtual-nucleo_f446ze"}


def test_the_rows_are_consistent_with_each_other(table: list[dict[str, str]]) -> None:
    for row in table:
        cycles, latency_s, sysclk_hz = float(row["cycles"]), float(row["latency_s"]), float(row["sysclk_hz"])
        assert latency_s == pytest.approx(cycles / sysclk_hz, rel=0.011)  # HSI may be off by 1 %
        assert float(row["energy_j"]) == pytest.approx(float(row["power_w"]) * latency_s, rel=1e-6)
        assert float(row["power_w"]) == pytest.approx(float(row["vdd_v"]) * float(row["current_a"]), rel=1e-6)
        assert 0 < float(row["energy_u95_j"]) < 0.1 * float(row["energy_j"])
        assert 0 < float(row["idle_current_a"]) < float(row["current_a"]) < 0.05
        assert float(row["sysclk_measured_hz"]) == pytest.approx(sysclk_hz, rel=0.012)
        assert int(row["applications"]) == 28 * 28
        assert float(row["cycles_per_application"]) == pytest.approx(cycles / 784)


def test_one_image_serves_all_clocks_and_wait_states_cost(table: list[dict[str, str]]) -> None:
    assert len({row["firmware_sha256"] for row in table}) == 1
    by_wait_states: dict[int, set[float]] = {}
    for row in table:
        by_wait_states.setdefault(int(row["flash_wait_states"]), set()).add(float(row["cycles"]))
    assert sorted(by_wait_states) == [0, 1, 2, 3, 4, 5]
    assert all(len(cycles) == 1 for cycles in by_wait_states.values())
    ordered = [by_wait_states[wait_states].copy().pop() for wait_states in sorted(by_wait_states)]
    assert ordered == sorted(ordered)
    assert ordered[-1] > ordered[0]


def test_current_rises_with_the_clock(table: list[dict[str, str]]) -> None:
    currents = [float(row["current_a"]) for row in table]
    assert currents == sorted(currents)


def test_raw_values_are_in_the_database(done: tuple[Workplace, Outcome]) -> None:
    place, _ = done
    with sqlite3.connect(place.folder / "measurements.db") as connection:
        tables = {name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")}
        assert {"run", "cycle_run", "energy_run", "current_window", "trace", "result"} <= tables
        (traces,) = connection.execute("select count(*) from trace").fetchone()
        (windows,) = connection.execute("select count(*) from current_window").fetchone()
    assert (traces, windows) == (15, 30)  # the sentinel is measured twice
    check = place.bench("db", "check")
    assert check.code == 0, check.out + check.err


def test_json_and_parquet_hold_the_same_numbers(done: tuple[Workplace, Outcome], table: list[dict[str, str]]) -> None:
    place, _ = done
    assert place.bench("export", "lut.json").code == 0
    assert place.bench("export", "lut.parquet").code == 0
    from_json: list[dict[str, Any]] = json.loads((place.folder / "lut.json").read_text(encoding="utf-8"))
    from_parquet = pd.read_parquet(place.folder / "lut.parquet")
    assert tuple(from_json[0]) == tuple(from_parquet.columns) == COLUMNS
    for name in ("cycles", "latency_s", "energy_j"):
        assert [row[name] for row in from_json] == [float(row[name]) for row in table] == list(from_parquet[name])


def test_a_second_run_counts_the_same_cycles_and_flashes_nothing(
    done: tuple[Workplace, Outcome], table: list[dict[str, str]]
) -> None:
    place, _ = done
    again = place.bench("run", "--primitive", "conv2d", "--k", "5", "--json")
    assert again.code == 0, again.err
    assert [row["cycles"] for row in again.rows()] == [float(row["cycles"]) for row in table]
    assert tuple(again.rows()[0]) == COLUMNS
    assert "image from the cache" in again.err
    assert "already holds this image" in again.err
    assert len(place.bench("export", "--json").rows()) == 14  # the latest run of each point


def test_rendering_is_seeded(workplace: Workplace) -> None:
    first, second = workplace.bench(*QUICK, "--seed", "1"), workplace.bench(*QUICK, "--seed", "2")
    assert first.code == second.code == 0
    with sqlite3.connect(workplace.folder / "measurements.db") as connection:
        digests = [digest for (digest,) in connection.execute("select output_sha256 from cycle_run order by run_id")]
    assert len(set(digests)) == 2


def test_plain_lines_and_no_escape_codes_when_not_on_a_terminal(done: tuple[Workplace, Outcome]) -> None:
    _, outcome = done
    assert "\x1b" not in outcome.out + outcome.err
    assert outcome.err.count("\n[") >= 13


def test_a_postgresql_database_serves_as_well(workplace: Workplace, postgresql_url: str) -> None:
    outcome = workplace.bench(*QUICK, "--freq", "16MHz,180MHz", BENCH_DB=postgresql_url)
    assert outcome.code == 0, outcome.err
    assert workplace.bench("db", "check", "--db", postgresql_url).code == 0
    rows = workplace.bench("export", "--json", "--db", postgresql_url, "--board", "nucleo_f446ze").rows()
    assert [row["sysclk_hz"] for row in rows] == [16e6, 180e6]
    assert not (workplace.folder / "measurements.db").exists()


def test_no_point_was_tried_twice(done: tuple[Workplace, Outcome]) -> None:
    """Nothing of a board at rest is unstable, and no window's end is missed."""
    place, _ = done
    with sqlite3.connect(place.folder / "measurements.db") as database:
        assert database.execute("select action, cause from event").fetchall() == []
        assert database.execute("select distinct attempts from run").fetchall() == [(1,)]


def test_a_window_that_ends_before_its_plan(new_workplace: Callable[[], Workplace]) -> None:
    """Calls in a row take 2 % less than calls alone, with five wait states; the core still sleeps until the probe has finished."""
    place = new_workplace()
    outcome = place.bench("run", "--primitive", "softmax", "--freq", "180MHz")
    assert outcome.code == 0, outcome.err
    assert "attempt" not in outcome.err
    with sqlite3.connect(place.folder / "measurements.db") as database:
        rows = database.execute("select window_cycles / window_s, window_s from energy_run").fetchall()
    assert rows
    for clock_hz, window_s in rows:
        assert clock_hz == pytest.approx(180e6, rel=2e-3)
        assert window_s < 0.0985
