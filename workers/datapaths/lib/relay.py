"""Runs the relay in the DUT. It keeps the client's address, as HAProxy does in the datapath tproxy.

The relay moves bytes with splice(2). If it is given socket maps, it hands its connections to the kernel and moves no
bytes itself.
"""

import resource
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from workers.datapaths.lib.proxied import LISTEN_PORT, ProxyError
from workers.lab import cpus
from workers.lab.addresses import endpoint
from workers.lab.lab import Lab, LabError
from workers.lab.process import Process
from workers.relay import program
from workers.relay.stats_page import SERVING, Counters, StatsPage

START_TIMEOUT_S = 5.0
MAX_CONNECTIONS = 10_000
BACKLOG = 65_535
FDS_PER_CONNECTION = 6  # two sockets, and a pipe (two descriptors) per direction while both hold bytes
SPARE_FDS = 400
_ANY_ADDRESS = {4: "0.0.0.0", 6: "::"}  # noqa: S104  # in the lab's namespace


@dataclass(frozen=True)
class SocketMaps:
    """File descriptors of the two socket maps that the relay fills; src/kernel.h describes their use."""

    targets: int
    verdict: int


@dataclass(frozen=True)
class Relay:
    """A running relay."""

    process: Process
    stats_page: StatsPage

    def counters(self) -> Counters:
        """The relay's counters. Raises :class:`ProxyError` if the relay has exited."""
        if self.process.poll() is not None:
            detail = self.process.output().strip()[-300:]
            raise ProxyError(f"showdown-relay exited with status {self.process.returncode}: {detail or 'no message'}")
        return self.stats_page.counters()

    def connections_and_bytes(self) -> tuple[int, int]:
        """Connections accepted from clients, and bytes that the relay itself sent to them. Raises ``ProxyError``."""
        counters = self.counters()
        return counters.accepted, counters.bytes_to_client


@contextmanager
def running(lab: Lab, maps: SocketMaps | None = None) -> Iterator[Relay]:
    """Run the relay in the lab's DUT. It listens when the block starts, and is stopped at its end.

    Raises :class:`ProxyError` if the relay does not start, and leaves nothing behind.
    """
    path = lab.run_dir / "relay.stats"
    path.unlink(missing_ok=True)  # the page of an earlier relay may say that it serves
    argv = [
        *(str(program.PATH), "--transparent", "--stats-page", str(path)),
        *("--listen", endpoint(_ANY_ADDRESS[lab.spec.ip_version], LISTEN_PORT), "--backlog", str(BACKLOG)),
        *("--threads", str(len(cpus.placement().dut)), "--connections", str(_connections())),
    ]
    if maps:
        argv += ["--targets-fd", str(maps.targets), "--verdict-fd", str(maps.verdict)]
    try:
        process = lab.spawn("dut", argv, task_role="proxy", fds=(maps.targets, maps.verdict) if maps else ())
    except LabError as error:
        raise ProxyError(str(error)) from error
    with ExitStack() as stack:
        stack.callback(lab.stop, process)
        relay = Relay(process, _stats_page_once_serving(process, lab))
        stack.callback(relay.stats_page.close)
        yield relay


def _stats_page_once_serving(process: Process, lab: Lab) -> StatsPage:
    deadline = time.monotonic() + START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            page = StatsPage(lab.run_dir / "relay.stats")
        except (OSError, ValueError):  # the file does not exist yet, or has no header yet
            time.sleep(0.002)
            continue
        if page.state == SERVING:
            return page
        page.close()
        time.sleep(0.001)
    raise ProxyError(f"showdown-relay did not start: {process.output().strip() or 'no message'}")


def _connections() -> int:
    """The same limit as HAProxy's, or what the limit of open files allows."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return min(MAX_CONNECTIONS, (hard - SPARE_FDS) // FDS_PER_CONNECTION)
