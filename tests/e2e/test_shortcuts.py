"""Keyboard shortcuts in Chromium: what they open, where they do nothing, their list, and the switch."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from playwright.sync_api import Page as Tab

from tests.pictures.barriers import barriers
from tests.pictures.window import ADDRESS, window_of
from tests.unit.coordinator.coordinator_app import CoordinatorApp
from tests.unit.coordinator.pages import csrf, signed_in

pytestmark = pytest.mark.e2e


@pytest.fixture
def app(tmp_path: Path) -> Iterator[CoordinatorApp]:
    app = CoordinatorApp(tmp_path)
    app.register()
    with closing(app):
        yield app


@pytest.fixture
def campaign_id(app: CoordinatorApp) -> str:
    """A campaign with two trials."""
    campaign_id = app.submit(blocks=1)
    app.run_block()
    return campaign_id


@pytest.fixture
def tab(app: CoordinatorApp, campaign_id: str, chromium: Browser) -> Iterator[Tab]:
    with window_of(chromium, signed_in(app)) as tab:
        tab.goto("/matrix")
        yield tab


def press(tab: Tab, keys: str) -> None:
    tab.wait_for_load_state()  # its scripts listen
    for key in keys.split():
        tab.keyboard.press(key)


@pytest.mark.parametrize(
    ("keys", "path"),
    [
        ("g c", "/campaigns"),
        ("g h", "/hosts"),
        ("n", "/campaigns/new"),
        ("g x g r", "/reasons"),
        ("g n", "/campaigns/new"),
    ],
)
def test_keys_open_pages(tab: Tab, keys: str, path: str) -> None:
    press(tab, keys)
    expect(tab).to_have_url(f"{ADDRESS}{path}")


def test_search_is_focused_on_this_page_or_in_the_list(tab: Tab) -> None:
    press(tab, "/")
    expect(tab).to_have_url(f"{ADDRESS}/campaigns#q")
    expect(tab.get_by_label("Search", exact=True)).to_be_focused()
    tab.keyboard.type("g c n ?")
    expect(tab.get_by_label("Search", exact=True)).to_have_value("g c n ?")
    expect(tab.get_by_role("dialog")).to_be_hidden()
    tab.goto("/compare")
    press(tab, "/")
    expect(tab.get_by_label("Search", exact=True)).to_be_focused()
    expect(tab.get_by_label("Search", exact=True)).to_have_value("")
    expect(tab).to_have_url(f"{ADDRESS}/compare")
    tab.goto("/campaigns/new")  # whose field is in a part that is folded
    press(tab, "/")
    expect(tab).to_have_url(f"{ADDRESS}/campaigns#q")


def test_tabs_and_trials_follow_one_another(tab: Tab, campaign_id: str) -> None:
    tab.goto(f"/campaigns/{campaign_id}")
    press(tab, "4")
    expect(tab).to_have_url(f"{ADDRESS}/campaigns/{campaign_id}/trials")
    tab.goto(f"/trials/{campaign_id}-0-1-0")
    press(tab, "j")
    expect(tab).to_have_url(f"{ADDRESS}/trials/{campaign_id}-0-1-1")
    press(tab, "k")
    expect(tab).to_have_url(f"{ADDRESS}/trials/{campaign_id}-0-1-0")


def test_the_list_is_a_dialog_that_returns_the_focus(tab: Tab, campaign_id: str) -> None:
    tab.goto("/campaigns")
    tab.get_by_role("link", name="small").focus()
    press(tab, "?")
    dialog = tab.get_by_role("dialog", name="Keyboard shortcuts")
    expect(dialog).to_contain_text("New campaign")
    expect(dialog.get_by_text("Next", exact=True)).to_be_hidden()  # nothing follows this page
    assert barriers(tab) == []
    press(tab, "n")
    expect(dialog).to_be_visible()
    press(tab, "Escape")
    expect(dialog).to_be_hidden()
    expect(tab.get_by_role("link", name="small")).to_be_focused()
    tab.goto(f"/trials/{campaign_id}-0-1-0")
    tab.get_by_role("button", name="Keyboard shortcuts").click()
    expect(dialog.get_by_text("Next", exact=True)).to_be_visible()


def test_they_can_be_switched_off_for_good(tab: Tab) -> None:
    tab.get_by_role("button", name="Keyboard shortcuts").click()
    tab.get_by_label("Use these keys in this browser").uncheck()
    tab.get_by_role("button", name="Close").click()
    for _ in range(2):
        press(tab, "?")
        press(tab, "n")
        expect(tab.get_by_role("dialog")).to_be_hidden()
        expect(tab).to_have_url(f"{ADDRESS}/matrix")
        tab.reload()
    tab.get_by_role("button", name="Keyboard shortcuts").click()
    expect(tab.get_by_label("Use these keys in this browser")).not_to_be_checked()
    tab.get_by_label("Use these keys in this browser").check()
    tab.get_by_role("button", name="Close").click()
    press(tab, "n")
    expect(tab).to_have_url(f"{ADDRESS}/campaigns/new")


@pytest.mark.parametrize("keys", ["Control+n", "Alt+n", "Meta+n"])
def test_keys_of_the_browser_stay_the_browsers(tab: Tab, keys: str) -> None:
    tab.evaluate("document.addEventListener('keydown', (event) => { window.taken = event.defaultPrevented; })")
    press(tab, keys)
    assert tab.evaluate("window.taken") is False
    expect(tab).to_have_url(f"{ADDRESS}/matrix")


def test_who_may_only_read_has_no_key_for_the_form(app: CoordinatorApp, chromium: Browser) -> None:
    made = app.client.post("/api/v1/tokens", json={"name": "reader", "scope": "read"}, headers=app.user).json
    client = app.app.test_client()
    client.post("/sign-in", data={"csrf_token": csrf(client.get("/sign-in")), "token": made["token"]})
    with window_of(chromium, client) as tab:
        tab.goto("/matrix")
        press(tab, "?")
        expect(tab.get_by_role("dialog")).to_contain_text("Campaigns")
        expect(tab.get_by_role("dialog")).not_to_contain_text("New campaign")
