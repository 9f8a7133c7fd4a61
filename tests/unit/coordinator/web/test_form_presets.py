"""The beginnings of the form: each installed campaign, an earlier one, nothing; and how far it is to the button."""

import html
import re
from html.parser import HTMLParser

import pytest
from flask.testing import FlaskClient

from coordinator.web.presets import fitted, presets, reference_campaign
from tests import ROOT
from tests.unit.coordinator.coordinator_app import CoordinatorApp
from tests.unit.coordinator.pages import csrf, send

FILES = sorted(path.stem for path in (ROOT / "deploy/campaigns").glob("*.toml"))
VOID = {"input", "meta", "link", "img", "br", "option"}


class TabStops(HTMLParser):
    """Counts what the tab key reaches before the button *Submit the campaign*."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.reached = False
        self._closed: list[bool] = []  # of each open <details>: whether it is folded
        self._groups: set[str] = set()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        if tag == "details":
            self._closed.append("open" not in given)
            return
        folded = self._closed[:-1] if tag == "summary" else self._closed
        if self.reached or any(folded) or "disabled" in given or given.get("tabindex") == "-1":
            return
        if tag not in ("a", "button", "input", "select", "textarea", "summary") or given.get("type") == "hidden":
            return
        if given.get("type") == "radio":
            if given["name"] in self._groups:
                return
            self._groups.add(str(given["name"]))
        if tag == "button" and given.get("name") == "submit":
            self.reached = True
            return
        self.count += 1

    def handle_endtag(self, tag: str) -> None:
        if tag == "details":
            self._closed.pop()


@pytest.mark.parametrize("key", FILES)
def test_each_installed_campaign_is_a_preset(coordinator_app: CoordinatorApp, browser: FlaskClient, key: str) -> None:
    coordinator_app.register()
    page = browser.get("/campaigns/new", query_string={"preset": key})
    campaign = presets()[key].campaign
    assert re.search(rf'name="preset" value="{key}" checked', page.text)
    assert re.search(rf'id="name"[^>]*value="{campaign.name}"', page.text)
    assert html.escape(campaign.description, quote=False) in page.text.replace("&#39;", "'")
    assert f'value="{campaign.blocks}"' in page.text
    stops = TabStops()
    stops.feed(page.text)
    assert stops.reached
    assert stops.count <= 40


def test_the_presets_are_the_files_with_the_quick_one_first() -> None:
    assert sorted(presets()) == FILES
    assert list(presets())[:2] == ["quick", "showdown"]
    assert presets()["showdown"].campaign == reference_campaign()
    assert presets()["showdown"].duration == "about 8 min"


def test_a_preset_names_what_no_host_can_run(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    coordinator_app.register(missing={"tproxy": ("nft lacks tproxy: install nftables 1.0",)})
    page = browser.get("/campaigns/new", query_string={"preset": "quick"}).text
    assert "No online host can run tproxy" in page
    box = re.search(r'<input type="checkbox" name="datapaths" value="tproxy"[^>]*>', page)
    assert box
    assert " disabled" in box[0]
    assert "Cannot run: h1: nft lacks tproxy: install nftables 1.0" in page
    data = fitted(presets()["quick"].campaign, {"datapaths": ["direct"]})
    assert (data["datapaths"], data["reference"]) == (["direct"], "")


def test_what_was_chosen_before_can_be_taken_out(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    coordinator_app.register(missing={"tproxy": ("nft lacks tproxy",)})
    box = re.search(r'<input type="checkbox" name="datapaths" value="tproxy"[^>]*>', send(browser).text)
    assert box
    assert " checked" in box[0]
    assert " disabled" not in box[0]


def test_the_empty_preset_has_nothing_and_all_parts_open(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    coordinator_app.register()
    page = browser.get("/campaigns/new?preset=empty").text
    assert " checked" not in page.partition('id="campaign-form"')[2]
    assert re.search(r'id="datapaths-part" open', page)
    assert browser.get("/campaigns/new?preset=nosuch").status_code == 404


def test_the_toml_page_begins_as_the_form_does(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    coordinator_app.register()
    earlier = coordinator_app.submit(name="earlier", levels={"odd": "closed(17)"})
    page = html.unescape(browser.get(f"/campaigns/new/toml?like={earlier}").text)
    assert 'name = "earlier"' in page
    assert 'odd = "closed(17)"' in page
    assert browser.get("/campaigns/new/toml?like=nosuch").status_code == 404
    unknown = browser.get("/campaigns/new/toml?preset=nosuch")
    assert unknown.status_code == 404
    assert "there is no preset 'nosuch'; the presets are empty, quick" in html.unescape(unknown.text)
    for empty in ("", "?preset=", "?preset=empty"):
        assert re.search(r'<textarea id="toml"[^>]*></textarea>', browser.get(f"/campaigns/new/toml{empty}").text)
    form = html.unescape(browser.get(f"/campaigns/new?like={earlier}").text)
    assert f'href="/campaigns/new/toml?like={earlier}"' in form


def test_the_estimate_says_time_blocks_and_what_the_design_shows(
    coordinator_app: CoordinatorApp, browser: FlaskClient
) -> None:
    coordinator_app.register()
    page = browser.get("/campaigns/new?preset=quick").text
    assert 'hx-post="/campaigns/preview"' in page
    form = {"name": "x", "datapaths": ["direct", "tproxy"], "reference": "tproxy", "workloads": "http_keepalive",
            "level_name": "low", "level_kind": "closed", "level_load": "64",
            "csrf_token": csrf(browser.get("/campaigns/new"))}  # fmt: skip
    good = html.unescape(browser.post("/campaigns/preview", data={**form, "blocks": "6"}).text)
    assert "6 blocks, about" in good
    assert "on h1." in good
    assert "Warning" not in good
    few = html.unescape(browser.post("/campaigns/preview", data={**form, "blocks": "3"}).text)
    assert "Warning: a verdict needs 5 pairs, and 3 blocks per level give at most 3" in re.sub(r"<[^>]+>", "", few)
    wrong = browser.post("/campaigns/preview", data={**form, "blocks": "many"}).text
    assert "waits for 1 field" in wrong
    assert not coordinator_app.dispatcher.sent
