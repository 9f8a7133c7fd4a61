"""Two coordinators and three tickers on one database, hosts that come and die, and users who all click at once."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from coordinator import ticker
from domain.probes.telemetry import TelemetryAccount
from domain.service.jobs import BlockMessage
from tests.faults.oracle import violations
from tests.unit.coordinator.coordinator_app import CoordinatorApp, campaign, capabilities, result

HOSTS = ("h1", "h2", "h3")
DEADLY = "h3"
"""This host claims one block, and is never seen again."""
PATIENCE_S = 60.0
PACE = 20
"""So many seconds of the service are one of the test."""


@dataclass
class Service:
    """Two coordinators of one database, whose clock goes :data:`PACE` times as fast."""

    one: CoordinatorApp
    two: CoordinatorApp
    begun_s: float = field(default_factory=time.monotonic)
    done: threading.Event = field(default_factory=threading.Event)
    statuses: list[int] = field(default_factory=list)

    @property
    def apps(self) -> tuple[CoordinatorApp, CoordinatorApp]:
        return self.one, self.two

    def now(self) -> float:
        found = 1_000_000.0 + PACE * (time.monotonic() - self.begun_s)
        self.one.now = self.two.now = found
        return found

    def tick(self, app: CoordinatorApp) -> None:
        """What ``showdown coordinator ticker`` does, until the test ends."""
        while not self.done.wait(0.01):
            ticker.tick(app.store, app.dispatcher, self.now())

    def messages_to(self, host: str) -> list[BlockMessage]:
        return [message for app in self.apps for to, message in list(app.dispatcher.sent) if to == host]


@pytest.fixture
def service(app_on_both: CoordinatorApp, tmp_path: Path) -> Iterator[Service]:
    other = CoordinatorApp(tmp_path / "other", app_on_both.settings.database_url, beside=app_on_both)
    found = Service(app_on_both, other)
    yield found
    found.done.set()
    other.close()


class Host:
    """A worker without a kernel. It asks whichever coordinator answers, as behind a balancer."""

    def __init__(self, service: Service, name: str) -> None:
        self.service, self.name = service, name
        self._clients = [app.app.test_client() for app in service.apps]
        self._headers = service.one.worker_of(name)
        self._rng = random.Random(name)
        self._seen: set[tuple[str, int]] = set()

    def work(self) -> None:
        while not self.service.done.wait(0.02):
            self._ask("put", f"hosts/{self.name}", capabilities(self.name).model_dump(mode="json"))
            for message in self.service.messages_to(self.name):
                if (message.block_id, message.attempt) not in self._seen:
                    self._seen.add((message.block_id, message.attempt))
                    if self._run(message) and self.name == DEADLY:
                        return

    def _run(self, message: BlockMessage) -> bool:
        path = f"blocks/{message.block_id}/attempts/{message.attempt}"
        claimed = self._ask("post", f"{path}/claim", {"host": self.name})
        if claimed.status_code != 200 or self.name == DEADLY:
            return claimed.status_code == 200
        block = claimed.json["block"]
        found = result(self.name, block["datapaths"], workload=block["workload"], level=block["level"])
        self._ask("post", f"{path}/heartbeat", {"lease": claimed.json["lease"]})
        for _ in range(2):  # the answer to the first report was lost
            self._ask("put", f"{path}/report", {"lease": claimed.json["lease"], "result": found})
        return True

    def _ask(self, verb: str, path: str, body: object):  # type: ignore[no-untyped-def]
        client = self._rng.choice(self._clients)
        answer = getattr(client, verb)(f"/api/v1/worker/{path}", json=body, headers=self._headers)
        self.service.statuses.append(answer.status_code)
        return answer


def together(work: list[Callable[[], object]], until: Callable[[], bool], service: Service) -> None:
    """Do all of it in threads until the condition holds. Raises what any of it raises."""
    deadline = time.monotonic() + PATIENCE_S
    with ThreadPoolExecutor(len(work)) as threads:
        running = [threads.submit(one) for one in work]
        while (
            not until() and time.monotonic() < deadline and not any(one.done() and one.exception() for one in running)
        ):
            time.sleep(0.05)
        service.done.set()
    for one in running:
        one.result()


def test_each_block_is_measured_once_by_the_hosts_that_are_there(service: Service) -> None:
    service.now()
    for host in HOSTS:
        service.one.register(host)
    asked = [service.one, service.two, service.one]
    ids = [app.submit(name=f"c{number}", blocks=4) for number, app in enumerate(asked)]

    def ended() -> bool:
        return all(service.one.view(one)["state"] == "complete" for one in ids)

    tickers: list[Callable[[], object]] = [
        lambda app=app: service.tick(app)
        for app in (service.one, service.two, service.one)  # type: ignore[misc]
    ]
    together([*tickers, *(Host(service, name).work for name in HOSTS)], ended, service)
    assert ended()
    for one in ids:
        assert violations(service.one.settings.database_url, one, TelemetryAccount()) == []
        assert service.one.view(one)["blocks_done"] == 4
    assert max(service.statuses) < 500, "a race is no error of the service"


def test_a_storm_of_users_ends_in_states_that_make_sense(service: Service) -> None:
    service.one.register()
    ids, statuses, lock = list[str](), list[int](), threading.Lock()

    def user(seed: int) -> None:
        rng = random.Random(seed)
        app = rng.choice(service.apps)
        client, headers = app.app.test_client(), app.user
        for number in range(12):
            status = _click(client, headers, rng, f"s{seed}-{number}", ids, lock)
            with lock:
                statuses.append(status)

    with ThreadPoolExecutor(8) as users:
        for one in [users.submit(user, seed) for seed in range(8)]:
            one.result()
    assert len(statuses) == 96
    assert max(statuses) < 500
    assert {service.two.view(one)["state"] for one in ids} <= {"queued", "running", "cancelled"}
    for one in ids:
        service.one.cancel(one)
        assert violations(service.one.settings.database_url, one, TelemetryAccount()) == []


def _click(
    client: FlaskClient, headers: dict[str, str], rng: random.Random, name: str, ids: list[str], lock: threading.Lock
) -> int:
    with lock:
        known = rng.choice(ids) if ids else ""
    kind = rng.choice(["submit", "cancel", "list", "view", "report"]) if known else "submit"
    if kind == "submit":
        answer = client.post("/api/v1/campaigns", json=campaign(name=name), headers=headers)
        if answer.status_code == 201:
            with lock:
                ids.append(answer.json["id"])
        return answer.status_code
    if kind == "cancel":
        return client.post(f"/api/v1/campaigns/{known}/cancel", headers=headers).status_code
    path = {"list": "campaigns", "view": f"campaigns/{known}", "report": f"campaigns/{known}/report"}[kind]
    return client.get(f"/api/v1/{path}", headers=headers).status_code
