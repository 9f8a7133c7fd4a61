"""The project's own relay in the DUT: transparent like HAProxy behind TPROXY, but it splices.

It connects to the origin with the client's address, and moves bytes by splice(2). With socket maps it adds its
connections to them, so that the kernel moves the bytes and the relay none.
"""

import os
import resource
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from workers.datapaths.lib.proxied import LISTEN_PORT, ProxyError
from workers.lab.addresses import endpoint
from workers.lab.lab import Lab, LabError
from workers.lab.process import Process
from workers.relay import program
from workers.relay.page import SERVING, Page, Tally

START_TIMEOUT_S = 5.0
MAX_CONNECTIONS = 10_000
BACKLOG = 65_535
FDS_PER_CONNECTION = 6  # two sockets, and a pipe each way while both are full
SPARE_FDS = 400
_EVERYBODY = {4: "0.0.0.0", 6: "::"}  # noqa: S104  # in the lab's namespace


@dataclass(frozen=True)
class SocketMaps:
    """File descriptors of the two socket maps that the relay fills (workers/relay/src/kernel.c)."""

    targets: int
    verdict: int


@dataclass(frozen=True)
class Relay:
    """A running relay."""

    process: Process
    page: Page

    def tally(self) -> Tally:
        """Its counters. Raises :class:`ProxyError` when it has ended."""
        if self.process.poll() is not None:
            detail = self.process.output().strip()[-300:]
            raise ProxyError(f"showdown-relay ended with status {self.process.returncode}: {detail or 'no message'}")
        return self.page.tally()

    def connections_and_bytes(self) -> tuple[int, int]:
        """Connections accepted from clients, and bytes that it sent to them itself. Raises :class:`ProxyError`."""
        tally = self.tally()
        return tally.accepted, tally.bytes_to_client


@contextmanager
def running(lab: Lab, maps: SocketMaps | None = None) -> Iterator[Relay]:
    """Run the relay in the lab's DUT from listening to stopped. Raises :class:`ProxyError` with nothing left."""
    path = lab.run_dir / "relay.page"
    path.unlink(missing_ok=True)  # an earlier relay's page would look ready
    argv = [
        *(
            str(program.PATH),
            "--listen",
            endpoint(_EVERYBODY[lab.spec.ip_version], LISTEN_PORT),
            "--transparent",
            "--page",
            str(path),
        ),
        *("--threads", str(len(os.sched_getaffinity(0))), "--connections", str(_connections())),
        *("--backlog", str(BACKLOG)),
    ]
    if maps:
        argv += ["--targets-fd", str(maps.targets), "--verdict-fd", str(maps.verdict)]
    try:
        process = lab.spawn("dut", argv, task_role="proxy", fds=(maps.targets, maps.verdict) if maps else ())
    except LabError as error:
        raise ProxyError(str(error)) from error
    with ExitStack() as stack:
        stack.callback(lab.stop, process)
        relay = Relay(process, _page_once_serving(process, lab))
        stack.callback(relay.page.close)
        yield relay


def _page_once_serving(process: Process, lab: Lab) -> Page:
    deadline = time.monotonic() + START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            page = Page(lab.run_dir / "relay.page")
        except (OSError, ValueError):  # not there yet, or not yet written
            time.sleep(0.002)
            continue
        if page.state == SERVING:
            return page
        page.close()
        time.sleep(0.001)
    raise ProxyError(f"showdown-relay did not start: {process.output().strip() or 'no message'}")


def _connections() -> int:
    """As many as HAProxy may have, or as many as the limit of open files allows."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return min(MAX_CONNECTIONS, (hard - SPARE_FDS) // FDS_PER_CONNECTION)
