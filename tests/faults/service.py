"""Faults of a running service: each is injected into the whole stack while a campaign runs; one oracle judges. Root.

    .venv/bin/python -m tests.faults.service [--rounds 3]

The last line is one JSON object. The exit status is 0 if every campaign ended, nothing was lost or doubled, and the
kernel is as it was. Where PostgreSQL is installed, a second stack uses it, and its server is stopped at once.
"""

import argparse
import contextlib
import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.cli.client import ENDED, Coordinator
from deploy.cli.errors import CommandError
from deploy.stack.stack import PrivateStack
from domain.environment import program_environment
from tests import postgresql
from tests.faults.clocks import COORDINATOR, WORKER, Clocks
from tests.faults.oracle import violations, wrong_rows
from tests.faults.rows import rows_of
from tests.faults.traces import Traces
from tests.orderly import ends_in_order
from tests.servers import own_environment
from workers.lab import cleanup

Inject = Callable[[PrivateStack], None]

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
ENDS_WITHIN_S = 180.0  # a lost message is sent again after 15 s, a dead worker's lease ends after 20 s
SETTLES_WITHIN_S = 30.0
ONLINE_WITHIN_S = 60.0  # a host pings each 20 s
LEASE_S = 20.0
DISK_BYTES = 256 << 20  # of a stack, in memory, so that it can be filled
CLOCKS = "clocks"


def kill(name: str) -> Inject:
    """SIGKILL of a child of the stack."""
    return lambda stack: os.kill(stack.pids[name], signal.SIGKILL)


def kill_child_of(name: str) -> Inject:
    """SIGKILL of the process that a child of the stack forked: gunicorn's worker, Celery's process."""

    def inject(stack: PrivateStack) -> None:
        parent = stack.pids[name]
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        os.kill(int(children[0]), signal.SIGKILL)

    return inject


def pause(name: str, seconds: float) -> Inject:
    """SIGSTOP of a child's process group, as a paused machine has it, and SIGCONT afterwards."""

    def inject(stack: PrivateStack) -> None:
        group = os.getpgid(stack.pids[name])
        os.killpg(group, signal.SIGSTOP)
        time.sleep(seconds)
        os.killpg(group, signal.SIGCONT)

    return inject


def wrong_clock(part: str, by_s: int, seconds: float) -> Inject:
    """The wall clock of a part is set, and set right again."""

    def inject(stack: PrivateStack) -> None:
        clocks = Clocks(stack.state_dir / CLOCKS)
        clocks.set(part, by_s)
        time.sleep(seconds)
        clocks.set(part, 0)

    return inject


def full_disk(seconds: float) -> Inject:
    """Nothing can be written to the stack's directory: not the database, the outbox, the spool or a log."""

    def inject(stack: PrivateStack) -> None:
        filler = stack.state_dir / "filler"
        try:
            with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(4096))
            time.sleep(seconds)
        finally:
            filler.unlink(missing_ok=True)

    return inject


def all_but_the_worker(stack: PrivateStack) -> None:
    """A coordinator's machine that loses its power."""
    for name in ("coordinator", "ticker", "redis-server", "influxd"):
        if name in stack.pids:
            os.kill(stack.pids[name], signal.SIGKILL)


FAULTS: dict[str, Inject] = {
    "Redis killed": kill("redis-server"),
    "Redis paused for 10 s": pause("redis-server", 10),
    "coordinator killed": kill("coordinator"),
    "coordinator's process killed": kill_child_of("coordinator"),
    "coordinator paused for 10 s": pause("coordinator", 10),
    "ticker killed": kill("ticker"),
    "ticker paused for 30 s": pause("ticker", 30),
    "worker killed": kill("worker"),
    "worker's process killed": kill_child_of("worker"),
    "worker paused beyond its lease": pause("worker", LEASE_S + 5),
    "InfluxDB killed": kill("influxd"),
    "InfluxDB paused for 10 s": pause("influxd", 10),
    "all but the worker killed": all_but_the_worker,
    "worker's clock an hour ahead": wrong_clock(WORKER, 3600, 20),
    "worker's clock an hour behind": wrong_clock(WORKER, -3600, 20),
    "coordinator's clock an hour ahead": wrong_clock(COORDINATOR, 3600, 20),
    "coordinator's clock an hour behind": wrong_clock(COORDINATOR, -3600, 20),
    "disk full for 15 s": full_disk(15),
}


def crash(server: postgresql.Postgresql, down_s: float) -> Inject:
    """An immediate stop of the database's server, and a start after ``down_s``."""
    return lambda _: server.crash(down_s)


POSTGRESQL_FAULTS: dict[str, float] = {"PostgreSQL stopped at once": 0.0, "PostgreSQL stopped at once for 8 s": 8.0}
"""What happens to the server of a stack whose database is PostgreSQL, and for how many seconds it is down."""


class Service:
    """A stack under test, with its client."""

    def __init__(self, stack: PrivateStack, coordinator: Coordinator) -> None:
        self.stack, self.coordinator = stack, coordinator
        sqlite = f"sqlite:///{stack.state_dir}/showdown.sqlite"
        self.database_url = stack.environment.get("SHOWDOWN_DATABASE_URL", sqlite)

    def until(self, campaign_id: str, reached: Callable[[dict[str, object]], bool], limit_s: float) -> bool:
        """Look after the stack until the campaign is as wanted; ``False`` after ``limit_s``."""
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            self.stack.watch()
            with contextlib.suppress(CommandError):  # the coordinator may be away for a moment
                if reached(self.coordinator.campaign(campaign_id)):
                    return True
            time.sleep(0.2)
        return False

    def has_host(self) -> bool:
        """Wait until a host is online: a clock that was set back and is right again makes its last sign of life old."""
        deadline = time.monotonic() + ONLINE_WITHIN_S
        while time.monotonic() < deadline:
            self.stack.watch()
            with contextlib.suppress(CommandError):
                if any(host["online"] for host in self.coordinator.hosts()):
                    return True
            time.sleep(0.5)
        return False

    def suffer(self, inject: Inject, rng: random.Random) -> tuple[list[str], float]:
        """Inject one fault at a random time of a campaign; returns what is wrong afterwards, and the seconds."""
        begun_s, before = time.monotonic(), Traces.now()
        if not self.has_host():
            return ["no host was online again"], time.monotonic() - begun_s
        campaign_id = str(self.coordinator.submit(CAMPAIGN)["id"])
        self.until(campaign_id, lambda view: view["state"] != "queued", 60)
        time.sleep(rng.uniform(0, 4))
        inject(self.stack)
        if not self.until(campaign_id, lambda view: view["state"] in ENDED, ENDS_WITHIN_S):
            return [f"campaign {campaign_id} did not end"], time.monotonic() - begun_s
        account = self.coordinator.report(campaign_id).telemetry
        found = violations(self.database_url, campaign_id, account)
        rows = rows_of(self.stack.environment, campaign_id)
        found += wrong_rows(self.database_url, campaign_id, account, rows)
        deadline = time.monotonic() + SETTLES_WITHIN_S
        while (left := list(Traces.now().more_than(before))) and time.monotonic() < deadline:
            self.stack.watch()
            time.sleep(0.5)
        return [*found, *(f"left in the kernel: {one}" for one in left)], time.monotonic() - begun_s


@contextmanager
def service(database_url: str = "") -> Iterator[Service]:
    """A private stack of one host; without an address, its database is SQLite."""
    directory = Path(tempfile.mkdtemp(prefix="showdown-faults-"))
    mount = ["mount", "-t", "tmpfs", "-o", f"mode=700,size={DISK_BYTES}", "tmpfs", str(directory)]
    environment = own_environment() | ({"SHOWDOWN_DATABASE_URL": database_url} if database_url else {})
    subprocess.run(mount, env=program_environment(os.environ), check=True)
    try:
        clocks = Clocks(directory / CLOCKS)
        clocks.build()
        environment |= clocks.environment
        with PrivateStack(directory, environment) as stack, Coordinator(stack.url, stack.token) as coordinator:
            yield Service(stack, coordinator)
    finally:
        cleanup.sweep(cleanup.REGISTER_DIR)
        subprocess.run(["umount", "--lazy", str(directory)], env=program_environment(os.environ), check=True)
        shutil.rmtree(directory, ignore_errors=True)


class Suffered:
    """The faults so far, and what was wrong after them. Faults whose name does not begin with ``only`` are left out."""

    def __init__(self, seed: int, only: str, limit_s: float) -> None:
        self.seed, self._only, self._rng = seed, only, random.Random(seed)
        self._until = time.monotonic() + limit_s
        self.tried, self.slowest_s = 0, 0.0
        self.wrong: list[str] = []

    def chosen(self, names: Iterable[str]) -> list[str]:
        """Those of ``names`` that are wanted, in a random order."""
        wanted = sorted(name for name in names if name.startswith(self._only))
        return self._rng.sample(wanted, len(wanted))

    def add(self, round_number: int, under_test: Service, name: str, inject: Inject) -> None:
        """Inject one fault; after the limit of time, only in the first round."""
        if round_number and time.monotonic() > self._until:
            return
        found, seconds = under_test.suffer(inject, self._rng)
        self.tried, self.slowest_s = self.tried + 1, max(self.slowest_s, seconds)
        said = "; ".join(found) or "nothing lost"
        print(f"round {round_number + 1}, {name}: {said} ({seconds:.0f} s)", flush=True)
        self.wrong += [f"{name}: {one}" for one in found]

    @property
    def figures(self) -> dict[str, object]:
        """The last line."""
        figures = {"faults": self.tried, "violations": len(self.wrong), "slowest_s": round(self.slowest_s, 1)}
        return {**figures, "seed": self.seed}


def suffered(rounds: int, seed: int, only: str = "", limit_s: float = math.inf) -> dict[str, object]:
    """Every fault, in new stacks each round; returns the figures of the last line.

    After ``limit_s``, no further fault begins, except in the first round.
    """
    found, programs = Suffered(seed, only, limit_s), postgresql.programs()
    for number in range(rounds):
        if names := found.chosen(FAULTS):
            with service() as under_test:
                for name in names:
                    found.add(number, under_test, name, FAULTS[name])
        if programs is not None and (names := found.chosen(POSTGRESQL_FAULTS)):
            with postgresql.running(programs) as server, service(server.new_database()) as under_test:
                for name in names:
                    found.add(number, under_test, name, crash(server, POSTGRESQL_FAULTS[name]))
    return found.figures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", default="", help="faults whose name begins so")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    options = parser.parse_args()
    found = suffered(options.rounds, options.seed, options.only)
    print(json.dumps(found))
    return int(bool(found["violations"]))


if __name__ == "__main__":
    ends_in_order()
    sys.exit(main())
