"""A second worker of the stack that is of another version, is cut off or sleeps: short forms of `make faults`."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from deploy.cli.rest.client import ENDED
from deploy.stack.children import Child
from domain.hosts.protocol import PROTOCOL
from tests.e2e.conftest import Running
from tests.faults.command_line import CommandLine, Part
from tests.faults.links import Damage, Link
from tests.faults.skew import NEXT_MAJOR, NEXT_MINOR, is_refused
from tests.leftovers import OWN

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("kernel")]

OTHER = "other-worker"
SHOWN_S = 60.0
CUT_S = 4.0  # shorter than the lease: the long form lets it expire
CAMPAIGN = f"""
name = "on-another-worker"
datapaths = ["direct"]
hosts = ["{OTHER}"]
blocks = 1
slices = {{slices}}
slice_s = 0.5
warm_up_s = 0.0
probes = []
[levels]
low = "open(200)"
"""


class Worker:
    """A worker of the stack beside its own, which is started as what a test wants."""

    def __init__(self, running: Running, parts: CommandLine, child: Child) -> None:
        self._running, self._parts, self._child = running, parts, child

    def start_as(self, part: Part) -> None:
        self._child.stop(20)
        self._parts.set("worker", part)
        self._child.start()

    def signal(self, number: int) -> None:
        assert self._child.pid is not None
        os.killpg(self._child.pid, number)

    def is_shown(self, wanted: Callable[[dict[str, Any]], bool]) -> None:
        """Wait until the page of hosts says what is wanted of it."""
        deadline = time.monotonic() + SHOWN_S
        while True:
            (shown,) = (one for one in self._running.coordinator.enrolments()["enrolments"] if one["host"] == OTHER)
            if wanted(shown):
                return
            assert time.monotonic() < deadline, shown
            time.sleep(0.2)


@pytest.fixture(scope="module")
def worker(running: Running) -> Iterator[Worker]:
    with OWN.directory("showdown-other-") as directory:
        parts = CommandLine(directory / "parts.json")
        environment = running.stack.worker_environment(OTHER) | {"SHOWDOWN_STATE_DIR": str(directory / "state")}
        environment.pop("SHOWDOWN_WORKER_METRICS")
        child = Child("other", [*parts.argv, "worker"], directory / "other.log", environment, signal.SIGQUIT)
        try:
            yield Worker(running, parts, child)
        finally:
            child.stop(20)
            running.coordinator.remove(OTHER)


@pytest.fixture(scope="module")
def links(running: Running) -> Iterator[dict[str, Link]]:
    """From the other worker to the coordinator and to Redis."""
    with contextlib.ExitStack() as exits:
        port = int(running.stack.url.rpartition(":")[2])
        found = {
            "coordinator": Link(lambda: ("127.0.0.1", port)),
            "broker": Link(lambda: running.stack.state_dir / "redis.sock"),
        }
        for link in found.values():
            exits.enter_context(link)
        yield found


@pytest.fixture(scope="module")
def newer(running: Running, worker: Worker, links: dict[str, Link]) -> Worker:
    """It is of the next minor version, sends fields that nobody knows, and asks through links."""
    ports = {name: link.port for name, link in links.items()}
    worker.start_as(Part(protocol=str(NEXT_MINOR), newer_fields=True, links=ports, tolerant=True))
    worker.is_shown(lambda one: one["protocol"] == str(NEXT_MINOR) and not one["refusal"])
    deadline = time.monotonic() + SHOWN_S
    while not online(running):
        assert time.monotonic() < deadline, "the other worker did not register"
        time.sleep(0.2)
    return worker


def online(running: Running) -> bool:
    return any(host["name"] == OTHER and host["online"] for host in running.coordinator.hosts())


def submitted(running: Running, slices: int) -> str:
    return str(running.coordinator.submit(CAMPAIGN.format(slices=slices))["id"])


def measured_at_once(running: Running, campaign_id: str) -> None:
    """The campaign is complete, and no attempt was lost or refused."""
    view = running.until(campaign_id, lambda view: view["state"] in ENDED)
    assert view["state"] == "complete", view["history"]
    assert not [one for one in view["history"] if "attempt" in one["message"]], view["history"]


def test_a_worker_of_an_incompatible_version_is_refused_and_shown(running: Running, worker: Worker) -> None:
    worker.start_as(Part(protocol=str(NEXT_MAJOR), tolerant=True))
    worker.is_shown(is_refused(NEXT_MAJOR, PROTOCOL))
    assert not online(running)


def test_an_idle_worker_that_was_paused_takes_the_block_that_waited(running: Running, newer: Worker) -> None:
    newer.signal(signal.SIGSTOP)
    try:
        campaign_id = submitted(running, 1)
        time.sleep(1.0)
        assert running.coordinator.campaign(campaign_id)["state"] == "queued"
    finally:
        newer.signal(signal.SIGCONT)
    measured_at_once(running, campaign_id)


@pytest.mark.parametrize("damage", [Damage.RESET, Damage.SILENT])
def test_a_newer_worker_that_is_cut_off_for_a_moment_loses_no_result(
    running: Running, newer: Worker, links: dict[str, Link], damage: Damage
) -> None:
    campaign_id = submitted(running, 8)
    running.until(campaign_id, lambda view: view["state"] == "running")
    before = links["coordinator"].stopped
    for link in links.values():
        link.suffer(damage)
    time.sleep(CUT_S)
    for link in links.values():
        link.suffer(Damage.NONE)
    measured_at_once(running, campaign_id)
    assert links["coordinator"].stopped > before
