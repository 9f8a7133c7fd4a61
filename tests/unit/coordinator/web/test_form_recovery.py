"""A form never loses its input: the session had ended, the CSRF token was of another one, the token was wrong."""

import html
import re

import pytest
from flask.testing import FlaskClient
from werkzeug.datastructures import MultiDict
from werkzeug.test import TestResponse

from tests.unit.coordinator.coordinator_app import CoordinatorApp
from tests.unit.coordinator.pages import FORM, csrf, send, signed_in

TYPED = {**FORM, "name": "typed-for-long", "description": 'with "quotes" & <tags>', "expect": "a <= 1\nb >= 2"}
TOML = 'name = "pasted"\n# & <kept>\n'


def campaigns(coordinator_app: CoordinatorApp) -> int:
    return len(coordinator_app.get("campaigns").json["campaigns"])


def hidden(page: TestResponse) -> MultiDict[str, str]:
    """The hidden fields of a page's last form, as a browser would send them."""
    form = page.text.rpartition("<form")[2]
    pairs = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', form)
    return MultiDict((html.unescape(name), html.unescape(value)) for name, value in pairs)


def test_input_survives_the_end_of_its_session(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    coordinator_app.register()
    old = csrf(browser.get("/campaigns/new"))
    coordinator_app.now += 13 * 3600.0
    coordinator_app.register()
    refused = browser.post("/campaigns", data={**TYPED, "csrf_token": old})
    assert refused.status_code == 401
    assert "What you typed is kept" in refused.text
    kept = hidden(refused)
    assert kept.getlist("datapaths") == FORM["datapaths"]
    assert kept["expect"] == TYPED["expect"]

    wrong = browser.post("/sign-in/form", data=MultiDict([*kept.items(multi=True), ("token", "wrong")]))
    assert wrong.status_code == 403
    assert "This token is wrong." in wrong.text
    kept = hidden(wrong)

    pairs = [*kept.items(multi=True), ("token", coordinator_app.settings.token)]
    page = browser.post("/sign-in/form", data=MultiDict(pairs))
    assert page.status_code == 200
    assert re.search(r'id="name"[^>]*value="typed-for-long"', page.text)
    assert html.escape(TYPED["description"]).replace("&quot;", "&#34;") in page.text
    assert re.search(r'value="tproxy" id="datapaths-tproxy" checked', page.text)
    assert not re.search(r'value="ebpf_redirect" id="datapaths-ebpf_redirect" checked', page.text)
    assert "a &lt;= 1\nb &gt;= 2</textarea>" in page.text
    assert coordinator_app.settings.token not in page.text
    assert campaigns(coordinator_app) == 0, "signing in submits nothing"
    sent = {**TYPED, "expect": "", "csrf_token": csrf(page)}
    assert browser.post("/campaigns", data=sent).status_code == 303


def test_input_survives_a_token_of_another_session(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    """A second tab signed in again: the cookie is fresh, and the first tab's page is not."""
    coordinator_app.register()
    answer = browser.post("/campaigns", data={**TYPED, "csrf_token": "of-an-earlier-session"})
    assert answer.status_code == 403
    assert "older than your session" in answer.text
    assert re.search(r'id="name"[^>]*value="typed-for-long"', answer.text)
    assert campaigns(coordinator_app) == 0
    sent = {**TYPED, "expect": "", "csrf_token": csrf(answer)}
    assert browser.post("/campaigns", data=sent).status_code == 303


@pytest.mark.parametrize("has_session", [True, False])
def test_toml_survives_as_well(coordinator_app: CoordinatorApp, has_session: bool) -> None:
    client = signed_in(coordinator_app) if has_session else coordinator_app.app.test_client()
    answer = client.post("/campaigns", data={"toml": TOML, "csrf_token": "stale"})
    if not has_session:
        pairs = [*hidden(answer).items(multi=True), ("token", coordinator_app.settings.token)]
        answer = client.post("/sign-in/form", data=MultiDict(pairs))
    assert 'id="toml"' in answer.text
    assert "# &amp; &lt;kept&gt;" in answer.text


def test_no_other_site_can_fill_the_form(coordinator_app: CoordinatorApp) -> None:
    """Without a session the page needs a CSRF token, which another site does not know."""
    stranger = coordinator_app.app.test_client()
    answer = stranger.post("/sign-in/form", data={**TYPED, "token": coordinator_app.settings.token})
    assert answer.status_code == 403
    assert "typed-for-long" not in answer.text
    assert stranger.get("/campaigns").status_code == 303


def test_the_sign_in_page_asks_again_only_so_often(coordinator_app: CoordinatorApp) -> None:
    client = coordinator_app.app.test_client()
    token = csrf(client.get("/sign-in"))
    codes = [
        client.post("/sign-in/form", data={**TYPED, "csrf_token": token, "token": "wrong"}).status_code
        for _ in range(7)
    ]
    assert codes[0] == 403
    assert codes[-1] == 429


def test_the_estimate_of_an_ended_session_leaves_the_page_as_it_is(coordinator_app: CoordinatorApp) -> None:
    client = coordinator_app.app.test_client()
    answer = client.post("/campaigns/preview", data=TYPED, headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers.get("HX-Redirect")) == (401, None)
    assert "Your session has ended" in answer.text


def test_the_estimate_needs_no_fresh_csrf_token(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    coordinator_app.register()
    answer = browser.post("/campaigns/preview", data={**FORM, "csrf_token": "stale"})
    assert (answer.status_code, "10 blocks" in answer.text) == (403, True)


def test_enter_in_a_text_field_submits(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    """A browser presses the first button of the form."""
    coordinator_app.register()
    form = browser.get("/campaigns/new").text.partition('id="campaign-form"')[2]
    first = re.search(r"<button[^>]*>", form)
    assert first
    assert 'name="submit"' in first[0]
    assert send(browser, submit="1").status_code == 303


@pytest.mark.parametrize("has_session", [False, True])
def test_input_that_is_too_large_is_refused_and_not_shown_again(
    has_session: bool, coordinator_app: CoordinatorApp
) -> None:
    browser = signed_in(coordinator_app) if has_session else coordinator_app.app.test_client()
    pasted = {"toml": "#" * 1_100_000}
    refused = browser.post("/campaigns", data=pasted, headers={"X-CSRF-Token": "stale"})
    assert refused.status_code == 413
    assert "exceeds the capacity limit" in refused.text


def test_a_form_in_parts_leaves_no_file(
    coordinator_app: CoordinatorApp, browser: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a file was opened")

    monkeypatch.setattr("tempfile.SpooledTemporaryFile", refuse)
    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    monkeypatch.setattr("werkzeug.formparser.SpooledTemporaryFile", refuse, raising=False)
    head = b'--x\r\nContent-Disposition: form-data; name="toml"; filename="campaign.toml"\r\n\r\n'
    body = head + b"#" * 600_000 + b"\r\n--x--\r\n"
    refused = browser.post("/campaigns", data=body, content_type="multipart/form-data; boundary=x")
    assert refused.status_code == 403
