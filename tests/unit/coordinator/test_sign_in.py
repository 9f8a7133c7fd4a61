"""Signing in and out: limits that lock no user out, sessions that end, cookies and headers behind TLS, host names."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, text

from coordinator.app import create_app
from coordinator.auth import SESSION_HOURS
from coordinator.sign_in_limits import ALLOWED_BY_ACCOUNT, ALLOWED_BY_ADDRESS, WINDOW_S, SignInFailures
from coordinator.store.rows.models import SessionRow
from tests.unit.coordinator.coordinator_app import CoordinatorApp
from tests.unit.coordinator.pages import csrf, signed_in


@pytest.fixture
def behind_tls(tmp_path: Path) -> Iterator[FlaskClient]:
    """A client of a coordinator behind one proxy, which serves two names."""
    app = CoordinatorApp(tmp_path)
    settings = replace(app.settings, trusted_proxies=1, trusted_hosts=("showdown.example",))
    yield create_app(settings, store=app.store, dispatcher=app.dispatcher, clock=lambda: app.now).test_client()
    app.close()


def wrong(client: FlaskClient, *, times: int = 1, **headers: str) -> int:
    token = csrf(client.get("/sign-in", headers=headers))
    statuses = [
        client.post("/sign-in", data={"csrf_token": token, "token": f"wrong-{i}"}, headers=headers).status_code
        for i in range(times)
    ]
    return statuses[-1]


def test_wrong_tokens_of_others_never_lock_the_right_one_out(coordinator_app: CoordinatorApp) -> None:
    attacker = coordinator_app.app.test_client()
    assert wrong(attacker, times=ALLOWED_BY_ADDRESS) == 403
    assert wrong(attacker, times=ALLOWED_BY_ADDRESS * 3) == 429
    assert signed_in(coordinator_app).get("/campaigns").status_code == 200  # from the same address


def test_failures_are_limited_by_address_and_for_the_account() -> None:
    now = 0.0
    failures = SignInFailures(addresses_kept=20, clock=lambda: now)
    assert [failures.add("a") for _ in range(ALLOWED_BY_ADDRESS + 1)] == [False] * ALLOWED_BY_ADDRESS + [True]
    assert not failures.add("b")
    assert [failures.add(f"c{i}") for i in range(ALLOWED_BY_ACCOUNT)][-1]  # of addresses that are all new
    now = WINDOW_S
    assert not failures.add("a")


def test_the_log_says_once_that_an_address_guesses(caplog: pytest.LogCaptureFixture) -> None:
    failures = SignInFailures()
    for _ in range(30):
        failures.add("192.0.2.1")
    assert caplog.text.count("192.0.2.1") == 1


def test_behind_a_proxy_each_client_has_its_own_limit(behind_tls: FlaskClient, coordinator_app: CoordinatorApp) -> None:
    one, other = {"X-Forwarded-For": "192.0.2.1"}, {"X-Forwarded-For": "192.0.2.2"}
    assert wrong(behind_tls, times=ALLOWED_BY_ADDRESS + 1, **one) == 429
    assert wrong(behind_tls, **other) == 403
    direct = coordinator_app.app.test_client()  # without the setting the header is not believed
    assert wrong(direct, times=ALLOWED_BY_ADDRESS + 1, **one) == 429
    assert wrong(direct, **other) == 429


def test_a_copy_of_the_cookie_ends_with_its_session(coordinator_app: CoordinatorApp) -> None:
    browser = signed_in(coordinator_app)
    cookie = browser.get_cookie("showdown")
    assert cookie is not None
    thief = coordinator_app.app.test_client()
    thief.set_cookie("showdown", cookie.value)
    assert thief.get("/api/v1/campaigns").status_code == 200
    other = signed_in(coordinator_app)
    assert browser.post("/sign-out", data={"csrf_token": csrf(browser.get("/campaigns"))}).status_code == 303
    assert thief.get("/api/v1/campaigns").status_code == 401
    assert other.get("/api/v1/campaigns").status_code == 200  # another browser stays signed in


def test_a_session_ends_by_the_server_s_clock_and_leaves_no_row(coordinator_app: CoordinatorApp) -> None:
    browser = signed_in(coordinator_app)
    cookie = browser.get_cookie("showdown")
    assert cookie is not None
    with coordinator_app.store.read() as session:
        (row,) = session.scalars(select(SessionRow)).all()
    assert row.id not in cookie.value
    coordinator_app.now += SESSION_HOURS * 3600 + 1
    assert browser.get("/api/v1/campaigns").status_code == 401
    signed_in(coordinator_app)
    with coordinator_app.store.read() as session:
        assert len(session.scalars(select(SessionRow)).all()) == 1


def test_cookies_and_headers_behind_tls(behind_tls: FlaskClient) -> None:
    plain = behind_tls.get("/sign-in")
    assert "Strict-Transport-Security" not in plain.headers
    assert "Secure" not in plain.headers["Set-Cookie"]
    other = behind_tls.application.test_client()
    secure = other.get("/sign-in", headers={"X-Forwarded-Proto": "https"})
    assert secure.headers["Strict-Transport-Security"].startswith("max-age=")
    assert "Secure" in secure.headers["Set-Cookie"]
    for answer in (plain, secure, behind_tls.get("/api/v1/campaigns"), behind_tls.get("/nothing")):
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_other_host_names_are_refused_if_names_are_set(
    behind_tls: FlaskClient, coordinator_app: CoordinatorApp
) -> None:
    for host, status in (("showdown.example", 200), ("127.0.0.1:8400", 200), ("evil.example", 400)):
        assert behind_tls.get("/sign-in", headers={"Host": host}).status_code == status
    assert behind_tls.get("/sign-in", headers={"X-Forwarded-Host": "evil.example"}).status_code == 400
    assert coordinator_app.client.get("/sign-in", headers={"Host": "any.example"}).status_code == 200


def test_a_large_body_of_a_stranger_is_not_read(coordinator_app: CoordinatorApp) -> None:
    data = {"csrf_token": csrf(coordinator_app.client.get("/sign-in")), "token": "x" * 5_000}
    assert coordinator_app.client.post("/sign-in", data=data).status_code == 413


def test_no_text_of_an_address_is_shown_as_an_alert(browser: FlaskClient) -> None:
    page = browser.get("/matrix", query_string={"refused": "call 555-0100 now", "asked": "call 555-0100 now"})
    assert "555-0100" not in page.text


def test_a_failed_statement_does_not_log_its_values(coordinator_app: CoordinatorApp) -> None:
    with pytest.raises(Exception, match="parameters hidden") as failure, coordinator_app.store.write() as session:
        session.execute(text("INSERT INTO no_table VALUES (:lease)"), {"lease": "a-secret-lease"})
    assert "a-secret-lease" not in str(failure.value)
