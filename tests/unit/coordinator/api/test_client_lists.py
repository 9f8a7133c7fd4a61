"""The Python client's lists, page after page, and its waits, from a coordinator."""

from collections.abc import Iterator

import httpx
import pytest

from deploy.cli.errors import CommandError, UsageProblem
from deploy.cli.rest.client import Coordinator
from tests.unit.coordinator.coordinator_app import CoordinatorApp
from tests.unit.coordinator.watched_series import SERIES, measure


@pytest.fixture
def client(coordinator_app: CoordinatorApp) -> Iterator[Coordinator]:
    coordinator_app.register()
    transport = httpx.WSGITransport(app=coordinator_app.app)
    with Coordinator("http://localhost", coordinator_app.settings.token, transport) as found:
        yield found


def test_every_campaign_is_listed_whatever_the_length_of_a_page(
    client: Coordinator, coordinator_app: CoordinatorApp
) -> None:
    made = []
    for name in ("a", "b", "other", "c", "d"):
        coordinator_app.now += 1
        made.append(coordinator_app.submit(name=name))
    assert [one["id"] for one in client.all_campaigns(limit=2)] == made[::-1]
    assert [one["name"] for one in client.all_campaigns(limit=1, q="other")] == ["other"]


def test_every_trial_is_listed_with_its_evidence(
    client: Coordinator, coordinator_app: CoordinatorApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.cli.rest.client.TRIALS_OF_A_PAGE", 1)
    campaign_id = coordinator_app.submit(blocks=1)
    coordinator_app.run_block()
    trials = list(client.trials(campaign_id))
    assert [one["datapath"] for one in sorted(trials, key=lambda one: str(one["datapath"]))] == ["direct", "tproxy"]
    assert [one["id"] for one in trials] == list(client.trial_ids(campaign_id))
    assert client.trial(trials[0]["id"])["id"] == trials[0]["id"]


def test_the_end_of_a_campaign_is_waited_for(client: Coordinator, coordinator_app: CoordinatorApp) -> None:
    campaign_id = coordinator_app.submit(blocks=2)
    waits: list[float] = []

    def measure_a_block(wait_s: float) -> None:
        waits.append(wait_s)
        coordinator_app.run_block()

    assert client.wait(campaign_id, each_s=3, sleep=measure_a_block)["state"] == "complete"
    assert waits == [3, 3]
    other = coordinator_app.submit(blocks=1)
    with pytest.raises(TimeoutError, match=f"campaign {other} is queued after 4 s"):
        client.wait(other, timeout_s=4, each_s=2, sleep=lambda _: None)


def test_series_and_changes_are_listed_to_their_ends(client: Coordinator, coordinator_app: CoordinatorApp) -> None:
    measure(coordinator_app, 100, 101)
    assert [one["id"] for one in client.all_series()] == [SERIES]
    assert list(client.all_series(search="nowhere")) == []
    for name in ("ann", "bob", "eve"):
        client.create_token(name, scope="read")
    changes = list(client.audit(limit=1, action="token.create"))
    assert [one["subject"] for one in changes] == ["token eve (read)", "token bob (read)", "token ann (read)"]


def test_the_client_knows_whose_token_it_has_and_the_traits_of_a_host(
    client: Coordinator, coordinator_app: CoordinatorApp
) -> None:
    assert client.me()["scope"] == "admin"
    with pytest.raises(UsageProblem, match="has reported no matrix"):
        client.matrix("h1")


@pytest.mark.parametrize("page", [{"entries": 1, "next": None}, {"next": None}, {"entries": [], "next": 7}])
def test_a_page_of_another_version_is_an_error(page: dict[str, object]) -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(200, json=page))
    with Coordinator("http://localhost", "token", transport) as client, pytest.raises(CommandError, match="entries"):
        list(client.audit())
