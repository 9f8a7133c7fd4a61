"""Notices: the end of a campaign is one event of each notice that it concerns, with its messages."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, text

from coordinator.notice_settings import notice_settings
from coordinator.notices import delivery, mail, webhook
from coordinator.store.rows.models import CampaignRow
from coordinator.store.runs import outbox
from coordinator.store.runs.outbox import OutboxRow
from coordinator.store.upkeep import endings
from tests.unit.coordinator.access.callers import audited, bearer, new_token
from tests.unit.coordinator.coordinator_app import CoordinatorApp, result
from tests.unit.coordinator.pages import csrf, sentences, signed_in
from tests.unit.coordinator.watched_series import HOOK, SETTINGS
from tests.unit.coordinator.web.test_answer_pages import run_blocks

LEVELS = {"levels": {"connections_8": "closed(8)"}}
MISSED = {"expect": {"fast": "tproxy.requests_per_s >= 1000000"}, "blocks": 5}


@pytest.fixture(params=["sqlite", "postgresql"])
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[CoordinatorApp]:
    """A coordinator whose settings allow a webhook and mail, on each of the two databases."""
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else ""
    found = CoordinatorApp(tmp_path, url, **SETTINGS)
    found.register()
    yield found
    found.close()


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Iterator[CoordinatorApp]:
    found = CoordinatorApp(tmp_path, **SETTINGS)
    found.register()
    yield found
    found.close()


def add(app: CoordinatorApp, **wanted: object) -> str:
    answer = app.client.post("/api/v1/notices", json={"webhook": HOOK, **wanted}, headers=app.user)
    assert answer.status_code == 201, answer.text
    return str(answer.json["id"])


def reported(app: CoordinatorApp, notice_id: str) -> list[str]:
    """The campaigns of the notice's events, the newest first."""
    return [one["campaign"] for one in app.get(f"notices/{notice_id}").json["events"]]


def complete(app: CoordinatorApp, **changes: Any) -> str:
    campaign_id = app.submit(**{"blocks": 5, **LEVELS, **changes})
    run_blocks(app, 5)
    app.wait(1, present=("h1",))
    assert app.view(campaign_id)["outcome"] is not None
    return campaign_id


def without_result(app: CoordinatorApp) -> str:
    campaign_id = app.submit(blocks=1)
    while app.view(campaign_id)["state"] in ("queued", "running"):
        message = app.last_sent()
        report = {"lease": app.claim(message), "failure": "no lab"}
        assert app.call("report", message, report).status_code == 204
        app.wait(1, present=("h1",))
    return campaign_id


def cancelled(app: CoordinatorApp, **changes: Any) -> str:
    campaign_id = app.submit(**changes)
    assert app.cancel(campaign_id).status_code == 200
    app.wait(1, present=("h1",))
    return campaign_id


def test_an_end_is_one_event_with_one_message_to_each_receiver(app: CoordinatorApp) -> None:
    before = cancelled(app)
    notice_id = add(app, email=["ops@example.com"])
    campaign_id = complete(app, **MISSED)
    app.wait(1, present=("h1",))  # a further round adds nothing
    (event,) = app.get(f"notices/{notice_id}").json["events"]
    assert event["campaign"] == campaign_id != before
    assert event["sentence"].startswith("small is complete, answered: ")
    assert event["sentence"].endswith("Expectations: 1 fail.")
    assert sorted((one["channel"], one["target"], one["state"]) for one in event["deliveries"]) == [
        ("email", "ops@example.com", "pending"), ("webhook", HOOK, "pending")
    ]  # fmt: skip
    with app.store.read() as session:
        body = json.loads(session.scalars(select(OutboxRow.body)).first() or "")
    assert (body["version"], body["type"], body["campaign"]["id"]) == (1, "campaign_ended", campaign_id)
    assert (body["campaign"]["state"], body["campaign"]["outcome"]) == ("complete", "answered")
    assert body["expectations"] == {"pass": 0, "fail": 1, "undecided": 0}
    assert body["missed"][0].startswith("fast: tproxy.requests_per_s >= 1000000")
    assert "webhook" not in body["notice"], "an address may have a secret in it"
    assert app.get("rules").json["rules"] == [], "a notice is no rule"
    assert app.get(f"rules/{notice_id}").status_code == 404
    assert app.client.delete(f"/api/v1/rules/{notice_id}", headers=app.user).status_code == 404


def test_failures_alone_are_reported_to_who_asks_for_them(app: CoordinatorApp) -> None:
    notice_id = add(app, occasion="failed")
    complete(app)
    stopped = app.submit(**MISSED | LEVELS | {"blocks": 6})
    run_blocks(app, 5)
    assert app.cancel(stopped).status_code == 200
    app.wait(1, present=("h1",))
    assert app.get(f"campaigns/{stopped}/expectations").json["expectations"][0]["outcome"] == "undecided"
    assert reported(app, notice_id) == []
    missed = complete(app, **MISSED)
    failed = without_result(app)
    assert app.view(failed)["outcome"] == "failed"
    assert reported(app, notice_id) == [failed, missed]


@pytest.mark.parametrize("label", ["=prod", "Team=edge", "team=a,b", "team=a\u0007b"])
def test_a_label_that_no_campaign_can_have_is_refused(on_sqlite: CoordinatorApp, label: str) -> None:
    """Without a key it chose every campaign, and its words said otherwise."""
    wanted = {"occasion": "ended", "label": label, "webhook": HOOK}
    answer = on_sqlite.client.post("/api/v1/notices", json=wanted, headers=on_sqlite.user)
    assert answer.status_code == 422, answer.text
    assert [one["field"] for one in answer.json["problems"]] == ["label"]


def test_spaces_around_a_label_are_no_part_of_it(on_sqlite: CoordinatorApp) -> None:
    wanted = {"occasion": "ended", "label": " team = edge ", "webhook": HOOK}
    answer = on_sqlite.client.post("/api/v1/notices", json=wanted, headers=on_sqlite.user)
    assert answer.json["label"] == "team=edge"


def test_names_and_labels_choose_campaigns(app: CoordinatorApp) -> None:
    named, labelled = add(app, name="nightly"), add(app, label="team=edge")
    with_key = add(app, label="team")
    campaign_id = app.submit(name="other")
    assert app.client.patch(
        f"/api/v1/campaigns/{campaign_id}", json={"labels": {"team": "core"}}, headers=app.user
    ).status_code == 200  # fmt: skip
    app.cancel(campaign_id)
    app.wait(1, present=("h1",))
    nightly = cancelled(app, name="nightly")
    assert [reported(app, one) for one in (named, labelled, with_key)] == [[nightly], [], [campaign_id]]


def test_a_notice_that_fails_says_so_and_keeps_neither_the_outcome_nor_the_others(
    on_sqlite: CoordinatorApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = on_sqlite
    broken, sound = add(app, name="small"), add(app)
    with app.store.write() as session:
        session.execute(text("UPDATE rules SET wanted = replace(wanted, 'ended', '-') WHERE id = :id"), {"id": broken})
    campaign_id = cancelled(app)
    assert app.view(campaign_id)["outcome"] == "cancelled"
    assert reported(app, sound) == [campaign_id]
    assert [one["id"] for one in app.get("notices").json["notices"]] == [sound], "the list has what can be read"
    monkeypatch.setattr(outbox, "put", lambda *_: 1 / 0)
    second = cancelled(app)
    found = app.get(f"notices/{sound}").json
    assert f"the end of campaign {second} was not reported: division by zero" in found["error"]
    assert [one["campaign"] for one in found["events"]] == [campaign_id], "no half of an event is left"


def test_two_tickers_report_an_end_once(on_sqlite: CoordinatorApp, monkeypatch: pytest.MonkeyPatch) -> None:
    app = on_sqlite
    notice_id = add(app)
    campaign_id = cancelled(app)
    found = endings.reports.report
    with app.store.write() as session:
        session.execute(text("UPDATE campaigns SET outcome = NULL"))
        session.execute(text("DELETE FROM outbox"))
        session.execute(text("DELETE FROM rule_events"))

    def report_after_the_other(*arguments: Any) -> Any:
        monkeypatch.setattr(endings.reports, "report", found)
        endings.fill(app.store, app.now)
        return found(*arguments)

    monkeypatch.setattr(endings.reports, "report", report_after_the_other)
    endings.fill(app.store, app.now)
    assert reported(app, notice_id) == [campaign_id]


def test_an_end_before_the_notice_is_not_reported(on_sqlite: CoordinatorApp) -> None:
    app = on_sqlite
    cancelled(app)
    app.now += 60
    notice_id = add(app)
    with app.store.write() as session:
        session.execute(text("UPDATE campaigns SET outcome = NULL"))  # as after an update from an old version
    app.wait(1, present=("h1",))
    with app.store.read() as session:
        assert session.scalars(select(CampaignRow.outcome)).all() == ["cancelled"]
    assert reported(app, notice_id) == []


def test_a_campaign_whose_report_cannot_be_read_counts_as_failed(app: CoordinatorApp) -> None:
    of_failures, of_all = add(app, occasion="failed"), add(app)
    campaign_id = app.submit(blocks=1, **LEVELS)
    message = app.last_sent()
    lease = app.claim(message)
    with app.store.write() as session:  # the ticker reads it after the end only
        session.execute(text("UPDATE campaigns SET plan = '{}'"))
    found = result("h1", ["direct", "tproxy"], level="connections_8")
    assert app.call("report", message, {"lease": lease, "result": found}).status_code == 204
    app.wait(1, present=("h1",))
    with app.store.read() as session:
        ended = session.execute(select(CampaignRow.state, CampaignRow.outcome)).one()
    assert tuple(ended) == ("complete", "")
    assert reported(app, of_failures) == reported(app, of_all) == [campaign_id]


def test_the_message_of_an_end_is_sent_signed_and_as_mail(
    on_sqlite: CoordinatorApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = on_sqlite
    add(app, email=["ops@example.com"])
    campaign_id = complete(app, **MISSED)
    posted, mailed = [], []
    monkeypatch.setattr(webhook, "post", lambda url, body, **more: posted.append((url, json.loads(body), more)) or "")
    monkeypatch.setattr(mail, "send", lambda _settings, message: mailed.append(message) or "")
    while delivery.deliver_one(app.store, app.settings, lambda: app.now):
        pass
    ((url, body, more),) = posted
    assert (url, body["url"]) == (HOOK, f"https://showdown.example.com/campaigns/{campaign_id}")
    assert more["secret"] == SETTINGS["SHOWDOWN_WEBHOOK_SECRET"]
    (message,) = mailed
    assert message["Subject"] == "Campaign small: complete, answered, 1 expectation failed"
    assert "fast: tproxy.requests_per_s >= 1000000" in message.get_content()
    assert f"https://showdown.example.com/campaigns/{campaign_id}" in message.get_content()


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"webhook": "https://169.254.169.254/latest"}, "webhook", "SHOWDOWN_WEBHOOK_HOSTS does not allow"),
        ({"email": ["ops@other.example"]}, "email.0", "SHOWDOWN_MAIL_TO does not allow"),
        ({"webhook": None}, "email", "give one of them"),
        ({"occasion": "paused"}, "occasion", "must be"),
        ({"name": "with spaces"}, "name", "must be"),
    ],
)
def test_a_wrong_notice_names_the_field(
    changes: dict[str, object], field: str, message: str, on_sqlite: CoordinatorApp
) -> None:
    app = on_sqlite
    answer = app.client.post("/api/v1/notices", json={"webhook": HOOK, **changes}, headers=app.user)
    assert answer.status_code == 422
    assert any(one["field"] == field and message in one["message"] for one in answer.json["errors"]), answer.text
    assert app.get("notices").json["notices"] == []


def test_nothing_is_sent_to_where_the_settings_no_longer_allow(
    on_sqlite: CoordinatorApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = on_sqlite
    notice_id = add(app)
    cancelled(app)
    monkeypatch.setattr(webhook, "post", lambda *_, **__: pytest.fail("it was sent"))
    settings = dataclasses.replace(app.settings, notices=notice_settings({}))
    assert delivery.deliver_one(app.store, settings, lambda: app.now)
    (event,) = app.get(f"notices/{notice_id}").json["events"]
    assert "SHOWDOWN_WEBHOOK_HOSTS" in event["deliveries"][0]["attempts"][0]["outcome"]


def test_the_page_adds_shows_and_removes_notices(on_sqlite: CoordinatorApp) -> None:
    app = on_sqlite
    browser: FlaskClient = signed_in(app)
    page = browser.get("/notices")
    assert "There is no notice." in sentences(page)
    form = {"csrf_token": csrf(page), "occasion": "failed", "name": "", "label": "team=edge", "email": ""}
    refused = browser.post("/notices", data={**form, "webhook": "http://127.0.0.1/"})
    assert refused.status_code == 422
    assert "SHOWDOWN_WEBHOOK_HOSTS does not allow" in refused.text
    assert 'value="team=edge"' in refused.text, "nothing that was typed is lost"
    assert browser.post("/notices", data={**form, "webhook": HOOK}).status_code == 303
    assert "any campaign with the label team=edge fails, measures nothing, or does not meet an" in " ".join(
        browser.get("/notices").text.split()
    )
    (one,) = app.get("notices").json["notices"]
    assert browser.post(f"/notices/{one['id']}/remove", data={"csrf_token": form["csrf_token"]}).status_code == 303
    assert app.get("notices").json["notices"] == []
    assert [action for _, action, _ in audited(app)][:2] == ["notice.remove", "notice.add"]


def test_readers_see_no_notices(on_sqlite: CoordinatorApp) -> None:
    app = on_sqlite
    reader = bearer(new_token(app, "eye", "read"))
    assert app.client.get("/api/v1/notices", headers=reader).status_code == 403
    assert app.client.post("/api/v1/notices", json={"webhook": HOOK}, headers=reader).status_code == 403
