"""The header of a running campaign: for what it waits, who disturbs it, and why the time left grows."""

from flask.testing import FlaskClient

from tests.unit.coordinator.coordinator_app import CoordinatorApp
from tests.unit.coordinator.pages import sentences
from tests.unit.coordinator.test_outcomes import DISTURBED, spoil

GROWS = "It grows with each attempt that does not count."


def header(browser: FlaskClient, campaign_id: str) -> str:
    return " ".join(sentences(browser.get(f"/campaigns/{campaign_id}/progress")))


def test_it_says_which_block_its_host_was_asked_to_begin_and_when(
    coordinator_app: CoordinatorApp, browser: FlaskClient
) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit()
    assert "block 0: waiting for h1 to begin it; last asked at 13:46:40 UTC" in header(browser, campaign_id)
    spoil(coordinator_app)
    coordinator_app.wait(1, present=("h1",))
    assert "block 0, attempt 2 of 3: waiting for h1" in header(browser, campaign_id)
    (asked,) = coordinator_app.view(campaign_id)["progress"]["asked"]
    assert (asked["host"], asked["attempt"], asked["since"]) == ("h1", 2, "1970-01-12T13:46:41.000+00:00")


def test_an_attempt_that_prepares_says_how_long_it_may_wait_for_a_calm_host(
    coordinator_app: CoordinatorApp, browser: FlaskClient
) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit()
    spoil(coordinator_app)
    coordinator_app.wait(1, present=("h1",))
    message = coordinator_app.last_sent()
    lease = coordinator_app.claim(message)
    shown = header(browser, campaign_id)
    assert "prepare since 13:46:42 UTC: builds the labs, then waits for a calm host, at most 8 s" in shown
    assert "attempt 2 of 3" in shown
    beat = {"lease": lease, "phase": "slices", "datapath": "tproxy", "slices_done": 1}
    assert coordinator_app.call("heartbeat", message, beat).status_code == 200
    assert "calm host" not in header(browser, campaign_id)


def test_it_names_who_disturbed_and_why_the_time_left_grows(
    coordinator_app: CoordinatorApp, browser: FlaskClient
) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit()
    assert GROWS not in header(browser, campaign_id)
    spoil(coordinator_app)
    shown = header(browser, campaign_id)
    assert "disturbed most by python3 18.0 %, cc1 4.00 % of the CPUs" in shown
    assert GROWS in shown
    assert DISTURBED["detail"] in shown
