"""``bench sweep``: mistakes are told before anything is made, and numbers are shown as people read them."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.cli.main import app
from bench.cli.sweep_progress import Pace, duration
from bench.errors import UsageError


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nowhere.yaml",), ("nowhere.yaml", "cannot be read")),
        (("--k", "3"), ("--primitive",)),
        (("--primitive", "relu", "--k", "3"), ("unknown parameter of relu 'k'",)),
        (("--primitive", "conv2d", "--k", "3,4"), ("k = 4 is not allowed",)),
        (("--primitive", "conv2d", "--k", "3", "--param", "k=5"), ("twice",)),
        (("--primitive", "conv2d", "--param", "k"), ("NAME=VALUE",)),
        (("--primitive", "conv9d"), ("unknown primitive", "conv2d")),
        (("--dtype", "fp64"), ("unknown data type",)),
        (("--flavor", "fast"), ("unknown flavor",)),
        (("--opt", "O9"), ("unknown optimisation level",)),
        (("--station", "desk"), ("unknown station",)),
        (("--freq", "181MHz"), ("181",)),
        (("--window", "1h"), ("expected s",)),
        (("--repeats", "0"), ("repeats 0 is out of range",)),
        (("--primitive", "conv2d", "--param", "in_h=400", "--param", "in_w=400"), ("bytes of RAM",)),
    ],
    ids=[f"mistake {n}" for n in range(15)],
)
@pytest.mark.parametrize("dry", [(), ("--dry-run",)], ids=["for real", "dry"])
def test_bad_usage_makes_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    words: tuple[str, ...],
    dry: tuple[str, ...],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENCH_DB", "measurements.db")
    monkeypatch.delenv("BENCH_STATIONS", raising=False)
    with pytest.raises(UsageError) as raised:
        app(["sweep", *arguments, *dry], standalone_mode=False)
    assert raised.value.exit_code == 2
    for word in words:
        assert word in f"{raised.value} {raised.value.hint}"
    assert list(tmp_path.iterdir()) == []


def test_parameters_go_to_the_primitives_that_have_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    app(
        [
            "sweep",
            "--primitive",
            "conv2d",
            "--primitive",
            "relu",
            "--k",
            "3,5",
            "--freq",
            "16MHz",
            "--dry-run",
            "--db",
            "none.db",
        ],
        standalone_mode=False,
    )
    assert "0 of 6 points are there, 6 to measure" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_options_take_the_place_of_what_the_plan_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    plan = tmp_path / "plan.yaml"
    plan.write_text("primitives: [relu, exp]\ndtypes: int8\nfreq: 16 MHz\n")
    for options, points in (
        ((), 2),
        (("--primitive", "exp"), 1),
        (("--dtype", "int8", "--dtype", "fp32"), 4),
        (("--freq", "all"), 28),
    ):
        app(["sweep", "plan.yaml", *options, "--dry-run", "--db", "none.db"], standalone_mode=False)
        assert f"0 of {points} points are there, {points} to measure" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (89, "89 s"), (90, "2 min"), (3600, "60 min"), (5400, "1 h 30 min"), (86_400, "24 h 00 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_pace() -> None:
    assert str(Pace(0, 10, 3.0)) == "starting"
    assert str(Pace(5, 20, 30.0)) == "10/min, 2 min left"
    assert str(Pace(20, 20, 60.0)) == "20/min, 0 s left"
