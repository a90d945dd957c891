"""Makes the pictures of these pages in docs/contributing.md: the tutorial on a desk, the first page on a phone, light and dark.

    make docs && python docs/make_site_screenshots.py [SITE]

Needs Chromium (apt-get install chromium) and playwright.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

IMAGES = Path(__file__).parent / "images"
CHROMIUM = "/usr/bin/chromium"

# name, page, width, height, device pixels, colour scheme
PICTURES = (
    ("site-desk-light", "tutorial.html", 1280, 900, 1, "light"),
    ("site-desk-dark", "tutorial.html", 1280, 900, 1, "dark"),
    ("site-phone-light", "index.html", 390, 844, 2, "light"),
    ("site-phone-dark", "index.html", 390, 844, 2, "dark"),
)


def take(browser: Browser, page: Path, name: str, width: int, height: int, scale: int, scheme: Any) -> None:
    """Take one picture."""
    tab = browser.new_page(
        viewport={"width": width, "height": height}, device_scale_factor=scale, color_scheme=scheme
    )  # fmt: skip
    tab.goto(page.as_uri())
    tab.wait_for_load_state("networkidle")
    target = IMAGES / f"{name}.png"
    tab.screenshot(path=target)
    tab.close()
    with Image.open(target) as picture:
        picture.convert("RGB").quantize(128, dither=Image.Dither.NONE).save(target, optimize=True)


def main() -> None:
    """Take all pictures of the site."""
    site = Path(sys.argv[1] if len(sys.argv) > 1 else "site").absolute()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for name, page, *how in PICTURES:
            take(browser, site / page, name, *how)
        browser.close()


if __name__ == "__main__":
    main()
