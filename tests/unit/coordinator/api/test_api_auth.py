"""Access control: every existing route is tried, so that a new one cannot be forgotten."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from coordinator import auth
from tests.unit.coordinator.coordinator_app import CoordinatorApp, campaign

MUTATING = ("POST", "PUT", "PATCH", "DELETE")


@pytest.fixture
def coordinator_app(tmp_path: Path) -> Iterator[CoordinatorApp]:
    coordinator_app = CoordinatorApp(tmp_path)

    @coordinator_app.app.post("/test/sign-in")
    @auth.public
    def sign_in() -> dict[str, bool]:
        from flask import request

        return {"signed_in": auth.sign_in(request.form["token"])}

    @coordinator_app.app.get("/test/csrf")
    def csrf() -> dict[str, str]:
        return {"csrf": auth.csrf_token()}

    @coordinator_app.app.get("/test/sign-out")
    def sign_out() -> dict[str, str]:
        auth.sign_out()
        return {}

    yield coordinator_app
    coordinator_app.close()


def sign_in(coordinator_app: CoordinatorApp) -> str:
    """Sign the client's session in; returns its CSRF token."""
    answer = coordinator_app.client.post("/test/sign-in", data={"token": coordinator_app.settings.token})
    assert answer.json == {"signed_in": True}
    return str(coordinator_app.client.get("/test/csrf").json["csrf"])


def path_of(rule: Rule) -> str:
    first = {name: words.partition(",")[0].strip() for words, name in re.findall(r"<any\(([^)]*)\):(\w+)>", rule.rule)}
    built = rule.build(dict.fromkeys(rule.arguments, 1) | first, append_unknown=False)
    assert built is not None
    return built[1]


def protected(coordinator_app: CoordinatorApp) -> list[tuple[str, str, bool]]:
    """(method, path, for workers) of every route that is not public."""
    found = []
    for rule in coordinator_app.app.url_map.iter_rules():
        view = coordinator_app.app.view_functions[rule.endpoint]
        if getattr(view, "is_public", False) or rule.endpoint.endswith("static"):
            continue
        found += [
            (m, path_of(rule), rule.endpoint.startswith("worker."))
            for m in sorted((rule.methods or set()) - {"OPTIONS"})
        ]
    return found


def is_refused(answer: TestResponse, path: str) -> bool:
    """The API answers 401; a page may redirect its visitor to the sign-in."""
    if answer.status_code in {302, 303} and not path.startswith("/api/"):
        return "sign" in answer.headers["Location"]
    return answer.status_code == 401


def test_only_these_are_public(coordinator_app: CoordinatorApp) -> None:
    public = {
        rule.rule
        for rule in coordinator_app.app.url_map.iter_rules()
        if getattr(coordinator_app.app.view_functions[rule.endpoint], "is_public", False)
        and rule.rule != "/test/sign-in"
    }
    assert {p for p in public if p.startswith("/api/")} == set()
    assert {"/healthz", "/readyz"} <= public
    others = public - {"/healthz", "/readyz", "/shared", "/reasons"}
    assert all("sign" in p for p in others), others  # only signing in may also be open


def test_nothing_passes_without_a_token(coordinator_app: CoordinatorApp) -> None:
    routes = protected(coordinator_app)
    assert len([r for r in routes if r[0] in MUTATING]) >= 6
    for method, path, _ in routes:
        assert is_refused(coordinator_app.client.open(path, method=method), path), (method, path)


def test_tokens_open_their_own_doors_only(coordinator_app: CoordinatorApp) -> None:
    for method, path, is_worker in protected(coordinator_app):
        wrong = coordinator_app.user if is_worker else coordinator_app.worker
        assert is_refused(coordinator_app.client.open(path, method=method, headers=wrong), path), (method, path)
        for bad in ("Bearer ", "Bearer x", "Basic eDp4", f"Bearer {coordinator_app.settings.token}x", "Bearer \xff"):
            answer = coordinator_app.client.open(path, method=method, headers={"Authorization": bad})
            assert is_refused(answer, path), (method, path, bad)


def test_a_session_without_its_csrf_token_changes_nothing(coordinator_app: CoordinatorApp) -> None:
    token = sign_in(coordinator_app)
    for method, path, is_worker in protected(coordinator_app):
        if method not in MUTATING:
            continue
        expected = 401 if is_worker else 403
        assert coordinator_app.client.open(path, method=method).status_code == expected, (method, path)
        wrong = {auth.CSRF_HEADER: token[:-1] + ("A" if token[-1] != "A" else "B")}
        assert coordinator_app.client.open(path, method=method, headers=wrong).status_code == expected, (method, path)


def test_a_session_with_its_csrf_token_may_submit(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    token = sign_in(coordinator_app)
    assert coordinator_app.client.get("/api/v1/campaigns").status_code == 200
    answer = coordinator_app.client.post("/api/v1/campaigns", json=campaign(), headers={auth.CSRF_HEADER: token})
    assert answer.status_code == 201


def test_another_sessions_csrf_token_is_no_good(coordinator_app: CoordinatorApp) -> None:
    token = sign_in(coordinator_app)
    other = coordinator_app.app.test_client()
    other.post("/test/sign-in", data={"token": coordinator_app.settings.token})
    answer = other.post("/api/v1/campaigns", json=campaign(), headers={auth.CSRF_HEADER: token})
    assert answer.status_code == 403


def test_signing_out_ends_the_session(coordinator_app: CoordinatorApp) -> None:
    sign_in(coordinator_app)
    coordinator_app.client.get("/test/sign-out")
    assert coordinator_app.client.get("/api/v1/campaigns").status_code == 401


def test_the_cookie_is_kept_from_scripts_and_other_sites(coordinator_app: CoordinatorApp) -> None:
    answer = coordinator_app.client.post("/test/sign-in", data={"token": coordinator_app.settings.token})
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert coordinator_app.settings.token not in cookie


def test_a_forged_session_is_refused(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.client.set_cookie("showdown", "eyJ1c2VyIjoiYWRtaW4ifQ.aaaa.bbbb")
    assert coordinator_app.client.get("/api/v1/campaigns").status_code == 401


def test_a_changed_token_ends_every_session(coordinator_app: CoordinatorApp, tmp_path: Path) -> None:
    sign_in(coordinator_app)
    cookie = coordinator_app.client.get_cookie("showdown")
    assert cookie is not None
    (tmp_path / "other").mkdir()
    other = CoordinatorApp(tmp_path / "other")
    other.app.secret_key = coordinator_app.app.secret_key
    other.client.set_cookie("showdown", cookie.value)
    assert other.client.get("/api/v1/campaigns").status_code == 401
    other.close()


def test_guesses_are_refused_after_a_few_and_the_right_token_is_not(coordinator_app: CoordinatorApp) -> None:
    for _ in range(5):
        assert coordinator_app.client.post("/test/sign-in", data={"token": "guess"}).json == {"signed_in": False}
    assert coordinator_app.client.post("/test/sign-in", data={"token": "guess"}).status_code == 429
    sign_in(coordinator_app)


def test_every_answer_carries_the_security_headers(coordinator_app: CoordinatorApp) -> None:
    for path in ("/healthz", "/nosuch", "/api/v1/campaigns"):
        headers = coordinator_app.client.get(path).headers
        assert headers["Content-Security-Policy"].startswith("default-src 'self'")
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "no-referrer"
