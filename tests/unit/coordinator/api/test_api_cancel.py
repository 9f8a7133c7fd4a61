"""Cancelling over REST: waiting blocks stop at once, running ones at their next heartbeat."""

from domain.service.jobs import LEASE_S
from tests.unit.coordinator.coordinator_app import CoordinatorApp, attempts


def test_cancel_stops_what_waits_at_once_and_flags_what_runs(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit(blocks=3)
    message = coordinator_app.last_sent()
    lease = coordinator_app.claim(message)
    assert coordinator_app.cancel(campaign_id).json["state"] == "cancelling"
    assert coordinator_app.call("heartbeat", message, {"lease": lease, "phase": "slices"}).json == {"cancel": True}
    coordinator_app.wait(2)
    assert coordinator_app.call("report", message, {"lease": lease, "cancelled": True}).status_code == 204
    assert coordinator_app.view(campaign_id)["state"] == "cancelled"
    assert coordinator_app.cancel(campaign_id).json["state"] == "cancelled"
    assert len(coordinator_app.dispatcher.sent) == 1


def test_cancel_before_the_claim_refuses_the_claim(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit()
    message = coordinator_app.last_sent()
    assert coordinator_app.cancel(campaign_id).json["state"] == "cancelled"
    assert coordinator_app.call("claim", message, {"host": "h1"}).status_code == 409
    coordinator_app.wait(60, present=("h1",))
    assert len(coordinator_app.dispatcher.sent) == 1


def test_a_cancelled_campaign_ends_even_when_its_worker_is_dead(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit()
    coordinator_app.claim(coordinator_app.last_sent())
    coordinator_app.cancel(campaign_id)
    coordinator_app.wait(LEASE_S + 1)
    assert coordinator_app.view(campaign_id)["state"] == "cancelled"


def test_a_worker_stopped_by_its_operator_hands_the_block_on(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    coordinator_app.submit()
    message = coordinator_app.last_sent()
    coordinator_app.call("report", message, {"lease": coordinator_app.claim(message), "cancelled": True})
    assert attempts(coordinator_app, message.block_id) == [(1, "cancelled"), (2, "dispatched")]
