"""Changes of one rule or notice at one moment, on PostgreSQL: who waited changes what is there after the wait."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from coordinator.store.runs import notices, rules
from domain.runs.notice import NoticeChanges, Occasion
from domain.runs.rule import RuleChanges
from tests.unit.coordinator.coordinator_app import CoordinatorApp
from tests.unit.coordinator.races import overtaken
from tests.unit.coordinator.watched_series import HOOK, SETTINGS, add, measure


@pytest.fixture
def app(postgres_url: str, tmp_path: Path) -> Iterator[CoordinatorApp]:
    """On PostgreSQL, as SQLite has one writer at a time."""
    found = CoordinatorApp(tmp_path, postgres_url, **SETTINGS)
    measure(found, 100)
    yield found
    found.close()


def patch(app: CoordinatorApp, path: str, body: dict[str, object]) -> int:
    """The status of a change in another thread than the test's."""
    return app.app.test_client().patch(f"/api/v1/{path}", json=body, headers=app.user).status_code


def test_two_changes_of_one_rule_are_both_kept(app: CoordinatorApp) -> None:
    rule_id = add(app)

    def change(session: Session) -> None:
        row = rules.rule_row(session, rule_id, lock=True)
        assert row is not None
        rules.change(row, RuleChanges(percent=7))

    assert overtaken(app.store, change, lambda: patch(app, f"rules/{rule_id}", {"direction": "higher"})) == 200
    found = app.get(f"rules/{rule_id}").json
    assert (found["percent"], found["direction"]) == (7, "higher")


def test_two_changes_of_one_notice_are_judged_together(app: CoordinatorApp) -> None:
    """Each leaves a receiver; both together would leave none, so the second is refused."""
    wanted = {"webhook": HOOK, "email": ["ops@example.com"]}
    notice_id = app.client.post("/api/v1/notices", json=wanted, headers=app.user).json["id"]

    def change(session: Session) -> None:
        row = notices.notice_row(session, notice_id, lock=True)
        assert row is not None
        rules.change(row, NoticeChanges(webhook=None, occasion=Occasion.FAILED))

    assert overtaken(app.store, change, lambda: patch(app, f"notices/{notice_id}", {"email": []})) == 422
    found = app.get(f"notices/{notice_id}").json
    assert (found["webhook"], found["email"], found["occasion"]) == (None, ["ops@example.com"], "failed")


def test_a_rule_that_was_removed_meanwhile_is_not_changed(app: CoordinatorApp) -> None:
    rule_id = add(app)

    def remove(session: Session) -> None:
        row = rules.rule_row(session, rule_id, lock=True)
        assert row is not None
        rules.remove(session, row)

    assert overtaken(app.store, remove, lambda: patch(app, f"rules/{rule_id}", {"percent": 7})) == 404
    assert app.get("rules").json["rules"] == []
