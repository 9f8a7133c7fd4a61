"""The outbox is delivered: tried again, logged, given up after a day, and by one process at a time."""

import json
from typing import Any

import pytest

from coordinator.notices import delivery, webhook
from coordinator.store.runs import outbox
from tests.unit.coordinator.coordinator_app import CoordinatorApp
from tests.unit.coordinator.watched_series import HOOK, SCATTER, SETTINGS, add, measure


@pytest.fixture
def app(tmp_path: Any) -> Any:
    """A coordinator whose settings allow a webhook and mail."""
    found = CoordinatorApp(tmp_path, **SETTINGS)
    yield found
    found.close()


def deliver(app: CoordinatorApp, monkeypatch: pytest.MonkeyPatch, *problems: str) -> list[str]:
    """Deliver with these outcomes; returns the ids that were sent."""
    sent, rest = [], iter(problems)

    def post(url: str, body: bytes, *, secret: str, delivery: str, now: float) -> str:
        assert (url, secret) == (HOOK, SETTINGS["SHOWDOWN_WEBHOOK_SECRET"])
        assert json.loads(body)["url"].startswith("https://showdown.example.com/campaigns/")
        sent.append(delivery)
        return next(rest)

    monkeypatch.setattr(webhook, "post", post)
    while delivery.deliver_one(app.store, app.settings, lambda: app.now):
        pass
    return sent


def test_a_message_is_tried_until_it_is_delivered_and_each_attempt_is_logged(
    app: CoordinatorApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure(app, *SCATTER)
    rule_id = add(app, email=[])
    measure(app, 112)
    assert len(deliver(app, monkeypatch, "status 500")) == 1
    assert deliver(app, monkeypatch) == [], "it waits"
    app.now += 11
    assert len(deliver(app, monkeypatch, "status 503")) == 1
    app.now += 31
    assert len(deliver(app, monkeypatch, "")) == 1
    app.now += 86_400
    assert deliver(app, monkeypatch) == [], "it is delivered"
    ((message,),) = [one["deliveries"] for one in app.get(f"rules/{rule_id}").json["events"]]
    assert message["state"] == "sent"
    assert [one["outcome"] for one in message["attempts"]] == ["status 500", "status 503", "delivered"]


def test_after_a_day_a_message_has_failed(app: CoordinatorApp, monkeypatch: pytest.MonkeyPatch) -> None:
    measure(app, *SCATTER)
    rule_id = add(app, email=[])
    measure(app, 112)
    attempts = 0
    while attempts < 100 and (sent := deliver(app, monkeypatch, "status 500")):
        attempts += len(sent)
        app.now += 3601
    ((message,),) = [one["deliveries"] for one in app.get(f"rules/{rule_id}").json["events"]]
    assert (message["state"], message["next_at"]) == ("failed", None)
    assert 20 <= attempts <= outbox.MOST_ATTEMPTS


def test_a_message_whose_process_died_is_sent_again_under_its_id(
    app: CoordinatorApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure(app, *SCATTER)
    add(app, email=[])
    measure(app, 112)
    with app.store.write() as session:
        claimed = outbox.claim(session, app.now)
    assert claimed is not None
    assert deliver(app, monkeypatch) == [], "another process has it"
    app.now += outbox.CLAIM_S
    assert deliver(app, monkeypatch, "") == [claimed.id]


def test_a_setting_that_was_taken_away_stops_the_message(app: CoordinatorApp, tmp_path: Any) -> None:
    measure(app, *SCATTER)
    rule_id = add(app, email=[])
    measure(app, 112)
    (tmp_path / "other").mkdir()
    other = CoordinatorApp(tmp_path / "other")
    assert delivery.deliver_one(app.store, other.settings, lambda: app.now)
    other.close()
    ((message,),) = [one["deliveries"] for one in app.get(f"rules/{rule_id}").json["events"]]
    assert "SHOWDOWN_WEBHOOK_HOSTS does not allow" in message["attempts"][0]["outcome"]
