"""Rules: each campaign is judged once, a step makes one event, and its messages are in the outbox with it."""

import json
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select, text

from coordinator import ticker
from coordinator.store.runs import outbox, rules, series, series_points
from coordinator.store.runs.outbox import OutboxRow
from coordinator.store.runs.rules import RuleRow
from coordinator.store.runs.series import SeriesPointRow
from tests.unit.coordinator.coordinator_app import CoordinatorApp
from tests.unit.coordinator.pages import csrf, sentences, signed_in
from tests.unit.coordinator.watched_series import HOOK, SCATTER, SERIES, SETTINGS, WANTED, add, events, measure
from tests.unit.coordinator.web.test_answer_pages import run_blocks


@pytest.fixture
def app(tmp_path: Any) -> Any:
    """A coordinator whose settings allow a webhook and mail."""
    found = CoordinatorApp(tmp_path, **SETTINGS)
    yield found
    found.close()


def test_a_regression_is_an_event_with_one_message_to_each_receiver(app: CoordinatorApp) -> None:
    measure(app, *SCATTER)
    rule_id = add(app)
    (worse,) = measure(app, 112, kernel="6.19.0")
    (event,) = app.get(f"rules/{rule_id}").json["events"]
    assert event["campaign"] == worse
    assert event["sentence"].startswith("CPU µs/request of tproxy at low of http_keepalive is +12.0 % [+")
    assert sorted((one["channel"], one["target"], one["state"]) for one in event["deliveries"]) == [
        ("email", "ops@example.com", "pending"),
        ("webhook", HOOK, "pending"),
    ]
    with app.store.read() as session:
        body = json.loads(session.scalars(select(OutboxRow.body)).first() or "")
    assert (body["version"], body["type"], body["campaign"]["id"]) == (1, "regression", worse)
    assert body["changed"] == [{"name": "kernel", "before": "6.18.5", "after": "6.19.0"}]
    assert body["ratio"]["low"] > 1
    assert "webhook" not in body["rule"], "an address may have a secret in it"


def test_a_step_is_one_event_until_the_figure_was_back(app: CoordinatorApp) -> None:
    measure(app, *SCATTER)
    rule_id = add(app)
    first, *_ = measure(app, 112, 113, 111)
    assert events(app, rule_id) == [first]
    measure(app, 100)
    assert app.get(f"rules/{rule_id}").json["regressed_since"] is None
    measure(app, *SCATTER, *SCATTER)
    (again,) = measure(app, 115)
    assert events(app, rule_id) == [again, first]


def test_ten_campaigns_at_a_new_level_are_the_new_baseline(app: CoordinatorApp) -> None:
    measure(app, *SCATTER)
    rule_id = add(app)
    first, *_ = measure(app, *(112 + one / 50 for one in range(10)))
    assert app.get(f"rules/{rule_id}").json["regressed_since"] == first
    measure(app, 112.1)
    assert app.get(f"rules/{rule_id}").json["regressed_since"] is None
    (second,) = measure(app, 125)
    assert events(app, rule_id) == [second, first]


def test_a_rule_that_makes_an_error_says_so_and_the_campaign_stays_in_its_series(app: CoordinatorApp) -> None:
    measure(app, *SCATTER)
    broken, sound = add(app), add(app)
    with app.store.write() as session:
        session.execute(text("UPDATE rules SET wanted = replace(wanted, '5.0', '-1') WHERE id = :id"), {"id": broken})
    (worse,) = measure(app, 112)
    assert events(app, sound) == [worse]
    assert [one["id"] for one in app.get("rules").json["rules"]] == [sound], "the list has what can be read"
    with app.store.read() as session:
        assert "was not judged" in session.scalars(select(RuleRow.error).where(RuleRow.id == broken)).one()
        assert session.scalar(select(func.count()).select_from(SeriesPointRow)) == len(SCATTER) + 1


def test_the_ticker_judges_each_complete_campaign_once(app: CoordinatorApp, monkeypatch: pytest.MonkeyPatch) -> None:
    app.register()
    campaign_id = app.submit(blocks=5, levels={"connections_8": "closed(8)"})
    run_blocks(app, 5)
    app.wait(1, present=("h1",))
    (found,) = app.get("series").json["series"]
    assert (found["campaigns"], found["hosts"], found["name"]) == (1, "h1", "small")
    report = app.get(f"series/{found['id']}").json
    assert {(one["datapath"], one["reference"]) for one in report["trends"]} >= {("direct", None), ("tproxy", "direct")}
    judged: list[str] = []
    monkeypatch.setattr(rules, "judge_campaign", lambda _, point, now: judged.append(point.campaign_id))
    ticker.tick(app.store, app.dispatcher, app.now)
    assert judged == [], "it has its place"
    with app.store.write() as session:
        session.execute(text("UPDATE campaigns SET series = NULL"))
        session.execute(text("DELETE FROM series_points"))
    for _ in range(2):  # both tickers have read the list before the first one's commit
        series_points.store_point(app.store, campaign_id, app.now)
    assert judged == [campaign_id]


def test_a_rule_that_fails_half_way_leaves_nothing_of_its_event(
    app: CoordinatorApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure(app, *SCATTER)
    rule_id = add(app)
    monkeypatch.setattr(outbox, "put", lambda *_: 1 / 0)
    measure(app, 112)
    monkeypatch.undo()
    found = app.get(f"rules/{rule_id}").json
    assert (found["events"], found["regressed_since"]) == ([], None)
    assert "division by zero" in found["error"]
    (worse,) = measure(app, 140)
    assert events(app, rule_id) == [worse], "the next campaign is judged"
    assert app.get(f"rules/{rule_id}").json["error"] == ""


def test_a_report_is_stored_until_its_series_changes(app: CoordinatorApp, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = measure(app, 100, 101)
    with app.store.write() as session:
        series.outdate(session, SERIES)
    series.store_reports(app.store)
    monkeypatch.setattr(series, "computed_report", lambda *_: pytest.fail("a page computed it"))
    assert [one["id"] for one in app.get(f"series/{SERIES}").json["campaigns"]] == [first, second]
    monkeypatch.undo()
    assert app.client.delete(f"/api/v1/campaigns/{second}", headers=app.user).status_code == 200
    assert [one["id"] for one in app.get(f"series/{SERIES}").json["campaigns"]] == [first]
    series.store_reports(app.store)
    with app.store.write() as session:
        session.execute(text("UPDATE series SET report = '{}'"))
    assert [one["id"] for one in app.get(f"series/{SERIES}").json["campaigns"]] == [first]


def test_a_deleted_campaign_leaves_its_series(app: CoordinatorApp) -> None:
    (campaign_id,) = measure(app, 100)
    assert app.client.delete(f"/api/v1/campaigns/{campaign_id}", headers=app.user).status_code == 200
    assert app.get("series").json["series"] == []


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"webhook": "https://169.254.169.254/latest"}, "webhook", "SHOWDOWN_WEBHOOK_HOSTS does not allow"),
        ({"email": ["ops@other.example"]}, "email.0", "SHOWDOWN_MAIL_TO does not allow"),
        ({"email": ["a@b\r\nBcc: c@d"]}, "email.0", "must be an e-mail address"),
        ({"series": "f" * 16}, "series", "there is no series"),
        ({"datapath": "direct"}, "datapath", "the series has no such trend"),
        ({"percent": 0}, "percent", "must be more than 0"),
    ],
)
def test_a_wrong_rule_names_the_field(
    changes: dict[str, object], field: str, message: str, app: CoordinatorApp
) -> None:
    measure(app, 100)
    answer = app.client.post("/api/v1/rules", json={**WANTED, **changes}, headers=app.user)
    assert answer.status_code == 422
    assert any(one["field"] == field and message in one["message"] for one in answer.json["errors"]), answer.text


def test_a_rule_goes_on_after_the_coordinators_clock_was_set_back(app: CoordinatorApp) -> None:
    """Its regression lay in the future: the campaigns after it made the baseline, and it was forgotten."""
    measure(app, *SCATTER)
    rule_id, right_s = add(app), app.now
    app.now += 1000 * 86_400
    (first,) = measure(app, 112)
    app.now = right_s
    ticker.tick(app.store, app.dispatcher, app.now)
    measure(app, 112.1, 111.9, 112.2, 112, 111.8)
    assert app.get(f"rules/{rule_id}").json["regressed_since"] == first
    assert events(app, rule_id) == [first], "one step is one event"
    measure(app, *(112 + one / 50 for one in range(6)))
    (second,) = measure(app, 125)
    assert sorted(events(app, rule_id)) == sorted([first, second]), "the new level is the baseline"


def test_a_notice_goes_on_after_the_coordinators_clock_was_set_back(app: CoordinatorApp) -> None:
    """It lay in the future: campaigns that ended before it existed are not reported."""
    app.register()
    right_s = app.now
    app.now += 3600
    notice = app.client.post("/api/v1/notices", json={"webhook": HOOK}, headers=app.user).json["id"]
    app.now = right_s
    app.wait(1, present=("h1",))
    campaign_id = app.submit()
    assert app.cancel(campaign_id).status_code == 200
    app.wait(1, present=("h1",))
    assert [one["campaign"] for one in app.get(f"notices/{notice}").json["events"]] == [campaign_id]


def test_the_page_shows_trends_and_adds_and_removes_rules(app: CoordinatorApp) -> None:
    measure(app, *SCATTER, 100.1)
    measure(app, *(120 + one / 10 for one in range(7)), kernel="6.19.0")
    browser: FlaskClient = signed_in(app)
    assert "small" in sentences(browser.get("/trends"))
    page = browser.get(f"/trends/{SERIES}")
    said = sentences(page)
    assert "14 campaigns" in said
    assert "1.20 ×" in said, "the change of level"
    assert any("6.18.5 → 6.19.0" in line for line in said)
    assert 'class="change"' in page.text
    form = {"csrf_token": csrf(page), "watched": "http_keepalive|low|tproxy||cpu_us_per_request", "direction": "worse"}
    refused = browser.post(f"/trends/{SERIES}/rules", data={**form, "percent": "5", "webhook": "http://127.0.0.1/"})
    assert refused.status_code == 422
    assert "SHOWDOWN_WEBHOOK_HOSTS does not allow" in refused.text
    assert browser.post(f"/trends/{SERIES}/rules", data={**form, "percent": "5", "webhook": HOOK}).status_code == 303
    (rule,) = app.get("rules").json["rules"]
    assert "not regressed" in sentences(browser.get(f"/trends/{SERIES}"))
    assert browser.post(f"/rules/{rule['id']}/remove", data={"csrf_token": form["csrf_token"]}).status_code == 303
    assert app.get("rules").json["rules"] == []
    assert browser.get("/trends/ffffffffffffffff").status_code == 404


def test_many_rules_of_one_series_read_it_once(app: CoordinatorApp, monkeypatch: pytest.MonkeyPatch) -> None:
    measure(app, *SCATTER)
    made, read, recorded = [add(app) for _ in range(20)], 0, series.recorded

    def counted(*arguments: Any, **named: Any) -> Any:
        nonlocal read
        read += 1
        return recorded(*arguments, **named)

    monkeypatch.setattr(series, "recorded", counted)
    (worse,) = measure(app, 112)
    assert [events(app, one) for one in made] == [[worse]] * 20
    assert read == 1, "each rule read a hundred campaigns, in the transaction that all others wait for"
