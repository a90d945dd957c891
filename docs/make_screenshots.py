"""Makes the pictures of the report and of the first page anew from a database.

    bench sweep --primitive conv2d --k 3,5,7 --flavor naive --flavor dsp --window 20ms     # and the like, until there is something to show
    python docs/make_screenshots.py measurements.db

Needs Chromium (apt-get install chromium) and playwright. Writes docs/images/report-*.png, report-energy.svg and first-plot.svg.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

IMAGES = Path(__file__).parent / "images"
CHROMIUM = "/usr/bin/chromium"
LARGEST_BYTES = 200_000

# name, width, height, device pixels, colour scheme, what stands at the top
PICTURES = (
    ("report-desk-light", 1280, 1330, 1, "light", "body"),
    ("report-desk-dark", 1280, 1060, 1, "dark", "#clock figure >> nth=3"),
    ("report-desk-compare", 1280, 900, 1, "light", "#size"),
    ("report-phone-light", 360, 780, 2, "light", "body"),
    ("report-phone-dark", 360, 780, 2, "dark", "#clock figure >> nth=0"),
)


def take(browser: Browser, page: Path, name: str, width: int, height: int, scale: int, scheme: Any, top: str) -> None:
    """Take one picture. Raises ValueError for one that is too large."""
    tab = browser.new_page(
        viewport={"width": width, "height": height}, device_scale_factor=scale, color_scheme=scheme
    )  # fmt: skip
    tab.goto(page.as_uri())
    tab.locator(top).evaluate("(element) => element.scrollIntoView()")
    target = IMAGES / f"{name}.png"
    tab.screenshot(path=target)
    tab.close()
    with Image.open(target) as picture:  # 256 colours are plenty here, and a third of the bytes
        picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(target, optimize=True)
    if target.stat().st_size > LARGEST_BYTES:
        raise ValueError(f"{target} has {target.stat().st_size} bytes, more than {LARGEST_BYTES}")


def main() -> None:
    """Make the report, and all pictures."""
    database = sys.argv[1] if len(sys.argv) > 1 else "measurements.db"
    IMAGES.mkdir(exist_ok=True)
    bench = (sys.executable, "-m", "bench.cli.main")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        page = Path(folder) / "report.html"
        subprocess.run([*bench, "report", str(page), "--db", database], check=True)
        quick = ("plot", "energy", "--primitive", "conv2d", "--dtype", "fp32", "--board", "nucleo_f446ze")
        subprocess.run([*bench, *quick, str(IMAGES / "report-energy.svg"), "--db", database], check=True)
        first = ("plot", "energy", "--primitive", "conv2d", "--k", "5", "--board", "nucleo_f446ze")
        subprocess.run([*bench, *first, str(IMAGES / "first-plot.svg"), "--db", database], check=True)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for picture in PICTURES:
            take(browser, page, *picture)
        browser.close()


if __name__ == "__main__":
    main()
