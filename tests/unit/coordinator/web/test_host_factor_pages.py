"""The hosts of one campaign over REST and on its pages."""

import pytest
from flask.testing import FlaskClient

from tests.unit.coordinator.coordinator_app import CoordinatorApp, result
from tests.unit.coordinator.pages import sentences

HOSTS = ("h1", "h2")


@pytest.fixture
def campaign_id(coordinator_app: CoordinatorApp) -> str:
    """A campaign on two hosts with different kernels, six blocks on each."""
    for host in HOSTS:
        coordinator_app.register(host)
    found = coordinator_app.submit(blocks=12, hosts=list(HOSTS))
    done: set[tuple[str, int]] = set()
    while len(done) < 12:
        host, message = next(
            one for one in coordinator_app.dispatcher.sent if (one[1].block_id, one[1].attempt) not in done
        )
        done.add((message.block_id, message.attempt))
        lease, rate = coordinator_app.claim(message, host), 1000 if host == "h1" else 1500
        made = result(host, ["direct", "tproxy"], rates={"direct": rate + len(done), "tproxy": rate})
        made["fingerprint"] = {"kernel": f"6.{HOSTS.index(host)}.0", "cpus": "2"}
        assert coordinator_app.call("report", message, {"lease": lease, "result": made}).status_code == 204
    return found


def test_hosts_are_shown_side_by_side(campaign_id: str, coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    found = coordinator_app.get(f"campaigns/{campaign_id}/hosts").json
    assert [one["host"] for one in found["hosts"]] == [*HOSTS]
    assert found["facts"] == [{"name": "kernel", "values": ["6.0.0", "6.1.0"]}]
    page = browser.get(f"/campaigns/{campaign_id}/hosts")
    assert page.status_code == 200
    assert found["caution"] in sentences(page)
    assert ">differ<" in page.text
    assert f'href="/campaigns/{campaign_id}/hosts"' in browser.get(f"/campaigns/{campaign_id}").text


def test_one_host_is_compared_with_another(
    campaign_id: str, coordinator_app: CoordinatorApp, browser: FlaskClient
) -> None:
    query = f"compare?baseline={campaign_id}:h1&other={campaign_id}:h2"
    found = coordinator_app.get(query).json
    assert [one["host"] for one in (*found["baseline"], *found["other"])] == [*HOSTS]
    assert [one["name"] for one in found["settings"]] == ["kernel"]
    (figure,) = [one for one in found["figures"] if one["datapath"] == "tproxy" and one["metric"] == "requests_per_s"]
    assert figure["change"] == "better"
    page = browser.get(f"/{query}")
    assert f"{campaign_id}:h2" in page.text
    assert found["caution"] in sentences(page)


@pytest.mark.parametrize(
    ("baseline", "other", "words"),
    [
        (":h1", ":h9", "has no measured block of h9; its hosts: h1, h2"),
        (":h1", ":h1", "is on both sides"),
        (":h1", "", "is on both sides"),
        (":h 1", ":h2", "is no campaign&#39;s id"),
    ],
)
def test_a_wrong_host_is_named(baseline: str, other: str, words: str, campaign_id: str, browser: FlaskClient) -> None:
    page = browser.get(f"/compare?baseline={campaign_id}{baseline}&other={campaign_id}{other}")
    assert page.status_code == 422
    assert words in page.text, sentences(page)


def test_a_campaign_on_one_host_has_no_tab_of_hosts(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    coordinator_app.register()
    alone = coordinator_app.submit()
    coordinator_app.run_block()
    assert f'href="/campaigns/{alone}/hosts"' not in browser.get(f"/campaigns/{alone}").text
    assert "runs on one host" not in browser.get(f"/campaigns/{alone}/hosts").text
    assert coordinator_app.get(f"campaigns/{alone}/hosts").status_code == 200
    assert coordinator_app.get("campaigns/abcdefgh/hosts").status_code == 404
