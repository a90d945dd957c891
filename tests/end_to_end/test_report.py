"""``bench report`` and ``bench plot`` as commands: on what a virtual board measured, and on what cannot be reported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.domain.primitives import workload
from bench.domain.station import Source
from bench.store import open_store
from tests.end_to_end.conftest import QUICK, Workplace
from tests.end_to_end.test_bad_input import assert_clear
from tests.report.report_samples import F446, clocks, fill, plausible, point, rejections


@pytest.fixture(scope="module")
def measured(new_workplace: Callable[[], Workplace]) -> Workplace:
    """Measure a small convolution at two clocks."""
    place = new_workplace()
    outcome = place.bench(*QUICK[:-4], "--freq", "16MHz,180MHz", "--window", "5ms")
    assert outcome.code == 0, outcome.err
    return place


def database(folder: Path, *sources: Source) -> None:
    with open_store(str(folder / "measurements.db")) as store:
        work = workload("relu", {})
        fill(store, (plausible(point(work, clocks(F446)[0], source=source)) for source in sources))


def test_a_report_of_what_a_virtual_board_measured(measured: Workplace) -> None:
    outcome = measured.bench("report", "out.html", "--figures", "figures", "--title", "One <night>")
    assert outcome.code == 0, outcome.err
    assert outcome.out == ""
    assert "2 points written to out.html" in outcome.err
    page = (measured.folder / "out.html").read_text(encoding="utf-8")
    assert "<h1>One &lt;night&gt;</h1>" in page
    assert "Nothing here was measured on hardware" in page
    assert page.count('class="plot"') == 4
    assert len(page) < 100_000
    names = sorted(path.name for path in (measured.folder / "figures").iterdir())
    assert len(names) == 8
    assert names[0] == "current-over-clock_conv2d_fp32-naive_virtual-nucleo_f446ze_virtual.png"


def test_a_quick_plot_in_the_terminal_and_in_a_file(measured: Workplace) -> None:
    outcome = measured.bench("plot", "energy", COLUMNS="80")
    assert outcome.code == 0, outcome.err
    assert "energy of a call [µJ] over core clock [MHz]" in outcome.out
    assert "nucleo_f446ze (virtual)" in outcome.out
    for name, start in (("e.png", b"\x89PNG"), ("e.svg", b"<?xml"), ("e.pdf", b"%PDF")):
        assert measured.bench("plot", "energy", name).code == 0
        assert (measured.folder / name).read_bytes().startswith(start)


def test_what_cannot_be_reported_says_why(workplace: Workplace) -> None:
    assert_clear(workplace.bench("report", "out.html"), 1, "there is no database", "bench run")
    database(workplace.folder)
    assert_clear(workplace.bench("report", "out.html"), 1, "holds no accepted run", "bench run")
    with open_store(str(workplace.folder / "measurements.db")) as store:
        fill(store, rejections())
    assert_clear(workplace.bench("report", "out.html"), 1, "only 5 rejected ones")
    database(workplace.folder, Source.VIRTUAL, Source.HARDWARE)
    assert_clear(workplace.bench("report", "out.html"), 2, "several sources", "--source hardware")
    assert_clear(workplace.bench("report", "lut.csv"), 2, "does not end with .html")
    assert_clear(workplace.bench("report", "out.html", "--board", "nucleo"), 2, "unknown board")
    assert_clear(workplace.bench("report", "no/out.html", "--source", "virtual"), 2, "cannot write no/out.html")
    assert_clear(workplace.bench("plot", "watts"), 2, "unknown quantity 'watts'")
    assert_clear(workplace.bench("plot", "energy", "x.gif"), 2, ".png, .svg, .pdf")
    assert_clear(workplace.bench("plot", "energy", "--freq", "16MHz"), 2, "--over kernel")
    assert_clear(workplace.bench("plot", "energy", "--source", "virtual", "--over", "kernel"), 2, "no two kernel sizes")
    assert not list(workplace.folder.glob("*.html"))


def test_asked_for_sources_are_mixed_and_others_left_out(workplace: Workplace) -> None:
    database(workplace.folder, Source.VIRTUAL, Source.HARDWARE)
    assert workplace.bench("report", "one.html", "--source", "hardware").code == 0
    assert "virtual" not in (workplace.folder / "one.html").read_text().partition("<body>")[2].partition("<script>")[0]
    assert workplace.bench("report", "both.html", "--source", "hardware", "--source", "virtual").code == 0
    page = (workplace.folder / "both.html").read_text()
    assert 'class="badge hardware"' in page
    assert 'class="badge virtual"' in page
