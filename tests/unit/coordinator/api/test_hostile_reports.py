"""Hostile reports, heartbeats and hosts: each is refused by name, and nothing else notices, on both databases."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.unit.coordinator.api.hostile_reports import BEATS, HOSTS, RESULTS, TRIALS
from tests.unit.coordinator.coordinator_app import CoordinatorApp, capabilities, result
from tests.unit.coordinator.pages import signed_in

PAGES = (
    "campaigns/{0}", "campaigns/{0}/report", "campaigns/{0}/results", "campaigns/{0}/results.csv",
    "campaigns/{0}/verdicts.csv", "campaigns/{0}/trials", "campaigns/{0}/stacks", "campaigns", "hosts", "datapaths",
    "quarantine",
)  # fmt: skip
WEB = (
    "/campaigns", "/campaigns/{0}", "/campaigns/{0}/verdicts", "/campaigns/{0}/why", "/campaigns/{0}/trials",
    "/campaigns/{0}/live", "/campaigns/{0}/configuration", "/campaigns/{0}/headline", "/hosts", "/matrix",
)  # fmt: skip


@pytest.fixture(params=["sqlite", "postgresql"], scope="module")
def app(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CoordinatorApp]:
    url = request.getfixturevalue("postgres_server")() if request.param == "postgresql" else ""
    app = CoordinatorApp(Path(tmp_path_factory.mktemp("hostile")), url)
    yield app
    app.close()


@pytest.fixture
def running(app: CoordinatorApp) -> Iterator[tuple[CoordinatorApp, str, str]]:
    """The application, a campaign whose first block is claimed, and the lease."""
    app.register()
    campaign_id = app.submit(blocks=1)
    lease = app.claim(app.last_sent())
    yield app, campaign_id, lease
    app.cancel(campaign_id)
    app.wait(60)


def refused(answer: TestResponse, name: str) -> bool:
    """Whether it is refused as the sender's mistake; a few are harmless, and taken."""
    assert answer.status_code < 500, f"{name}: {answer.status_code} {answer.text[:300]}"
    assert len(answer.text) < 20_000
    return answer.status_code in (400, 409, 413, 422)


def everything_answers(app: CoordinatorApp, campaign_id: str) -> None:
    browser = signed_in(app)
    answers = [(path, app.get(path.format(campaign_id))) for path in PAGES]
    answers += [(path, browser.get(path.format(campaign_id))) for path in WEB]
    assert [(path, found.status_code) for path, found in answers if found.status_code != 200] == []


def finishes(app: CoordinatorApp, campaign_id: str, lease: str) -> None:
    """The campaign that was attacked takes a sound report, and ends."""
    body = {"lease": lease, "result": result("h1", ["direct", "tproxy"])}
    assert app.call("report", app.last_sent(), body).status_code == 204
    assert app.view(campaign_id)["state"] == "complete"
    everything_answers(app, campaign_id)


def test_hostile_trials(running: tuple[CoordinatorApp, str, str]) -> None:
    app, campaign_id, lease = running
    taken = []
    for name, change in TRIALS.items():
        body: dict[str, Any] = result("h1", ["direct", "tproxy"])
        change(body["trials"][0])
        if not refused(app.call("report", app.last_sent(), {"lease": lease, "result": body}), name):
            taken.append(name)
            everything_answers(app, campaign_id)
            assert app.view(campaign_id)["state"] == "complete"
            campaign_id = app.submit(blocks=1)
            lease = app.claim(app.last_sent())
    # Their figures are finite, and a time below a nanosecond is none.
    assert taken == ["duration subnormal", "many requests in no time", "wall subnormal"]
    finishes(app, campaign_id, lease)


def test_hostile_results(running: tuple[CoordinatorApp, str, str]) -> None:
    app, campaign_id, lease = running
    for name, changes in RESULTS.items():
        body: dict[str, Any] = result("h1", ["direct", "tproxy"])
        body |= {"trials": body["trials"][:1] * 33} if "trials" in changes else changes
        assert refused(app.call("report", app.last_sent(), {"lease": lease, "result": body}), name), name
    finishes(app, campaign_id, lease)


def test_messages_that_quote_a_tool_are_taken_without_what_no_database_takes(
    running: tuple[CoordinatorApp, str, str],
) -> None:
    app, campaign_id, lease = running
    body: dict[str, Any] = result("h1", ["direct", "tproxy"]) | {"fingerprint": {"kernel": "6\0\ud800"}}
    body["trials"][0] |= {"notes": ["a\0b", "\udfff"], "generator": "\x1b[2J"}
    body["trials"][0]["validity"] = {"findings": [{"reason": "drops", "detail": "\0"}]}
    assert app.call("report", app.last_sent(), {"lease": lease, "result": body}).status_code == 204
    everything_answers(app, campaign_id)
    trial = app.get(f"campaigns/{campaign_id}/trials").json["trials"][0]
    assert (trial["notes"], trial["generator"]) == (["a\ufffdb", "\ufffd"], "\ufffd[2J")
    assert trial["validity"]["details"] == ["\ufffd"]


def test_hostile_heartbeats(running: tuple[CoordinatorApp, str, str]) -> None:
    app, campaign_id, lease = running
    for name, changes in BEATS.items():
        beat = {"lease": lease, "phase": "slices"} | changes
        assert refused(app.call("heartbeat", app.last_sent(), beat), name), name
    finishes(app, campaign_id, lease)


def test_hostile_hosts(running: tuple[CoordinatorApp, str, str]) -> None:
    app, campaign_id, lease = running
    for name, changes in HOSTS.items():
        body = capabilities("h1").model_dump(mode="json") | changes
        assert refused(app.client.put("/api/v1/worker/hosts/h1", json=body, headers=app.worker), name), name
    for year in ("0001", "1899"):
        matrix = {"host": "h1", "kernel": "6", "version": "1", "commit": "a", "traits": [], "rows": []}
        body = matrix | {"measured_at": f"{year}-01-01T00:00:00+14:00"}
        assert refused(app.client.put("/api/v1/worker/hosts/h1/matrix", json=body, headers=app.worker), year)
    finishes(app, campaign_id, lease)


NUL_ROUTES = (
    "/api/v1/campaigns/%00", "/api/v1/campaigns/a%00/report", "/api/v1/trials/%00", "/api/v1/hosts/%00/matrix",
    "/api/v1/campaigns/%00/stacks", "/api/v1/campaigns/%00/traffic", "/campaigns/%00", "/campaigns/new?like=%00",
    "/trials/a%00", "/campaigns/%00/flame-graphs?cell=%00", "/matrix?x=%00",
)  # fmt: skip


def test_nul_in_an_address_is_no_error_of_the_server(app: CoordinatorApp) -> None:
    browser = signed_in(app)
    for path in NUL_ROUTES:
        found = app.client.get(path, headers=app.user) if path.startswith("/api/") else browser.get(path)
        assert found.status_code in (400, 404), path
    for verb in ("claim", "heartbeat", "report"):
        path = f"/api/v1/worker/blocks/%00/attempts/1/{verb}"
        send = app.client.put if verb == "report" else app.client.post
        assert send(path, json={}, headers=app.worker).status_code in (404, 422)
    assert app.client.post("/api/v1/campaigns/%00/cancel", headers=app.user).status_code == 404
