"""The web page in a real browser, served by a real daemon with virtual boards."""

from __future__ import annotations

import csv
import re
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Queue
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from bench.api.server import listen, serving
from bench.boards.stations import all_stations
from bench.daemon.service import open_service
from bench.domain.lut import COLUMNS
from tests.end_to_end.conftest import TIMEOUT_S, Workplace

STATIONS = """\
stations:
  - name: virtual-broken
    board: nucleo_f446ze
    virtual: true
    debug_probe: virtual-nucleo_f446ze-d
    current_probe: {driver: lpm01a, url: "virtual://virtual-nowhere/lpm01a"}
"""
GOOD = "virtual-nucleo_f446ze"
TOKEN = "correct-horse-battery-staple"
PATIENCE_MS = 60_000  # where the emulator's hooks are not compiled yet, the first image takes long
DESK, PHONE = (1280, 900), (360, 780)


@dataclass(frozen=True, slots=True)
class Bench:
    """A running daemon."""

    url: str
    folder: Path


@contextmanager
def running(workplace: Workplace, *arguments: str, **environment: str) -> Iterator[str]:
    """Run a daemon, and yield the address of its page."""
    process = subprocess.Popen(
        workplace.command(["daemon", "--port", "0", *arguments]),
        cwd=workplace.folder,
        env={**workplace.environment, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    lines: Queue[str] = Queue()

    def read() -> None:
        assert process.stderr is not None
        for line in process.stderr:
            lines.put(line)
        lines.put("the end")

    threading.Thread(target=read, daemon=True).start()
    try:
        while not (match := re.search(r"the page is at (\S+)", line := lines.get(timeout=TIMEOUT_S))):
            assert line != "the end"
        yield match[1]
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT_S) == 0
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def bench(new_workplace: Callable[[], Workplace]) -> Iterator[Bench]:
    """Yield a daemon with a station that works and one whose current probe is missing, and some points from before it began."""
    workplace = new_workplace()
    (workplace.folder / "stations.yaml").write_text(STATIONS)
    workplace.environment["BENCH_LOCKS"] = str(workplace.folder / "locks")
    measured = workplace.bench(
        "run", "--primitive", "tanh", "--param", "n=16", "--freq", "16MHz,32MHz", "--station", GOOD
    )
    assert measured.code == 0, measured.err
    with running(workplace, "--serve", GOOD, "--serve", "virtual-broken") as url:
        yield Bench(url, workplace.folder)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Yield a headless Chromium."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield chromium
        chromium.close()


@contextmanager
def opened(browser: Browser, url: str, size: tuple[int, int] = DESK) -> Iterator[Page]:
    """Yield the page at ``url``; afterwards there must be no error in its console, and no request to another host."""
    context = browser.new_context(viewport={"width": size[0], "height": size[1]})
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda request: faults.append(request.url) if foreign(request.url, url) else None)
    page.goto(url)
    yield page
    context.close()
    assert faults == []


def foreign(address: str, home: str) -> bool:
    return not address.startswith("blob:") and urlsplit(address).netloc != urlsplit(home).netloc


def submit(page: Page, station: str, primitive: str, *clocks: str, params: str = "") -> int:
    """Fill in the form for fp32, and return the number of the sweep."""
    page.locator("#submit-station").select_option(station)
    page.locator("#submit-primitive").select_option(primitive)
    if primitive:
        page.locator("#submit-params").fill(params)
    page.get_by_role("checkbox", name="fp32").check()
    page.get_by_role("checkbox", name="int8").uncheck()
    expect(page.get_by_role("checkbox", name="16 MHz", exact=True)).to_be_attached()
    for box in page.locator("#submit-clocks input:checked").all():
        box.uncheck()
    for clock in clocks:
        page.get_by_role("checkbox", name=clock, exact=True).check()
    with page.expect_response(
        lambda answer: answer.request.method == "POST" and answer.url.endswith("/jobs")
    ) as answer:
        page.get_by_role("button", name="Submit", exact=True).click()
    assert answer.value.status == 201, answer.value.text()
    return int(answer.value.json()["job"])


def sweep(page: Page, number: int) -> Locator:
    return page.locator("#jobs > li").filter(has_text=re.compile(rf"^{number} · "))


def test_submit_watch_it_progress_and_look_at_the_points(browser: Browser, bench: Bench) -> None:
    with opened(browser, bench.url) as page:
        expect(page.locator("#stations")).to_contain_text(GOOD)
        expect(page.locator("#stations .tag").first).to_have_text("virtual")
        number = submit(page, GOOD, "relu", "16 MHz", "32 MHz", "48 MHz", params="n=16,32")
        row = sweep(page, number)
        expect(row).to_contain_text("of 6 points")
        expect(row).to_contain_text(re.compile("running|done"))  # six small points may be over before the page looks
        expect(row).to_contain_text("done")
        expect(row).to_contain_text("6 of 6 points")
        assert row.get_by_role("progressbar").evaluate("bar => bar.value / bar.max") == 1
        expect(page.locator("#points tr").nth(5)).to_be_visible()  # six, and those that are measured again as a check
        expect(page.locator("#points tr").first).to_contain_text("±")
        expect(page.locator("#latency canvas")).to_be_visible()
        expect(page.locator("#energy canvas")).to_be_visible()
        expect(page.locator("#legend")).to_contain_text("(virtual)")
        page.get_by_text("The same as a table").click()
        expect(page.locator("#curve-table tbody tr").filter(has_text="relu")).to_have_count(6)
        assert page.evaluate("document.documentElement.scrollWidth") <= DESK[0]


def test_a_trace_is_zoomed_into(browser: Browser, bench: Bench) -> None:
    with opened(browser, bench.url) as page:
        page.get_by_role("button", name="Show the current of run").first.click()
        shown = page.locator("#trace-range")
        expect(shown).to_contain_text("samples")
        whole = shown.text_content() or ""
        plot = page.locator("#trace .u-over")
        width = plot.evaluate("plot => plot.clientWidth")
        plot.drag_to(
            plot, source_position={"x": width * 0.4, "y": 90}, target_position={"x": width * 0.5, "y": 90}, steps=4
        )
        expect(shown).not_to_have_text(whole)
        counts = [int(text) for text in re.findall(r"(\d+) of (\d+) samples", shown.text_content() or "")[0]]
        assert 0 < counts[0] < counts[1] / 5
        page.get_by_role("button", name="Zoom out").press("Enter")
        expect(shown).not_to_contain_text(f" {counts[0]} of")
        page.get_by_role("button", name="Whole").press("Enter")
        expect(shown).to_have_text(whole)


def test_pause_resume_and_cancel(browser: Browser, bench: Bench) -> None:
    with opened(browser, bench.url) as page:
        number = submit(page, GOOD, "")
        row = sweep(page, number)
        row.get_by_role("button", name="Pause").click()
        expect(row).to_contain_text("paused")
        row.get_by_role("button", name="Resume").press("Enter")  # by the keyboard
        expect(row).to_contain_text("running")
        row.get_by_role("button", name="Cancel").click()
        expect(row).to_contain_text("cancelled")
        station = page.locator("#stations > li").filter(has_text=GOOD)
        station.get_by_role("button", name="Pause").click()
        expect(station).to_contain_text("‖ paused")
        station.get_by_role("button", name="Resume").click()
        expect(station).not_to_contain_text("‖ paused")


def test_a_failure_is_shown_with_its_cause(browser: Browser, bench: Bench) -> None:
    with opened(browser, bench.url) as page:
        number = submit(page, "virtual-broken", "relu", "16 MHz", params="n=16")
        row = sweep(page, number)
        expect(row).to_contain_text("incomplete")
        expect(page.locator("#detail-heading")).to_contain_text(f"Sweep {number}")
        expect(page.locator("#failures")).to_contain_text("virtual-nowhere")
        expect(page.locator("#failures")).to_contain_text("probe:")
        page.locator("#submit-params").fill("n<b>16</b>")
        page.get_by_role("button", name="Submit", exact=True).click()
        refused = page.locator("#submit-message.error")
        expect(refused).to_contain_text("n<b>16</b>: write parameters like")
        assert refused.locator("b").count() == 0
        station = page.locator("#stations > li").filter(has_text="virtual-broken")
        expect(station).to_contain_text("quarantined")
        station.get_by_role("button", name="Release").click()
        expect(station).to_contain_text("idle")


def test_the_look_up_table_is_downloaded(browser: Browser, bench: Bench) -> None:
    with opened(browser, bench.url) as page:
        page.locator("#lut-primitive").select_option("tanh")
        with page.expect_download() as download:
            page.get_by_role("button", name="Download").click()
        assert download.value.suggested_filename == "lut.csv"
        with Path(download.value.path()).open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert tuple(rows[0]) == COLUMNS
        assert {(row["primitive"], row["source"]) for row in rows} == {("tanh", "virtual")}
        assert len(rows) == 2


def test_a_phone_shows_all_of_it_without_scrolling_sideways(browser: Browser, bench: Bench) -> None:
    with opened(browser, bench.url, PHONE) as page:
        expect(page.locator("#points tr").first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.tagName") == "BUTTON"


def test_with_a_token_the_page_asks_for_it(browser: Browser, tmp_path: Path) -> None:
    with open_service(str(tmp_path / "new.db"), all_stations()) as service:
        listening = listen("0.0.0.0", 0, TOKEN)
        with serving(service, listening):
            context = browser.new_context()
            page = context.new_page()
            page.goto(listening.url.replace("0.0.0.0", "127.0.0.1"))
            page.locator("#token").fill("something else entirely")
            page.get_by_role("button", name="Open").click()
            expect(page.locator("#login-message")).to_have_text("That is not the token.")
            page.locator("#token").fill(TOKEN)
            page.get_by_role("button", name="Open").click()
            expect(page.locator("#submit-station")).to_contain_text(GOOD)
            expect(page.locator("#main")).to_be_visible()
            context.close()
