"""A flood of SYNs: what the kernel counts of handshakes meanwhile.

The attack's sender sends it (workers/lab/attack.py), each SYN from another pair of address and port. No address of it
answers, so each SYN that a server queues stays in its queue until it expires.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from domain.trials.evidence import Handshakes
from workers.lab import netns
from workers.lab.lab import Lab
from workers.lab.proc_net import ip_counter

_OF_CLIENT = {"resent": "TCPSynRetrans"}
_OF_SERVER = {
    "dropped": "ListenDrops",
    "repeated": "TCPSynRetrans",
    "cookies_sent": "SyncookiesSent",
    "cookies_accepted": "SyncookiesRecv",
    "cookies_refused": "SyncookiesFailed",
}


@contextmanager
def tcp_statistics(place: str) -> Iterator[Callable[[str], int]]:
    """Counters of TCP in a namespace, of both IP versions, by their names in TcpExt."""
    statistics = netns.open_in(place, "netstat")
    try:
        yield lambda name: ip_counter(os.pread(statistics, 65536, 0).decode(), "TcpExt:", name)
    finally:
        os.close(statistics)


@contextmanager
def handshakes_of(lab: Lab) -> Iterator[Callable[[], Handshakes]]:
    """What the kernel counts in the namespaces of client and server from now on.

    Only the lab's own clients have sockets in the client's namespace, so all SYNs that are sent again there are theirs.
    """
    with ExitStack() as stack:
        client = stack.enter_context(tcp_statistics(lab.client_ns))
        server = stack.enter_context(tcp_statistics(lab.server_ns))

        def read() -> Handshakes:
            of_client = {field: client(name) for field, name in _OF_CLIENT.items()}
            return Handshakes(**of_client, **{field: server(name) for field, name in _OF_SERVER.items()})

        at_first = read()
        yield lambda: read().minus(at_first)
