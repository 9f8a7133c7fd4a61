"""A session that is used goes on; one that is idle ends, and every one ends at last."""

from flask.testing import FlaskClient
from sqlalchemy import select, update

from coordinator.auth import SESSION_DAYS, SESSION_HOURS
from coordinator.store.rows.models import SessionRow
from tests.unit.coordinator.coordinator_app import CoordinatorApp
from tests.unit.coordinator.pages import csrf, send

HOUR_S = 3600.0


def test_a_session_in_use_is_extended_and_an_idle_one_ends(
    coordinator_app: CoordinatorApp, browser: FlaskClient
) -> None:
    for _ in range(4):
        coordinator_app.now += (SESSION_HOURS - 1) * HOUR_S
        assert browser.get("/campaigns").status_code == 200
    coordinator_app.now += SESSION_HOURS * HOUR_S + 1
    assert browser.get("/campaigns").status_code == 303


def test_what_a_page_sends_by_itself_is_no_use(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    for _ in range(3):
        coordinator_app.now += 5 * HOUR_S
        last = [
            browser.get("/campaigns/rows", headers={"HX-Request": "true"}).status_code,
            browser.get("/api/v1/campaigns").status_code,
        ]
    assert last == [401, 401]


def test_what_is_typed_is_use(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    token = csrf(browser.get("/campaigns/new"))
    for _ in range(3):
        coordinator_app.now += 8 * HOUR_S
        sent = browser.post("/campaigns/preview", data={"csrf_token": token}, headers={"HX-Request": "true"})
        assert sent.status_code == 200
    coordinator_app.register()
    assert send(browser).status_code == 303


def test_every_session_ends_at_last(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    with coordinator_app.store.write() as session:
        session.execute(update(SessionRow).values(began_at=coordinator_app.now - (SESSION_DAYS * 24 - 20) * HOUR_S))
    for status in (200, 200, 303):
        coordinator_app.now += 8 * HOUR_S
        assert browser.get("/campaigns").status_code == status


def test_use_within_minutes_writes_nothing(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    def end() -> float:
        with coordinator_app.store.read() as session:
            return session.scalars(select(SessionRow.expires_at)).one()

    first = end()
    coordinator_app.now += 299
    browser.get("/campaigns")
    assert end() == first
    coordinator_app.now += 2
    browser.get("/campaigns")
    assert end() == first + 301


def test_a_session_of_an_earlier_version_stays_and_is_not_extended(
    coordinator_app: CoordinatorApp, browser: FlaskClient
) -> None:
    with coordinator_app.store.write() as session:
        session.execute(update(SessionRow).values(began_at=None))
    coordinator_app.now += (SESSION_HOURS - 1) * HOUR_S
    assert browser.get("/campaigns").status_code == 200
    coordinator_app.now += 2 * HOUR_S
    assert browser.get("/campaigns").status_code == 303
