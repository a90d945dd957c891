"""What stands on the page, and what must not."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from bench.domain.primitives import workload
from bench.domain.station import Source
from bench.report.page import MAX_GROUPS, Report
from bench.report.residuals import Residuals
from tests.report.report_samples import F446, HOSTILE, L496, clocks, many, plausible, point, table

VOID = {"meta", "link", "input", "path", "circle", "br"}
SINGLE = table([plausible(point(workload("relu", {}), clocks(F446)[0]))])


class Outline(HTMLParser):
    """Checks that elements are closed in order, and collects ids, tags and text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        values = dict(attrs)
        self.ids += [values["id"]] if values.get("id") else []  # type: ignore[list-item]
        self.links += [v for k, v in attrs if k in ("href", "src") and v]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("style", "script"):
            self.text.append(data)


def outline(html: str) -> Outline:
    found = Outline()
    found.feed(html)
    found.close()
    assert found.open == []
    return found


def test_the_page_is_well_formed_and_refers_to_nothing_outside(html: str) -> None:
    found = outline(html)
    assert len(found.ids) == len(set(found.ids))
    targets = [link for link in found.links if link != "data:,"]
    assert all(link.startswith("#") for link in targets)
    assert {link[1:] for link in targets} <= set(found.ids)
    assert not re.search(r"https?://|@import|url\((?!#)", html)


def test_every_section_of_a_full_report_is_there(html: str) -> None:
    found = outline(html)
    sections = {"summary", "clock", "compare", "size", "estimates", "workloads", "stations", "rejected", "provenance"}
    assert sections <= set(found.ids)
    text = " ".join(found.text)
    for words in ("least energy at", "int8 dsp instead of int8 naive", "one k x k window", "arm-none-eabi-gcc 12.2.1"):
        assert words in text
    assert "Nothing here was measured on hardware" in text


def test_every_plot_has_words_for_those_who_do_not_see_it(report: Report, html: str) -> None:
    plots = re.findall(r'<svg class="plot"[^>]*role="img" aria-label="([^"]+)"', html)
    assert len(plots) == html.count('class="plot"') == len(list(report.plots()))
    assert all("virtual" in words for words in plots)


def test_rejected_runs_are_grouped_with_counts(html: str) -> None:
    assert "5 runs of" in html
    assert "3 points of" in html
    assert "sector 3 does not erase &lt;b&gt;" in html
    row = re.search(r"<tr><td>verify</td>.*?</tr>", html)
    assert row is not None
    assert 'data-v="3"' in row[0]
    assert "and 2 that differ in numbers" in row[0]


def test_names_from_the_database_cannot_become_markup(report_of: Callable[..., Report]) -> None:
    hostile = replace(
        SINGLE[0], station=HOSTILE, board=HOSTILE, compiler=HOSTILE, flavor=HOSTILE, firmware_sha256=HOSTILE, mcu=HOSTILE
    )  # fmt: skip
    residuals = (Residuals("latency", "s", ((HOSTILE, 1.0, 2.0),), HOSTILE),)
    html = report_of([hostile, replace(hostile, clock_id=HOSTILE, sysclk_hz=32e6)], residuals=residuals).html()
    assert outline(html).tags.count("script") == 1
    assert "alert(&#39;x&#39;)" in html
    assert "<script>alert" not in html


def test_one_point_is_a_report(report_of: Callable[..., Report]) -> None:
    html = report_of(SINGLE).html()
    text = " ".join(outline(html).text)
    assert "All 1 point" in text
    assert html.count('class="plot"') == 4
    assert 'id="compare"' not in html
    assert 'id="size"' not in html
    assert 'id="estimates"' not in html
    assert '<circle class="ring' not in html  # there is nothing that it could be less than


def test_without_a_current_probe_there_is_latency_alone(report_of: Callable[..., Report]) -> None:
    work = workload("relu", {})
    html = report_of(table(plausible(point(work, clock), energy=False) for clock in clocks(F446)[:3])).html()
    assert html.count('class="plot"') == 1
    assert "latency of a call [" in html
    assert not re.search(r"\bnan\b", html)


def test_each_source_is_labelled(report_of: Callable[..., Report]) -> None:
    work = workload("relu", {})
    both = table(plausible(point(work, clocks(F446)[0], source=source)) for source in (Source.HARDWARE, Source.VIRTUAL))
    html = report_of(both).html()
    assert 'class="badge hardware"' in html
    assert 'class="badge virtual"' in html
    assert "Sources are mixed because that was asked for" in html
    only = report_of(both[:1]).html()
    assert 'class="badge virtual"' not in only
    assert "virtual boards" not in only


def test_a_large_database_gives_a_small_page_that_says_what_it_left_out(report_of: Callable[..., Report]) -> None:
    html = report_of(list(many(20_000))).html()
    assert len(html) < 400_000
    assert "20,000 points are too many to list here" in html
    assert "of this kind not drawn" in html
    assert "The first 400 of 1,429 workloads" in html


def test_many_groups_of_curves_are_cut_and_counted(report_of: Callable[..., Report]) -> None:
    work, clock = workload("relu", {}), clocks(F446)[0]
    found = table(plausible(point(work, clock, station=f"desk-{n}")) for n in range(MAX_GROUPS + 2))
    report = report_of(found)
    assert len(report.shown_groups) == MAX_GROUPS
    assert "2 more groups of curves not drawn" in report.html()


@pytest.mark.parametrize("name", [F446, L496])
def test_steps_of_the_clock_are_marked(html: str, name: str) -> None:
    levels = {F446: ("scale 3", "scale 1 OD"), L496: ("range 2", "range 1")}[name]
    for level in levels:
        assert f">{level}</text>" in html
    assert ">wait st.</text>" in html
