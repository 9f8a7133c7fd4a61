"""Faults of a running service: each is injected into the whole stack while a campaign runs; one oracle judges. Root.

    .venv/bin/python -m tests.faults.service [--rounds 3]

The last line is one JSON object. The exit status is 0 if every campaign ended, nothing was lost or doubled, and the
kernel is as it was.
"""

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.cli.client import ENDED, Coordinator
from deploy.cli.errors import CommandError
from deploy.stack.stack import PrivateStack
from tests.faults.oracle import Traces, violations
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
ENDS_WITHIN_S = 180.0  # a lost message is sent again after 15 s, a dead worker's lease ends after 20 s
SETTLES_WITHIN_S = 30.0
LEASE_S = 20.0


def kill(name: str) -> Callable[[PrivateStack], None]:
    """SIGKILL of a child of the stack."""
    return lambda stack: os.kill(stack.pids[name], signal.SIGKILL)


def kill_child_of(name: str) -> Callable[[PrivateStack], None]:
    """SIGKILL of the process that a child of the stack forked: gunicorn's worker, Celery's process."""

    def inject(stack: PrivateStack) -> None:
        parent = stack.pids[name]
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        os.kill(int(children[0]), signal.SIGKILL)

    return inject


def pause(name: str, seconds: float) -> Callable[[PrivateStack], None]:
    """SIGSTOP of a child's process group, as a paused machine has it, and SIGCONT afterwards."""

    def inject(stack: PrivateStack) -> None:
        group = os.getpgid(stack.pids[name])
        os.killpg(group, signal.SIGSTOP)
        time.sleep(seconds)
        os.killpg(group, signal.SIGCONT)

    return inject


def all_but_the_worker(stack: PrivateStack) -> None:
    """A coordinator's machine that loses its power."""
    for name in ("coordinator", "ticker", "redis-server", "influxd"):
        if name in stack.pids:
            os.kill(stack.pids[name], signal.SIGKILL)


FAULTS: dict[str, Callable[[PrivateStack], None]] = {
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
}


class Service:
    """A stack under test, with its client."""

    def __init__(self, stack: PrivateStack, coordinator: Coordinator) -> None:
        self.stack, self.coordinator = stack, coordinator

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

    def suffer(self, inject: Callable[[PrivateStack], None], rng: random.Random) -> tuple[list[str], float]:
        """Inject one fault at a random time of a campaign; returns what is wrong afterwards, and the seconds."""
        begun_s, before = time.monotonic(), Traces.now()
        campaign_id = str(self.coordinator.submit(CAMPAIGN)["id"])
        self.until(campaign_id, lambda view: view["state"] != "queued", 60)
        time.sleep(rng.uniform(0, 4))
        inject(self.stack)
        if not self.until(campaign_id, lambda view: view["state"] in ENDED, ENDS_WITHIN_S):
            return [f"campaign {campaign_id} did not end"], time.monotonic() - begun_s
        found = violations(
            self.stack.state_dir / "showdown.sqlite", campaign_id, self.coordinator.report(campaign_id).telemetry
        )
        deadline = time.monotonic() + SETTLES_WITHIN_S
        while (left := list(Traces.now().more_than(before))) and time.monotonic() < deadline:
            self.stack.watch()
            time.sleep(0.5)
        return [*found, *(f"left in the kernel: {one}" for one in left)], time.monotonic() - begun_s


@contextmanager
def service() -> Iterator[Service]:
    """A private stack of one host."""
    directory = Path(tempfile.mkdtemp(prefix="showdown-faults-"))
    try:
        with PrivateStack(directory, own_environment()) as stack, Coordinator(stack.url, stack.token) as coordinator:
            yield Service(stack, coordinator)
    finally:
        cleanup.sweep(cleanup.REGISTER_DIR)
        shutil.rmtree(directory, ignore_errors=True)


def suffered(rounds: int, seed: int) -> dict[str, object]:
    """Every fault, in a new stack each round; returns the figures of the last line."""
    rng, wrong, tried, slowest_s = random.Random(seed), [], 0, 0.0
    for round_number in range(rounds):
        with service() as under_test:
            for name, inject in rng.sample(sorted(FAULTS.items()), len(FAULTS)):
                found, seconds = under_test.suffer(inject, rng)
                tried, slowest_s = tried + 1, max(slowest_s, seconds)
                print(
                    f"round {round_number + 1}, {name}: {'; '.join(found) or 'nothing lost'} ({seconds:.0f} s)",
                    flush=True,
                )
                wrong += [f"{name}: {one}" for one in found]
    return {"faults": tried, "violations": len(wrong), "slowest_s": round(slowest_s, 1), "seed": seed}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    options = parser.parse_args()
    found = suffered(options.rounds, options.seed)
    print(json.dumps(found))
    return int(bool(found["violations"]))


if __name__ == "__main__":
    sys.exit(main())
