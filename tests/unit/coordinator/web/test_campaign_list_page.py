"""The page of all campaigns, and the page on which one is labelled, archived or deleted."""

import re

import pytest
from flask.testing import FlaskClient
from sqlalchemy import delete, event, update

from coordinator.api.campaigns import report_of
from coordinator.store.campaigns.headlines import headline
from coordinator.store.measured import summaries
from coordinator.store.measured.summaries import SummaryRow
from tests.unit.coordinator.coordinator_app import CoordinatorApp
from tests.unit.coordinator.pages import csrf, sentences


def rows(page: str) -> list[str]:
    return re.findall(r'<th scope="row"><a href="/campaigns/\w+">([^<]+)</a>', page)


def link(page: str, relation: str) -> str:
    return re.findall(rf'<a rel="{relation}" href="([^"]+)"', page)[0].replace("&amp;", "&")


def test_an_empty_list_offers_a_quick_campaign(browser: FlaskClient) -> None:
    assert 'href="/campaigns/new?preset=quick">Take a first look</a>' in browser.get("/campaigns").text


def test_the_list_has_pages_and_says_how_many_campaigns_there_are(
    coordinator_app: CoordinatorApp, browser: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coordinator.web.campaign_list_page.SHOWN", 2)
    coordinator_app.register()
    for number in range(5):
        coordinator_app.now += 1
        coordinator_app.submit(name=f"c{number}")
    first = browser.get("/campaigns?sort=-created_at&q=c")
    assert rows(first.text) == ["c4", "c3"]
    assert "1–2 of 5" in sentences(first)
    assert 'rel="prev"' not in first.text
    second = browser.get(link(first.text, "next"))
    assert rows(second.text) == ["c2", "c1"]
    assert "3–4 of 5" in sentences(second)
    polled = re.findall(r'hx-get="(/campaigns/rows[^"]*)"', second.text)[0].replace("&amp;", "&")
    assert rows(browser.get(polled).text) == ["c2", "c1"], "the refresh keeps the page and the search"
    assert rows(browser.get(link(second.text, "prev")).text) == ["c4", "c3"]
    last = browser.get(link(second.text, "next"))
    assert (rows(last.text), 'rel="next"' in last.text) == (["c0"], False)


def finished(app: CoordinatorApp, **more: object) -> str:
    """A complete campaign with one verdict, of which the ticker has stored what lists show."""
    campaign_id = app.submit(blocks=5, levels={"low": "closed(8)"}, **more)
    for _ in range(5):
        app.run_block()
        app.wait(1, present=("h1",))
    return campaign_id


def asked_by(app: CoordinatorApp, browser: FlaskClient) -> list[str]:
    """What the list asks the database."""
    found: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        found.append(" ".join(statement.split()))

    event.listen(app.store.engine, "before_cursor_execute", note)
    assert browser.get("/campaigns").status_code == 200
    event.remove(app.store.engine, "before_cursor_execute", note)
    return found


def test_the_list_has_the_headlines_of_ended_campaigns(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    coordinator_app.register()
    ended = finished(coordinator_app)
    running = coordinator_app.submit(blocks=2)
    coordinator_app.run_block()
    page = browser.get("/campaigns").text
    assert re.findall(r'hx-get="(/campaigns/\w+/headline)"', page) == [f"/campaigns/{running}/headline"]
    column = page.partition(f'id="headline-{ended}"')[2].partition("</td>")[0]
    assert column.lstrip(">").strip() == browser.get(f"/campaigns/{ended}/headline").text.strip()
    assert "1.00 ×" in column


def test_more_headlines_take_no_more_questions(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    coordinator_app.register()
    finished(coordinator_app)
    of_one = asked_by(coordinator_app, browser)
    finished(coordinator_app, name="second")
    of_two = asked_by(coordinator_app, browser)
    assert len(of_two) == len(of_one)
    assert sum("FROM summaries" in one for one in of_two) == 1
    assert not any("FROM attempts" in one or "FROM digests" in one for one in of_two)


def test_a_headline_of_an_earlier_version_is_asked_for_and_stored(
    coordinator_app: CoordinatorApp, browser: FlaskClient
) -> None:
    coordinator_app.register()
    ended = finished(coordinator_app)
    with coordinator_app.store.write() as session:
        session.execute(update(SummaryRow).values(version="of an earlier analysis"))
    path = f"/campaigns/{ended}/headline"
    assert f'hx-get="{path}"' in browser.get("/campaigns").text
    assert "1.00 ×" in browser.get(path).text
    assert f'hx-get="{path}"' not in browser.get("/campaigns").text


def test_a_report_that_was_made_before_the_end_leaves_no_headline(
    coordinator_app: CoordinatorApp, browser: FlaskClient
) -> None:
    """A visitor asks for the headline while the last block ends."""
    coordinator_app.register()
    campaign_id = coordinator_app.submit(blocks=6)
    for _ in range(5):
        coordinator_app.run_block()
    with coordinator_app.app.app_context():
        early = report_of(campaign_id)
    coordinator_app.run_block()
    with coordinator_app.store.write() as session:
        session.execute(delete(SummaryRow).where(SummaryRow.kind == summaries.HEADLINE.name))
    headline(coordinator_app.store, campaign_id, early)
    assert f'hx-get="/campaigns/{campaign_id}/headline"' in browser.get("/campaigns").text, "it is asked for again"


def test_a_campaign_without_a_block_says_so_although_it_has_ended(
    coordinator_app: CoordinatorApp, browser: FlaskClient
) -> None:
    coordinator_app.register()
    coordinator_app.cancel(coordinator_app.submit())
    browser.get("/campaigns")
    assert "no block yet" in browser.get("/campaigns").text


def test_the_form_keeps_the_search(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    coordinator_app.register()
    coordinator_app.submit(name="apple")
    coordinator_app.cancel(coordinator_app.submit(name="pear"))
    coordinator_app.wait(1, present=("h1",))
    page = browser.get("/campaigns?q=p&state=cancelled&outcome=cancelled&host=h1&label=&archived=no&sort=name")
    assert rows(page.text) == ["pear"]
    assert 'name="q" value="p"' in page.text
    assert "<option selected>cancelled</option>" in page.text
    assert '<option value="cancelled" selected>cancelled</option>' in page.text
    assert "<option selected>h1</option>" in page.text
    assert rows(browser.get("/campaigns?outcome=answered").text) == []
    none = browser.get("/campaigns?q=plum")
    assert "No campaign matches." in sentences(none)
    assert 'role="search"' in none.text
    assert browser.get("/campaigns?state=nosuch").status_code == 404
    assert browser.get("/campaigns?cursor=x").status_code == 404


def test_labels_and_a_note_are_written_on_a_page(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit()
    path = f"/campaigns/{campaign_id}/keeping"
    form = {"csrf_token": csrf(browser.get(path)), "labels": "kernel=6.12\r\nteam=edge", "note": "<why>\r\nso"}
    assert browser.post(path, data=form).location == f"/campaigns/{campaign_id}"
    assert coordinator_app.view(campaign_id)["labels"] == {"kernel": "6.12", "team": "edge"}
    assert coordinator_app.view(campaign_id)["note"] == "<why>\nso"
    assert 'href="/campaigns?label=kernel%3D6.12">kernel=6.12</a>' in browser.get("/campaigns").text
    page = browser.get(f"/campaigns/{campaign_id}")
    assert "team=edge" in sentences(page)
    assert "&lt;why&gt;" in page.text
    browser.post(path, data=form | {"labels": "kernel=6.18"})
    assert coordinator_app.view(campaign_id)["labels"] == {"kernel": "6.18"}
    refused = browser.post(path, data=form | {"labels": "Kernel=1", "note": "kept"})
    assert refused.status_code == 422
    assert "Kernel=1</textarea>" in refused.text
    assert "kept</textarea>" in refused.text
    assert any(text.startswith("Kernel: ") for text in sentences(refused))
    assert browser.post(path, data=form | {"labels": "a=1\na=2"}).status_code == 422


def test_a_campaign_is_archived_and_comes_back(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit()
    path = f"/campaigns/{campaign_id}/keeping"
    token = csrf(browser.get(path))
    browser.post(f"/campaigns/{campaign_id}/archive", data={"csrf_token": token, "archived": "yes"})
    assert rows(browser.get("/campaigns").text) == []
    assert rows(browser.get("/campaigns?archived=yes").text) == ["small"]
    assert "Take out of the archive" in browser.get(path).text
    browser.post(f"/campaigns/{campaign_id}/archive", data={"csrf_token": token, "archived": "no"})
    assert rows(browser.get("/campaigns").text) == ["small"]


def test_a_campaign_is_deleted_after_a_question(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit()
    path = f"/campaigns/{campaign_id}"
    token = csrf(browser.get(f"{path}/keeping"))
    assert "Only a campaign that has ended can be deleted; this one is queued." in sentences(
        browser.get(f"{path}/keeping")
    )
    form = {"csrf_token": token, "sure": "yes"}
    assert browser.post(f"{path}/delete", data=form).status_code == 409
    coordinator_app.cancel(campaign_id)
    unsure = browser.post(f"{path}/delete", data={"csrf_token": token})
    assert unsure.status_code == 422
    assert any("ick the box to delete the campaign" in text for text in sentences(unsure))
    assert browser.get(path).status_code == 200
    deleted = browser.post(f"{path}/delete", data=form)
    assert deleted.status_code == 200
    assert "The campaign and its 0 trials are deleted." in sentences(deleted)
    assert browser.get(path).status_code == 404
