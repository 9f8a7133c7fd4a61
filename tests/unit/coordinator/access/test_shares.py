"""Read-only links: they open one campaign to read, and nothing else; their secret is in no address that is sent."""

import io
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from coordinator.access import sharing
from coordinator.store.people.shares import ShareRow
from domain.hosts.host_tokens import hash_of
from tests.unit.coordinator.access.callers import audited, bearer, browser_of, new_share, new_token
from tests.unit.coordinator.coordinator_app import CoordinatorApp, campaign, result
from tests.unit.coordinator.pages import csrf

PAGES = ("", "/verdicts", "/why", "/hosts", "/trials", "/report.html")
FILES = (
    "report",
    "results",
    "verdicts",
    "results.csv",
    "verdicts.csv",
    "carrying.csv",
    "report.md",
    "trials",
    "hosts",
    "bundle.tar.gz",
)


@pytest.fixture(scope="module")
def coordinator_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CoordinatorApp]:
    """One for all tests here: each shares a separate campaign, or leaves the first one as it was."""
    app = CoordinatorApp(tmp_path_factory.mktemp("shares"))
    yield app
    app.close()


@pytest.fixture(scope="module")
def campaign_id(coordinator_app: CoordinatorApp) -> str:
    """A complete campaign."""
    return complete(coordinator_app)


def complete(app: CoordinatorApp) -> str:
    """Run a campaign."""
    app.register()
    found = app.submit(blocks=1)
    app.run_block()
    return found


def visitor(app: CoordinatorApp, secret: str) -> FlaskClient:
    """A browser that has opened a link."""
    client = app.app.test_client()
    opened = client.post("/shared", data={"secret": secret})
    assert opened.status_code == 303, opened.text
    return client


def test_a_link_opens_its_campaign_to_read(coordinator_app: CoordinatorApp, campaign_id: str) -> None:
    created = new_share(coordinator_app, campaign_id)
    assert created["url"] == f"http://localhost/shared#{created['secret']}"
    client = visitor(coordinator_app, created["url"])  # the whole link may be pasted
    for path in PAGES:
        page = client.get(f"/campaigns/{campaign_id}{path}")
        assert page.status_code == 200, path
        main = page.text.partition("<main")[2]
        assert "<form" not in main, path
        assert not re.findall(r'href="[^"]*/(?:live|configuration|keeping|cancel|shares|campaign.toml)"', main), path
        assert page.headers["Cache-Control"] == "no-store"
        assert page.headers["Referrer-Policy"] == "no-referrer"
        assert page.headers["X-Robots-Tag"] == "noindex, nofollow"
    trial = coordinator_app.get(f"campaigns/{campaign_id}/trials").json["trials"][0]["id"]
    assert client.get(f"/trials/{trial}").status_code == 200
    for name in FILES:
        for sender, headers in ((client, {}), (coordinator_app.client, bearer(created["secret"]))):
            answer = sender.get(f"/api/v1/campaigns/{campaign_id}/{name}", headers=headers)
            assert answer.status_code == 200, name
            assert answer.data, name
            assert answer.headers["Cache-Control"] == "no-store"
            assert answer.headers["X-Robots-Tag"] == "noindex, nofollow"


@pytest.fixture
def of_two_hosts(tmp_path: Path) -> Iterator[CoordinatorApp]:
    """A separate coordinator, with two hosts."""
    app = CoordinatorApp(tmp_path)
    for host in ("h1", "h2"):
        app.register(host)
    yield app
    app.close()


def test_no_file_and_no_page_of_a_link_has_what_users_are_called_or_wrote(of_two_hosts: CoordinatorApp) -> None:
    app = of_two_hosts
    token = new_token(app, "sebastian", "submit")
    wanted = campaign(blocks=2, hosts=["h1", "h2"])
    campaign_id = app.client.post("/api/v1/campaigns", json=wanted, headers=bearer(token)).json["id"]
    path = f"/api/v1/campaigns/{campaign_id}"
    kept = {"labels": {"team": "secret-team"}, "note": "secret-note"}
    assert app.client.patch(path, json=kept, headers=bearer(token)).status_code == 200
    for host, message in list(app.dispatcher.sent):
        made = {"lease": app.claim(message, host), "result": result(host, ["direct", "tproxy"])}
        assert app.call("report", message, made).status_code == 204
    created = new_share(app, campaign_id)
    client = visitor(app, created["secret"])
    sent = {name: client.get(f"{path}/{name}") for name in FILES}
    sent |= {page: client.get(f"/campaigns/{campaign_id}{page}") for page in PAGES}
    assert {answer.status_code for answer in sent.values()} == {200}
    found = {name: answer.data for name, answer in sent.items()}
    assert b"Compare two hosts" not in found["/hosts"], "that page is not open"
    assert b'"h2"' in found["hosts"]
    with tarfile.open(fileobj=io.BytesIO(found.pop("bundle.tar.gz"))) as bundle:
        files = {one.name: bundle.extractfile(one) for one in bundle.getmembers() if one.isfile()}
        found |= {name: file.read() for name, file in files.items() if file is not None}
    assert sum(b'"h2"' in data or b'"h1"' in data for data in found.values()) > 3, "the bundle is looked into"
    secrets = (app.settings.token, token, created["secret"], hash_of(created["secret"]))
    for name, data in found.items():
        for word in ("sebastian", "secret-team", "secret-note", *secrets):
            assert word.encode() not in data, (name, word)


def test_a_link_opens_nothing_else(coordinator_app: CoordinatorApp, campaign_id: str) -> None:
    other = complete(coordinator_app)
    secret = new_share(coordinator_app, campaign_id)["secret"]
    client = visitor(coordinator_app, secret)
    assert coordinator_app.app.view_functions.keys() >= sharing.OPEN
    for rule in coordinator_app.app.url_map.iter_rules():
        if rule.endpoint in sharing.OPEN or rule.endpoint.endswith("static"):
            assert (rule.methods or set()) <= {"GET", "HEAD", "OPTIONS"}, rule.endpoint
            continue
        if getattr(coordinator_app.app.view_functions[rule.endpoint], "is_public", False):
            continue
        named = dict.fromkeys(rule.arguments, "1")
        named |= {"campaign_id": campaign_id, "earlier": campaign_id, "action": "run"}
        path = rule.build({name: named[name] for name in rule.arguments})[1]  # type: ignore[index]
        for method in (rule.methods or set()) - {"OPTIONS"}:
            answer = client.open(path, method=method)
            assert answer.status_code in (401, 303), (method, path)
            assert answer.status_code == 401 or answer.location.startswith(("/sign-in", "/shared?void")), path
            sent = coordinator_app.client.open(path, method=method, headers=bearer(secret))
            assert sent.status_code in (401, 403, 303), (method, path)
    for path in (f"/campaigns/{other}", f"/api/v1/campaigns/{other}/report", f"/trials/{other}-0-1-0"):
        assert client.get(path).status_code in (401, 303), path
        assert coordinator_app.client.get(path, headers=bearer(secret)).status_code in (401, 403), path
    assert coordinator_app.view(other)["archived_at"] is None


def test_a_secret_of_a_link_signs_nobody_in(coordinator_app: CoordinatorApp, campaign_id: str) -> None:
    secret = new_share(coordinator_app, campaign_id)["secret"]
    client = coordinator_app.app.test_client()
    sent = {"csrf_token": csrf(client.get("/sign-in")), "token": secret, "next": ""}
    assert client.post("/sign-in", data=sent).status_code == 403
    token = new_token(coordinator_app)
    assert client.post("/shared", data={"secret": token}).status_code == 403


def test_a_void_link_opens_nothing_and_says_so(coordinator_app: CoordinatorApp) -> None:
    campaign_id, other_id = complete(coordinator_app), complete(coordinator_app)
    created, short = new_share(coordinator_app, campaign_id), new_share(coordinator_app, campaign_id, days=1)
    client, other = visitor(coordinator_app, created["secret"]), visitor(coordinator_app, short["secret"])
    path = f"/api/v1/campaigns/{campaign_id}/shares/{created['id']}"
    elsewhere = path.replace(campaign_id, other_id)
    assert coordinator_app.client.delete(elsewhere, headers=coordinator_app.user).status_code == 404
    assert client.get(f"/campaigns/{campaign_id}").status_code == 200
    assert coordinator_app.client.delete(path, headers=coordinator_app.user).status_code == 204
    closed = client.get(f"/campaigns/{campaign_id}")
    assert (closed.status_code, closed.location) == (303, "/shared?void=1")
    assert "was revoked, or has expired" in client.get(closed.location).text
    assert client.post("/shared", data={"secret": created["secret"]}).status_code == 403
    assert other.get(f"/campaigns/{campaign_id}").status_code == 200
    coordinator_app.now += 24 * 3600 + 1
    assert other.get(f"/campaigns/{campaign_id}").status_code == 303
    report = f"/api/v1/campaigns/{campaign_id}/report"
    assert coordinator_app.client.get(report, headers=bearer(short["secret"])).status_code == 401


def test_the_campaign_shows_who_shared_it_and_how_often_it_was_opened(
    coordinator_app: CoordinatorApp,
) -> None:
    campaign_id = complete(coordinator_app)
    anna = browser_of(coordinator_app, new_token(coordinator_app, "anna", "submit"))
    page = anna.get(f"/campaigns/{campaign_id}/shares")
    sent = {"csrf_token": csrf(page), "days": "7"}
    created = anna.post(f"/campaigns/{campaign_id}/shares", data=sent)
    found = re.search(r"http://localhost/shared#(sds_[\w-]+)", created.text)
    assert (created.status_code, bool(found)) == (201, True)
    secret = found[1] if found else ""
    for _ in range(2):
        visitor(coordinator_app, secret)
    for _ in range(3):  # a program's requests at one time are one use
        coordinator_app.client.get(f"/api/v1/campaigns/{campaign_id}/report", headers=bearer(secret))
    page = anna.get(f"/campaigns/{campaign_id}/shares")
    assert "token anna" in page.text
    assert "2 times" in page.text
    assert secret not in page.text
    (one,) = coordinator_app.get(f"campaigns/{campaign_id}/shares").json["shares"]
    assert (one["created_by"], one["uses"], one["valid"]) == ("token anna", 2, True)
    with coordinator_app.store.read() as session:
        assert session.get_one(ShareRow, one["id"]).secret_hash == hash_of(secret)
    sent = {"csrf_token": csrf(page)}
    assert anna.post(f"/campaigns/{campaign_id}/shares/{one['id']}/revoke", data=sent).status_code == 303
    about = f"campaign {campaign_id} link {one['id']}"
    assert [("anna", "share.revoke", about), ("anna", "share.create", about)] == audited(coordinator_app)[:2]
    assert anna.post(f"/campaigns/{campaign_id}/shares", data={**sent, "days": "0"}).status_code == 422


def test_no_address_that_is_sent_has_the_secret(coordinator_app: CoordinatorApp, campaign_id: str) -> None:
    created = new_share(coordinator_app, campaign_id)
    client = coordinator_app.app.test_client()
    opened = client.post("/shared", data={"secret": created["secret"]})
    assert created["secret"] not in opened.location
    cookie = opened.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    page = client.get(opened.location)
    assert created["secret"] not in page.text
    landing = client.get("/shared")
    assert (landing.headers["Cache-Control"], landing.headers["X-Robots-Tag"]) == ("no-store", "noindex, nofollow")


def test_links_go_with_their_campaign(coordinator_app: CoordinatorApp) -> None:
    campaign_id = complete(coordinator_app)
    secret = new_share(coordinator_app, campaign_id)["secret"]
    client = visitor(coordinator_app, secret)
    deleted = coordinator_app.client.delete(f"/api/v1/campaigns/{campaign_id}", headers=coordinator_app.user)
    assert deleted.status_code == 200
    assert client.get(f"/campaigns/{campaign_id}").status_code == 303
    with coordinator_app.store.read() as session:
        assert session.scalars(select(ShareRow).where(ShareRow.campaign_id == campaign_id)).all() == []
