"""The audit log: who changed what; bounded, in pages, and without what was refused or only read."""

from flask.testing import FlaskClient

from coordinator.store.people import audit
from tests.unit.coordinator.access.callers import audited, bearer, browser_of, new_token
from tests.unit.coordinator.coordinator_app import CoordinatorApp, campaign
from tests.unit.coordinator.pages import csrf, send


def test_changes_are_logged_with_their_author_and_request(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    token = bearer(new_token(coordinator_app, "ci", "submit"))
    headers = {**token, "X-Request-ID": "from-the-front"}
    campaign_id = coordinator_app.client.post("/api/v1/campaigns", json=campaign(), headers=headers).json["id"]
    early = coordinator_app.client.delete(f"/api/v1/campaigns/{campaign_id}", headers=coordinator_app.user)
    assert early.status_code == 409  # and so it is not in the log
    coordinator_app.client.post(f"/api/v1/campaigns/{campaign_id}/cancel", headers=token)
    coordinator_app.client.delete(f"/api/v1/campaigns/{campaign_id}", headers=token)  # refused
    coordinator_app.client.get(f"/api/v1/campaigns/{campaign_id}", headers=token)
    coordinator_app.client.post("/api/v1/campaigns/plan", json=campaign(), headers=token)
    coordinator_app.client.delete(f"/api/v1/campaigns/{campaign_id}", headers=coordinator_app.user)
    about = f"campaign {campaign_id}"
    assert audited(coordinator_app) == [
        ("owner", "campaign.delete", about),
        ("ci", "campaign.cancel", about),
        ("ci", "campaign.submit", about),
        ("owner", "token.create", "token ci (submit)"),
    ]
    entries = coordinator_app.get("audit").json["entries"]
    assert entries[2]["request_id"] == "from-the-front"
    assert entries[2]["kind"] == "token"


def test_pages_are_logged_like_requests(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    coordinator_app.register()
    campaign_id = send(browser).location.rpartition("/")[2]
    send(browser, plan="1")
    send(browser, blocks="no number")
    token = csrf(browser.get("/campaigns"))
    browser.post(f"/campaigns/{campaign_id}/cancel", data={"csrf_token": token})
    again = browser.post(f"/campaigns/{campaign_id}/again", data={"csrf_token": token}).location.rpartition("/")[2]
    browser.post("/hosts", data={"csrf_token": token, "host": "h7"})
    browser.post("/hosts/h7/revoke", data={"csrf_token": token})
    browser.post("/sign-out", data={"csrf_token": token})
    assert audited(coordinator_app) == [
        ("owner", "session.end", ""),
        ("owner", "host.revoke", "host h7"),
        ("owner", "host.enrol", "host h7"),
        ("owner", "campaign.submit", f"campaign {again}"),
        ("owner", "campaign.cancel", f"campaign {campaign_id}"),
        ("owner", "campaign.submit", f"campaign {campaign_id}"),
        ("owner", "session.begin", ""),
    ]


def test_a_repeated_submission_is_one_entry(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    for _ in range(2):
        headers = {**coordinator_app.user, "Idempotency-Key": "k"}
        assert coordinator_app.client.post("/api/v1/campaigns", json=campaign(), headers=headers).status_code == 201
    assert len(audited(coordinator_app)) == 1


def test_the_log_has_pages_and_filters(coordinator_app: CoordinatorApp) -> None:
    for i in range(5):
        new_token(coordinator_app, f"t{i}")
    first = coordinator_app.get("audit?limit=3").json
    second = coordinator_app.get(f"audit?limit=3&cursor={first['next']}").json
    subjects = [one["subject"] for one in first["entries"] + second["entries"]]
    assert subjects == [f"token t{i} (read)" for i in (4, 3, 2, 1, 0)]
    assert second["next"] is None
    assert audited(coordinator_app, subject="token t2 (read)") == [("owner", "token.create", "token t2 (read)")]
    assert audited(coordinator_app, who="ci") == []
    assert coordinator_app.get("audit?cursor=x").status_code == 422
    page = browser_of(coordinator_app, coordinator_app.settings.token).get("/audit?action=token.create")
    assert "token t2 (read)" in page.text
    assert "session.begin" not in page.text


def test_old_and_surplus_entries_are_deleted(coordinator_app: CoordinatorApp) -> None:
    def add(at: float, subject: str, most: int = audit.MOST_ROWS) -> None:
        with coordinator_app.store.write() as session:
            audit.append(
                session, at, kind="owner", who="owner", action="a", subject=subject, request_id="", kept_s=100.0,
                most=most,
            )  # fmt: skip

    add(0.0, "old")
    add(99.0, "one")
    add(150.0, "two")
    assert [one[2] for one in audited(coordinator_app)] == ["two", "one"]
    add(151.0, "three", most=2)
    assert [one[2] for one in audited(coordinator_app)] == ["three", "two"]
