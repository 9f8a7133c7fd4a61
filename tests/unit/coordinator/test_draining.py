"""Drained hosts: they end what they run and take no new blocks; who waits for one says so."""

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from coordinator import ticker
from coordinator.store.lifecycle import next_blocks
from coordinator.store.rows.models import HostRow
from coordinator.store.upkeep import rounds
from tests.unit.coordinator.access.callers import audited, bearer, new_token
from tests.unit.coordinator.coordinator_app import CoordinatorApp, campaign
from tests.unit.coordinator.pages import csrf, sentences


def post(app: CoordinatorApp, host: str, verb: str) -> int:
    return app.client.post(f"/api/v1/hosts/{host}/{verb}", headers=app.user).status_code


def test_a_drained_host_ends_its_block_and_takes_no_other(app_on_both: CoordinatorApp) -> None:
    app = app_on_both
    app.register()
    campaign_id = app.submit(blocks=2)
    message = app.last_sent()
    app.claim(message)
    assert post(app, "h1", "drain") == 204
    app.wait(1, present=("h1",))  # it registers again, and stays drained
    (host,) = app.get("hosts").json["hosts"]
    assert host["online"]
    assert host["drained_at"] is not None
    sent = len(app.dispatcher.sent)
    app.cancel(campaign_id)  # it frees the host, as a report does
    other = app.submit(hosts=["h1"])
    app.wait(1, present=("h1",))
    assert len(app.dispatcher.sent) == sent
    view = app.view(other)
    assert (view["state"], view["progress"]["drained"]) == ("queued", ["h1"])
    assert post(app, "h1", "undrain") == 204
    app.wait(30, present=("h1",))
    assert app.view(other)["progress"]["drained"] == []


def test_a_host_that_is_drained_while_the_ticker_looks_gets_nothing(
    coordinator_app: CoordinatorApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = coordinator_app
    app.register()
    app.submit(blocks=1)
    assert post(app, "h1", "drain") == 204
    with app.store.read() as session:
        assert session.scalars(next_blocks.idle_hosts(app.now)).all() == []
    monkeypatch.setattr(ticker, "idle_hosts", lambda _now: select(HostRow.name))  # what it saw a moment before
    sent = len(app.dispatcher.sent)
    ticker.dispatch_waiting(app.store, app.dispatcher, app.now)
    assert len(app.dispatcher.sent) == sent


def test_a_message_that_was_not_claimed_is_void(coordinator_app: CoordinatorApp) -> None:
    app = coordinator_app
    app.register()
    campaign_id = app.submit(blocks=1)
    message = app.last_sent()
    assert post(app, "h1", "drain") == post(app, "h1", "drain") == 204
    assert app.call("claim", message, {"host": "h1"}).status_code == 409
    app.wait(rounds.RESEND_S + 1, present=("h1",))
    assert app.view(campaign_id)["progress"]["drained"] == ["h1"]
    assert post(app, "h1", "undrain") == 204
    app.run_block()
    assert app.view(campaign_id)["state"] == "complete"


def test_its_waiting_blocks_move_to_another_host(coordinator_app: CoordinatorApp) -> None:
    app = coordinator_app
    app.register("h1")
    app.register("h2")
    campaign_id = app.submit(blocks=4)
    assert post(app, "h1", "drain") == 204
    assert "h1 is drained: 2 blocks moved to h2" in str(app.view(campaign_id)["history"])
    for _ in range(4):
        app.run_block("h2")
    assert app.view(campaign_id)["state"] == "complete"


def test_a_campaign_that_names_no_hosts_does_not_take_a_drained_one(coordinator_app: CoordinatorApp) -> None:
    app = coordinator_app
    app.register("h1")
    app.register("h2")
    post(app, "h1", "drain")
    assert app.view(app.submit())["hosts"] == ["h2"]
    post(app, "h2", "drain")
    refused = app.client.post("/api/v1/campaigns", json=campaign(), headers=app.user)
    assert refused.status_code == 422
    assert "every online host is drained (h1, h2)" in refused.text
    assert app.view(app.submit(hosts=["h1"]))["hosts"] == ["h1"]


@pytest.mark.parametrize("verb", ["drain", "undrain"])
def test_hosts_that_are_unknown_and_users_who_may_not(coordinator_app: CoordinatorApp, verb: str) -> None:
    app = coordinator_app
    app.register()
    assert post(app, "h9", verb) == 404
    ci = bearer(new_token(app, "ci", "submit"))
    assert app.client.post(f"/api/v1/hosts/h1/{verb}", headers=ci).status_code == 403
    assert post(app, "h1", verb) == 204
    assert audited(app)[0] == ("owner", f"host.{verb}", "host h1")


def test_the_pages_drain_a_host_and_say_who_waits(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    app = coordinator_app
    app.register()
    page = browser.get("/hosts")
    assert "Drain" in page.text
    token = {"csrf_token": csrf(page)}
    assert browser.post("/hosts/h1/drain", data=token).status_code == 303
    said = sentences(browser.get("/hosts"))
    assert "drained" in said
    assert any("it ends what it runs, and takes no new blocks" in line for line in said)
    campaign_id = app.submit(hosts=["h1"])
    live = browser.get(f"/campaigns/{campaign_id}/live").text
    assert "waiting for h1, which is drained" in live
    assert "its host is busy or offline" not in live
    assert browser.post("/hosts/h1/undrain", data=token).status_code == 303
    assert "waiting for h1, which is drained" not in browser.get(f"/campaigns/{campaign_id}/live").text
