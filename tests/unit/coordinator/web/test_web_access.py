"""Access to the pages; without the CSRF token nothing changes."""

import pytest
from flask.testing import FlaskClient

from tests.unit.coordinator.coordinator_app import CoordinatorApp
from tests.unit.coordinator.pages import FORM, csrf


@pytest.mark.parametrize("path", ["/", "/campaigns", "/campaigns/new", "/campaigns/abcdefgh", "/hosts", "/trials/x"])
def test_strangers_are_sent_to_the_sign_in_page(coordinator_app: CoordinatorApp, path: str) -> None:
    answer = coordinator_app.client.get(path)
    assert answer.status_code == 303
    assert answer.location.startswith("/sign-in?next=%2F") or answer.location.startswith("/sign-in?next=/")


def test_a_stranger_s_fragment_sends_the_whole_page_to_the_sign_in_page(coordinator_app: CoordinatorApp) -> None:
    answer = coordinator_app.client.get("/campaigns/rows", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["HX-Redirect"], answer.text) == (401, "/sign-in", "")


def test_after_signing_in_one_goes_where_one_wanted_but_not_to_another_site(coordinator_app: CoordinatorApp) -> None:
    for wanted, reached in (
        ("/hosts", "/hosts"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("/\n/evil.example", "/"),
    ):
        client = coordinator_app.app.test_client()
        page = client.get("/sign-in", query_string={"next": wanted})
        sent = {"csrf_token": csrf(page), "token": coordinator_app.settings.token, "next": wanted}
        assert client.post("/sign-in", data=sent).location == reached
        assert client.get("/sign-in", query_string={"next": wanted}).location == reached


def test_a_wrong_token_is_refused_and_not_repeated(coordinator_app: CoordinatorApp) -> None:
    token = csrf(coordinator_app.client.get("/sign-in"))
    answer = coordinator_app.client.post("/sign-in", data={"csrf_token": token, "token": "wrong-token"})
    assert answer.status_code == 403
    assert "This token is wrong." in answer.text
    assert "wrong-token" not in answer.text
    assert coordinator_app.client.get("/campaigns").status_code == 303
    assert (
        coordinator_app.client.post("/sign-in", data={"token": coordinator_app.settings.token}).status_code == 403
    )  # no CSRF token
    for _ in range(5):
        answer = coordinator_app.client.post("/sign-in", data={"csrf_token": token, "token": "wrong"})
    assert answer.status_code == 429


def test_signing_out_ends_the_session(browser: FlaskClient) -> None:
    token = csrf(browser.get("/campaigns"))
    assert browser.post("/sign-out").status_code == 403
    assert browser.post("/sign-out", data={"csrf_token": token}).location == "/sign-in"
    assert browser.get("/campaigns").status_code == 303


@pytest.mark.parametrize("token", ["", "wrong"])
def test_nothing_changes_without_the_csrf_token(
    coordinator_app: CoordinatorApp, browser: FlaskClient, token: str
) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit()
    pages = {"/campaigns": "Nothing was submitted", f"/campaigns/{campaign_id}/cancel": "CSRF",
             f"/campaigns/{campaign_id}/again": "CSRF"}  # fmt: skip
    for path, said in pages.items():
        answer = browser.post(path, data={**FORM, "csrf_token": token})
        assert answer.status_code == 403
        assert said in answer.text
    assert len(coordinator_app.get("campaigns").json["campaigns"]) == 1
    assert coordinator_app.view(campaign_id)["state"] == "queued"


def test_pages_are_not_kept_by_caches_and_carry_the_content_policy(browser: FlaskClient) -> None:
    page = browser.get("/campaigns")
    assert page.headers["Cache-Control"] == "private, no-store"
    assert page.headers["Content-Security-Policy"].startswith("default-src 'self';")
    with browser.get("/static/web/showdown.css") as style:
        assert style.status_code == 200
