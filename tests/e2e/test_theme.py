"""The theme in Chromium: as the system has it, light or dark; kept, without other colours first, and in the charts."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page as Tab
from playwright.sync_api import Route, expect

from tests.pictures.barriers import barriers
from tests.pictures.contents import Browser
from tests.pictures.example import Example
from tests.pictures.pages import PAGES
from tests.pictures.window import window, window_of
from tests.unit.coordinator.coordinator_app import CoordinatorApp
from tests.unit.coordinator.pages import signed_in

pytestmark = pytest.mark.e2e

LIGHT, DARK = "#f6f7f9", "#12151a"
CANVAS = "document.querySelector('.uplot canvas').toDataURL()"
FRAMES = """
window.grounds = new Set();
const look = () => {
  if (document.body) grounds.add(getComputedStyle(document.documentElement).getPropertyValue("--ground").trim());
  requestAnimationFrame(look);
};
look();
"""
"""Records the colours of each frame."""


@pytest.fixture
def tab(chromium: Chromium, tmp_path: Path) -> Iterator[Tab]:
    app = CoordinatorApp(tmp_path)
    with closing(app), window_of(chromium, signed_in(app)) as tab:
        tab.emulate_media(color_scheme="light")
        yield tab


def ground(tab: Tab) -> str:
    """The colour behind all panels."""
    return str(tab.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--ground').trim()"))


def choose(tab: Tab, theme: str) -> None:
    tab.get_by_label("Theme", exact=True).select_option(theme)


def test_a_theme_is_kept_by_all_pages_and_follows_the_system_again(tab: Tab) -> None:
    tab.goto("/campaigns")
    assert ground(tab) == LIGHT
    choose(tab, "dark")
    assert ground(tab) == DARK
    tab.goto("/hosts")
    assert ground(tab) == DARK
    expect(tab.get_by_label("Theme", exact=True)).to_have_value("dark")
    # Of what no style sheet has, such as scroll bars, the browser chooses the colours by the scheme.
    assert tab.locator("meta[name=color-scheme]").get_attribute("content") == "dark"
    tab.emulate_media(color_scheme="dark")
    choose(tab, "light")
    assert ground(tab) == LIGHT
    choose(tab, "automatic")
    assert ground(tab) == DARK
    tab.emulate_media(color_scheme="light")
    assert ground(tab) == LIGHT


def test_another_tab_follows(tab: Tab) -> None:
    tab.goto("/campaigns")
    other = tab.context.new_page()
    other.route("**/*", lambda route: route.fulfill(body="<select></select>", content_type="text/html"))
    other.goto("/other")
    other.evaluate("localStorage.setItem('showdown-theme', 'dark')")
    tab.wait_for_function("() => document.querySelector('[data-theme-choice]').value === 'dark'")
    assert ground(tab) == DARK


def test_no_frame_has_other_colours_though_the_style_sheet_is_slow(tab: Tab) -> None:
    tab.goto("/campaigns")
    choose(tab, "dark")

    def slowly(route: Route) -> None:
        time.sleep(0.5)
        route.fallback()

    tab.route("**/showdown.css", slowly)
    tab.add_init_script(FRAMES)
    tab.goto("/hosts")
    expect(tab.get_by_role("heading", name="Hosts", exact=True)).to_be_visible()
    assert tab.evaluate("[...grounds]") == [DARK]


def test_paper_stays_light(tab: Tab) -> None:
    tab.goto("/campaigns")
    choose(tab, "dark")
    tab.emulate_media(media="print")
    assert ground(tab) == "#fff"
    assert tab.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--good').trim()") == "#17703c"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_chosen_theme_has_no_barriers(tab: Tab, theme: str) -> None:
    tab.goto("/campaigns/new")
    choose(tab, theme)
    assert barriers(tab) == []


def test_without_storage_a_theme_holds_for_its_page(tab: Tab) -> None:
    tab.add_init_script("Object.defineProperty(window, 'localStorage', { get() { throw new Error('denied'); } })")
    tab.goto("/campaigns")
    choose(tab, "dark")
    assert ground(tab) == DARK


def test_charts_are_drawn_again_in_the_colours_of_the_theme(chromium: Chromium, tmp_path: Path) -> None:
    example = Example(tmp_path)
    (page,) = (one for one in PAGES if one.name == "trial")
    with closing(example.at), window(chromium, Browser(example), page) as tab:
        tab.emulate_media(color_scheme="dark")
        drawn = {}
        for theme in ("light", "dark", "automatic"):
            choose(tab, theme)
            drawn[theme] = tab.evaluate(f"new Promise((done) => setTimeout(() => done({CANVAS}), 200))")
        assert drawn["dark"] == drawn["automatic"] != drawn["light"]
