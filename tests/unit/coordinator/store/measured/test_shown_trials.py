"""Lists of trials read what was stored with each result: no result, and no histogram."""

from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError

from coordinator.store.measured import shown_trials
from coordinator.store.measured.shown_trials import ShownTrialsRow
from tests.unit.coordinator.coordinator_app import CoordinatorApp
from tests.unit.coordinator.pages import signed_in
from tests.unit.coordinator.store.measured.test_summaries import statements


@pytest.fixture
def campaign_id(coordinator_app: CoordinatorApp) -> str:
    """A campaign of two blocks, and one of its trials is invalid."""
    coordinator_app.register()
    found = coordinator_app.submit(blocks=2)
    coordinator_app.run_block()
    coordinator_app.run_block(reasons=("bypassed",))
    return found


def listed(app: CoordinatorApp, campaign_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = app.get(f"campaigns/{campaign_id}/trials?limit=10").json["trials"]
    return found


def test_a_list_of_trials_reads_no_result(coordinator_app: CoordinatorApp, campaign_id: str) -> None:
    asked = statements(coordinator_app, f"campaigns/{campaign_id}/trials?limit=10")
    assert "shown_trials" in asked
    assert "trials.result" not in asked
    browser = signed_in(coordinator_app)
    assert "bypassed was seen" in browser.get(f"/campaigns/{campaign_id}/trials?show=invalid").text


def test_a_trial_is_the_same_in_a_list_and_alone(coordinator_app: CoordinatorApp, campaign_id: str) -> None:
    trials = listed(coordinator_app, campaign_id)
    assert [one["validity"]["valid"] for one in trials] == [True, True, False, True]
    for one in trials:
        alone = coordinator_app.get(f"trials/{one['id']}").json
        assert one == {name: value for name, value in alone.items() if name in one}
        assert {"slices", "proof", "lag_p99_us", "cautions"} <= one.keys()


@pytest.mark.parametrize("is_missing", [True, False])
def test_results_from_before_get_theirs_when_they_are_read(
    coordinator_app: CoordinatorApp, campaign_id: str, *, is_missing: bool
) -> None:
    before = listed(coordinator_app, campaign_id)
    with coordinator_app.store.write() as session:
        if is_missing:
            for row in session.scalars(select(ShownTrialsRow)):
                session.delete(row)
        else:
            session.execute(update(ShownTrialsRow).values(version="of another code", content=b"?"))
    assert "trials.result" in statements(coordinator_app, f"campaigns/{campaign_id}/trials?limit=10")
    assert "trials.result" not in statements(coordinator_app, f"campaigns/{campaign_id}/trials?limit=10")
    assert listed(coordinator_app, campaign_id) == before


def test_what_cannot_be_stored_can_be_read(
    coordinator_app: CoordinatorApp, campaign_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = listed(coordinator_app, campaign_id)
    with coordinator_app.store.write() as session:
        session.execute(update(ShownTrialsRow).values(version="of another code"))

    def full(*_: object) -> None:
        raise OperationalError("INSERT", None, Exception("the disk is full"))

    monkeypatch.setattr(shown_trials, "store_shown", full)
    assert listed(coordinator_app, campaign_id) == before


def test_they_are_deleted_with_their_campaign(coordinator_app: CoordinatorApp, campaign_id: str) -> None:
    answer = coordinator_app.client.delete(f"/api/v1/campaigns/{campaign_id}", headers=coordinator_app.user)
    assert answer.status_code == 200, answer.text
    with coordinator_app.store.read() as session:
        assert session.scalars(select(ShownTrialsRow)).all() == []
