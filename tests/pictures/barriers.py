"""What axe-core finds on a page, and whether the page is wider than its window."""

from collections.abc import Sequence
from functools import cache
from typing import Literal

from playwright.sync_api import Page as Tab

from tests import ROOT

Scheme = Literal["light", "dark"]
VIEWS: tuple[tuple[int, Scheme], ...] = ((1280, "light"), (1280, "dark"), (390, "light"), (390, "dark"))
"""Widths in pixels, with colours."""
_DRAWN = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")


@cache
def _axe() -> str:
    return (ROOT / "tests/vendor/axe.min.js").read_text(encoding="utf-8")


def barriers(tab: Tab, views: Sequence[tuple[int, Scheme]] = VIEWS) -> list[str]:
    """What is found in each view: the rule, how many elements, and the first of them."""
    tab.evaluate(_axe())
    found = []
    for width, scheme in views:
        tab.set_viewport_size({"width": width, "height": 900})
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
