"""The commands about jobs, in one process: what they print, and what they refuse."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.cli import jobs
from bench.cli.daemon import daemon
from bench.errors import BenchError, DatabaseUnusable, ParameterError, UnknownName
from tests.daemon.conftest import STATIONS


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a stations file, made the present one."""
    (tmp_path / "stations.yaml").write_text(STATIONS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_submitted_shown_paused_resumed_and_cancelled(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "plan.yaml").write_text("stations: [virtual-a]\nprimitives: [relu]\ndtypes: [fp32]\nfreq: 16 MHz\n")
    assert (
        jobs.submit(place / "plan.yaml", freq="16MHz,24MHz", at="22:00", name="tonight [1]", spare=["virtual-b"]) == 0
    )
    said = capsys.readouterr()
    assert said.out.startswith("job 1: 2 points, 1 images on virtual-a, virtual-b, from ")
    assert "bench daemon --serve virtual-a" in said.err
    assert jobs.status() == jobs.status(1) == 0
    shown = capsys.readouterr().out
    for words in ("scheduled", "tonight [1]", "0/2", "2 missing", "no daemon has served a station yet"):
        assert words in shown
    assert all(len(line) <= 80 for line in shown.splitlines() if not line.startswith("station virtual"))
    assert jobs.pause(1) == jobs.status(1, as_json=True) == 0
    out = capsys.readouterr().out
    row = json.loads(out[out.index("[\n") :])[0]
    assert (row["status"], row["points"], row["stations"]) == ("paused", 2, ["virtual-a", "virtual-b"])
    assert jobs.resume(1) == jobs.cancel(1) == jobs.cancel(1) == 0
    said = capsys.readouterr()
    assert "cancelled with 0 of 2 points" in said.out
    assert "over already" in said.out
    assert jobs.status(1, wait=True) == 1
    assert jobs.logs(1) == jobs.logs(1, follow=True) == 0
    assert [line.split("  ")[-1] for line in capsys.readouterr().out.splitlines()[-3:]] == [
        "paused",
        "resumed",
        "cancelled",
    ]


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (lambda: jobs.submit(station=["virtual-z"]), UnknownName),
        (lambda: jobs.submit(station=["virtual-a"], priority=1000), ParameterError),
        (lambda: jobs.submit(station=["virtual-a"], at="late"), ParameterError),
        (lambda: jobs.status(1), DatabaseUnusable),
        (lambda: jobs.status(wait=True), ParameterError),
        (jobs.pause, ParameterError),
        (lambda: jobs.resume(1, "virtual-a"), ParameterError),
        (lambda: daemon(serve=["virtual-z"]), UnknownName),
        (lambda: daemon(serve=["virtual-nucleo_l496zg", "virtual-l"]), ParameterError),
        (lambda: daemon(gone_after="1ms"), ParameterError),
        (lambda: daemon(webhook=["nowhere"]), ParameterError),
    ],
)
def test_mistakes_are_refused(place: Path, command: Callable[[], int], error: type[BenchError]) -> None:
    with pytest.raises(error) as caught:
        command()
    assert caught.value.hint
    assert not (place / "measurements.dbos.db").exists()
