"""Links from the web pages to Grafana: dashboard, variables, time, and the link back."""

import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask.testing import FlaskClient

from coordinator.web.grafana import SLACK_MS
from dashboards import generate
from tests.grafana import links_of
from tests.unit.coordinator.coordinator_app import CoordinatorApp, result

GRAFANA = "https://grafana.example/base"
DASHBOARDS = {found["uid"]: found for found in generate.dashboards().values()}


@pytest.fixture
def coordinator_app(tmp_path: Path) -> Iterator[CoordinatorApp]:
    coordinator_app = CoordinatorApp(tmp_path)
    coordinator_app.register()
    object.__setattr__(coordinator_app.settings, "grafana_url", GRAFANA)
    yield coordinator_app
    coordinator_app.close()


def linked(browser: FlaskClient, path: str) -> tuple[dict[str, Any], dict[str, str]]:
    """The dashboard that a page links, and the link's parameters. Fails if the dashboard lacks such variables."""
    (found,) = re.findall(rf'href="({GRAFANA}[^"]*)"', browser.get(path).text)
    url = urlsplit(html.unescape(found))
    dashboard = DASHBOARDS[url.path.removeprefix("/base/d/")]
    query = {name: value for name, (value,) in parse_qs(url.query, strict_parsing=True).items()}
    variables = {f"var-{one['name']}" for one in dashboard["templating"]["list"]}
    assert {name for name in query if name.startswith("var-")} <= variables
    return dashboard, query


READING = {"stage": "run_queue", "role": "proxy", "count": 3, "sum_ns": 9000, "p50_ns": 2000, "p99_ns": 4000}


def run_block(coordinator_app: CoordinatorApp, *, probes: list[dict[str, Any]]) -> None:
    """The waiting block: claimed at 1,000,020 s, reported seven seconds later."""
    coordinator_app.now += 20
    message = coordinator_app.last_sent()
    job = coordinator_app.call("claim", message, {"host": "h1"}).json
    assert job is not None
    block_result = result("h1", job["block"]["datapaths"])
    for trial in block_result["trials"]:
        trial["probes"] = probes
    coordinator_app.now += 7
    assert coordinator_app.call("report", message, {"lease": job["lease"], "result": block_result}).status_code == 204


def test_without_grafana_no_page_links_it(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    object.__setattr__(coordinator_app.settings, "grafana_url", "")
    campaign_id = coordinator_app.submit(blocks=1)
    run_block(coordinator_app, probes=[READING])
    for path in (f"/campaigns/{campaign_id}", f"/trials/{campaign_id}-0-1-0", "/hosts"):
        page = browser.get(path)
        assert page.status_code == 200
        assert "Grafana" not in page.text


def test_a_campaign_links_its_dashboard_from_its_start_to_now_and_then_to_its_end(
    coordinator_app: CoordinatorApp, browser: FlaskClient
) -> None:
    campaign_id = coordinator_app.submit(blocks=1)
    dashboard, query = linked(browser, f"/campaigns/{campaign_id}")
    assert dashboard["uid"] == "showdown"
    assert query == {
        "var-campaign": campaign_id,
        "var-showdown_url": "http://localhost",
        "from": str(1_000_000_000 - SLACK_MS),
        "to": "now",
    }
    run_block(coordinator_app, probes=[])
    _, query = linked(browser, f"/campaigns/{campaign_id}")
    assert (query["from"], query["to"]) == (str(1_000_020_000 - SLACK_MS), str(1_000_027_000 + SLACK_MS))


def test_a_trial_links_the_kernel_latency_of_its_cell_while_its_block_ran(
    coordinator_app: CoordinatorApp, browser: FlaskClient
) -> None:
    campaign_id = coordinator_app.submit(blocks=1)
    run_block(coordinator_app, probes=[READING])
    dashboard, query = linked(browser, f"/trials/{campaign_id}-0-1-1")
    assert dashboard["uid"] == "showdown-kernel-latency"
    assert query == {
        "var-campaign": campaign_id,
        "var-host": "h1",
        "var-datapath": "tproxy",
        "var-against": "direct",
        "var-workload": "http_keepalive",
        "var-level": "low",
        "var-showdown_url": "http://localhost",
        "from": str(1_000_020_000 - SLACK_MS),
        "to": str(1_000_027_000 + SLACK_MS),
    }


def test_the_references_own_trial_is_linked_with_another_datapath(
    coordinator_app: CoordinatorApp, browser: FlaskClient
) -> None:
    campaign_id = coordinator_app.submit(blocks=1)
    run_block(coordinator_app, probes=[READING])
    _, query = linked(browser, f"/trials/{campaign_id}-0-1-0")
    assert (query["var-datapath"], query["var-against"]) == ("direct", "tproxy")


def test_a_trial_that_no_probe_watched_links_nothing(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    campaign_id = coordinator_app.submit(blocks=1)
    run_block(coordinator_app, probes=[])
    assert "Grafana" not in browser.get(f"/trials/{campaign_id}-0-1-0").text


def test_hosts_link_their_dashboard(browser: FlaskClient) -> None:
    dashboard, query = linked(browser, "/hosts")
    assert dashboard["uid"] == "showdown-hosts"
    assert query == {"var-showdown_url": "http://localhost"}


def test_the_way_back_is_where_people_reach_the_pages(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    object.__setattr__(coordinator_app.settings, "web_url", "https://showdown.example/lab")
    _, query = linked(browser, "/hosts")
    assert query["var-showdown_url"] == "https://showdown.example/lab"


@pytest.mark.parametrize("name", ["evil.example", "localhost.evil.example", "[::1].evil.example", "127.0.0.1@evil"])
def test_no_invented_name_gets_into_a_link(browser: FlaskClient, name: str) -> None:
    cookie = browser.get_cookie("showdown")
    assert cookie is not None
    client = browser.application.test_client(use_cookies=False)  # others send cookies to their host only
    page = client.get("/hosts", headers={"Host": name, "Cookie": f"showdown={cookie.value}"})
    (link,) = re.findall(rf'href="({GRAFANA}[^"]*)"', page.text)
    assert "evil" not in link
    _, query = linked(browser, "/hosts")
    assert query["var-showdown_url"] == "http://localhost"


def test_dashboards_lead_back_to_pages_that_exist(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    campaign_id = coordinator_app.submit(blocks=1)
    run_block(coordinator_app, probes=[READING])
    trial = f"{campaign_id}-0-1-0"
    values = {"campaign": campaign_id, "showdown_url:raw": "", "__data.fields.trial": trial, "__data.fields.run": trial}
    found = {url for dashboard in DASHBOARDS.values() for url in links_of(dashboard) if "showdown_url" in url}
    assert len(found) == 3
    for url in found:
        path = re.sub(r"\$\{([^}]+)\}", lambda match: values[match.group(1)], url)
        assert browser.get(path).status_code == 200, url
