"""Requests and the ticker at one moment, on PostgreSQL: who waited for a lock decides by what is true after it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from coordinator import ticker
from coordinator.store.hosts import draining, enrolments, removal
from coordinator.store.lifecycle import transitions, work
from domain.reports.outcome import PAUSED_BY_USER
from domain.service.jobs import Heartbeat, Phase
from tests.unit.coordinator.coordinator_app import CoordinatorApp
from tests.unit.coordinator.races import overtaken


@pytest.fixture
def app(postgres_url: str, tmp_path: Path) -> Iterator[CoordinatorApp]:
    """A coordinator on PostgreSQL, and the host h1. SQLite has one writer at a time, so nothing overtakes there."""
    app = CoordinatorApp(tmp_path, postgres_url)
    app.register()
    yield app
    app.close()


def with_a_waiting_block(app: CoordinatorApp) -> str:
    """A campaign whose block waits for h1, which is idle; the ticker has not looked yet."""
    campaign_id = app.submit(blocks=1)
    with app.store.write() as session:
        campaign = transitions.lock_campaign(session, campaign_id)
        assert campaign is not None
        transitions.pause_campaign(session, campaign, app.now)
        transitions.resume_campaign(session, campaign, app.now)
        campaign.blocks[0].host = "h1"
    app.dispatcher.sent.clear()
    return campaign_id


def dispatch(app: CoordinatorApp) -> None:
    ticker.dispatch_waiting(app.store, app.dispatcher, app.now)


def ask(app: CoordinatorApp, verb: str, path: str) -> int:
    """The status of a request in another thread than the test's."""
    answer = app.app.test_client().open(f"/api/v1/hosts/{path}", method=verb, headers=app.user)
    return answer.status_code


def test_a_campaign_that_is_paused_after_its_block_was_chosen_begins_no_block(app: CoordinatorApp) -> None:
    campaign_id = with_a_waiting_block(app)

    def pause(session: Session) -> None:
        campaign = transitions.lock_campaign(session, campaign_id)
        assert campaign is not None
        transitions.pause_campaign(session, campaign, app.now)

    overtaken(app.store, pause, lambda: dispatch(app))
    assert app.dispatcher.sent == []
    assert app.view(campaign_id)["paused"] == PAUSED_BY_USER
    assert app.get("quarantine").json["quarantine"] == []


def test_a_block_that_went_to_another_host_after_it_was_chosen_is_not_begun_here(app: CoordinatorApp) -> None:
    campaign_id = with_a_waiting_block(app)
    app.register("h2")

    def move(session: Session) -> None:
        campaign = transitions.lock_campaign(session, campaign_id)
        assert campaign is not None
        campaign.blocks[0].host = "h2"

    overtaken(app.store, move, lambda: ticker.dispatch_waiting(app.store, app.dispatcher, app.now, ["h1"]))
    assert app.dispatcher.sent == []
    dispatch(app)
    assert [host for host, _ in app.dispatcher.sent] == ["h2"]


def test_a_host_that_is_removed_while_the_ticker_looks_gets_no_block(app: CoordinatorApp) -> None:
    app.register("h2")
    campaign_id = with_a_waiting_block(app)
    overtaken(
        app.store,
        lambda session: removal.remove_host(session, "h1", app.now),
        lambda: ticker.dispatch_waiting(app.store, app.dispatcher, app.now, ["h1"]),
    )
    assert app.dispatcher.sent == []
    assert app.get("quarantine").json["quarantine"] == []
    app.wait(1, present=("h2",))
    app.run_block("h2")
    assert app.view(campaign_id)["state"] == "complete"


@pytest.mark.parametrize("verb", ["drain", "undrain"])
def test_a_host_that_is_removed_meanwhile_cannot_be_drained(app: CoordinatorApp, verb: str) -> None:
    def remove(session: Session) -> None:
        assert removal.remove_host(session, "h1", app.now)

    assert overtaken(app.store, remove, lambda: ask(app, "POST", f"h1/{verb}")) == 404
    assert app.get("hosts").json["hosts"] == []


def test_a_claim_and_a_heartbeat_let_users_drain_and_remove_their_host(app: CoordinatorApp) -> None:
    """Each of the two waited for a row that the other had locked: the campaign's, and the host's."""
    app.submit(blocks=1)
    message = app.last_sent()
    leases = []

    def claim(session: Session) -> None:
        leases.append(work.claim(session, message.block_id, message.attempt, "h1", app.now).lease)

    def beat(session: Session) -> None:
        work.heartbeat(
            session, message.block_id, message.attempt, Heartbeat(lease=leases[0], phase=Phase.SLICES), app.now
        )

    for first in (claim, beat):
        assert overtaken(app.store, first, lambda: ask(app, "POST", "h1/drain")) == 204
    assert overtaken(app.store, beat, lambda: ask(app, "DELETE", "h1")) == 204


def test_a_host_that_is_drained_meanwhile_is_removed_with_its_work(app: CoordinatorApp) -> None:
    app.register("h2")
    campaign_id = app.submit(blocks=2)
    running = next(message for host, message in app.dispatcher.sent if host == "h1")
    lease = app.claim(running)

    def drain(session: Session) -> None:
        assert draining.drain(session, "h1", app.now)

    assert overtaken(app.store, drain, lambda: ask(app, "DELETE", "h1")) == 204
    assert [host["name"] for host in app.get("hosts").json["hosts"]] == ["h2"]
    assert app.call("heartbeat", running, {"lease": lease, "phase": "slices"}).status_code in (401, 409)
    for _ in range(2):
        app.run_block("h2")
    assert app.view(campaign_id)["state"] == "complete"


def test_a_host_that_two_users_remove_at_once_is_removed_once(app: CoordinatorApp) -> None:
    def remove(session: Session) -> None:
        assert removal.remove_host(session, "h1", app.now)

    assert overtaken(app.store, remove, lambda: ask(app, "DELETE", "h1")) == 404


def test_a_host_whose_token_is_revoked_meanwhile_is_removed(app: CoordinatorApp) -> None:
    """Each of the two waited for a row that the other had locked, and one ended with an error."""

    def revoke(session: Session) -> None:
        assert enrolments.revoke(session, "h1", app.now)

    assert overtaken(app.store, revoke, lambda: ask(app, "DELETE", "h1")) == 204
    assert app.get("hosts").json == {"hosts": [], "enrolments": []}
