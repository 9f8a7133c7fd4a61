"""Draw the pictures of all pages, or check that they are current; ``make pictures`` and ``make check`` run this.

.venv/bin/python -m tests.pictures            draw what is stale, after axe-core looked at it
.venv/bin/python -m tests.pictures --all      draw everything
.venv/bin/python -m tests.pictures --check    name what is stale; exit status 1 if there is any; no browser
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests import ROOT
from tests.orderly import ends_in_order
from tests.pictures.contents import Browser
from tests.pictures.example import Example
from tests.pictures.pages import PAGES, Page, without_picture

IMAGES = ROOT / "docs/images"
HASHES = IMAGES / "pictures.json"
MOST_BYTES = 150_000


def stale_pages(browser: Browser, hashes: Mapping[str, str]) -> list[Page]:
    """Pages that are not what they were when their picture was drawn."""
    return [
        page
        for page in PAGES
        if hashes.get(page.name) != browser.hash_of(page) or not (IMAGES / f"{page.name}.png").exists()
    ]


def known_hashes() -> dict[str, str]:
    """By page: what it was made of when its picture was drawn."""
    found: dict[str, str] = json.loads(HASHES.read_text(encoding="utf-8")) if HASHES.exists() else {}
    return found


def check(browser: Browser) -> list[str]:
    """Everything that is not as it must be, as lines."""
    problems = [f"docs/images/{page.name}.png is stale" for page in stale_pages(browser, known_hashes())]
    pages = (ROOT / "docs/pages.md").read_text(encoding="utf-8")
    problems += [f"docs/pages.md lacks {page.name}.png" for page in PAGES if f"images/{page.name}.png" not in pages]
    missing = without_picture(browser.example.at.app)
    return problems + [f"the page web.{name} is missing in tests/pictures/pages.py" for name in missing]


def draw(browser: Browser, pages: Sequence[Page]) -> list[str]:
    """Draw pictures; returns what axe-core found. A page with findings gets no picture."""
    from playwright.sync_api import sync_playwright

    from tests.e2e.conftest import ARGUMENTS, CHROMIUM
    from tests.pictures.barriers import barriers
    from tests.pictures.png import palette_png
    from tests.pictures.window import pixels, window

    hashes, problems = known_hashes(), []
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        for page in pages:
            with window(chromium, browser, page) as tab:
                picture = palette_png(pixels(tab, page.height))
                found = [f"{page.name} {one}" for one in barriers(tab)]
            if len(picture) > MOST_BYTES:
                found.append(f"{page.name}.png has {len(picture):,} bytes, more than {MOST_BYTES:,}: lower its height")
            if not found:
                (IMAGES / f"{page.name}.png").write_bytes(picture)
                hashes[page.name] = browser.hash_of(page)
            problems += found
            print("\n".join(found) or f"{page.name}.png", flush=True)
        chromium.close()
    ordered = {page.name: hashes[page.name] for page in PAGES if page.name in hashes}
    HASHES.write_text(json.dumps(ordered, indent=2) + "\n", encoding="utf-8")
    return problems


def main() -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 and name what is stale")
    parser.add_argument("--all", action="store_true", help="draw also what is current")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="showdown-pictures-") as directory:
        browser = Browser(Example(Path(directory)))
        try:
            if given.check:
                problems = check(browser)
            else:
                problems = draw(browser, PAGES if given.all else stale_pages(browser, known_hashes()))
        finally:
            browser.example.at.close()
    for problem in problems:
        print(problem, file=sys.stderr)
    if given.check and problems:
        print("run: make pictures", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    ends_in_order()
    sys.exit(main())
