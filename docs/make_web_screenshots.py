"""Makes the pictures of the web page: a daemon with virtual boards measures a sweep, and a browser looks at it on a desk and on a phone.

python docs/make_web_screenshots.py [CHROMIUM]
"""

from __future__ import annotations

import io
import json
import re
import signal
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

IMAGES = Path(__file__).parent / "images"
ROOT = Path(__file__).parent.parent
GOOD = "virtual-nucleo_f446ze"
STATIONS = """\
stations:
  - name: virtual-loose-wire
    board: nucleo_f446ze
    virtual: true
    debug_probe: virtual-nucleo_f446ze-d
    current_probe: {driver: lpm01a, url: "virtual://virtual-nowhere/lpm01a"}
"""
SWEEPS: tuple[dict[str, Any], ...] = (
    {
        "name": "first look",
        "stations": [GOOD],
        "primitives": [
            {"name": "conv2d", "grid": {"k": [3, 5], "in_h": [8], "in_w": [8]}},
            {"name": "relu", "grid": {"n": [256]}},
        ],
        "dtypes": ["fp32", "int8"],
        "freq": "16MHz,24MHz,32MHz,48MHz,64MHz,80MHz,90MHz",
    },
    {
        "name": "a loose wire",
        "stations": ["virtual-loose-wire"],
        "primitives": [{"name": "relu", "grid": {"n": [64]}}],
        "dtypes": ["fp32"],
        "freq": "16MHz",
    },
    {"name": "the whole set, tonight", "stations": [GOOD], "dtypes": ["int8"]},
)
PATIENCE_MS = 600_000
TALLEST_PX = 3000


def submit(url: str, sweep: dict[str, Any]) -> None:
    """Submit ``sweep``."""
    request = urllib.request.Request(
        f"{url}api/v1/jobs", json.dumps(sweep).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request):
        pass


def picture(browser: Browser, url: str, name: str, width: int, scheme: Any) -> None:
    """Write the picture ``name`` of the page, its upper part where it is very tall."""
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, device_scale_factor=2 if width < 500 else 1
    )
    page: Page = context.new_page()
    page.goto(url)
    page.get_by_role("button", name="a loose wire").click()
    expect(page.locator("#failures li").first).to_be_visible()
    page.get_by_role("button", name="Show the current of run").first.click()
    expect(page.locator("#trace-range")).to_contain_text("samples")
    page.locator("h1").click()
    taken = Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("RGB")
    shown = taken.crop(
        (0, 0, taken.width, min(taken.height, TALLEST_PX))
    )  # on a phone the whole page is twenty screens
    shown.quantize(128, dither=Image.Dither.NONE).save(IMAGES / f"web-{name}.png", optimize=True)
    context.close()


def main() -> None:
    """Run a daemon in a folder of its own until the first sweep is done, and take the pictures while the last one is measured."""
    expect.set_options(timeout=PATIENCE_MS)
    chromium = sys.argv[1] if len(sys.argv) > 1 else "/usr/bin/chromium"
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        (Path(folder) / "stations.yaml").write_text(STATIONS, encoding="utf-8")
        served = ["--serve", GOOD, "--serve", "virtual-loose-wire"]
        daemon = subprocess.Popen(
            [sys.executable, "-m", "bench.cli.main", "daemon", "--port", "0", *served],
            cwd=folder,
            env={"PATH": "/usr/bin:/bin", "HOME": folder, "PYTHONPATH": str(ROOT), "BENCH_VIRTUAL_STATE": folder},
            stderr=subprocess.PIPE,
            text=True,
        )
        assert daemon.stderr is not None
        try:
            url = next(found[1] for line in daemon.stderr if (found := re.search(r"the page is at (\S+)", line)))
            for sweep in SWEEPS:
                submit(url, sweep)
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_page()
            page.goto(url)
            for name, state in (("first look", "done"), ("a loose wire", "incomplete"), ("the whole set", "left")):
                expect(page.locator("#jobs > li").filter(has_text=name)).to_contain_text(state)
            IMAGES.mkdir(exist_ok=True)
            picture(browser, url, "desk-light", 1280, "light")
            picture(browser, url, "phone-dark", 360, "dark")
            browser.close()
        finally:
            daemon.send_signal(signal.SIGTERM)
            daemon.send_signal(signal.SIGTERM)
            daemon.communicate()


if __name__ == "__main__":
    main()
