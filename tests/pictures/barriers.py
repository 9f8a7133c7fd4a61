"""What axe-core finds on a page, and whether the page is wider than its window."""

from functools import cache
from typing import Literal

from playwright.sync_api import Page as Tab

from tests import ROOT

WIDTHS = (1280, 390)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
_DRAWN = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")


@cache
def _axe() -> str:
    return (ROOT / "tests/vendor/axe.min.js").read_text(encoding="utf-8")


def barriers(tab: Tab) -> list[str]:
    """What is found at both widths, light and dark: the rule, how many elements, and the first of them."""
    tab.evaluate(_axe())
    found = []
    for width in WIDTHS:
        tab.set_viewport_size({"width": width, "height": 900})
        for scheme in SCHEMES:
            tab.emulate_media(color_scheme=scheme)
            tab.evaluate(_DRAWN)  # charts are drawn again in the other colours
            found += [f"at {width} px, {scheme}: {one}" for one in _findings(tab)]
    return found


def _findings(tab: Tab) -> list[str]:
    found = tab.evaluate(
        "async (tags) => (await axe.run(document, { runOnly: tags, resultTypes: ['violations'] })).violations",
        list(TAGS),
    )
    lines = [f"{one['id']} ({one['impact']}) × {len(one['nodes'])}: {one['nodes'][0]['html'][:160]}" for one in found]
    width, shown = tab.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    return lines + ([f"the page is {width} pixels wide"] if width > shown else [])
