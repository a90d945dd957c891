"""The page in a real browser: nothing is fetched, nothing complains, nothing overflows; tables sort; the dark is legible."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")

# For every element with text of its own: how its colour stands out from the page's background (WCAG 2.2, 1.4.3).
CONTRASTS = """() => {
  const luminance = (rgb) => {
    const part = rgb.map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * part[0] + 0.7152 * part[1] + 0.0722 * part[2];
  };
  const numbers = (text) => text.match(/[\\d.]+/g).slice(0, 3).map(Number);
  const ground = luminance(numbers(getComputedStyle(document.documentElement).backgroundColor));
  return [...document.querySelectorAll("body *")]
    .filter((e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) && e.getClientRects().length)
    .map((e) => {
      const style = getComputedStyle(e);
      const ink = luminance(numbers(e instanceof SVGElement ? style.fill : style.color));
      return [(Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05), e.tagName + "." + e.className];
    })
    .sort((a, b) => a[0] - b[0])
    .slice(0, 3);
}"""

Opener = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start Chromium once."""
    if not CHROMIUM.exists():
        pytest.fail("no Chromium: apt-get install chromium (make test does)", pytrace=False)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def opened(browser: Browser, page: Path) -> Iterator[Opener]:
    """Return a function that opens the page; what the browser complains of or fetches fails the test."""
    noticed: list[str] = []
    pages: list[Page] = []

    def open_page(width: int = 1280, scheme: Any = "light") -> Page:
        tab = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        tab.on("console", lambda message: noticed.append(message.text))
        tab.on("pageerror", lambda error: noticed.append(str(error)))
        tab.on("request", lambda request: noticed.append(request.url) if request.url != page.as_uri() else None)
        tab.goto(page.as_uri())
        pages.append(tab)
        return tab

    yield open_page
    for tab in pages:
        tab.close()
    assert [note for note in noticed if not note.startswith("data:")] == []


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_overflows_and_every_text_stands_out(opened: Opener, width: int, scheme: str) -> None:
    tab = opened(width, scheme)
    tab.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    worst = tab.evaluate(CONTRASTS)
    assert worst[0][0] >= 4.5, worst


def test_plots_fill_their_column_and_their_text_stays_inside(opened: Opener) -> None:
    tab = opened(360)
    outside = tab.evaluate(
        """() => [...document.querySelectorAll("svg.plot text")].filter((text) => {
          const box = text.getBoundingClientRect(), frame = text.closest("svg").getBoundingClientRect();
          return box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1 || box.bottom > frame.bottom + 1;
        }).map((text) => text.textContent)"""
    )
    assert outside == []
    assert tab.locator("svg.plot").first.bounding_box()["width"] > 300  # type: ignore[index]


def test_tables_sort_by_number_up_and_down_and_filter(opened: Opener) -> None:
    tab = opened()
    table = tab.locator("#workloads table").first
    heading = table.locator("th", has_text="least energy").first
    column = heading.evaluate("(th) => th.cellIndex")
    values = f"(t) => [...t.tBodies[0].rows].map((r) => Number(r.cells[{column}].dataset.v))"
    before = table.evaluate(values)
    heading.locator("button").click()
    assert table.evaluate(values) == sorted(before)
    assert heading.get_attribute("aria-sort") == "ascending"
    heading.locator("button").click()
    assert table.evaluate(values) == sorted(before, reverse=True)
    table.locator("th button").first.click()
    names = table.evaluate("(t) => [...t.tBodies[0].rows].map((r) => r.cells[0].textContent)")
    assert names == sorted(names)
    tab.locator("#workloads input.filter").first.fill("dsp l496zg")
    shown = table.evaluate("(t) => [...t.tBodies[0].rows].filter((r) => !r.hidden).map((r) => r.textContent)")
    assert len(shown) == 6
    assert all("dsp" in row and "l496zg" in row for row in shown)


def test_prints_on_white_with_everything_open(opened: Opener) -> None:
    tab = opened(1280, "dark")
    tab.emulate_media(media="print", color_scheme="dark")
    assert tab.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
    assert not tab.locator("nav").is_visible()
    tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert tab.evaluate("[...document.querySelectorAll('details')].every((d) => d.open)")
    tab.evaluate("dispatchEvent(new Event('afterprint'))")
    assert not tab.evaluate("[...document.querySelectorAll('details')].some((d) => d.open)")
    assert tab.pdf(format="A4").startswith(b"%PDF")
