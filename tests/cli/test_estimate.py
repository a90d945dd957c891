"""``bench estimate`` and ``bench explore`` as people and programs use them."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bench.cli.main import app
from bench.domain.workload import DType
from bench.errors import BenchError
from bench.lut import write
from tests.estimate.laws import CLOCKS, table_rows
from tests.estimate.models import small_onnx, small_tflite

KEYS = [
    "network",
    "board",
    "source",
    "dtype",
    "reduce",
    "clock_id",
    "sysclk_hz",
    "latency_s_estimated",
    "energy_j_estimated",
    "current_a_estimated",
    "flash_bytes_estimated",
    "ram_bytes_estimated",
]
BOARDS = ("nucleo_f446ze", "nucleo_l496zg")


@pytest.fixture(scope="module")
def lut(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a look-up table that follows the law, of two boards and both data types."""
    path = tmp_path_factory.mktemp("lut") / "lut.csv"
    write(path, table_rows(boards=BOARDS, dtypes=tuple(DType), clocks=CLOCKS[::3]))
    return path


@pytest.fixture(autouse=True)
def _own_cache(lut: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(lut.parent / "cache"))


def bench(*arguments: object) -> Any:
    """Return the result of a command."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments], standalone_mode=False)


def objects(*arguments: object) -> list[dict[str, Any]]:
    """Return the JSON that a command prints."""
    result = bench(*arguments, "--json")
    assert result.exception is None, result.exception
    found: list[dict[str, Any]] = json.loads(result.stdout)
    return found


def test_json_keeps_the_contract(lut: Path) -> None:
    """One object for each board, reduction and clock; keys in order; the same from the cache."""
    asked = ("estimate", "lenet5", "--lut", lut, "--reduce", "none", "--reduce", "int8,prune=70")
    found = objects(*asked)
    assert len(found) == 2 * 2 * 2
    assert all(list(entry)[: len(KEYS)] == KEYS for entry in found)
    assert {(entry["board"], entry["dtype"], entry["reduce"]) for entry in found} == {
        (board, dtype, reduce) for board in BOARDS for dtype, reduce in (("fp32", ""), ("int8", "int8,prune=70"))
    }
    assert {entry["source"] for entry in found} == {"virtual"}
    assert all(entry["latency_s_estimated"] > 0 and entry["energy_j_estimated"] > 0 for entry in found)
    assert objects(*asked) == found


def test_a_damaged_cache_is_rebuilt(lut: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what cannot be read as one is no cache."""
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    asked = ("estimate", "lenet5", "--lut", lut, "--board", BOARDS[0])
    found = objects(*asked)
    (cached,) = (tmp_path / "cache" / "tables").iterdir()
    for content in ("[]", cached.read_text()[:-40]):
        cached.write_text(content)
        assert objects(*asked) == found


def test_tables_for_people(lut: Path) -> None:
    """80 columns for a board, layers on demand, a clock between two measured ones says so."""
    result = bench("estimate", "lenet5", "--lut", lut, "--board", BOARDS[0], "--freq", "16MHz,100MHz", "--layers")
    assert result.exit_code == 0
    assert "interpolated between hsi16" in result.stdout
    assert "conv1" in result.stdout
    assert "<- least energy" in result.stdout


@pytest.mark.parametrize("model", ["fitted", "published"])
def test_model_files(lut: Path, tmp_path: Path, model: str) -> None:
    """An ONNX model in both types, a quantised one in its own only."""
    onnx, tflite = tmp_path / "a.onnx", tmp_path / "b.tflite"
    onnx.write_bytes(small_onnx())
    tflite.write_bytes(small_tflite())
    extra = ("--lut", lut, "--model", model, "--extrapolate", "--board", BOARDS[0])
    if model == "published":
        result = bench("estimate", onnx, *extra)
        assert "relu6" in str(result.exception)
        return
    with_relu6 = lut.parent / "relu6.csv"
    rows = table_rows(dtypes=tuple(DType), clocks=CLOCKS[::3])
    write(with_relu6, [*rows, *(_relu6(row) for row in rows if row.primitive == "relu")])
    extra = ("--lut", with_relu6, *extra[2:])
    assert {entry["dtype"] for entry in objects("estimate", onnx, *extra, "--reduce", "none", "--reduce", "int8")} == {
        "fp32",
        "int8",
    }
    assert {entry["dtype"] for entry in objects("estimate", tflite, *extra)} == {"int8"}
    assert "is quantised" in str(bench("estimate", tflite, *extra, "--dtype", "fp32").exception)


def _relu6(row: Any) -> Any:
    return replace(row, primitive="relu6")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("estimate", "lenet6"), 2, "unknown network 'lenet6'"),
        (("estimate", "none.onnx"), 2, "not there"),
        (("estimate", "lenet5", "--board", "nucleo_x"), 2, "no points of board 'nucleo_x'"),
        (("estimate", "lenet5", "--reduce", "int4"), 2, "'int4' is no reduction"),
        (("estimate", "lenet5", "--model", "magic"), 2, "unknown model"),
        (("estimate", "lenet5", "--dtype", "int8", "--reduce", "fp32"), 2, "contradicts"),
        (("estimate", "lenet5", "--dtype", "int4"), 2, "unknown data type"),
        (("estimate", "lenet5", "--freq", "300MHz", "--board", BOARDS[0]), 2, "300 MHz"),
        (("estimate", "lenet5", "--flavor", "dsp", "--dtype", "int8"), 1, "no or too few points"),
        (("estimate", "lenet5", "--source", "hardware"), 1, "no rows of source hardware"),
        (("explore", "lenet5", "--board", BOARDS[0], "--battery", "220mAh@3V"), 2, "belong together"),
        (("explore", "lenet5", "--board", BOARDS[0], "--battery", "big", "--period", "1s"), 2, "not a battery"),
        (("explore", "lenet5", "--board", BOARDS[0], "--max-latency", "-1s"), 2, "positive"),
        (("explore", "lenet5", "--board", "nucleo_x"), 2, "nucleo_x"),
    ],
)
def test_bad_requests(lut: Path, arguments: tuple[str, ...], code: int, message: str) -> None:
    """Say what is wrong, with the exit code of its kind."""
    error = bench(*arguments, "--lut", lut).exception
    assert isinstance(error, BenchError), error
    assert error.exit_code == code
    assert message in str(error)
    assert error.hint


def test_missing_tables(tmp_path: Path) -> None:
    """No file, no database."""
    assert "cannot read" in str(bench("estimate", "lenet5", "--lut", tmp_path / "no.csv").exception)
    assert "there is no database" in str(bench("estimate", "lenet5", "--db", tmp_path / "no.db").exception)


def test_explore_judges_by_the_limits(lut: Path) -> None:
    """ResNet26 is too large for the F446's flash, ResNet8 for its RAM; int8 and pruning by 60 % and more fit."""
    found = objects("explore", "resnet26", "--lut", lut, "--board", "nucleo_f446ze", "--reduce", "none")
    assert not any(entry["feasible"] for entry in found)
    assert all(any(text.startswith("flash 1.4") for text in entry["failures"]) for entry in found)
    found = objects("explore", "resnet8", "--lut", lut, "--board", "nucleo_f446ze", "--board", "nucleo_l496zg")
    fits = {(entry["board"], entry["reduce"]): entry["feasible"] for entry in found}
    assert not fits["nucleo_f446ze", ""]
    assert fits["nucleo_l496zg", ""]
    assert all(fits["nucleo_f446ze", text] for text in ("int8", "prune=60", "prune=70", "prune=80", "prune=90"))
    assert {text.split()[0] for entry in found for text in entry["failures"]} == {"RAM"}
    front = [entry for entry in found if entry["pareto"]]
    assert front
    assert all(entry["feasible"] for entry in front)
    assert all(entry["reduce"] in ("prune=90", "int8,prune=70") for entry in front)
    assert sum(entry["least_energy_clock"] for entry in found) == len({key for key, good in fits.items() if good})


def test_explore_prints_why(lut: Path) -> None:
    """Limit and number; the battery's life by charge."""
    limits = ("--max-latency", "200ms", "--max-energy", "20mJ", "--max-flash", "100kB", "--max-ram", "60kB")
    battery = ("--battery", "220mAh@3V", "--period", "10s", "--sleep-current", "2uA")
    result = bench("explore", "lenet5", "--lut", lut, "--board", BOARDS[0], *limits, *battery)
    assert result.exit_code == 0
    assert re.search(r"flash 249\.[0-9] kB > 100 kB", result.stdout), result.stdout
    assert "latency" in result.stdout
    entry = next(each for each in objects("explore", "lenet5", "--lut", lut, "--board", BOARDS[0], *battery))
    busy = entry["latency_s_estimated"] / 10
    mean_a = entry["current_a_estimated"] * busy + 2e-6 * (1 - busy)
    assert entry["battery_life_s"] == pytest.approx(0.220 * 3600 / mean_a)


def test_sources_must_be_chosen(tmp_path: Path) -> None:
    """A table of two sources is refused until one is named."""
    path = tmp_path / "mixed.csv"
    rows = table_rows(clocks=CLOCKS[:1])
    write(path, [*rows, *(replace(row, source="hardware") for row in rows)])
    assert "several sources" in str(bench("estimate", "lenet5", "--lut", path).exception)
    assert {entry["source"] for entry in objects("estimate", "lenet5", "--lut", path, "--source", "hardware")} == {
        "hardware"
    }
