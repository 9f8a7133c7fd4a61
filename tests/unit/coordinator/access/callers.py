"""People and programs that have tokens of their own."""

from typing import Any

from flask.testing import FlaskClient

from tests.unit.coordinator.coordinator_app import CoordinatorApp
from tests.unit.coordinator.pages import csrf


def bearer(token: str) -> dict[str, str]:
    """The header for a token."""
    return {"Authorization": f"Bearer {token}"}


def new_token(app: CoordinatorApp, name: str = "ci", scope: str = "read", **more: Any) -> str:
    """Create a named token."""
    answer = app.client.post("/api/v1/tokens", json={"name": name, "scope": scope, **more}, headers=app.user)
    assert answer.status_code == 201, answer.text
    return str(answer.json["token"])


def new_share(app: CoordinatorApp, campaign_id: str, **body: Any) -> dict[str, Any]:
    """Create a link to a campaign."""
    answer = app.client.post(f"/api/v1/campaigns/{campaign_id}/shares", json=body, headers=app.user)
    assert answer.status_code == 201, answer.text
    created: dict[str, Any] = answer.json
    return created


def browser_of(app: CoordinatorApp, token: str) -> FlaskClient:
    """A browser that has signed in with a token."""
    client = app.app.test_client()
    sent = {"csrf_token": csrf(client.get("/sign-in")), "token": token, "next": ""}
    assert client.post("/sign-in", data=sent).status_code == 303
    return client


def audited(app: CoordinatorApp, **query: Any) -> list[tuple[str, str, str]]:
    """(who, action, subject) of the audit log, the newest first."""
    answer = app.client.get("/api/v1/audit", query_string=query, headers=app.user)
    assert answer.status_code == 200, answer.text
    return [(one["who"], one["action"], one["subject"]) for one in answer.json["entries"]]
