"""``bench report`` and ``bench plot`` as commands, on what a virtual board measured."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.end_to_end.conftest import QUICK, Workplace


@pytest.fixture(scope="module")
def measured(new_workplace: Callable[[], Workplace]) -> Workplace:
    """Measure a small convolution at two clocks."""
    place = new_workplace()
    outcome = place.bench(*QUICK[:-4], "--freq", "16MHz,180MHz", "--window", "5ms")
    assert outcome.code == 0, outcome.err
    return place


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


def test_a_quick_plot_in_the_terminal(measured: Workplace) -> None:
    outcome = measured.bench("plot", "energy", COLUMNS="80")
    assert outcome.code == 0, outcome.err
    assert "energy of a call [µJ] over core clock [MHz]" in outcome.out
    assert "nucleo_f446ze (virtual)" in outcome.out
