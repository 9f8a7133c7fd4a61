"""The buttons of a campaign's header: run again, edit and run, download, cancel after a question."""

from flask.testing import FlaskClient

from domain.campaigns.campaign import read_campaign_toml
from tests.unit.coordinator.coordinator_app import CoordinatorApp
from tests.unit.coordinator.pages import csrf


def test_run_again_submits_the_same_campaign(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    coordinator_app.register()
    first = coordinator_app.submit(description="twice", seed=9)
    page = browser.get(f"/campaigns/{first}")
    assert f'action="/campaigns/{first}/again"' in page.text
    assert f'href="/campaigns/new?like={first}"' in page.text
    again = browser.post(f"/campaigns/{first}/again", data={"csrf_token": csrf(page)})
    assert again.status_code == 303
    second = again.location.rpartition("/")[2]
    assert second != first
    assert coordinator_app.view(second)["campaign"] == coordinator_app.view(first)["campaign"]
    assert browser.post(f"/campaigns/{first}/again").status_code == 403
    assert browser.post("/campaigns/nosuch/again", data={"csrf_token": csrf(page)}).status_code == 404


def test_what_cannot_run_again_is_shown_in_the_form(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    coordinator_app.register()
    first = coordinator_app.submit()
    coordinator_app.register(missing={"tproxy": ("nft lacks tproxy",)})
    answer = browser.post(f"/campaigns/{first}/again", data={"csrf_token": csrf(browser.get("/campaigns"))})
    assert answer.status_code == 422
    assert "nft lacks tproxy" in answer.text
    assert 'value="small"' in answer.text


def test_the_toml_gives_the_same_campaign(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit(expect={"a": "tproxy.requests_per_s >= 1"}, blocks=5, seed=0)
    answer = browser.get(f"/campaigns/{campaign_id}/campaign.toml")
    assert answer.mimetype == "application/toml"
    assert 'filename="small.toml"' in answer.headers["Content-Disposition"]
    view = coordinator_app.view(campaign_id)
    assert read_campaign_toml(answer.text).model_dump(mode="json") == view["campaign"]
    assert f"seed of its order was {view['seed']}" in answer.text


def test_cancel_asks_first(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit()
    path = f"/campaigns/{campaign_id}/cancel"
    assert f'href="{path}"' in browser.get(f"/campaigns/{campaign_id}").text
    question = browser.get(path)
    assert "0 of 2 blocks are done" in question.text
    assert coordinator_app.view(campaign_id)["state"] == "queued", "the question cancels nothing"
    assert browser.post(path, data={"csrf_token": csrf(question)}).status_code == 303
    assert coordinator_app.view(campaign_id)["state"] == "cancelled"
    assert browser.get(path).status_code == 302
    assert f'href="{path}"' not in browser.get(f"/campaigns/{campaign_id}").text
