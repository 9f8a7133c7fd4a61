"""The plan on the form and on a campaign's page, and the precision reached while it runs."""

import html

from flask.testing import FlaskClient

from tests.unit.coordinator.coordinator_app import CoordinatorApp
from tests.unit.coordinator.pages import every_tab, send

STEER = {"datapaths": ["tproxy", "ebpf_sk_assign"], "reference": "tproxy"}


def test_the_form_shows_what_the_campaign_can_find_and_submits_nothing(
    coordinator_app: CoordinatorApp, browser: FlaskClient
) -> None:
    coordinator_app.register()
    answer = send(browser, plan="1", precision="0.02", budget="20 min", **STEER)
    assert answer.status_code == 200
    page = html.unescape(answer.text)
    assert "5 blocks per level, then more until cost is known within ±2 % or 20 min are spent" in page
    assert "with 80 % power" in page
    assert 'value="20 min"' in page, "the input is kept"
    assert not coordinator_app.dispatcher.sent
    refused = send(browser, plan="1", budget="soon", **STEER)
    assert refused.status_code == 422
    assert "write a number and a unit" in html.unescape(refused.text)


def test_a_running_campaigns_page_has_its_plan_and_says_why_there_is_no_word(
    coordinator_app: CoordinatorApp, browser: FlaskClient
) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit(blocks=7, budget="20 min", **STEER)
    for _ in range(5):
        coordinator_app.run_block()
    page = html.unescape(every_tab(browser, campaign_id).text)
    assert "Time left, at most" in page
    assert "What the planner said before the run" in page
    assert "there is no word before look 1 at 7 blocks per level" in page
    assert "Precision of cost" in page
    assert "at 7 blocks per level" in page
    for _ in range(2):
        coordinator_app.run_block()
    assert "Looks so far: 7 blocks per level" in html.unescape(every_tab(browser, campaign_id).text)
