"""A user pauses a campaign: its running blocks end, no other begins, and it goes on when asked."""

import pytest
from flask.testing import FlaskClient

from domain.reports.outcome import PAUSED_BY_USER, USELESS_ATTEMPTS
from tests.unit.coordinator.coordinator_app import CoordinatorApp, result
from tests.unit.coordinator.pages import csrf, sentences
from tests.unit.coordinator.test_outcomes import run, spoil


def ask(app: CoordinatorApp, campaign_id: str, what: str) -> str:
    """Pause or resume over REST; returns why the campaign waits then."""
    answer = app.client.post(f"/api/v1/campaigns/{campaign_id}/{what}", headers=app.user)
    assert answer.status_code == 200, answer.text
    return str(answer.json["paused"])


def history(app: CoordinatorApp, campaign_id: str) -> list[str]:
    return [one["message"] for one in app.view(campaign_id)["history"]]


def test_a_running_block_ends_and_no_other_begins_until_the_campaign_is_resumed(app_on_both: CoordinatorApp) -> None:
    app = app_on_both
    app.register()
    campaign_id = app.submit(blocks=3)
    message = app.last_sent()
    lease = app.claim(message)
    for _ in range(2):
        assert ask(app, campaign_id, "pause") == PAUSED_BY_USER
    beat = {"lease": lease, "phase": "slices", "datapath": "tproxy", "slices_done": 1}
    assert app.call("heartbeat", message, beat).json["cancel"] is False
    app.call("report", message, {"lease": lease, "failure": "the lab could not be built"})
    sent = len(app.dispatcher.sent)
    app.wait(60, present=("h1",))
    assert len(app.dispatcher.sent) == sent, "its next attempt waits, too"
    other = app.submit(name="other", blocks=1)
    assert app.last_sent().block_id.startswith(other), "other campaigns go on"
    run(app, 1)
    assert ask(app, campaign_id, "resume") == ""
    run(app, 3)
    assert app.view(campaign_id)["state"] == "complete"
    assert [one for one in history(app, campaign_id) if "paused" in one or "resumed" in one] == [
        "paused by a user", "resumed",
    ]  # fmt: skip


def test_a_host_that_was_asked_to_begin_a_block_does_not_begin_it(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit(blocks=1)
    message = coordinator_app.last_sent()
    ask(coordinator_app, campaign_id, "pause")
    assert coordinator_app.call("claim", message, {"host": "h1"}).status_code == 409
    assert coordinator_app.view(campaign_id)["state"] == "queued"
    other = coordinator_app.submit(name="other", blocks=1)
    assert coordinator_app.last_sent().block_id.startswith(other), "the host is free for others"
    run(coordinator_app, 1)
    ask(coordinator_app, campaign_id, "resume")
    run(coordinator_app, 1)
    assert coordinator_app.view(campaign_id)["state"] == "complete"


def test_the_page_pauses_and_continues(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit()
    path = f"/campaigns/{campaign_id}"
    page = browser.get(path)
    assert "Pause" in sentences(page)
    token = csrf(page)
    assert browser.post(f"{path}/pause", data={"csrf_token": token}).location == path
    page = browser.get(path)
    assert 'state-paused">paused' in page.text
    assert any(PAUSED_BY_USER in text and "no other begins until a user continues" in text for text in sentences(page))
    assert "Pause" not in sentences(page)
    assert browser.post(f"{path}/resume", data={"csrf_token": token}).location == path
    assert 'state-paused">paused' not in browser.get(path).text
    actions = [one["action"] for one in coordinator_app.get("audit").json["entries"]]
    assert {"campaign.pause", "campaign.resume"} <= set(actions)


def test_only_what_goes_on_is_paused(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit()
    coordinator_app.cancel(campaign_id)
    assert ask(coordinator_app, campaign_id, "pause") == ""
    unknown = coordinator_app.client.post("/api/v1/campaigns/unknown1/pause", headers=coordinator_app.user)
    assert unknown.status_code == 404


def test_a_paused_campaign_can_be_cancelled(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit()
    ask(coordinator_app, campaign_id, "pause")
    coordinator_app.cancel(campaign_id)
    assert coordinator_app.view(campaign_id)["state"] == "cancelled"


def test_a_campaign_that_ends_while_it_is_paused_has_ended(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit(blocks=1)
    message = coordinator_app.last_sent()
    lease = coordinator_app.claim(message)
    ask(coordinator_app, campaign_id, "pause")
    body = {"lease": lease, "result": result("h1", ["direct", "tproxy"])}
    assert coordinator_app.call("report", message, body).status_code == 204
    coordinator_app.wait(10, present=("h1",))
    view = coordinator_app.view(campaign_id)
    assert (view["state"], view["paused"]) == ("complete", "")
    assert view["outcome"], "what came of it is not hidden by the pause"
    ask(coordinator_app, campaign_id, "resume")
    assert "resumed" not in history(coordinator_app, campaign_id)


def test_useless_blocks_that_end_while_a_user_has_paused_ask_when_it_is_resumed(
    coordinator_app: CoordinatorApp,
) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit(blocks=3)
    for _ in range(USELESS_ATTEMPTS - 1):
        spoil(coordinator_app)
    coordinator_app.wait(1, present=("h1",))
    message = coordinator_app.last_sent()
    lease = coordinator_app.claim(message)
    ask(coordinator_app, campaign_id, "pause")
    found = result("h1", ["direct", "tproxy"], reasons=("steal",))
    assert coordinator_app.call("report", message, {"lease": lease, "result": found}).status_code == 204
    assert coordinator_app.view(campaign_id)["paused"] == PAUSED_BY_USER
    assert ask(coordinator_app, campaign_id, "resume").startswith("the first 6 attempts")


@pytest.mark.parametrize("pauses", [0, 1])
def test_a_pause_by_a_user_does_not_keep_a_useless_campaign_from_pausing_itself(
    coordinator_app: CoordinatorApp, pauses: int
) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit(blocks=3)
    for _ in range(pauses):
        ask(coordinator_app, campaign_id, "pause")
        ask(coordinator_app, campaign_id, "resume")
    for _ in range(USELESS_ATTEMPTS):
        spoil(coordinator_app)
    assert coordinator_app.view(campaign_id)["paused"].startswith("the first 6 attempts")
    ask(coordinator_app, campaign_id, "resume")
    ask(coordinator_app, campaign_id, "pause")
    ask(coordinator_app, campaign_id, "resume")
    for _ in range(3):
        spoil(coordinator_app)
    assert coordinator_app.view(campaign_id)["paused"] == "", "it asks once"
