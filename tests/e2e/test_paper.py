"""Campaigns on paper: the summary, the tabs and the HTML report of one with the shape of the reference campaign."""

import random
import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Browser
from playwright.sync_api import Page as Tab

from domain.reports.answer import MOST_COLUMNS
from tests.pictures.window import window_of
from tests.unit.coordinator.coordinator_app import CoordinatorApp, result
from tests.unit.coordinator.pages import signed_in

pytestmark = pytest.mark.e2e

DATAPATHS = ["direct", "tproxy", "ebpf_sk_assign", "ebpf_redirect"]
RATES = {"quarter": 20_000, "third": 30_000, "half": 40_000, "busy": 64_000}
PAPER_PX = 703
"""The width of A4 within its margins, at 96 pixels for an inch."""
BEYOND = """() => [...document.querySelectorAll("main :is(th, td, p, li, dt, dd, pre, svg, canvas, summary)")]
  .map((one) => [one, one.getBoundingClientRect()])
  .filter(([_, box]) => box.width && (box.right > innerWidth + 1 || box.left < -1))
  .map(([one]) => `${one.tagName} ${one.textContent.trim().slice(0, 60)}`)"""
"""What is not within the paper."""
FOLDED = """() => [...document.querySelectorAll("main details :is(th, dd, pre, svg)")]
  .filter((one) => !one.checkVisibility()).length"""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CoordinatorApp]:
    app = CoordinatorApp(tmp_path_factory.mktemp("paper"))
    yield app
    app.close()


@pytest.fixture(scope="module")
def client(app: CoordinatorApp) -> FlaskClient:
    return signed_in(app)


@pytest.fixture(scope="module")
def campaign_id(app: CoordinatorApp) -> str:
    """Four datapaths, five levels, large numbers with all their digits, and a fingerprint."""
    app.register()
    levels = {level: f"open({rate})" for level, rate in RATES.items()} | {"connections_64": "closed(64)"}
    campaign_id = app.submit(
        name="paper", datapaths=DATAPATHS, reference="tproxy", workloads=["http_open"], levels=levels, blocks=5
    )
    drawn = random.Random(7)
    while app.view(campaign_id)["state"] in ("queued", "running"):
        measure(app, drawn)
    assert app.view(campaign_id)["outcome"] == "answered"
    return campaign_id


def measure(app: CoordinatorApp, drawn: random.Random) -> None:
    """The result of the next block."""
    app.wait(1, present=("h1",))
    message = app.last_sent()
    claimed = app.call("claim", message, {"host": "h1"}).json
    block = claimed["block"]
    rate = RATES.get(block["level"])
    rates = {label: rate or int(160_000 * drawn.uniform(0.9, 1.1)) for label in block["datapaths"]}
    more: dict[str, Any] = {"latency_ns": int(1_234_567 * drawn.uniform(0.9, 1.1))} if rate else {}
    found = result("h1", block["datapaths"], workload="http_open", level=block["level"], rates=rates, **more)
    found["fingerprint"] = {"kernel": "6.18.0 #1 SMP PREEMPT_DYNAMIC", "command_line": "quiet " * 60}
    answer = app.call("report", message, {"lease": claimed["lease"], "result": found})
    assert answer.status_code == 204, answer.text


@pytest.fixture
def tab(chromium: Browser, client: FlaskClient) -> Iterator[Tab]:
    with window_of(chromium, client) as tab:
        yield tab


def on_paper(tab: Tab) -> None:
    """The page as it is printed, with what its scripts do before that."""
    tab.set_viewport_size({"width": PAPER_PX, "height": 1000})
    tab.emulate_media(media="print")
    tab.evaluate("dispatchEvent(new Event('beforeprint'))")


def test_the_summary_is_one_sheet_with_all_its_columns(tab: Tab, campaign_id: str) -> None:
    tab.goto(f"/campaigns/{campaign_id}")
    assert tab.locator(".answer thead tr:last-child th").count() == MOST_COLUMNS
    assert len(re.findall(rb"/Type\s*/Page\b", tab.pdf(format="A4"))) == 1
    on_paper(tab)
    assert tab.evaluate(BEYOND) == []


@pytest.mark.parametrize("name", ["verdicts", "why", "trials", "configuration"])
def test_no_table_of_a_tab_is_cut_and_nothing_is_folded(tab: Tab, campaign_id: str, name: str) -> None:
    tab.goto(f"/campaigns/{campaign_id}/{name}")
    on_paper(tab)
    assert tab.evaluate(BEYOND) == []
    assert tab.evaluate(FOLDED) == 0
    tab.evaluate("dispatchEvent(new Event('afterprint'))")
    assert tab.locator("#results details[open]").count() == 0


def test_the_report_file_has_all_columns_and_facts_on_paper(tab: Tab, client: FlaskClient, campaign_id: str) -> None:
    tab.set_content(client.get(f"/campaigns/{campaign_id}/report.html").text)
    on_paper(tab)
    assert tab.locator(".answer thead tr:last-child th").count() == MOST_COLUMNS
    assert tab.evaluate(BEYOND) == []
    assert tab.evaluate(FOLDED) == 0
    assert tab.locator("main").evaluate("(one) => getComputedStyle(one.ownerDocument.body).backgroundColor") == (
        "rgb(255, 255, 255)"
    )


@pytest.mark.parametrize("path", ["", "/verdicts"])
def test_paper_is_light_where_the_screen_is_dark(tab: Tab, campaign_id: str, path: str) -> None:
    tab.emulate_media(media="print", color_scheme="dark")
    tab.goto(f"/campaigns/{campaign_id}{path}")
    assert tab.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--good')").strip() == "#17703c"
