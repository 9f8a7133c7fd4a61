"""Sign-in at a provider of OpenID Connect, against a small one on loopback: who gets in, and which lies are refused."""

import base64
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey
from werkzeug.test import TestResponse

from coordinator.access import oidc
from coordinator.config import SettingsError, load_settings
from tests.unit.coordinator.access.callers import audited
from tests.unit.coordinator.access.provider import CLIENT_ID, SECRET, Provider, provider
from tests.unit.coordinator.coordinator_app import CoordinatorApp
from tests.unit.coordinator.pages import csrf

WEB = "http://localhost"


@pytest.fixture(scope="module")
def running() -> Iterator[Provider]:
    with provider() as made:
        yield made


@pytest.fixture
def idp(running: Provider) -> Provider:
    """The provider, which is honest at first."""
    running.reset()
    return running


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, running: Provider) -> Iterator[CoordinatorApp]:
    """A coordinator that lets people of example.org in."""
    directory = tmp_path_factory.mktemp("oidc")
    made = CoordinatorApp(directory, **settings_for(running, directory))
    yield made
    made.close()


def settings_for(idp: Provider, directory: Path, allowed: str = "@example.org") -> dict[str, str]:
    """The environment of a coordinator."""
    secret = directory / "oidc-secret"
    secret.write_text(SECRET + "\n")
    return {
        "SHOWDOWN_OIDC_ISSUER": idp.url,
        "SHOWDOWN_OIDC_CLIENT_ID": CLIENT_ID,
        "SHOWDOWN_OIDC_SECRET_FILE": str(secret),
        "SHOWDOWN_OIDC_READ": allowed,
        "SHOWDOWN_OIDC_SUBMIT": "group:performance",
        "SHOWDOWN_OIDC_ADMIN": "root@example.org",
        "SHOWDOWN_WEB_URL": WEB,
    }


def sign_in(app: CoordinatorApp, idp: Provider, **changes: str) -> tuple[FlaskClient, TestResponse]:
    """A browser that goes to the provider and comes back; ``changes`` are to what it comes back with."""
    browser = app.app.test_client()
    sent = browser.get("/sign-in/oidc?next=/hosts")
    assert sent.status_code == 303, sent.text
    return browser, browser.get("/sign-in/oidc/done", query_string=idp.person_signs_in(sent.location) | changes)


def scope_of(app: CoordinatorApp, idp: Provider) -> str | None:
    """The scope that the person gets; ``None`` if they do not get in."""
    browser, answer = sign_in(app, idp)
    me = browser.get("/api/v1/me")
    assert (answer.status_code, me.status_code) in ((200, 200), (403, 401)), answer.text
    return str(me.json["scope"]) if me.status_code == 200 else None


def test_a_person_signs_in_at_the_provider(app: CoordinatorApp, idp: Provider) -> None:
    assert 'href="/sign-in/oidc?next=/' in app.client.get("/sign-in").text
    browser, answer = sign_in(app, idp)
    assert answer.status_code == 200
    assert 'content="0; url=/hosts"' in answer.text, "a redirect would not send the Strict cookie"
    cookies = answer.headers.getlist("Set-Cookie")
    assert any(one.startswith("showdown=") and "SameSite=Strict" in one for one in cookies)
    assert browser.get("/api/v1/me").json == {"kind": "person", "name": "anna@example.org", "scope": "read"}
    assert browser.get("/hosts").status_code == 200
    token = csrf(browser.get("/hosts"))
    assert browser.post("/campaigns", data={"csrf_token": token}).status_code == 403
    assert browser.post("/sign-out", data={"csrf_token": token}).status_code == 303
    ends = [("anna@example.org", "session.end", ""), ("anna@example.org", "session.begin", "")]
    assert audited(app, who="Anna@example.org")[:2] == ends


@pytest.mark.parametrize(
    ("claims", "scope"),
    [
        ({}, "read"),
        ({"groups": ["performance", "other"]}, "submit"),
        ({"email": "ROOT@example.org", "groups": ["performance"]}, "admin"),
        ({"email": "root@example.org", "email_verified": False}, None),
        ({"email": "root@example.org", "email_verified": "true"}, None),
        ({"email": "root@example.org.evil.net"}, None),
        ({"email": "eve@evil.net"}, None),
        ({"email": "eve@evil.net", "groups": "performance"}, None),
        ({"email": "eve@evil.net", "groups": ["performance"]}, "submit"),
    ],
)
def test_who_gets_in_and_with_which_scope(app: CoordinatorApp, idp: Provider, claims: Any, scope: str | None) -> None:
    idp.claims = claims
    assert scope_of(app, idp) == scope


def test_an_address_from_the_user_info_counts_for_the_same_person_only(app: CoordinatorApp, idp: Provider) -> None:
    idp.claims = {"email": None, "email_verified": None}
    idp.userinfo = {"sub": "4711", "email": "anna@example.org", "email_verified": True}
    assert scope_of(app, idp) == "read"
    idp.userinfo["sub"] = "4712"
    assert scope_of(app, idp) is None


def unsigned(claims: dict[str, Any]) -> str:
    """A token with alg none."""
    parts = ({"alg": "none"}, claims)
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."


def by_secret(claims: dict[str, Any]) -> str:
    """A token that is signed with the client's secret."""
    return jwt.encode({"alg": "HS256", "kid": "one"}, claims, OctKey.import_key(SECRET))


def by_another_key(claims: dict[str, Any]) -> str:
    """A token that is signed with a key that is not the provider's."""
    return jwt.encode({"alg": "ES256", "kid": "one"}, claims, ECKey.generate_key("P-256", {"kid": "one"}))


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.example"}, {"aud": "another-client"}, {"aud": ["another-client"]}, {"nonce": "replayed"},
        {"nonce": None}, {"exp": int(time.time()) - 3600}, {"sub": None}, {"iss": None}, {"aud": None}, {"exp": None},
    ],
)  # fmt: skip
def test_a_token_that_is_not_for_this_sign_in_is_refused(app: CoordinatorApp, idp: Provider, claims: Any) -> None:
    idp.claims = claims
    assert scope_of(app, idp) is None


@pytest.mark.parametrize("signer", [unsigned, by_secret, by_another_key, lambda _: "no token"])
def test_a_token_that_the_provider_did_not_sign_is_refused(app: CoordinatorApp, idp: Provider, signer: Any) -> None:
    idp.signer = signer
    assert scope_of(app, idp) is None


def test_an_answer_counts_for_its_own_browser_once_and_in_time(app: CoordinatorApp, idp: Provider) -> None:
    browser, answer = sign_in(app, idp, state="of-an-attacker")
    assert "begun in another browser" in answer.text
    begun = browser.get("/sign-in/oidc")
    back = idp.person_signs_in(begun.location)
    stranger = app.app.test_client()
    assert stranger.get("/sign-in/oidc/done", query_string=back).status_code == 403
    assert stranger.get("/api/v1/me").status_code == 401
    assert browser.get("/sign-in/oidc/done", query_string=back).status_code == 200
    again = browser.get("/sign-in/oidc/done", query_string=back)
    assert again.status_code == 403
    assert "a-code" not in again.text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"error": "access_denied"}, "did not sign you in: access_denied."),
        ({"error": "<script>"}, "did not sign you in: an unknown error."),
        ({"iss": "https://evil.example"}, "The answer is of another provider."),
        ({"code": "another"}, "is not valid: try again."),
    ],
)
def test_each_refusal_is_one_sentence(app: CoordinatorApp, idp: Provider, changes: dict[str, str], said: str) -> None:
    browser, answer = sign_in(app, idp, **changes)
    assert (answer.status_code, said in answer.text) == (403, True), answer.text
    assert browser.get("/api/v1/me").status_code == 401


@pytest.mark.parametrize(
    "metadata", [{"issuer": "https://evil.example"}, {"authorization_endpoint": "http://evil.example/"}, {"issuer": 7}]
)
def test_a_provider_that_names_another_one_is_refused(app: CoordinatorApp, idp: Provider, metadata: Any) -> None:
    idp.metadata = metadata
    answer = app.client.get("/sign-in/oidc")
    assert (answer.status_code, "is not valid" in answer.text) == (502, True)


def test_a_provider_that_is_away_locks_no_owner_out(app: CoordinatorApp, idp: Provider) -> None:
    idp.down = True
    assert "does not answer" in app.client.get("/sign-in/oidc").text
    sent = {"csrf_token": csrf(app.client.get("/sign-in")), "token": app.settings.token, "next": ""}
    assert app.client.post("/sign-in", data=sent).status_code == 303


@pytest.mark.usefixtures("idp")
def test_a_slow_provider_leaves_threads_for_others(app: CoordinatorApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oidc, "AT_ONCE", threading.BoundedSemaphore(1))
    with oidc.AT_ONCE:
        assert "Several people sign in" in app.client.get("/sign-in/oidc").text
    assert app.client.get("/sign-in/oidc").status_code == 303


def test_without_a_provider_there_is_no_such_page(coordinator_app: CoordinatorApp) -> None:
    for path in ("/sign-in/oidc", "/sign-in/oidc/done"):
        assert coordinator_app.client.get(path).location == "/sign-in"
    assert "/sign-in/oidc" not in coordinator_app.client.get("/sign-in").text


def test_other_settings_end_the_sessions_of_people(app: CoordinatorApp, idp: Provider, tmp_path: Path) -> None:
    browser, _ = sign_in(app, idp)
    cookie = browser.get_cookie("showdown")
    assert cookie is not None
    same = {"SHOWDOWN_TOKEN": app.settings.token, "SHOWDOWN_SECRET_KEY": app.settings.secret_key}
    for allowed, status in (("@example.org", 200), ("@example.net", 401)):
        (tmp_path / allowed).mkdir()
        settings = settings_for(idp, tmp_path, allowed) | same
        other = CoordinatorApp(tmp_path / allowed, app.settings.database_url, **settings)
        other.client.set_cookie("showdown", cookie.value)
        assert other.client.get("/api/v1/me").status_code == status
        other.close()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"SHOWDOWN_OIDC_ISSUER": "http://login.example"}, "SHOWDOWN_OIDC_ISSUER must begin with https://"),
        ({"SHOWDOWN_OIDC_ISSUER": "login.example"}, "SHOWDOWN_OIDC_ISSUER must begin"),
        ({"SHOWDOWN_OIDC_CLIENT_ID": ""}, "SHOWDOWN_OIDC_CLIENT_ID"),
        ({"SHOWDOWN_WEB_URL": ""}, "SHOWDOWN_WEB_URL"),
        ({"SHOWDOWN_OIDC_READ": ""}, "who may sign in"),
        ({"SHOWDOWN_OIDC_READ": "example.org"}, "SHOWDOWN_OIDC_READ: 'example.org' is no e-mail address"),
        ({"SHOWDOWN_OIDC_SECRET_FILE": "/nowhere"}, "SHOWDOWN_OIDC_SECRET_FILE cannot be read"),
    ],
)
def test_settings_that_cannot_work_are_refused(tmp_path: Path, changes: dict[str, str], said: str) -> None:
    sound = {
        "SHOWDOWN_STATE_DIR": str(tmp_path), "SHOWDOWN_OIDC_ISSUER": "https://login.example",
        "SHOWDOWN_OIDC_CLIENT_ID": "showdown", "SHOWDOWN_WEB_URL": "https://showdown.example",
        "SHOWDOWN_OIDC_READ": "@example.org",
    }  # fmt: skip
    assert load_settings(sound).oidc is not None
    with pytest.raises(SettingsError, match="SHOWDOWN_") as refused:
        load_settings(sound | changes)
    assert said in str(refused.value)
