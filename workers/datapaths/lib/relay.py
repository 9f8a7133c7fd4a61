"""Runs the relay of connections or that of datagrams in the DUT. Both keep the client's address, as HAProxy does.

The relay moves bytes with splice(2). If it is given socket maps, it hands its connections to the kernel and moves no
bytes itself. A relay of datagrams runs beside a proxy of connections (:func:`beside`).
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic

from workers.datapaths.lib.proxied import LISTEN_PORT, P, ProxyError, threads
from workers.lab import limits
from workers.lab.addresses import endpoint
from workers.lab.lab import Lab, LabError
from workers.lab.process import Process
from workers.relay import program
from workers.relay.stats_page import SERVING, Counters, StatsPage

START_TIMEOUT_S = 5.0
MAX_CONNECTIONS = 10_000
BACKLOG = 65_535
FDS_PER_CONNECTION = 6  # two sockets, and a pipe (two descriptors) per direction while both hold bytes
FDS_PER_FLOW = 2
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


@dataclass(frozen=True)
class Both(Generic[P]):
    """A proxy of connections, and beside it a relay of datagrams."""

    tcp: P
    udp: Relay

    def connections_and_bytes(self) -> tuple[int, int]:
        """Of both; a flow of datagrams is a connection. Raises ``ProxyError`` if one of them has exited."""
        connections, sent = self.tcp.connections_and_bytes()
        flows, sent_as_datagrams = self.udp.connections_and_bytes()
        return connections + flows, sent + sent_as_datagrams

    def dropped(self) -> int:
        """Datagrams that the relay dropped. Raises ``ProxyError``."""
        counters = self.udp.counters()
        return counters.held_back + counters.lost_datagrams


@contextmanager
def beside(proxy: AbstractContextManager[P], lab: Lab) -> Iterator[Both[P]]:
    """Run a proxy of connections, and a relay of datagrams beside it. Raises :class:`ProxyError`."""
    with proxy as tcp, running_udp(lab) as udp:
        yield Both(tcp, udp)


@contextmanager
def running(lab: Lab, maps: SocketMaps | None = None) -> Iterator[Relay]:
    """Run the relay in the lab's DUT. It listens when the block starts, and is stopped at its end.

    Raises :class:`ProxyError` if the relay does not start, and leaves nothing behind.
    """
    options = ["--backlog", str(BACKLOG), "--connections", str(_most(FDS_PER_CONNECTION))]
    if maps:
        options += ["--targets-fd", str(maps.targets), "--verdict-fd", str(maps.verdict)]
    with _running(lab, "relay.stats", options, (maps.targets, maps.verdict) if maps else ()) as relay:
        yield relay


@contextmanager
def running_udp(lab: Lab) -> Iterator[Relay]:
    """The same for a relay of datagrams, which is another process."""
    with _running(lab, "udp-relay.stats", ["--udp", "--connections", str(_most(FDS_PER_FLOW))]) as relay:
        yield relay


@contextmanager
def _running(lab: Lab, page: str, options: Sequence[str], fds: Sequence[int] = ()) -> Iterator[Relay]:
    path = lab.run_dir / page
    path.unlink(missing_ok=True)  # the page of an earlier relay may say that it serves
    argv = [
        *(str(program.PATH), "--transparent", "--stats-page", str(path)),
        *("--listen", endpoint(_ANY_ADDRESS[lab.spec.ip_version], LISTEN_PORT)),
        *("--threads", str(threads(lab)), *options),
    ]
    try:
        process = lab.spawn("dut", argv, task_role="proxy", fds=fds)
    except LabError as error:
        raise ProxyError(str(error)) from error
    with ExitStack() as stack:
        stack.callback(lab.stop, process)
        relay = Relay(process, _stats_page_once_serving(process, path))
        stack.callback(relay.stats_page.close)
        yield relay


def _stats_page_once_serving(process: Process, path: Path) -> StatsPage:
    deadline = time.monotonic() + START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            page = StatsPage(path)
        except (OSError, ValueError):  # the file does not exist yet, or has no header yet
            time.sleep(0.002)
            continue
        if page.state == SERVING:
            return page
        page.close()
        time.sleep(0.001)
    raise ProxyError(f"showdown-relay did not start: {process.output().strip() or 'no message'}")


def _most(fds_each: int) -> int:
    """Connections or flows: the same limit as HAProxy's, or what the limit of open files allows."""
    return (limits.open_files(fds_each * MAX_CONNECTIONS + SPARE_FDS) - SPARE_FDS) // fds_each
