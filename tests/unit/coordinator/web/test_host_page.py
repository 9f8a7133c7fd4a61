"""The page of hosts enrols a host and shows its token once; it revokes tokens and removes hosts."""

import re

from flask.testing import FlaskClient
from sqlalchemy import delete
from werkzeug.test import TestResponse

from coordinator.store.rows.models import EnrolmentRow
from domain.hosts.host_tokens import PREFIX
from tests.unit.coordinator.coordinator_app import CoordinatorApp
from tests.unit.coordinator.pages import csrf, sentences, signed_in


def post(browser: FlaskClient, path: str, **fields: str) -> TestResponse:
    return browser.post(path, data={"csrf_token": csrf(browser.get("/hosts")), **fields})


def test_a_token_is_on_one_page_only(coordinator_app: CoordinatorApp) -> None:
    browser = signed_in(coordinator_app)
    page = post(browser, "/hosts", host="vm.berlin.example.net")
    assert page.status_code == 201
    assert "no-store" in page.headers["Cache-Control"]
    (token,) = re.findall(rf"{PREFIX}[\w-]+", page.text)
    assert token not in browser.get("/hosts").text
    headers = {"Authorization": f"Bearer {token}"}
    path = "/api/v1/worker/hosts/vm.berlin.example.net"
    assert coordinator_app.client.put(path, json={"host": "vm.berlin.example.net"}, headers=headers).status_code == 204


def test_a_name_that_cannot_be_enrolled_says_why_and_stays_in_the_field(coordinator_app: CoordinatorApp) -> None:
    browser = signed_in(coordinator_app)
    page = post(browser, "/hosts", host="A <b>")
    assert page.status_code == 422
    assert "must be a host's name" in page.text.replace("&#39;", "'")
    assert 'value="A &lt;b&gt;"' in page.text
    again = post(browser, "/hosts", host="h1")  # the fixture has enrolled it
    assert again.status_code == 409
    assert PREFIX not in again.text
    assert post(browser, "/hosts", host="h1", replace="1").status_code == 201


def test_a_host_is_revoked_and_removed(coordinator_app: CoordinatorApp) -> None:
    browser = signed_in(coordinator_app)
    assert "not registered" in sentences(browser.get("/hosts"))
    coordinator_app.register()
    assert "not registered" not in sentences(browser.get("/hosts"))
    assert post(browser, "/hosts/h1/revoke").status_code == 303
    assert any(text.startswith("Its token was revoked") for text in sentences(browser.get("/hosts")))
    assert post(browser, "/hosts/h1/remove").status_code == 303
    assert "h1" not in sentences(browser.get("/hosts"))
    assert post(browser, "/hosts/h1/remove").status_code == 404


def test_a_host_without_a_token_says_so(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    with coordinator_app.store.write() as session:
        session.execute(delete(EnrolmentRow))
    page = signed_in(coordinator_app).get("/hosts")
    assert any(text.startswith("This host has no token.") for text in sentences(page))
