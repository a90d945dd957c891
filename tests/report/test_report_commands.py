"""``bench report`` and ``bench plot``, called in this process: files, refusals, sources."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.cli.main import app
from bench.domain.primitives import workload
from bench.domain.station import Source
from bench.errors import BenchError
from bench.store import open_store
from tests.report.report_samples import F446, clocks, fill, plausible, point, rejections

Command = Callable[..., int]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Return what calls the command line in an empty folder; errors come through."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BENCH_DB", raising=False)
    return lambda *arguments: int(app(list(arguments), standalone_mode=False))


def database(*sources: Source) -> None:
    with open_store("measurements.db") as store:
        work = workload("relu", {})
        fill(store, (plausible(point(work, clocks(F446)[0], source=source)) for source in sources))


def refused(bench: Command, *arguments: str) -> tuple[int, str]:
    with pytest.raises(BenchError) as caught:
        bench(*arguments)
    return caught.value.exit_code, f"{caught.value} {caught.value.hint} {caught.value.detail}"


def test_what_cannot_be_reported_says_why(bench: Command) -> None:
    code, words = refused(bench, "report", "out.html")
    assert code == 1
    assert "there is no database" in words
    database()
    code, words = refused(bench, "report", "out.html")
    assert code == 1
    assert "holds no accepted run of everything measure first: bench run" in words
    with open_store("measurements.db") as store:
        fill(store, rejections())
    code, words = refused(bench, "report", "out.html")
    assert code == 1
    assert "only 5 rejected ones" in words
    assert "3 (verify): the core runs at 17.3 MHz instead of 16 MHz" in words
    assert not Path("out.html").exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("report", "out.html"), "several sources"),
        (("report", "lut.csv"), "does not end with .html"),
        (("report", "out.html", "--board", "nucleo"), "unknown board"),
        (("report", "no/out.html", "--source", "virtual"), "cannot write no/out.html"),
        (("report", "out.html", "--source", "virtual", "--validation", "none.json"), "cannot read none.json"),
        (("plot", "watts"), "unknown quantity 'watts'"),
        (("plot", "energy"), "several sources"),
        (("plot", "energy", "x.gif"), ".png, .svg, .pdf"),
        (("plot", "energy", "--freq", "16MHz"), "--over kernel"),
        (("plot", "energy", "--compare", "color"), "unknown comparison 'color'"),
        (("plot", "energy", "--source", "virtual", "--over", "kernel"), "no two kernel sizes"),
        (("plot", "energy", "--source", "virtual", "--compare", "flavor"), "differ in flavor alone"),
    ],
)
def test_bad_usage(bench: Command, arguments: tuple[str, ...], expected: str) -> None:
    database(Source.VIRTUAL, Source.HARDWARE)
    code, words = refused(bench, *arguments)
    assert code == 2
    assert expected in words
    assert not list(Path().glob("*.html"))


def test_asked_for_sources_are_mixed_and_others_left_out(bench: Command) -> None:
    database(Source.VIRTUAL, Source.HARDWARE)
    assert bench("report", "one.html", "--source", "hardware") == 0
    body = Path("one.html").read_text(encoding="utf-8").partition("<body>")[2].partition("<script>")[0]
    assert "virtual" not in body
    assert bench("report", "both.html", "--source", "hardware", "--source", "virtual") == 0
    page = Path("both.html").read_text(encoding="utf-8")
    assert 'class="badge hardware"' in page
    assert 'class="badge virtual"' in page


@pytest.mark.parametrize(("name", "start"), [("e.png", b"\x89PNG"), ("e.svg", b"<?xml"), ("e.pdf", b"%PDF")])
def test_a_quick_plot_in_a_file(bench: Command, name: str, start: bytes) -> None:
    database(Source.VIRTUAL)
    assert bench("plot", "energy", name) == 0
    assert Path(name).read_bytes().startswith(start)
