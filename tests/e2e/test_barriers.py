"""axe-core over states that have no picture: errors, pauses, failures, nothing measured, empty lists, files."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Browser, expect
from playwright.sync_api import Page as Tab

from domain.service.jobs import Variant
from tests.pictures.barriers import barriers
from tests.pictures.window import window_of
from tests.unit.coordinator.coordinator_app import CoordinatorApp, capabilities
from tests.unit.coordinator.pages import csrf, send, signed_in
from tests.unit.coordinator.test_outcomes import run, spoil
from tests.unit.coordinator.web.test_host_problems import FEATURES

pytestmark = pytest.mark.e2e

WRONG: dict[str, Any] = {
    "name": "no spaces please",
    "datapaths": ["tproxi"],
    "blocks": "many",
    "level_load": ["closed(8)", "lots"],
    "focus_slices": "few",
    "primary": "what / is: this",
    "expect": "x",
    "hosts": "nosuch",
}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CoordinatorApp]:
    """A coordinator with one host."""
    app = CoordinatorApp(tmp_path_factory.mktemp("barriers"))
    app.register()
    yield app
    app.close()


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CoordinatorApp]:
    """A coordinator to which nothing has happened."""
    app = CoordinatorApp(tmp_path_factory.mktemp("empty"))
    yield app
    app.close()


@pytest.fixture(scope="module")
def client(app: CoordinatorApp) -> FlaskClient:
    return signed_in(app)


@pytest.fixture
def tab(chromium: Browser, client: FlaskClient) -> Iterator[Tab]:
    with window_of(chromium, client) as tab:
        yield tab


@pytest.fixture(scope="module")
def campaigns(app: CoordinatorApp) -> dict[str, str]:
    """Campaigns in states without a picture, by what they are."""
    found = {"failed": app.submit(name="failed", blocks=1)}
    for _ in range(3):
        app.wait(1, present=("h1",))
        message = app.last_sent()
        lease = app.claim(message)
        app.call("report", message, {"lease": lease, "failure": "nginx is not installed"})
    found["nothing"] = app.submit(name="nothing", blocks=1)
    for _ in range(3):
        spoil(app)
    found["measured"] = app.submit(name="measured", blocks=5, expect={"much": "tproxy.requests_per_s >= 10 * direct"})
    run(app, 5)
    found["retried"] = app.submit(name="retried", blocks=3)
    spoil(app)
    app.wait(1, present=("h1",))
    found["paused"] = app.submit(name="paused")
    app.client.post(f"/api/v1/campaigns/{found['paused']}/pause", headers=app.user)
    return found


def shown(tab: Tab, path: str) -> list[str]:
    tab.goto(path)
    tab.wait_for_load_state("networkidle")
    return barriers(tab)


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("failed", ""),
        ("failed", "/trials"),
        ("nothing", ""),
        ("nothing", "/verdicts"),
        ("nothing", "/trials"),
        ("retried", "/live"),
        ("paused", ""),
    ],
)
def test_campaigns_without_an_answer(tab: Tab, campaigns: dict[str, str], name: str, place: str) -> None:
    assert shown(tab, f"/campaigns/{campaigns[name]}{place}") == []


def test_hosts_that_lack_features_and_one_that_is_away(chromium: Browser, tmp_path: Path) -> None:
    app = CoordinatorApp(tmp_path)
    found = capabilities("h2").model_copy(update={"features": FEATURES})
    datapaths = (Variant(name="ebpf_edt", missing=tuple(found.lacking("qdisc.fq"))), *found.datapaths)
    with closing(app), window_of(chromium, signed_in(app)) as tab:
        app.client.put(
            "/api/v1/worker/hosts/h2",
            json=found.model_copy(update={"datapaths": datapaths}).model_dump(mode="json"),
            headers=app.worker_of("h2"),
        )
        app.now += 3600
        app.register()
        seen = shown(tab, "/hosts")
        expect(tab.get_by_text("1 of 2 hosts needs attention")).to_be_visible()
        expect(tab.get_by_text("It needs qdisc.fq.")).to_be_visible()
    assert seen == []


def test_the_form_with_errors(tab: Tab, client: FlaskClient) -> None:
    answer = send(client, **WRONG)
    assert answer.status_code == 422
    tab.goto("/campaigns/new")
    write(tab, answer.text)
    assert tab.locator("#problems li").count() >= 6
    tab.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    assert barriers(tab) == []


def test_toml_with_errors(tab: Tab, client: FlaskClient) -> None:
    page = client.get("/campaigns/new/toml")
    text = 'name = "x"\nblokcs = 3\n[levels]\nlow = "shut(8)"\n'
    tab.goto("/campaigns/new/toml")
    write(tab, client.post("/campaigns", data={"toml": text, "csrf_token": csrf(page)}).text)
    assert tab.locator("#problems li").count() >= 2
    assert barriers(tab) == []


def test_a_form_whose_session_has_ended(tab: Tab, app: CoordinatorApp) -> None:
    tab.goto("/campaigns/new")
    write(tab, app.app.test_client().post("/campaigns", data={"name": "kept"}).text)
    assert tab.locator("input[name=token]").count() == 1
    assert barriers(tab) == []


@pytest.mark.parametrize("path", ["/campaigns?q=nosuch", "/campaigns/nosuch", "/nosuch", "/compare?baseline=x&other=y"])
def test_what_is_not_found(tab: Tab, campaigns: dict[str, str], path: str) -> None:
    assert shown(tab, path) == []


def test_questions_and_what_follows_them(tab: Tab, app: CoordinatorApp, client: FlaskClient) -> None:
    campaign_id = app.submit(name="deleted")
    app.cancel(campaign_id)
    path = f"/campaigns/{campaign_id}"
    token = csrf(client.get(f"{path}/keeping"))
    tab.goto(f"{path}/keeping")
    write(tab, client.post(f"{path}/delete", data={"csrf_token": token}).text)
    assert barriers(tab) == []
    tab.goto("/campaigns")
    write(tab, client.post(f"{path}/delete", data={"csrf_token": token, "sure": "yes"}).text)
    assert "deleted" in tab.locator("main").inner_text()
    assert barriers(tab) == []


@pytest.mark.parametrize("name", ["measured", "nothing"])
def test_the_report_file(tab: Tab, client: FlaskClient, campaigns: dict[str, str], name: str) -> None:
    tab.set_content(client.get(f"/campaigns/{campaigns[name]}/report.html").text)
    assert barriers(tab) == []


@pytest.mark.parametrize(
    "path",
    [
        "/campaigns", "/campaigns/new", "/campaigns/new?preset=empty", "/hosts", "/matrix", "/trends", "/trust",
        "/schedules", "/compare", "/combine", "/quarantine", "/audit",
    ],
)  # fmt: skip
def test_lists_without_entries(chromium: Browser, empty: CoordinatorApp, path: str) -> None:
    with window_of(chromium, signed_in(empty)) as tab:
        assert shown(tab, path) == []


@pytest.mark.parametrize("path", ["/shared", "/sign-in", "/reasons"])
def test_pages_for_readers_without_a_session(chromium: Browser, empty: CoordinatorApp, path: str) -> None:
    with window_of(chromium, empty.app.test_client()) as tab:
        assert shown(tab, path) == []


def test_a_shared_link_that_is_void(chromium: Browser, empty: CoordinatorApp) -> None:
    client = empty.app.test_client()
    with window_of(chromium, client) as tab:
        tab.goto("/shared")
        tab.get_by_label("The link").fill(f"http://localhost/shared#sds_{'a' * 43}")
        tab.get_by_role("button", name="Open").click()
        expect(tab.get_by_role("alert")).to_have_count(1)
        assert barriers(tab) == []


def write(tab: Tab, page: str) -> None:
    """Show an answer in place of the page, at its address, with its style sheets."""
    tab.set_content(page)
    tab.wait_for_load_state("networkidle")


@pytest.mark.parametrize("path", ["/campaigns", "/hosts", "/schedules"])
def test_each_page_says_that_its_connection_is_lost(tab: Tab, path: str) -> None:
    """Every page asks for troubles; one that gets no answer may be old."""
    tab.goto(path)
    banner = tab.get_by_text("No connection to the coordinator since")
    expect(banner).to_be_hidden()
    tab.route("**/trouble", lambda route: route.abort())
    tab.evaluate("htmx.ajax('GET', '/trouble', {target: '#trouble', swap: 'outerHTML'}).catch(() => null)")
    expect(banner).to_be_visible()
    assert barriers(tab) == []
    tab.unroute("**/trouble")
    tab.evaluate("htmx.ajax('GET', '/trouble', {target: '#trouble', swap: 'outerHTML'})")
    expect(banner).to_be_hidden()
