"""Named tokens: shown once, kept as hashes, limited by scope, revocable; the users' token works as before."""

from flask.testing import FlaskClient
from sqlalchemy import select

from coordinator.access.rules import RULES, SAFE_METHODS
from coordinator.store.people.user_tokens import UserTokenRow
from domain.hosts.host_tokens import hash_of
from domain.service.logs import without_secrets
from domain.service.scopes import Scope
from tests.unit.coordinator.access.callers import bearer, browser_of, new_token
from tests.unit.coordinator.coordinator_app import CoordinatorApp, campaign
from tests.unit.coordinator.pages import csrf


def test_a_token_is_shown_once_and_stored_as_a_hash(coordinator_app: CoordinatorApp) -> None:
    token = new_token(coordinator_app, "anna", "submit", days=30)
    assert token.startswith("sdu_")
    with coordinator_app.store.read() as session:
        row = session.scalars(select(UserTokenRow)).one()
    assert row.token_hash == hash_of(token)
    found = coordinator_app.get("tokens")
    assert token not in found.text
    assert row.token_hash not in found.text
    (one,) = found.json["tokens"]
    assert (one["name"], one["scope"], one["created_by"], one["used_at"], one["valid"]) == (
        "anna", "submit", "owner", None, True
    )  # fmt: skip
    me = coordinator_app.client.get("/api/v1/me", headers=bearer(token))
    assert me.json == {"kind": "token", "name": "anna", "scope": "submit"}
    assert coordinator_app.get("tokens").json["tokens"][0]["used_at"] is not None
    assert coordinator_app.get("me").json == {"kind": "owner", "name": "owner", "scope": "admin"}


def test_each_scope_does_what_it_says_and_no_more(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    given = {scope: bearer(new_token(coordinator_app, scope.value, scope.value)) for scope in Scope}
    client = coordinator_app.client
    for scope, headers in given.items():
        assert client.get("/api/v1/campaigns", headers=headers).status_code == 200
        assert client.get("/metrics", headers=headers).status_code == 200
        submitted = client.post("/api/v1/campaigns", json=campaign(), headers=headers)
        assert submitted.status_code == (403 if scope is Scope.READ else 201)
        campaign_id = submitted.json.get("id") or coordinator_app.submit()
        cancelled = client.post(f"/api/v1/campaigns/{campaign_id}/cancel", headers=headers)
        assert cancelled.status_code == (403 if scope is Scope.READ else 200)
        coordinator_app.cancel(campaign_id)
        deleted = client.delete(f"/api/v1/campaigns/{campaign_id}", headers=headers)
        assert deleted.status_code == (200 if scope is Scope.ADMIN else 403)
        for path in ("/api/v1/tokens", "/api/v1/audit"):
            assert client.get(path, headers=headers).status_code == (200 if scope is Scope.ADMIN else 403)
    refused = client.post("/api/v1/campaigns", json=campaign(), headers=given[Scope.READ])
    assert (refused.json["code"], refused.json["detail"]) == (
        "insufficient_scope", "token read has the scope read; this needs submit"
    )  # fmt: skip


def test_a_void_token_opens_nothing(coordinator_app: CoordinatorApp) -> None:
    token, expiring = new_token(coordinator_app, "ci"), new_token(coordinator_app, "short", days=1)
    browser = browser_of(coordinator_app, token)
    client = coordinator_app.client
    assert client.delete("/api/v1/tokens/ci", headers=coordinator_app.user).status_code == 204
    refused = client.get("/api/v1/campaigns", headers=bearer(token))
    assert (refused.status_code, refused.json["detail"]) == (401, "token ci was revoked")
    assert browser.get("/api/v1/campaigns").status_code == 401, "the session that it began has ended, too"
    assert client.get("/api/v1/campaigns", headers=bearer(expiring)).status_code == 200
    coordinator_app.now += 24 * 3600 + 1
    assert client.get("/api/v1/campaigns", headers=bearer(expiring)).json["detail"] == "token short has expired"
    assert client.delete("/api/v1/tokens/nosuch", headers=coordinator_app.user).status_code == 404


def test_a_name_is_used_once_and_a_replacement_voids_the_former_token(coordinator_app: CoordinatorApp) -> None:
    first = new_token(coordinator_app, "ci")
    browser = browser_of(coordinator_app, first)
    again = coordinator_app.client.post("/api/v1/tokens", json={"name": "ci"}, headers=coordinator_app.user)
    assert (again.status_code, again.json["code"]) == (409, "name_taken")
    second = new_token(coordinator_app, "ci", replace=True)
    statuses = [coordinator_app.client.get("/api/v1/me", headers=bearer(one)).status_code for one in (first, second)]
    assert statuses == [401, 200]
    assert browser.get("/api/v1/me").status_code == 401


def test_what_no_token_can_be_is_refused(coordinator_app: CoordinatorApp) -> None:
    bodies: list[tuple[dict[str, object], str]] = [
        ({"name": "UPPER"}, "name"), ({"name": "a/b"}, "name"), ({"name": "a" * 64}, "name"), ({}, "name"),
        ({"name": "ci", "scope": "root"}, "scope"), ({"name": "ci", "days": 0}, "days"),
        ({"name": "ci", "days": 3651}, "days"), ({"name": "ci", "admin": True}, "admin"),
    ]  # fmt: skip
    for body, field in bodies:
        answer = coordinator_app.client.post("/api/v1/tokens", json=body, headers=coordinator_app.user)
        assert (answer.status_code, [one["field"] for one in answer.json["errors"]]) == (422, [field])


def test_every_route_that_changes_something_declares_its_scope(coordinator_app: CoordinatorApp) -> None:
    routes = {rule.endpoint: rule for rule in coordinator_app.app.url_map.iter_rules()}
    views = coordinator_app.app.view_functions
    changing = {
        name
        for name, rule in routes.items()
        if (rule.methods or set()) - SAFE_METHODS
        and not getattr(views[name], "is_public", False)
        and not name.startswith("worker.")
    }
    assert changing - RULES.keys() == set(), "say in coordinator/access/rules.py which scope they need"
    assert RULES.keys() - routes.keys() == set()


def test_a_reader_s_pages_show_no_control_that_is_refused(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit()
    reader = browser_of(coordinator_app, new_token(coordinator_app))
    for path in (f"/campaigns/{campaign_id}", "/campaigns", "/hosts", "/matrix", "/quarantine"):
        page = reader.get(path)
        assert page.status_code == 200
        main = page.text.partition("<main")[2]
        assert '<form method="post"' not in main, path
        assert "/campaigns/new" not in page.text, path
    assert "/tokens" not in reader.get("/campaigns").text
    for path in ("/campaigns/new", f"/campaigns/{campaign_id}/cancel", "/tokens", "/audit"):
        refused = reader.get(path)
        assert (refused.status_code, "has the scope read" in refused.text) == (403, True), path


def test_the_page_creates_shows_and_revokes_tokens(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    token = csrf(browser.get("/tokens"))
    sent = {"csrf_token": token, "name": "ci", "scope": "submit", "days": ""}
    created = browser.post("/tokens", data=sent)
    assert created.status_code == 201
    (secret,) = [line for line in created.text.split() if "sdu_" in line]
    assert "sdu_" not in browser.get("/tokens").text
    assert browser.post("/tokens", data=sent).status_code == 409
    wrong = browser.post("/tokens", data={**sent, "name": "Not a name"})
    assert (wrong.status_code, 'value="Not a name"' in wrong.text) == (422, True)
    assert browser.post("/tokens/ci/revoke", data={"csrf_token": token}).status_code == 303
    assert "revoked" in browser.get("/tokens").text
    assert "sdu_" in secret


def test_no_log_has_a_token() -> None:
    line = without_secrets("GET /x sdu_abcdefghijklmnop sds_abcdefghijklmnop sdh_abcdefghijklmnop end")
    assert line == "GET /x *** *** *** end"
