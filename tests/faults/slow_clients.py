"""Slow clients beside a running campaign: 500 idle connections, 8 dribbled heads, 8 dribbled bodies. Root.

    .venv/bin/python -m tests.faults.slow_clients --seconds 300

The last line is one JSON object. The exit status is 0 if health checks and campaigns did not notice: p99 up to 200 ms,
no failed check, every campaign complete, and no block lost its worker.
"""

import argparse
import json
import socket
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from deploy.cli.rest.client import ENDED, Coordinator
from deploy.stack.stack import PrivateStack
from tests.orderly import ends_in_order
from tests.servers import own_environment

IDLE, DRIBBLERS = 500, 8
LIMIT_MS = 200.0
CHECK_EACH_S = 0.1
HEAD = b"POST /sign-in HTTP/1.1\r\nHost: x\r\nX-"
BODY = (
    b"POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    b"Content-Length: 1000\r\n\r\na="
)
CAMPAIGN = """
name = "beside-slow-clients"
datapaths = ["direct", "tproxy"]
blocks = 2
slices = 4
slice_s = 0.3
[levels]
low = "closed(8)"
"""


@dataclass
class SlowClients:
    """A thread that keeps connections open; what the server closes is opened again."""

    address: tuple[str, int]
    stop: threading.Event = field(default_factory=threading.Event)
    opened: int = 0

    def run(self) -> None:
        kinds = [b""] * IDLE + [HEAD] * DRIBBLERS + [BODY] * DRIBBLERS
        sockets: list[socket.socket | None] = [None] * len(kinds)
        while not self.stop.wait(1.0):
            for index, begun in enumerate(kinds):
                sockets[index] = self._kept(sockets[index], begun)
        for one in sockets:
            if one is not None:
                one.close()

    def _kept(self, one: socket.socket | None, begun: bytes) -> socket.socket | None:
        """The connection after one more byte, or a new one if the server closed it."""
        try:
            if one is None:
                self.opened += 1
                one = socket.create_connection(self.address, 5)
                one.sendall(begun)
                one.setblocking(False)
                return one
            if begun:
                one.send(b"x")
            one.recv(4096)  # an answer or the end; BlockingIOError while the connection lives
        except BlockingIOError:
            return one
        except OSError:
            pass
        if one is not None:
            one.close()
        return None


@dataclass
class Checks:
    """Health checks on new connections, ten a second."""

    url: str
    stop: threading.Event
    times_ms: list[float] = field(default_factory=list)
    failed: int = 0

    def run(self) -> None:
        # One client, as making one takes longer than an answer; but a new connection for each check.
        with httpx.Client(timeout=5, trust_env=False, headers={"Connection": "close"}) as client:
            while not self.stop.wait(CHECK_EACH_S):
                began = time.monotonic()
                try:
                    self.failed += client.get(f"{self.url}/healthz").status_code != 200
                except httpx.HTTPError:
                    self.failed += 1
                self.times_ms.append(1000 * (time.monotonic() - began))

    def p99_ms(self) -> float:
        return sorted(self.times_ms)[int(0.99 * len(self.times_ms))] if self.times_ms else float("inf")


def campaigns(coordinator: Coordinator, stack: PrivateStack, until: float) -> list[tuple[str, bool]]:
    """Run campaigns one after another; returns each one's state, and whether a block lost its worker."""
    found = []
    while time.monotonic() < until:
        campaign_id = str(coordinator.submit(CAMPAIGN)["id"])
        while (state := coordinator.campaign(campaign_id)["state"]) not in ENDED:
            stack.watch()
            time.sleep(0.5)
        found.append((state, "stopped reporting" in coordinator.report(campaign_id).model_dump_json()))
    return found


def measured(directory: Path, seconds: float) -> dict[str, object]:
    with PrivateStack(directory, own_environment()) as stack, Coordinator(stack.url, stack.token) as coordinator:
        slow = SlowClients(("127.0.0.1", int(stack.url.rpartition(":")[2])))
        checks = Checks(stack.url, slow.stop)
        threads = [threading.Thread(target=one.run) for one in (slow, checks)]
        for thread in threads:
            thread.start()
        try:
            ended = campaigns(coordinator, stack, time.monotonic() + seconds)
        finally:
            slow.stop.set()
            for thread in threads:
                thread.join()
        return {
            "seconds": seconds,
            "connections": slow.opened,
            "checks": len(checks.times_ms),
            "failed": checks.failed,
            "p99_ms": round(checks.p99_ms(), 1),
            "campaigns": len(ended),
            "incomplete": sum(state != "complete" for state, _ in ended),
            "lost": sum(lost for _, lost in ended),
            "restarts": sum(stack.restarts.values()),
        }


def judged(directory: Path, seconds: float) -> dict[str, object]:
    """The figures, and whether all is well: ``ok``."""
    found = measured(directory, seconds)
    faults = ("failed", "incomplete", "lost", "restarts")
    ok = float(str(found["p99_ms"])) <= LIMIT_MS and not any(found[name] for name in faults)
    return {**found, "ok": ok}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0)
    with tempfile.TemporaryDirectory(prefix="showdown-slow-", ignore_cleanup_errors=True) as directory:
        found = judged(Path(directory), parser.parse_args().seconds)
    print(json.dumps(found))
    return 0 if found["ok"] else 1


if __name__ == "__main__":
    ends_in_order()
    sys.exit(main())
