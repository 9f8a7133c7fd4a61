"""Rules and notices are changed as they were added: with the same checks, and an entry of the audit log."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.coordinator.access.callers import audited
from tests.unit.coordinator.coordinator_app import CoordinatorApp
from tests.unit.coordinator.pages import csrf, signed_in
from tests.unit.coordinator.watched_series import HOOK, SCATTER, SERIES, SETTINGS, WANTED, add, events, measure


@pytest.fixture(params=["sqlite", "postgresql"])
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[CoordinatorApp]:
    """A coordinator whose settings allow a webhook and mail, on each of the two databases."""
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else ""
    found = CoordinatorApp(tmp_path, url, **SETTINGS)
    yield found
    found.close()


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Iterator[CoordinatorApp]:
    found = CoordinatorApp(tmp_path, **SETTINGS)
    yield found
    found.close()


def change(app: CoordinatorApp, path: str, body: dict[str, object]):  # type: ignore[no-untyped-def]
    return app.client.patch(f"/api/v1/{path}", json=body, headers=app.user)


def add_notice(app: CoordinatorApp) -> str:
    wanted = {"webhook": HOOK, "name": "nightly"}
    return str(app.client.post("/api/v1/notices", json=wanted, headers=app.user).json["id"])


def test_the_next_campaign_is_judged_by_a_changed_rule(app: CoordinatorApp) -> None:
    measure(app, *SCATTER)
    rule_id = add(app, percent=50)
    measure(app, 112)
    assert events(app, rule_id) == []
    answer = change(app, f"rules/{rule_id}", {"percent": 5, "webhook": None})
    assert answer.status_code == 200, answer.text
    assert (answer.json["percent"], answer.json["webhook"]) == (5, None)
    assert {name: answer.json[name] for name in ("series", "datapath", "email")} == {
        name: WANTED[name] for name in ("series", "datapath", "email")
    }
    assert audited(app)[0][1:] == ("rule.change", f"rule {rule_id}")
    (worse,) = measure(app, 118)
    assert events(app, rule_id) == [worse]
    (delivery,) = app.get(f"rules/{rule_id}").json["events"][0]["deliveries"]
    assert delivery["target"] == "ops@example.com"


def test_a_notice_keeps_what_a_change_leaves_out(app: CoordinatorApp) -> None:
    notice_id = add_notice(app)
    answer = change(app, f"notices/{notice_id}", {"occasion": "failed", "label": "team=edge"})
    found = app.get(f"notices/{notice_id}").json
    assert answer.json == found
    assert (found["occasion"], found["name"], found["label"]) == ("failed", "nightly", "team=edge")
    assert found["webhook"] == HOOK
    assert audited(app)[0][1:] == ("notice.change", f"notice {notice_id}")
    assert change(app, f"notices/{notice_id}", {"name": None}).json["name"] is None


@pytest.mark.parametrize(
    ("kind", "changes", "field", "message"),
    [
        ("rules", {"percent": 0}, "percent", "must be more than 0"),
        ("rules", {"percent": None}, "percent", "must be"),
        ("rules", {"datapath": "direct"}, "datapath", ""),
        ("rules", {"webhook": "https://169.254.169.254/latest"}, "webhook", "SHOWDOWN_WEBHOOK_HOSTS does not allow"),
        ("notices", {"email": ["ops@other.example"]}, "email.0", "SHOWDOWN_MAIL_TO does not allow"),
        ("notices", {"webhook": None}, "email", "give one of them"),
        ("notices", {"occasion": None}, "occasion", "must be"),
    ],
)
def test_a_wrong_change_names_the_field_and_changes_nothing(
    kind: str, changes: dict[str, object], field: str, message: str, on_sqlite: CoordinatorApp
) -> None:
    app = on_sqlite
    measure(app, 100)
    path = f"{kind}/{add(app) if kind == 'rules' else add_notice(app)}"
    before = app.get(path).json
    answer = change(app, path, changes)
    assert answer.status_code == 422
    assert any(one["field"] == field and message in one["message"] for one in answer.json["errors"]), answer.text
    assert app.get(path).json == before


def test_neither_is_changed_as_the_other(app: CoordinatorApp) -> None:
    measure(app, 100)
    assert change(app, f"notices/{add(app)}", {}).status_code == 404
    assert change(app, f"rules/{add_notice(app)}", {}).status_code == 404


def form_of(page: str, path: str) -> dict[str, str]:
    """The fields of the form that posts to ``path``, with their values: what a browser would send untouched."""
    (form,) = re.findall(rf'<form method="post" action="{re.escape(path)}".*?</form>', page, re.DOTALL)
    typed = dict(re.findall(r'<input id="[^"]*" name="(\w+)"[^>]*? value="([^"]*)"', form))
    chosen = {
        name: (*re.findall(r'<option(?: value="(\w+)")? selected>(\w*)', options), ("", ""))[0]
        for name, options in re.findall(r'<select[^>]* name="(\w+)">(.*?)</select>', form, re.DOTALL)
    }
    return typed | {name: value or text for name, (value, text) in chosen.items()}


def test_the_page_changes_a_rule_and_keeps_what_was_typed_wrong(on_sqlite: CoordinatorApp) -> None:
    app = on_sqlite
    measure(app, 100)
    rule_id, browser = add(app, percent=7.5), signed_in(app)
    page, path = browser.get(f"/trends/{SERIES}"), f"/rules/{rule_id}/change"
    form = form_of(page.text, path)
    assert form == {"percent": "7.5", "direction": "worse", "webhook": HOOK, "email": "ops@example.com"}
    form["csrf_token"] = csrf(page)
    refused = browser.post(path, data={**form, "percent": "much"})
    assert refused.status_code == 422
    assert "Percent: must be a number." in refused.text
    assert form_of(refused.text, path)["percent"] == "much"
    assert f'<details id="change-{rule_id}" open>' in refused.text
    assert form_of(refused.text, f"/trends/{SERIES}/rules")["percent"] == "5", "the form for another rule is untouched"
    assert browser.post(path, data={**form, "percent": "9", "webhook": ""}).status_code == 303
    found = app.get(f"rules/{rule_id}").json
    assert (found["percent"], found["webhook"], found["email"]) == (9, None, ["ops@example.com"])
    assert audited(app)[0][1:] == ("rule.change", f"rule {rule_id}")


def test_the_page_changes_a_notice_and_keeps_what_was_typed_wrong(on_sqlite: CoordinatorApp) -> None:
    app = on_sqlite
    notice_id, browser = add_notice(app), signed_in(app)
    page, path = browser.get("/notices"), f"/notices/{notice_id}/change"
    form = form_of(page.text, path)
    assert form == {"occasion": "ended", "name": "nightly", "label": "", "webhook": HOOK, "email": ""}
    form["csrf_token"] = csrf(page)
    refused = browser.post(path, data={**form, "webhook": "http://127.0.0.1/"})
    assert refused.status_code == 422
    assert "SHOWDOWN_WEBHOOK_HOSTS does not allow" in refused.text
    assert form_of(refused.text, path)["webhook"] == "http://127.0.0.1/"
    assert form_of(refused.text, "/notices")["webhook"] == ""
    assert browser.post(path, data={**form, "occasion": "failed", "name": ""}).status_code == 303
    found = app.get(f"notices/{notice_id}").json
    assert (found["occasion"], found["name"], found["webhook"]) == ("failed", None, HOOK)
    assert audited(app)[0][1:] == ("notice.change", f"notice {notice_id}")


def test_the_page_of_a_rule_that_is_gone_says_so(on_sqlite: CoordinatorApp) -> None:
    browser = signed_in(on_sqlite)
    sent = {"csrf_token": csrf(browser.get("/notices")), "percent": "5"}
    for path in ("/rules/gone/change", "/notices/gone/change"):
        assert browser.post(path, data={**sent, "occasion": "ended", "webhook": HOOK}).status_code == 404
