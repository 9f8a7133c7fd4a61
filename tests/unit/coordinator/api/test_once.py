"""Each route that creates something does it once per Idempotency-Key, and what it must not store is not stored."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from sqlalchemy import select
from werkzeug.test import TestResponse

from coordinator.api.once import ROUTES
from coordinator.store.people.idempotency import KeyRow
from tests.unit.coordinator.access.callers import audited, bearer
from tests.unit.coordinator.coordinator_app import CoordinatorApp, campaign
from tests.unit.coordinator.watched_series import HOOK, SETTINGS, WANTED, measure


class Route(NamedTuple):
    """A POST, another body for it, and how many of what it makes there are."""

    path: str
    body: dict[str, Any]
    other: dict[str, Any]
    count: Callable[[CoordinatorApp], int]


def listed(path: str, field: str) -> Callable[[CoordinatorApp], int]:
    return lambda app: len(app.get(path).json[field])


def schedule(name: str) -> dict[str, Any]:
    return {"name": name, "cron": "30 2 * * *", "time_zone": "UTC", "campaign": campaign()}


def routes(app: CoordinatorApp) -> dict[str, Route]:
    """By the path in the document."""
    campaign_id = app.submit()
    made = app.client.post("/api/v1/schedules", json=schedule("first"), headers=app.user).json
    shares = f"campaigns/{campaign_id}/shares"
    measure(app, 100.0)  # what a rule watches
    app.register()
    run = f"schedules/{made['id']}/run"
    found = [
        Route("campaigns", campaign(), campaign(name="other"), lambda app: int(app.get("campaigns").json["total"])),
        Route(shares, {"days": 1}, {"days": 2}, listed(shares, "shares")),
        Route("notices", {"webhook": HOOK}, {"webhook": HOOK, "label": "a"}, listed("notices", "notices")),
        Route("rules", WANTED, WANTED | {"percent": 6.0}, listed("rules", "rules")),
        Route("schedules", schedule("nightly"), schedule("daily"), listed("schedules", "schedules")),
        Route(run, {}, {"now": True}, lambda app: len(app.get(f"schedules/{made['id']}").json["runs"])),
    ]
    return dict(zip(ROUTES, found, strict=True))


@pytest.fixture
def app(tmp_path: Path) -> Iterator[CoordinatorApp]:
    """A coordinator whose settings allow a webhook."""
    found = CoordinatorApp(tmp_path, **SETTINGS)
    found.register()
    yield found
    found.close()


def post(app: CoordinatorApp, path: str, body: dict[str, Any], key: str = "one") -> TestResponse:
    return app.app.test_client().post(f"/api/v1/{path}", json=body, headers={**app.user, "Idempotency-Key": key})


@pytest.mark.parametrize("name", ROUTES)
def test_a_repeated_key_gives_the_same_answer_and_makes_one(app: CoordinatorApp, name: str) -> None:
    route = routes(app)[name]
    before, entries = route.count(app), len(audited(app))
    first = post(app, route.path, route.body)
    assert (first.status_code, "Idempotency-Replayed" in first.headers) == (
        200 if name.endswith("/run") else 201,
        False,
    )
    again = post(app, route.path, route.body)
    assert (again.status_code, again.data) == (first.status_code, first.data)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (route.count(app), len(audited(app))) == (before + 1, entries + 1)


@pytest.mark.parametrize("name", ROUTES)
def test_a_key_with_another_body_is_refused(app: CoordinatorApp, name: str) -> None:
    route = routes(app)[name]
    first = post(app, route.path, route.body)
    after = route.count(app)
    other = post(app, route.path, route.other)
    assert (other.status_code, other.json["code"]) == (422, "idempotency_key_reused")
    assert first.json["id"] in other.json["detail"]
    assert route.count(app) == after


def test_a_key_belongs_to_one_route(app: CoordinatorApp) -> None:
    one, two = (post(app, "schedules", schedule(name), key=name).json["id"] for name in ("first", "second"))
    assert post(app, f"schedules/{one}/run", {}).status_code == 200
    other = post(app, f"schedules/{two}/run", {})
    assert (other.status_code, other.json["code"]) == (422, "idempotency_key_reused")


def test_requests_at_once_run_a_schedule_once(app_on_both: CoordinatorApp) -> None:
    app_on_both.register()
    made = app_on_both.client.post("/api/v1/schedules", json=schedule("first"), headers=app_on_both.user).json
    barrier = threading.Barrier(4)

    def run(_: int) -> TestResponse:
        barrier.wait()
        return post(app_on_both, f"schedules/{made['id']}/run", {})

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(run, range(4)))
    assert [one.status_code for one in answers] == [200] * 4
    assert len({one.data for one in answers}) == 1
    assert app_on_both.get("campaigns").json["total"] == 1


def test_a_links_secret_is_repeated_and_works_but_is_not_stored(app: CoordinatorApp) -> None:
    path = f"campaigns/{(campaign_id := app.submit())}/shares"
    first, again = post(app, path, {"days": 1}).json, post(app, path, {"days": 1}).json
    assert first["secret"] == again["secret"] != post(app, path, {"days": 1}, key="two").json["secret"]
    read = app.app.test_client().get(f"/api/v1/campaigns/{campaign_id}/report", headers=bearer(again["secret"]))
    assert read.status_code == 200
    with app.store.read() as session:
        kept = session.scalars(select(KeyRow.answer)).all()
    assert len(kept) == 2
    assert not any(first["secret"] in text for text in kept)


def test_the_document_offers_the_key_where_something_is_made(app: CoordinatorApp) -> None:
    paths = app.get("openapi.json").json["paths"]
    takes = {
        path
        for path, one in paths.items()
        if any(each["name"] == "Idempotency-Key" for each in one.get("post", {}).get("parameters", ()))
    }
    made = {path for path, one in paths.items() if "201" in one.get("post", {}).get("responses", ())}
    named = {"/api/v1/tokens", "/api/v1/hosts/{host}/enrolment"}  # a second request finds the name taken
    assert takes == set(ROUTES) == (made - named) | {"/api/v1/schedules/{schedule_id}/run"}
