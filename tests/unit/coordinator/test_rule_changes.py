"""Rules and notices are changed as they were added: with the same checks, and an entry of the audit log."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.coordinator.access.callers import audited, browser_of, new_token
from tests.unit.coordinator.coordinator_app import CoordinatorApp
from tests.unit.coordinator.pages import csrf, signed_in
from tests.unit.coordinator.watched_series import HOOK, SCATTER, SERIES, SETTINGS, WANTED, add, events, measure


@pytest.fixture(params=["sqlite", "postgresql"])
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[CoordinatorApp]:
    """A coordinator that may send messages, on each of the two databases."""
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else ""
    found = CoordinatorApp(tmp_path, url, **SETTINGS)
    yield found
    found.close()


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Iterator[CoordinatorApp]:
    """The same for what no database decides."""
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
    kind: str, changes: dict[str, object], field: str, message: str, app: CoordinatorApp
) -> None:
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


def fields(page: str, path: str) -> dict[str, str]:
    """The fields of the form that is sent to this path, with their values."""
    form = page.partition(f'action="{path}"')[2].partition("</form>")[0]
    found = dict(re.findall(r'<input[^>]* name="(\w+)"[^>]* value="([^"]*)"', form))
    chosen = re.findall(r'<select[^>]* name="(\w+)">(.*?)</select>', form)
    return found | {name: "".join(re.findall(r"<option[^>]* selected>([^<]*)", text)) for name, text in chosen}


def test_a_rule_is_changed_on_the_page_of_its_series(on_sqlite: CoordinatorApp) -> None:
    app = on_sqlite
    measure(app, 100)
    rule_id, other = add(app, percent=12.5), add(app, percent=3)
    browser, path = signed_in(app), f"/rules/{rule_id}/change"
    page = browser.get(f"/trends/{SERIES}")
    sent = fields(page.text, path)
    assert (sent["percent"], sent["webhook"], sent["email"]) == ("12.5", HOOK, "ops@example.com")
    assert sent["direction"] == "worse"
    sent = {"csrf_token": csrf(page), "percent": "7", "direction": "higher", "email": "a@example.com, b@example.com"}
    answer = browser.post(path, data=sent)
    assert (answer.status_code, answer.location) == (303, f"/trends/{SERIES}#rules")
    found = app.get(f"rules/{rule_id}").json
    assert (found["percent"], found["direction"], found["webhook"]) == (7, "higher", None)
    assert found["email"] == ["a@example.com", "b@example.com"]
    assert audited(app)[0][1:] == ("rule.change", f"rule {rule_id}")
    assert app.get(f"rules/{other}").json["percent"] == 3
    assert browser.post("/rules/nosuch/change", data=sent).status_code == 404


def test_a_wrong_change_of_a_rule_keeps_what_was_typed(on_sqlite: CoordinatorApp) -> None:
    app = on_sqlite
    measure(app, 100)
    rule_id, other = add(app), add(app)
    browser, path = signed_in(app), f"/rules/{rule_id}/change"
    sent = {"csrf_token": csrf(browser.get(f"/trends/{SERIES}")), "direction": "lower", "email": "ops@example.com"}
    for changes, message in (
        ({"percent": "many"}, "Percent: must be a number."),
        ({"percent": "0"}, "Percent: must be more than 0."),
        ({"percent": "7", "webhook": "https://10.0.0.1/"}, "SHOWDOWN_WEBHOOK_HOSTS does not allow"),
    ):
        refused = browser.post(path, data=sent | changes)
        assert refused.status_code == 422
        assert message in refused.text
        typed = fields(refused.text, path)
        assert {name: typed[name] for name in changes} == changes
        assert typed["direction"] == "lower"
        assert refused.text.count("<details open>") == 1, "only that form is open"
        assert fields(refused.text, f"/rules/{other}/change")["percent"] == "5"
        assert fields(refused.text, f"/trends/{SERIES}/rules")["percent"] == "5", "nor is it in the form of a new rule"
    assert app.get(f"rules/{rule_id}").json["percent"] == 5


def test_a_notice_is_changed_on_its_page(on_sqlite: CoordinatorApp) -> None:
    app = on_sqlite
    notice_id = add_notice(app)
    browser, path = signed_in(app), f"/notices/{notice_id}/change"
    page = browser.get("/notices")
    before = fields(page.text, path)
    assert (before["name"], before["label"], before["webhook"], before["email"]) == ("nightly", "", HOOK, "")
    sent = {"csrf_token": csrf(page), "occasion": "failed", "name": "", "label": "team=edge", "webhook": HOOK}
    assert browser.post(path, data=sent).status_code == 303
    found = app.get(f"notices/{notice_id}").json
    assert (found["occasion"], found["name"], found["label"]) == ("failed", None, "team=edge")
    assert audited(app)[0][1:] == ("notice.change", f"notice {notice_id}")
    refused = browser.post(path, data=sent | {"webhook": "", "label": "a b"})
    assert refused.status_code == 422
    assert "give one of them" in refused.text
    assert "Label: write key or key=value" in refused.text
    assert fields(refused.text, path)["label"] == "a b"
    assert fields(refused.text, "/notices")["label"] == ""
    assert app.get(f"notices/{notice_id}").json == found
    assert browser.post("/notices/nosuch/change", data=sent).status_code == 404
    assert browser.post("/notices/nosuch/change", data=sent | {"label": "a b"}).status_code == 404


def test_a_reader_changes_neither(on_sqlite: CoordinatorApp) -> None:
    app = on_sqlite
    measure(app, 100)
    rule_id, notice_id = add(app), add_notice(app)
    browser = browser_of(app, new_token(app, "anna", "read"))
    page = browser.get(f"/trends/{SERIES}")
    assert "Change the rule" not in page.text
    sent = {"csrf_token": csrf(page), "percent": "7", "direction": "worse", "occasion": "ended"}
    for path in (f"/rules/{rule_id}/change", f"/notices/{notice_id}/change"):
        assert browser.post(path, data=sent).status_code == 403
    assert app.get(f"rules/{rule_id}").json["percent"] == 5
