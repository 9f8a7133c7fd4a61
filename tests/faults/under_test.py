"""A stack under faults, and what must hold after each: one oracle judges, and the kernel is as it was."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from deploy.cli.errors import CommandError
from deploy.cli.rest.client import ENDED, Coordinator
from deploy.stack.stack import PrivateStack
from domain.hosts.environment import program_environment
from tests.faults.clocks import Clocks
from tests.faults.command_line import CommandLine, Part
from tests.faults.links import Link
from tests.faults.oracle import violations, wrong_rows
from tests.faults.rows import rows_of
from tests.faults.traces import Traces
from tests.servers import own_environment
from workers.lab import cleanup

CAMPAIGN = """
name = "under-faults"
datapaths = ["direct", "tproxy"]
blocks = 2
slices = 4
slice_s = 0.3
probes = ["run_queue"]
[levels]
low = "closed(4)"
"""
ONE_BLOCK = """
name = "one-block"
datapaths = ["direct"]
blocks = 1
slices = {slices}
slice_s = 1.0
probes = []
[levels]
low = "closed(4)"
"""
ENDS_WITHIN_S = 180.0  # a lost message is sent again after 15 s, a dead worker's lease ends after 20 s
SETTLES_WITHIN_S = 30.0
ONLINE_WITHIN_S = 60.0  # a host pings each 20 s
DISK_BYTES = 256 << 20  # of a stack, in memory, so that it can be filled
CLOCKS = "clocks"

Inject = Callable[["Service"], Iterable[str] | None]
"""Does something to a stack; returns what is wrong with what the stack showed meanwhile."""

Scenario = Callable[["Service", random.Random], Iterable[str]]
"""A fault from its beginning to its end; returns what is wrong afterwards. Whether the kernel is as it was is looked
at for all."""


class Service:
    """A stack under test, with its client. ``links`` lead from its worker to its servers, if it has such."""

    def __init__(
        self, stack: PrivateStack, coordinator: Coordinator, parts: CommandLine, links: Mapping[str, Link]
    ) -> None:
        self.stack, self.coordinator, self.links, self._parts = stack, coordinator, links, parts
        sqlite = f"sqlite:///{stack.state_dir}/showdown.sqlite"
        self.database_url = stack.environment.get("SHOWDOWN_DATABASE_URL", sqlite)

    def soon(self, happened: Callable[[], bool], limit_s: float) -> bool:
        """Look after the stack until something has happened; ``False`` after ``limit_s``."""
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            self.stack.watch()
            with contextlib.suppress(CommandError):  # the coordinator may be away for a moment
                if happened():
                    return True
            time.sleep(0.2)
        return False

    def wait(self, seconds: float) -> None:
        """Look after the stack for so long."""
        self.soon(lambda: False, seconds)

    def until(self, campaign_id: str, reached: Callable[[dict[str, Any]], bool], limit_s: float) -> bool:
        """Look after the stack until the campaign is as wanted; ``False`` after ``limit_s``."""
        return self.soon(lambda: reached(self.coordinator.campaign(campaign_id)), limit_s)

    def has_host(self, *, online: bool = True, limit_s: float = ONLINE_WITHIN_S) -> bool:
        """Wait until a host is online: a clock that was set back and is right again makes its last sign of life old."""
        return self.soon(lambda: any(host["online"] is online for host in self.coordinator.hosts()), limit_s)

    def worker_is(self, wanted: Callable[[dict[str, Any]], bool], limit_s: float = ONLINE_WITHIN_S) -> bool:
        """Wait until the page of hosts says of the worker what is wanted: its protocol, why it was refused."""
        return self.soon(lambda: any(map(wanted, self.coordinator.enrolments()["enrolments"])), limit_s)

    def history(self, campaign_id: str) -> str:
        """What a campaign's page says happened."""
        return "\n".join(one["message"] for one in self.coordinator.campaign(campaign_id)["history"])

    def restart_as(self, name: str, **changes: Any) -> None:
        """Kill a part of the stack; it comes back as another version."""
        self._parts.set(name, replace(self._parts.part(name), **changes))
        os.kill(self.stack.pids[name], signal.SIGKILL)
        killed = self.stack.restarts[name]
        self.soon(lambda: self.stack.restarts[name] > killed, ONLINE_WITHIN_S)

    def submit(self, toml: str = CAMPAIGN) -> str:
        """Submit a campaign; returns its id."""
        return str(self.coordinator.submit(toml)["id"])

    def judged(self, campaign_id: str) -> list[str]:
        """Wait for a campaign's end; returns what is wrong with it."""
        if not self.until(campaign_id, lambda view: view["state"] in ENDED, ENDS_WITHIN_S):
            return [f"campaign {campaign_id} did not end"]
        account = self.coordinator.report(campaign_id).telemetry
        rows = rows_of(self.stack.environment, campaign_id)
        return [
            *violations(self.database_url, campaign_id, account),
            *wrong_rows(self.database_url, campaign_id, account, rows),
        ]

    def completed(self, campaign_id: str) -> list[str]:
        """As :meth:`judged`; and the campaign must be complete."""
        found, view = self.judged(campaign_id), self.coordinator.campaign(campaign_id)
        is_complete = view["state"] == "complete" and not view["blocks_failed"]
        return (
            found
            if is_complete
            else [*found, f"campaign {campaign_id} is {view['state']}: {self.history(campaign_id)}"]
        )

    def suffer(self, scenario: Scenario, rng: random.Random) -> tuple[list[str], float]:
        """One fault; returns what is wrong afterwards, and the seconds."""
        begun_s, before = time.monotonic(), Traces.now()
        if not self.has_host():
            return ["no host was online again"], time.monotonic() - begun_s
        found = list(scenario(self, rng))
        left: list[str] = []

        def settled() -> bool:
            left[:] = Traces.now().more_than(before)
            return not left

        self.soon(settled, SETTLES_WITHIN_S)
        return [*found, *(f"left in the kernel: {one}" for one in left)], time.monotonic() - begun_s


def during_a_campaign(inject: Inject, toml: str = CAMPAIGN) -> Scenario:
    """The fault begins at a random time of a campaign, which must end soundly."""

    def scenario(service: Service, rng: random.Random) -> Iterator[str]:
        campaign_id = service.submit(toml)
        service.until(campaign_id, lambda view: view["state"] != "queued", 60)
        time.sleep(rng.uniform(0, 4))
        yield from inject(service) or ()
        yield from service.judged(campaign_id)

    return scenario


@contextmanager
def service(database_url: str = "", *, linked: bool = False) -> Iterator[Service]:
    """A private stack of one host; without an address, its database is SQLite.

    ``linked``: its worker reaches coordinator, Redis and InfluxDB through links that can be damaged.
    """
    directory = Path(tempfile.mkdtemp(prefix="showdown-faults-"))
    mount = ["mount", "-t", "tmpfs", "-o", f"mode=700,size={DISK_BYTES}", "tmpfs", str(directory)]
    environment = own_environment() | ({"SHOWDOWN_DATABASE_URL": database_url} if database_url else {})
    subprocess.run(mount, env=program_environment(os.environ), check=True)
    try:
        clocks, parts = Clocks(directory / CLOCKS), CommandLine(directory / "parts.json")
        clocks.build()
        stack = PrivateStack(directory, environment | clocks.environment, showdown=parts.argv)
        with contextlib.ExitStack() as exits:
            links = {name: exits.enter_context(link) for name, link in _links_of(stack).items()} if linked else {}
            parts.set("worker", Part(links={name: link.port for name, link in links.items()}))
            exits.enter_context(stack)
            coordinator = exits.enter_context(Coordinator(stack.url, stack.token))
            yield Service(stack, coordinator, parts, links)
    finally:
        cleanup.sweep(cleanup.REGISTER_DIR)
        subprocess.run(["umount", "--lazy", str(directory)], env=program_environment(os.environ), check=True)
        shutil.rmtree(directory, ignore_errors=True)


def _links_of(stack: PrivateStack) -> dict[str, Link]:
    """A link to each server of a stack that will run: the addresses are known when its worker asks."""

    def at(setting: str) -> tuple[str, int]:
        found = urlsplit(stack.environment[setting])
        return str(found.hostname), int(found.port or 80)

    return {
        "coordinator": Link(lambda: at("SHOWDOWN_COORDINATOR_URL")),
        "broker": Link(lambda: stack.state_dir / "redis.sock"),
        "influx": Link(lambda: at("SHOWDOWN_INFLUX_URL")),
    }
