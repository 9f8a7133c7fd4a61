"""Two worker hosts: the second is a separate namespace that reaches Redis and the coordinator over a veth pair."""

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import redis

from deploy.cli.rest.client import Coordinator
from deploy.stack.children import Child
from deploy.stack.servers import unused_port
from deploy.stack.stack import PrivateStack
from tests.e2e.conftest import TOLERANT, Running
from tests.e2e.test_campaign import trials_of
from tests.leftovers import OWN, Kind
from tests.servers import own_environment
from workers.lab import netns

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("kernel")]

HERE, THERE = "198.18.200.1", "198.18.200.2"  # RFC 2544: no real host's addresses
CAMPAIGN = """
name = "two-hosts"
datapaths = ["direct", "tproxy"]
blocks = 4
slices = 1
slice_s = 0.3
warm_up_s = 0.0
probes = ["run_queue"]
[levels]
low = "closed(4)"
"""


@pytest.fixture
def other_host() -> Iterator[str]:
    """A namespace that is connected with this one by a veth pair, and with nothing else."""
    name, near, far = f"sdtest-{os.getpid()}", f"sdt{os.getpid()}a", f"sdt{os.getpid()}b"
    with OWN.noted(Kind.NAMESPACE, name), OWN.noted(Kind.DEVICE, near):
        netns.create(name)
        try:
            for argv in (
                ["ip", "link", "add", near, "type", "veth", "peer", "name", far, "netns", name],
                ["ip", "addr", "add", f"{HERE}/30", "dev", near],
                ["ip", "link", "set", near, "up"],
                ["ip", "-n", name, "addr", "add", f"{THERE}/30", "dev", far],
                ["ip", "-n", name, "link", "set", far, "up"],
                ["ip", "-n", name, "link", "set", "lo", "up"],
            ):
                subprocess.run(argv, check=True)
            yield name
        finally:
            subprocess.run(["ip", "link", "del", near], check=False)
            netns.remove(name)


@contextlib.contextmanager
def started(name: str, argv: list[str], environment: dict[str, str], directory: Path) -> Iterator[Child]:
    """A process for the time of a test."""
    child = Child(name, argv, directory / f"{name}.log", environment)
    child.start()
    try:
        yield child
    finally:
        child.stop(10)


@pytest.fixture
def two_hosts(other_host: str) -> Iterator[Running]:
    """A stack whose Redis and coordinator are also reached from the other host, and a worker there."""
    redis_port, port = unused_port(), unused_port()
    broker = f"redis://{HERE}:{redis_port}/0"
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(OWN.directory("showdown-two-"))
        argv = ["redis-server", "--port", str(redis_port), "--bind", HERE, "--protected-mode", "no", "--save", "",
                "--dir", str(directory)]  # fmt: skip
        server = stack.enter_context(started("redis", argv, own_environment(), directory))
        server.wait_ready(lambda: _pings(redis_port), 20)
        environment = own_environment() | {"SHOWDOWN_BROKER_URL": broker, "SHOWDOWN_HOST": "first"}
        private = stack.enter_context(PrivateStack(directory / "state", environment, showdown=TOLERANT))
        # The coordinator keeps nothing in memory: a second one on the same database serves the other network.
        front = [*TOLERANT, "coordinator", "serve", "--bind", f"{HERE}:{port}"]
        stack.enter_context(started("front", front, private.environment, directory))
        there = private.worker_environment("second") | {
            "SHOWDOWN_COORDINATOR_URL": f"http://{HERE}:{port}",
            "SHOWDOWN_STATE_DIR": str(directory / "second"),
            "SHOWDOWN_INFLUX_URL": "",
        }
        worker = ["nsenter", f"--net={netns.path(other_host)}", *TOLERANT, "worker"]
        stack.enter_context(started("worker-second", worker, there, directory))
        coordinator = stack.enter_context(Coordinator(private.url, private.token))
        running = Running(private, coordinator)
        _await_hosts(running, {"first", "second"})
        yield running


def _pings(port: int) -> bool:
    with contextlib.suppress(redis.RedisError), redis.Redis(HERE, port) as client:
        return bool(client.ping())
    return False


def _await_hosts(running: Running, wanted: set[str]) -> None:
    deadline = time.monotonic() + 90
    headers = {"Authorization": f"Bearer {running.stack.token}"}
    while True:
        hosts = httpx.get(f"{running.stack.url}/api/v1/hosts", headers=headers, trust_env=False).json()["hosts"]
        if {host["name"] for host in hosts if host["online"]} >= wanted:
            return
        assert time.monotonic() < deadline, hosts
        time.sleep(0.2)


def test_blocks_are_shared_between_two_hosts(two_hosts: Running) -> None:
    campaign_id = two_hosts.run(CAMPAIGN, 240)
    assert two_hosts.coordinator.campaign(campaign_id)["state"] == "complete"
    trials = trials_of(two_hosts, campaign_id)
    by_host = {host: {t["block"] for t in trials if t["host"] == host} for host in ("first", "second")}
    assert {host: len(blocks) for host, blocks in by_host.items()} == {"first": 2, "second": 2}
    for trial in trials:
        assert trial["proof"]["accounted"] >= 0.99
    report = two_hosts.coordinator.report(campaign_id)
    assert report.telemetry.lost > 0, "the second host has no InfluxDB …"
    assert report.telemetry.missing, "… and says so"
