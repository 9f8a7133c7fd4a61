"""A campaign in Chromium whose end is watched from another window: the title, and a notification that was asked for."""

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from playwright.sync_api import Page as Tab

from tests.pictures.barriers import barriers
from tests.pictures.window import window_of
from tests.unit.coordinator.coordinator_app import CoordinatorApp
from tests.unit.coordinator.pages import signed_in

pytestmark = pytest.mark.e2e

NOTIFICATIONS = """
window.shown = [];
window.Notification = class extends EventTarget {
  static permission = sessionStorage.getItem("permission") ?? "default";
  static async requestPermission() {
    sessionStorage.setItem("permission", "ANSWER");
    return (this.permission = "ANSWER");
  }
  constructor(title, options) {
    super();
    shown.push({ title, ...options });
  }
};
"""
"""Notifications as the browser has them, which shows none without a desktop."""


@pytest.fixture
def app(tmp_path: Path) -> Iterator[CoordinatorApp]:
    app = CoordinatorApp(tmp_path)
    app.register()
    with closing(app):
        yield app


@pytest.fixture
def campaign_id(app: CoordinatorApp) -> str:
    return app.submit(blocks=2)


@pytest.fixture
def tab(app: CoordinatorApp, campaign_id: str, chromium: Browser) -> Iterator[Tab]:
    with window_of(chromium, signed_in(app)) as tab:
        yield tab


def ask(tab: Tab, path: str, answer: str) -> None:
    """Open the page and press the button; the user answers the browser's question."""
    tab.add_init_script(NOTIFICATIONS.replace("ANSWER", answer))
    tab.goto(path)
    tab.get_by_role("button", name="Notify me when it ends").click()


def test_the_title_counts_blocks_and_then_says_the_outcome(tab: Tab, app: CoordinatorApp, campaign_id: str) -> None:
    tab.goto(f"/campaigns/{campaign_id}/trials")
    expect(tab).to_have_title(f"0/2 · Trials · small {campaign_id} · Showdown")
    app.run_block()
    expect(tab).to_have_title(f"1/2 · Trials · small {campaign_id} · Showdown")
    app.cancel(campaign_id)
    expect(tab).to_have_title(f"cancelled · Trials · small {campaign_id} · Showdown")
    expect(tab.locator("#trials")).to_contain_text("0.1.0")
    tab.wait_for_load_state("networkidle")
    expect(tab).to_have_title(re.compile("^cancelled"))


def test_a_wanted_notification_comes_at_the_end_and_once(tab: Tab, app: CoordinatorApp, campaign_id: str) -> None:
    ask(tab, f"/campaigns/{campaign_id}", "granted")
    button = tab.get_by_role("button", name="Notify me when it ends")
    expect(button).to_have_attribute("aria-pressed", "true")
    assert barriers(tab) == []
    tab.get_by_role("link", name="Verdicts", exact=True).click()
    expect(button).to_have_attribute("aria-pressed", "true")
    app.run_block()
    expect(tab).to_have_title(re.compile("^1/2 · Verdicts"))
    assert tab.evaluate("shown") == []
    app.cancel(campaign_id)
    tab.wait_for_function("() => shown.length")
    expect(button).to_be_hidden()
    (shown,) = tab.evaluate("shown")
    assert shown["title"] == "small has ended"
    assert shown["body"].startswith("Campaign cancelled, 1 of 2 blocks done.")
    tab.reload()
    assert tab.evaluate("shown") == []


def test_nobody_gets_one_without_asking_or_after_a_change_of_mind(
    tab: Tab, app: CoordinatorApp, campaign_id: str
) -> None:
    ask(tab, f"/campaigns/{campaign_id}", "granted")
    button = tab.get_by_role("button", name="Notify me when it ends")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "false")
    tab.reload()
    expect(button).to_have_attribute("aria-pressed", "false")
    app.cancel(campaign_id)
    expect(button).to_be_hidden()
    assert tab.evaluate("shown") == []


def test_a_browser_that_denies_notifications_says_where_they_are_allowed(tab: Tab, campaign_id: str) -> None:
    ask(tab, f"/campaigns/{campaign_id}", "denied")
    expect(tab.get_by_role("button", name="Notify me when it ends")).to_have_attribute("aria-pressed", "false")
    expect(tab.get_by_text("The browser denies notifications")).to_be_visible()
    assert barriers(tab) == []


def test_a_campaign_that_has_ended_offers_none(tab: Tab, app: CoordinatorApp, campaign_id: str) -> None:
    app.cancel(campaign_id)
    tab.goto(f"/campaigns/{campaign_id}")
    expect(tab.get_by_role("button", name="Notify me when it ends")).to_have_count(0)
