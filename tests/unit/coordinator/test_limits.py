"""How much may be open at once, and what a large cancellation costs."""

import time

import pytest
from sqlalchemy import func, select

from coordinator.store.lifecycle import submission
from coordinator.store.rows.models import BlockRow
from tests.unit.coordinator.coordinator_app import CoordinatorApp, campaign


def test_open_campaigns_are_limited(coordinator_app: CoordinatorApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submission, "MAX_OPEN_CAMPAIGNS", 2)
    coordinator_app.register()
    first, _ = coordinator_app.submit(), coordinator_app.submit()
    answer = coordinator_app.client.post("/api/v1/campaigns", json=campaign(), headers=coordinator_app.user)
    assert answer.status_code == 422
    assert answer.json["problems"] == [
        {"field": "campaign", "message": "2 campaigns are open, which is the limit; wait for one to end, or cancel one"}
    ]
    coordinator_app.cancel(first)
    coordinator_app.submit()


def test_the_cancellation_of_a_large_campaign_is_short(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    levels = {f"l{i}": f"closed({i})" for i in range(1, 11)}
    campaign_id = coordinator_app.submit(blocks=200, levels=levels, slices=1, slice_s=0.1, warm_up_s=0)
    begin = time.process_time()
    assert coordinator_app.cancel(campaign_id).json["state"] == "cancelled"
    assert time.process_time() - begin < 0.5  # it loaded every block: 1 to 2 s
    with coordinator_app.store.read() as session:
        states = session.execute(select(BlockRow.state, func.count()).group_by(BlockRow.state)).all()
    assert [tuple(row) for row in states] == [("cancelled", 2000)]
