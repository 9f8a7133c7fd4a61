"""A campaign's history has the names of those who changed it: over REST, on its page, and in ``showdown status``."""

import re

import pytest
from alembic import command
from sqlalchemy import text

from tests.unit.coordinator.access.callers import bearer, browser_of, new_share, new_token
from tests.unit.coordinator.access.test_shares import visitor
from tests.unit.coordinator.coordinator_app import CoordinatorApp, campaign
from tests.unit.coordinator.pages import csrf
from tests.unit.coordinator.store.test_store import migrate_to


def history(app: CoordinatorApp, campaign_id: str) -> list[tuple[str, str]]:
    return [(one["message"], one["who"]) for one in app.view(campaign_id)["history"]]


def test_each_change_has_its_author_and_what_the_coordinator_did_has_none(app_on_both: CoordinatorApp) -> None:
    app = app_on_both
    app.register()
    ci = bearer(new_token(app, "ci", "submit"))
    campaign_id = app.client.post("/api/v1/campaigns", json=campaign(), headers=ci).json["id"]
    assert app.view(campaign_id)["submitted_by"] == "token ci"
    path = f"/api/v1/campaigns/{campaign_id}"
    assert app.client.patch(path, json={"labels": {"team": "edge"}, "note": "why"}, headers=ci).status_code == 200
    assert app.client.patch(path, json={"labels": {"team": None}}, headers=app.user).status_code == 200
    message = app.last_sent()
    app.claim(message)
    browser = browser_of(app, new_token(app, "anna", "submit"))
    sent = {"csrf_token": csrf(browser.get("/campaigns"))}
    assert browser.post(f"/campaigns/{campaign_id}/cancel", data=sent).status_code == 303
    assert history(app, campaign_id) == [
        ("submitted", "token ci"), ("label team=edge set", "token ci"), ("note changed", "token ci"),
        ("label team removed", "owner"), ("started on h1", ""), ("cancelled", "token anna"),
    ]  # fmt: skip


def test_a_submission_by_the_form_and_its_repetition_have_their_authors(coordinator_app: CoordinatorApp) -> None:
    app = coordinator_app
    app.register()
    campaign_id = app.submit()
    assert app.view(campaign_id)["submitted_by"] == "owner"
    browser = browser_of(app, new_token(app, "anna", "submit"))
    sent = {"csrf_token": csrf(browser.get("/campaigns"))}
    again = browser.post(f"/campaigns/{campaign_id}/again", data=sent).location.rpartition("/")[2]
    assert app.view(again)["submitted_by"] == "token anna"
    page = browser.get(f"/campaigns/{again}/live").text
    assert "Submitted by token anna." in page
    assert 'submitted <span class="faint">by token anna</span>' in page


def test_the_list_says_who_submitted_each(coordinator_app: CoordinatorApp) -> None:
    app = coordinator_app
    app.register()
    app.submit(name="first")
    ci = bearer(new_token(app, "ci", "submit"))
    app.client.post("/api/v1/campaigns", json=campaign(name="second"), headers=ci)
    with app.store.write() as session:
        session.execute(text("UPDATE campaigns SET submitted_by = '' WHERE name = 'first'"))
    listed = app.get("campaigns?sort=name").json["campaigns"]
    assert [(one["name"], one["submitted_by"]) for one in listed] == [("first", ""), ("second", "token ci")]
    page = browser_of(app, new_token(app, "anna")).get("/campaigns?sort=name").text
    assert re.findall(r"<td[^>]*>(–|token ci)</td>", page) == ["–", "–", "token ci", "–"], "by, and took"


def test_who_resumes_is_named(coordinator_app: CoordinatorApp) -> None:
    app = coordinator_app
    app.register()
    campaign_id = app.submit()
    with app.store.write() as session:
        session.execute(text("UPDATE campaigns SET paused = 'interference'"))
    ci = bearer(new_token(app, "ci", "submit"))
    assert app.client.post(f"/api/v1/campaigns/{campaign_id}/resume", headers=ci).status_code == 200
    assert history(app, campaign_id)[-1] == ("resumed", "token ci")


def test_what_is_older_than_the_names_stays_readable(app_on_both: CoordinatorApp) -> None:
    app = app_on_both
    app.register()
    campaign_id = app.submit()
    migrate_to(app.store, "0024", command.downgrade)  # a database that has no names
    app.store.migrate()
    assert history(app, campaign_id)[0] == ("submitted", "")
    page = browser_of(app, new_token(app, "anna")).get(f"/campaigns/{campaign_id}/live").text
    assert "submitted</li>" in page
    assert "Submitted by" not in page


PAGES = ["/campaigns/{}", "/campaigns/{}/verdicts", "/campaigns/{}/progress", "/campaigns/{}/report.html"]
FILES = ["/api/v1/campaigns/{}/report", "/api/v1/campaigns/{}/report.md"]


@pytest.mark.parametrize("path", [*PAGES, *FILES])
def test_visitors_of_a_link_see_no_names(coordinator_app: CoordinatorApp, path: str) -> None:
    app = coordinator_app
    app.register()
    ci = bearer(new_token(app, "sebastian", "submit"))
    campaign_id = app.client.post("/api/v1/campaigns", json=campaign(), headers=ci).json["id"]
    client = visitor(app, new_share(app, campaign_id)["secret"])
    page = client.get(path.format(campaign_id))
    assert page.status_code == 200
    assert "sebastian" not in page.text
