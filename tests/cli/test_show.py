"""``bench show``: what it tells of a point, what it writes, and what it refuses."""

from __future__ import annotations

import csv
import json
import sys
from array import array
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from bench.cli.main import main
from bench.domain.measurement import Run, Trace, UncertaintyTerm
from bench.store import open_store
from tests.store.store_samples import ENERGY, RESULT, SLOW, a_failure, a_point, a_run

SAMPLES = array("f", [0.031] * 1000 + [0.004] * 620)
TRACED = replace(ENERGY, trace=Trace(10_000.0, SAMPLES))
BUDGET = (
    UncertaintyTerm("latency_s", "clock: hse tolerance", 3e-5, True, "board description"),
    UncertaintyTerm("energy_j", "current: probe gain, range to 50 mA", 0.0115, True, "data sheet of lpm01a"),
    UncertaintyTerm("energy_j", "current: repeatability", 0.002, False, "means of 20 blocks", 19.0),
)

Bench = Callable[..., tuple[int, str, str]]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Bench:
    """Return the command line, run in this process: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENCH_DB", f"sqlite:///{tmp_path}/m.db")

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["bench", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        seen = capsys.readouterr()
        return int(left.value.code or 0), seen.out, seen.err

    return call


def recorded(folder: Path, *runs: Run) -> list[int]:
    with open_store(f"sqlite:///{folder}/m.db") as store:
        return [store.repository.record(run) for run in runs]


def measured(point: Any = None, minutes: float = 0.0, energy_j: float = 1.279e-4) -> Run:
    result = replace(RESULT, budget=BUDGET, energy_j=energy_j)
    return a_run(point, minutes, energy_run=TRACED, result=result)


def test_an_accepted_run_is_told_in_full(tmp_path: Path, bench: Bench) -> None:
    (number,) = recorded(tmp_path, measured())
    code, out, _ = bench("show", str(number))
    assert code == 0
    for text in (
        "conv2d(k=5",
        "180 MHz, 5 wait states",
        "virtual-nucleo_f446ze (virtual)",
        "accepted",
        "3 of median 225,100 cycles, 225,100 to 225,101",
        "127.9 uJ ±2.3 %",
        "current: probe gain, range to 50 mA",
        "cancels",
        "t, 19 dof",
        "97.1 %",
        "current [mA] over time [ms]",
        "arm-none-eabi-gcc 12.2.1",
        "lab-3",
    ):
        assert text in out, text


def test_it_is_readable_at_80_columns(tmp_path: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    (number,) = recorded(tmp_path, measured())
    monkeypatch.setattr("bench.cli.console.PLAIN_WIDTH", 80)
    _, out, _ = bench("show", str(number))
    assert max(map(len, out.splitlines())) <= 80
    assert "…" not in out


def test_a_rejected_run_says_why(tmp_path: Path, bench: Bench) -> None:
    (number,) = recorded(tmp_path, a_failure(detail="try again\nthen replace the board"))
    code, out, _ = bench("show", str(number))
    assert code == 0
    assert "rejected" in out
    assert "flash: sector 3 does not erase" in out
    assert "then replace the board" in out
    code, _, err = bench("show", str(number), "--trace", "t.csv")
    assert code == 1
    assert "has no current trace" in err


def test_selectors_find_the_latest(tmp_path: Path, bench: Bench) -> None:
    recorded(tmp_path, measured(a_point(k=3)), measured(a_point(k=5)), measured(a_point(k=5, clock=SLOW), minutes=9))

    def shown(*options: str) -> tuple[int, float]:
        code, out, _ = bench("show", *options, "--json")
        assert code == 0
        (found,) = json.loads(out)
        return found["params"]["k"], found["sysclk_hz"]

    assert shown() == (5, 16e6)
    assert shown("--k", "3") == (3, 180e6)
    assert shown("--freq", "180MHz", "--k", "5", "--primitive", "conv2d", "--dtype", "fp32") == (5, 180e6)
    assert shown("--freq", a_point().clock.id, "--board", "nucleo_f446ze") == (5, 180e6)
    code, _, err = bench("show", "--freq", "42MHz", "--station", "virtual-nucleo_f446ze")
    assert code == 1
    assert "no run of --freq 42MHz --station virtual-nucleo_f446ze" in err


def test_json_holds_the_budget(tmp_path: Path, bench: Bench) -> None:
    (number,) = recorded(tmp_path, measured())
    code, out, _ = bench("show", str(number), "--json")
    assert code == 0
    (found,) = json.loads(out)
    gain = next(term for term in found["budget"] if "gain" in term["name"])
    assert gain["distribution"] == "rectangular"
    assert gain["share_of_variance"] == pytest.approx(0.0115**2 / (0.0115**2 + 0.002**2))
    assert sum(
        term["share_of_variance"] for term in found["budget"] if term["quantity"] == "energy_j"
    ) == pytest.approx(1)
    assert found["cycle_run"]["kernel_cycles"] == [225_100, 225_101, 225_100]
    assert found["energy_run"]["active"]["mean_a"] == 0.031
    assert found["run"] == number


def test_two_runs_are_compared_without_what_they_share(tmp_path: Path, bench: Bench) -> None:
    one, two = recorded(tmp_path, measured(), measured(a_point(k=3), 1, energy_j=1.3e-4))
    code, out, _ = bench("show", str(one), str(two), "--json")
    assert code == 0
    energy = next(found for found in json.loads(out) if found["quantity"] == "energy_j")
    assert energy["ratio"] == pytest.approx(1.279 / 1.3)
    # 0.2 % each, Student with 38 degrees of freedom together; the gain's 2 % is gone.
    assert energy["ratio_u95"] / energy["ratio"] == pytest.approx(0.002 * 2**0.5 * 2.024, rel=0.01)
    assert energy["differs"]
    code, out, _ = bench("show", str(one), str(two))
    assert "energy A / B = 0.98385 ±0.57 % (95 %): differs from 1" in out


def test_the_trace_as_a_table(tmp_path: Path, bench: Bench) -> None:
    (number,) = recorded(tmp_path, measured())
    code, _, err = bench("show", str(number), "--trace", "t.csv")
    assert code == 0
    assert "1,620 samples at 10 kHz written to t.csv" in err
    with (tmp_path / "t.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert array("f", [float(row["current_a"]) for row in rows]) == SAMPLES
    assert [rows[at]["window"] for at in (0, 999, 1000, 1100, 1599, 1600)] == ["active"] * 2 + ["", "idle", "idle", ""]
    assert float(rows[1]["time_s"]) == 1e-4
    code, _, _ = bench("show", str(number), "--trace", "t.parquet")
    assert code == 0
    table = pq.read_table(tmp_path / "t.parquet")
    assert table.column_names == ["time_s", "current_a", "window"]
    assert array("f", table["current_a"].to_pylist()) == SAMPLES
    assert table["window"].to_pylist() == [row["window"] for row in rows]
    assert table.schema.metadata[b"sample_rate_hz"] == b"10000.0"


def test_the_trace_for_the_joulescope_ui(tmp_path: Path, bench: Bench) -> None:
    pyjls = pytest.importorskip("pyjls")
    (number,) = recorded(tmp_path, measured())
    code, _, _ = bench("show", str(number), "--trace", "t.jls")
    assert code == 0
    with pyjls.Reader(str(tmp_path / "t.jls")) as reader:
        (signal,) = (each for each in reader.signals.values() if each.name == "current")
        assert (signal.units, signal.sample_rate, signal.length) == ("A", 10_000, len(SAMPLES))
        assert np.array_equal(reader.fsr(signal.signal_id, 0, signal.length), np.asarray(SAMPLES))
    assert [path.name for path in tmp_path.iterdir() if "part" in path.name] == []


def test_jls_without_its_package(tmp_path: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    (number,) = recorded(tmp_path, measured())
    monkeypatch.setitem(sys.modules, "pyjls", None)
    code, _, err = bench("show", str(number), "--trace", "t.jls")
    assert code == 2
    assert "pip install pyjls" in err
    assert not (tmp_path / "t.jls").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("9",), "no run 9"),
        (("1", "--k", "3"), "exclude each other"),
        (("1", "2", "3"), "one run, or two"),
        (("1", "1", "--trace", "t.csv"), "without --trace"),
        (("one",), "valid integer"),
        (("1", "--trace", "t.xlsx"), ".csv, .parquet, .jls"),
        (("1", "--trace", "nowhere/t.csv"), "cannot write nowhere/t.csv"),
        (("--freq", "fast"), "not a quantity"),
        (("1", "2"), "run 2 was rejected"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, bench: Bench, arguments: tuple[str, ...], words: str) -> None:
    recorded(tmp_path, measured(), a_failure())
    code, out, err = bench("show", *arguments)
    assert code == 2
    assert words in err.replace("\n", " ")
    assert not out


def test_an_empty_or_missing_database(tmp_path: Path, bench: Bench) -> None:
    code, _, err = bench("show")
    assert code == 1
    assert "hint" in err
    recorded(tmp_path)
    code, _, err = bench("show")
    assert code == 1
    assert "bench run" in err
