"""Headless Chromium on the whole stack: sign in, fill the form, watch the campaign, read its verdict."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from deploy.stack.stack import PrivateStack
from domain.trials.traits import Answer
from domain.trials.trial import TRANSIENT_REASONS, Reason
from tests.e2e.conftest import Running
from tests.unit.matrices import matrix
from tests.unit.matrices import row as trait_row

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("kernel")]

CAMPAIGN_MS = 240_000  # five blocks of two datapaths take 40 s on an idle host; the rest is for busy ones


@pytest.fixture
def stack(running: Running) -> PrivateStack:
    return running.stack


class Tab:
    """A page whose console must stay silent but for the errors that a test expects."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("console", self._listen)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _listen(self, message: ConsoleMessage) -> None:
        # A page that is left aborts its requests. Of one that fails, htmx also reports a sendError.
        aborted = message.text.startswith(("htmx:sendAbort", "htmx:afterRequest"))
        if message.type in ("error", "warning") and not aborted:
            self.complaints.append(message.text)


@pytest.fixture
def tab(stack: PrivateStack, chromium: Browser) -> Iterator[Tab]:
    """Signed in, where the form is."""
    context = chromium.new_context(base_url=stack.url, viewport={"width": 1280, "height": 900})
    tab = Tab(context.new_page())
    tab.page.goto("/campaigns/new")
    tab.page.get_by_label("Token").fill(stack.token)
    tab.page.get_by_role("button", name="Sign in").click()
    expect(tab.page.get_by_role("heading", name="New campaign")).to_be_visible()
    yield tab
    context.close()


def fill_a_short_campaign(page: Page) -> None:
    """Two datapaths at one level: five blocks, as a verdict needs five pairs."""
    page.get_by_label("Name", exact=True).fill("from-chromium")
    for part in ("datapaths", "levels", "advanced"):
        page.locator(f"#{part}-fold").click()
    for name in ("ebpf_sk_assign", "tproxy"):
        page.locator(f"#datapaths-{name}").uncheck()
    page.get_by_label("Reference", exact=True).select_option("direct")
    page.get_by_label("Level 1, type").select_option("closed")
    page.get_by_label("Level 1, value").fill("16")
    focus = ("Focus of added blocks", "Levels of the focus", "Slices in the focus")
    for name in ("Primary comparisons", "Precision", "Budget", *focus):  # what the reference campaign has there
        page.get_by_label(name, exact=True).fill("")
    for row in range(2, page.locator("input[name=level_name]").count() + 1):
        page.get_by_label(f"Level {row}, name").fill("")
        page.get_by_label(f"Level {row}, value").fill("")
    for name, value in (("Blocks", "5"), ("Slices", "2"), ("Slice, seconds", "0.3"), ("Warm-up, seconds", "0")):
        page.get_by_label(name, exact=True).fill(value)


def test_the_form_names_the_field_that_is_wrong_and_keeps_the_rest(tab: Tab) -> None:
    page = tab.page
    fill_a_short_campaign(page)
    page.get_by_label("Blocks", exact=True).fill("many")
    page.get_by_role("button", name="Submit the campaign").click()
    expect(page.locator("#problems[role=alert]")).to_contain_text("Nothing was submitted.")
    expect(page).to_have_title(re.compile("^Error: "))
    expect(page.locator("#problems")).to_be_focused()
    page.get_by_role("link", name="Blocks: Must be a whole number.").click()
    expect(page.get_by_label("Blocks", exact=True)).to_be_focused()
    expect(page.get_by_label("Blocks", exact=True)).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#blocks-error")).to_be_visible()
    expect(page.get_by_label("Name", exact=True)).to_have_value("from-chromium")
    expect(page.locator("#datapaths-tproxy")).not_to_be_checked()
    assert [c for c in tab.complaints if "422" not in c] == []


def test_a_preset_is_submitted_with_few_tab_stops(tab: Tab) -> None:
    page = tab.page
    page.goto("/campaigns/new?preset=quick")
    submit = page.get_by_role("button", name="Submit the campaign")
    page.locator("body").focus()
    for _ in range(40):
        page.keyboard.press("Tab")
        if submit.evaluate("button => button === document.activeElement"):
            return
    pytest.fail("40 tab stops do not reach the button")


def test_no_way_through_the_browser_loses_what_was_typed(tab: Tab, stack: PrivateStack) -> None:
    page = tab.page
    page.get_by_label("Name", exact=True).fill("typed")
    page.locator("#levels-fold").click()
    page.get_by_role("button", name="Another level").click()
    rows = page.locator("[data-level]").count()
    page.get_by_label(f"Level {rows}, name").fill("mine")
    page.get_by_label(f"Level {rows}, value").fill("8")
    expect(page.locator("[data-summary=levels]")).to_contain_text("mine closed(8)")
    page.get_by_role("link", name="Hosts", exact=True).click()
    page.go_back()
    expect(page.get_by_label("Name", exact=True)).to_have_value("typed")
    expect(page.locator("[data-summary=levels]")).to_contain_text("mine closed(8)")

    other = page.context.new_page()
    other.goto("/campaigns/new")
    other.get_by_role("button", name="Restore it").click()
    expect(other.get_by_label("Name", exact=True)).to_have_value("typed")
    other.close()

    page.context.clear_cookies()
    page.get_by_label("Name", exact=True).fill("typed longer")
    page.get_by_label("Name", exact=True).press("Enter")  # submits, and adds no level
    expect(page.get_by_role("alert")).to_contain_text("What you typed is kept")
    page.get_by_label("Token").fill(stack.token)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_label("Name", exact=True)).to_have_value("typed longer")
    expect(page.locator("[data-summary=levels]")).to_contain_text("mine closed(8)")
    assert [c for c in tab.complaints if "401" not in c] == []


def check_answer(page: Page, report: dict[str, Any]) -> None:
    """The page shows the words of the report."""
    for statement in report["answer"]["statements"]:
        expect(page.locator(".answer")).to_contain_text(statement["sentence"])
    expect(page.locator(".answer .scope")).to_contain_text(f"this boot of {report['campaign']['hosts'][0]}")


def check_lost_connection(tab: Tab) -> None:
    """While the coordinator does not answer, the page says that its figures are old."""
    banner = tab.page.get_by_text("No connection to the coordinator since")
    expect(banner).to_be_hidden()
    tab.page.route("**/progress?*", lambda route: route.abort())
    expect(banner).to_be_visible()
    tab.page.unroute("**/progress?*")
    expect(banner).to_be_hidden()
    tab.complaints.clear()  # Chromium reports the requests that failed


def pages_on_paper(page: Page) -> int:
    """How many A4 pages the print of a page has."""
    return len(re.findall(rb"/Type\s*/Page\b", page.pdf(format="A4")))


def check_polling_has_stopped(page: Page) -> None:
    """The panels ask once more, whole, when they learn that the campaign has ended; then nothing asks."""
    page.wait_for_load_state("networkidle")
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    for _ in range(4):
        requests.clear()
        page.wait_for_timeout(2_500)
        if not requests:
            break
    assert requests == []


def check_tabs(page: Page, report: dict[str, Any]) -> None:
    """Summary and verdicts of a campaign that has ended."""
    first, valid = report["verdicts"][0], report["results"][0]["valid_trials"]
    page.get_by_role("link", name="Summary", exact=True).click()
    check_answer(page, report)
    if valid:
        expect(page.get_by_role("img", name=re.compile("Requests per second"))).to_be_visible()
    assert pages_on_paper(page) == 1
    page.get_by_role("link", name="Verdicts", exact=True).click()
    assert first["pairs"] >= 5 or report["invalid"]
    expected = first["sentence"] if first["pairs"] >= 5 else "a verdict needs 5"  # host noise may leave too few pairs
    expect(page.locator("#results")).to_contain_text(expected)
    assert first["sentence"].startswith("ebpf_redirect ")
    invalid = report["results"][0]["invalid_trials"]
    shown = f"{valid} valid, {invalid} invalid" if invalid else "req/s"
    expect(page.locator("#results table.showdown td").first).to_contain_text(shown)


def test_a_campaign_from_the_form_runs_until_its_verdict_shows(tab: Tab) -> None:
    page = tab.page
    fill_a_short_campaign(page)
    page.get_by_role("button", name="Submit the campaign").click()
    expect(page.get_by_role("heading", name=re.compile("from-chromium"))).to_be_visible()
    campaign = urlsplit(page.url).path
    page.get_by_role("link", name="Live", exact=True).click()
    page.wait_for_url(f"**{campaign}/live")
    # Everything from here on comes by polling: the page is never loaded again.
    page.evaluate("window.neverReloaded = true")
    check_lost_connection(tab)
    expect(page.locator("#progress")).to_contain_text("of 5")
    traffic = page.locator("#traffic")
    expect(traffic.get_by_role("heading")).to_have_text("Traffic now")
    expect(traffic.locator("tbody tr")).to_have_count(2, timeout=CAMPAIGN_MS)
    expect(traffic.locator(".uplot canvas")).to_have_count(2)
    expect(page.locator("#progress .state").first).to_have_text("complete", timeout=CAMPAIGN_MS)
    expect(traffic.get_by_role("heading")).to_have_text("Traffic over time")
    report = page.request.get(f"/api/v1{campaign}/report").json()
    # A busy machine spoils trials, and says so; the page must then show just that. Any other trial must be valid.
    assert [t for t in report["invalid"] if not {*TRANSIENT_REASONS, Reason.PROBE_LOSS} & set(t["reasons"])] == []
    assert report["failed_attempts"] == []
    expect(page.get_by_role("link", name="Cancel")).to_have_count(0)
    expect(page.locator("#results")).to_contain_text(re.compile(rf"valid, {len(report['invalid'])}\s+invalid"))
    assert page.evaluate("window.neverReloaded")
    check_polling_has_stopped(page)
    check_tabs(page, report)
    assert tab.complaints == []


def test_a_link_opens_a_campaign_in_another_browser_without_a_token(chromium: Browser, tab: Tab) -> None:
    page = tab.page
    page.goto("/campaigns")
    page.get_by_role("link", name="from-chromium").first.click()
    page.get_by_role("link", name="Share", exact=True).click()
    page.get_by_role("button", name="Create a link").click()
    link = page.locator("[role=status] pre").inner_text()
    context = chromium.new_context()
    visitor = Tab(context.new_page())
    visitor.page.goto(link)
    expect(visitor.page.get_by_role("heading", name=re.compile("from-chromium"))).to_be_visible()
    expect(visitor.page.get_by_role("link", name="Verdicts", exact=True)).to_be_visible()
    assert "sds_" not in visitor.page.url
    assert visitor.page.locator("main form").count() == 0
    context.close()
    assert visitor.complaints == tab.complaints == []


def test_kernel_latency_of_a_trial_is_drawn_from_influxdb(tab: Tab) -> None:
    page = tab.page
    page.goto("/campaigns")
    page.get_by_role("link", name="from-chromium").first.click()
    page.get_by_role("link", name="Trials", exact=True).click()
    page.locator("#trials tbody th a").first.click()
    panel = page.locator("#kernel-latency")
    expect(panel.locator(".uplot canvas")).to_have_count(2)
    expect(panel.locator("[data-stage-stage]")).to_contain_text("run queue")
    expect(panel.locator("[data-stage-message]")).to_be_empty()
    assert tab.complaints == []


def test_the_matrix_opens_to_its_evidence_by_keyboard(stack: PrivateStack, tab: Tab) -> None:
    api, token = f"{stack.url}/api/v1", stack.host_token
    (host,) = tab.page.request.get("/api/v1/hosts").json()["hosts"]
    found = matrix(
        trait_row("ebpf_redirect"),
        trait_row("nft_redirect", "steer", udp=(Answer.NO, "None came back.")),
        host=host["name"],
    )
    response = tab.page.request.put(
        f"{api}/worker/hosts/{host['name']}/matrix",
        data=found.model_dump(mode="json"),
        headers={"Authorization": f"Bearer {token}"},
    )
    assert response.status == 204, response.text()
    page = tab.page
    page.get_by_role("link", name="Matrix").click()
    cell = page.get_by_role("row", name=re.compile("^nft_redirect")).locator("summary").last
    expect(cell).to_have_text("no")
    evidence = page.get_by_text("None came back.")
    expect(evidence).to_be_hidden()
    cell.focus()
    page.keyboard.press("Enter")
    expect(evidence).to_be_visible()
    expect(page.get_by_role("button", name=f"Test again on {host['name']}")).to_be_visible()
    assert tab.complaints == []


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1280, "dark")])
def test_no_page_is_wider_than_its_window(
    stack: PrivateStack, chromium: Browser, tab: Tab, width: int, scheme: str, tmp_path: Path
) -> None:
    page = tab.page
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size({"width": width, "height": 800})
    page.goto("/campaigns")
    campaign = page.get_by_role("link", name="from-chromium").first.get_attribute("href")
    tabs = ("", "/verdicts", "/why", "/trials", "/live", "/configuration")
    for path in (
        "/campaigns",
        "/campaigns/new",
        "/hosts",
        "/matrix",
        "/reasons",
        *(f"{campaign}{one}" for one in tabs),
    ):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
    assert tab.complaints == []
