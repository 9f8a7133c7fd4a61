"""Queries about one campaign read the attempts of that campaign: SQLite does not take an index of all campaigns."""

from typing import Any

import pytest
from sqlalchemy import event

from tests.unit.coordinator.coordinator_app import CoordinatorApp
from tests.unit.coordinator.pages import signed_in

OF_ALL_CAMPAIGNS = "ix_attempts_state"
ENDED = {"done", "failed", "lost"}
PAGES = ("", "/verdicts", "/why", "/trials", "/live", "/configuration", "/progress")
ANSWERS = ("", "/report", "/results", "/trials?limit=10", "/trials", "/bundle.tar.gz")


@pytest.fixture
def plans(coordinator_app: CoordinatorApp) -> list[tuple[str, str]]:
    """Each query about ended attempts, from submission to bundle, with its plan."""
    asked: dict[str, Any] = {}

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.startswith("SELECT") and "attempts" in statement and ENDED & set(map(str, parameters)):
            asked[statement] = parameters

    event.listen(coordinator_app.store.engine, "before_cursor_execute", note)
    coordinator_app.register()
    campaign_id, browser = coordinator_app.submit(blocks=2), signed_in(coordinator_app)
    coordinator_app.run_block(reasons=("interference",))
    for _ in range(2):
        for path in PAGES:
            assert browser.get(f"/campaigns/{campaign_id}{path}").status_code == 200, path
        coordinator_app.run_block()
    for path in ANSWERS:
        with coordinator_app.get(f"campaigns/{campaign_id}{path}") as answer:
            assert answer.status_code == 200, path
            assert answer.data
    event.remove(coordinator_app.store.engine, "before_cursor_execute", note)
    with coordinator_app.store.engine.connect() as connection:
        return [
            (one, str(list(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {one}", given))))
            for one, given in asked.items()
        ]


def test_no_query_of_a_campaign_reads_the_attempts_of_all(plans: list[tuple[str, str]]) -> None:
    assert len(plans) > 2
    assert [one for one, plan in plans if OF_ALL_CAMPAIGNS in plan] == []
