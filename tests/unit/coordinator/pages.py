"""A browser without a window: it signs in, sends the form, and reads a page's texts."""

import re
from dataclasses import dataclass

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.unit.coordinator.coordinator_app import CoordinatorApp

TABS = ("", "/verdicts", "/why", "/trials", "/live", "/configuration")
FIGURES = ("/verdicts?figure=latency", "/verdicts?figure=rate")
"""The other figures of the results table."""
FORM = {
    "name": "from-the-form",
    "datapaths": ["direct", "tproxy"],
    "reference": "tproxy",
    "workloads": ["http_keepalive"],
    "level_name": ["low", "high", ""],
    "level_load": ["closed(8)", "closed(64)", ""],
    "blocks": "5",
    "slices": "1",
    "slice_s": "0.5",
    "open_slice_s": "2.0",
    "warm_up_s": "0",
    "seed": "7",
}


def csrf(page: TestResponse) -> str:
    """The CSRF token of a page's forms."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
    assert found, page.text
    return found[1]


def signed_in(coordinator_app: CoordinatorApp) -> FlaskClient:
    """A client with a session."""
    client = coordinator_app.app.test_client()
    token = csrf(client.get("/sign-in"))
    answer = client.post("/sign-in", data={"csrf_token": token, "token": coordinator_app.settings.token, "next": ""})
    assert (answer.status_code, answer.location) == (303, "/")
    return client


def send(browser: FlaskClient, **changes: object) -> TestResponse:
    """Submit the form, with changes."""
    token = csrf(browser.get("/campaigns/new"))
    return browser.post("/campaigns", data={**FORM, "csrf_token": token, **changes})


@dataclass(frozen=True)
class EveryTab:
    """The texts of all tabs of a campaign, one after another."""

    text: str


def every_tab(browser: FlaskClient, campaign_id: str) -> EveryTab:
    """All tabs of a campaign, and all figures of its table."""
    pages = [browser.get(f"/campaigns/{campaign_id}{tab}") for tab in (*TABS, *FIGURES)]
    assert {page.status_code for page in pages} == {200}
    return EveryTab("\n".join(page.text for page in pages))


def sentences(page: TestResponse | EveryTab) -> list[str]:
    """The texts of the page, without markup."""
    return [text.strip() for text in re.sub(r"<[^>]+>", "\n", page.text).splitlines() if text.strip()]
