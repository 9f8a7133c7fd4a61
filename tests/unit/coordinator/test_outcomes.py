"""What came of a campaign, on every surface; and a campaign that pauses, as its first attempts give nothing."""

from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update

from coordinator.store.rows.models import CampaignRow
from domain.reports.outcome import USELESS_ATTEMPTS
from tests.unit.coordinator.coordinator_app import CoordinatorApp, result
from tests.unit.coordinator.pages import csrf, sentences
from tests.unit.coordinator.scheduling.calibrations import OPEN, submit

DISTURBED: dict[str, Any] = {
    "reason": "interference",
    "detail": "other processes used 25.0 % of the CPUs; busiest: python3 18 %, cc1 4.0 %",
    "processes": [{"name": "python3", "share": 0.18}, {"name": "cc1", "share": 0.04}],
}


def spoil(app: CoordinatorApp, **changes: Any) -> None:
    """The next attempt, whose trials were all disturbed."""
    app.wait(1, present=("h1",))
    message = app.last_sent()
    claimed = app.call("claim", message, {"host": "h1"}).json
    block_result = result("h1", claimed["block"]["datapaths"], **changes)
    for trial in block_result["trials"]:
        trial["validity"] = {"findings": [DISTURBED]}
    answer = app.call("report", message, {"lease": claimed["lease"], "result": block_result})
    assert answer.status_code == 204, answer.text


def run(app: CoordinatorApp, blocks: int, **changes: Any) -> None:
    for _ in range(blocks):
        app.wait(1, present=("h1",))
        app.run_block(**changes)


def stored(app: CoordinatorApp, campaign_id: str) -> tuple[str, str]:
    """State and outcome in the list, after a round of the ticker."""
    app.wait(1, present=("h1",))
    (one,) = [one for one in app.get("campaigns").json["campaigns"] if one["id"] == campaign_id]
    assert one["outcome"] == app.view(campaign_id)["outcome"]
    report = app.get(f"campaigns/{campaign_id}/report").json["campaign"]
    assert (report["outcome"], report["outcome_sentence"]) == (one["outcome"], one["outcome_sentence"])
    return one["state"], one["outcome"]


def test_a_campaign_with_all_its_figures_is_answered(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit(blocks=5)
    assert coordinator_app.view(campaign_id)["outcome"] is None
    run(coordinator_app, 5)
    assert coordinator_app.view(campaign_id)["outcome"] == "answered", "before the ticker has stored it"
    assert stored(coordinator_app, campaign_id) == ("complete", "answered")
    page = browser.get(f"/campaigns/{campaign_id}").text
    assert 'state-answered">answered' in page
    assert "state-complete" not in page


def test_too_few_blocks_answer_partly(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit(blocks=2)
    run(coordinator_app, 2)
    assert stored(coordinator_app, campaign_id) == ("complete", "partly_answered")
    said = "partly answered: 0 of 2 cells have figures from 5 blocks or more."
    assert said in sentences(browser.get(f"/campaigns/{campaign_id}"))


def test_without_a_valid_trial_nothing_was_measured(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit(blocks=1)
    for _ in range(3):
        spoil(coordinator_app)
    assert stored(coordinator_app, campaign_id) == ("complete", "nothing_measured")
    page = browser.get("/campaigns").text
    assert 'state-nothing_measured">nothing measured' in page
    assert "state-complete" not in page, "no green for nothing"
    view = coordinator_app.view(campaign_id)
    assert view["outcome_sentence"] == "no trial is valid; the most common reason is interference"


def test_that_a_datapath_is_overloaded_is_an_answer(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit(blocks=5)
    run(coordinator_app, 5, reasons=("overloaded",))
    assert stored(coordinator_app, campaign_id) == ("complete", "answered")


def test_cancelled_and_failed_campaigns_are_no_successes(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    cancelled = coordinator_app.submit()
    coordinator_app.cancel(cancelled)
    assert stored(coordinator_app, cancelled) == ("cancelled", "cancelled")
    failed = coordinator_app.submit(blocks=1)
    for _ in range(3):
        coordinator_app.wait(1, present=("h1",))
        message = coordinator_app.last_sent()
        body = {"lease": coordinator_app.claim(message), "failure": "nginx is not installed"}
        coordinator_app.call("report", message, body)
    assert stored(coordinator_app, failed) == ("failed", "failed")
    assert "nginx is not installed" in coordinator_app.view(failed)["outcome_sentence"]


def test_campaigns_from_before_there_were_outcomes_get_theirs(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit(blocks=5)
    run(coordinator_app, 5)
    coordinator_app.wait(1)
    with coordinator_app.store.write() as session:
        session.execute(update(CampaignRow).values(outcome=None, outcome_sentence=None))
    assert stored(coordinator_app, campaign_id) == ("complete", "answered")


def test_the_tally_names_reasons_retries_and_who_disturbed(
    coordinator_app: CoordinatorApp, browser: FlaskClient
) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit(blocks=2)
    spoil(coordinator_app)
    run(coordinator_app, 1)
    tally = coordinator_app.view(campaign_id)["tally"]
    assert (tally["valid"], tally["invalid"], tally["reasons"]) == (2, 2, {"interference": 2})
    assert tally["busiest"] == DISTURBED["processes"]
    assert [(one["block"], one["attempt"]) for one in tally["retries"]] == [(0, 1)]
    assert tally["retries"][0]["reason"] == f"interference: {DISTURBED['detail']}"
    page = browser.get(f"/campaigns/{campaign_id}/live")
    assert {"python3", "18.0 %,", "Who disturbed:"} <= set(sentences(page))
    assert 'href="/reasons#interference"' in page.text
    history = " ".join(one["message"] for one in coordinator_app.view(campaign_id)["history"])
    assert "block 0 is measured again: direct: interference: other processes used 25.0 %" in history


def paused(app: CoordinatorApp) -> str:
    """A campaign whose first attempts were all disturbed."""
    app.register()
    campaign_id = app.submit(blocks=4)
    for _ in range(USELESS_ATTEMPTS):
        assert app.view(campaign_id)["paused"] == ""
        spoil(app)
    return campaign_id


def test_a_campaign_whose_first_attempts_are_useless_pauses_and_goes_on_when_asked(
    coordinator_app: CoordinatorApp, browser: FlaskClient
) -> None:
    campaign_id = paused(coordinator_app)
    why = coordinator_app.view(campaign_id)["paused"]
    assert why == (
        "the first 6 attempts have no valid trial (invalid trials by reason: interference 12; "
        "busiest foreign processes: python3 18 %, cc1 4.0 %)"
    )
    sent = len(coordinator_app.dispatcher.sent)
    coordinator_app.wait(60, present=("h1",))
    assert len(coordinator_app.dispatcher.sent) == sent, "it gets no more blocks"
    other = coordinator_app.submit(blocks=1)
    coordinator_app.wait(1, present=("h1",))
    assert coordinator_app.last_sent().block_id.startswith(other), "it does not hold up others"
    run(coordinator_app, 1)

    path = f"/campaigns/{campaign_id}"
    page = browser.get(path)
    assert 'state-paused">paused' in page.text
    assert any(why in one for one in sentences(page))
    answer = browser.post(f"{path}/resume", data={"csrf_token": csrf(page)})
    assert (answer.status_code, answer.location) == (303, path)
    assert coordinator_app.view(campaign_id)["paused"] == ""
    for _ in range(3):
        spoil(coordinator_app)
    assert coordinator_app.view(campaign_id)["paused"] == "", "it asks once"
    run(coordinator_app, 1)
    assert stored(coordinator_app, campaign_id)[0] == "complete"


def test_attempts_that_find_the_capacity_do_not_count(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    campaign_id = submit(coordinator_app, levels={"half": "open(50%)"}, workloads=[OPEN], blocks=3)
    for _ in range(USELESS_ATTEMPTS + 1):
        spoil(coordinator_app, workload=OPEN, level="calibration")
    assert coordinator_app.view(campaign_id)["tally"]["invalid"] > USELESS_ATTEMPTS
    assert coordinator_app.view(campaign_id)["paused"] == ""


@pytest.mark.parametrize("useful", [{}, {"reasons": ("overloaded",)}])
def test_one_block_of_use_is_enough_to_go_on(coordinator_app: CoordinatorApp, useful: dict[str, Any]) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit(blocks=3)
    run(coordinator_app, 1, **useful)
    for _ in range(USELESS_ATTEMPTS):
        spoil(coordinator_app)
    assert coordinator_app.view(campaign_id)["paused"] == ""


def test_a_paused_campaign_can_be_cancelled_and_resumed_over_rest(coordinator_app: CoordinatorApp) -> None:
    campaign_id = paused(coordinator_app)
    resume = f"/api/v1/campaigns/{campaign_id}/resume"
    for _ in range(2):
        answer = coordinator_app.client.post(resume, headers=coordinator_app.user)
        assert (answer.status_code, answer.json["paused"]) == (200, "")
    assert [one["message"] for one in answer.json["history"]].count("resumed") == 1
    unknown = coordinator_app.client.post("/api/v1/campaigns/unknown1/resume", headers=coordinator_app.user)
    assert unknown.status_code == 404
    coordinator_app.cancel(campaign_id)
    assert coordinator_app.view(campaign_id)["state"] in ("cancelling", "cancelled")
