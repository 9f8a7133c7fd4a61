"""The established connections of a lab, as the kernel lists them in the clients' and the server's namespaces."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from workers.lab import netns
from workers.lab.addresses import packed
from workers.lab.lab import Lab

_ESTABLISHED = "01"  # TCP_ESTABLISHED of include/net/tcp_states.h, as printed in /proc/net/tcp


@dataclass(frozen=True)
class OpenConnections:
    """``of_clients``: the clients' ends as the kernel prints them; ``by_origin``: how many each origin has."""

    of_clients: frozenset[str]
    by_origin: Mapping[str, int]


def open_connections(lab: Lab) -> OpenConnections:
    """Those to the balanced port, of the lab's IP version. Takes some milliseconds. Raises ``OSError``."""
    asked, file = lab.client_endpoint.address, "tcp6" if lab.spec.ip_version == 6 else "tcp"
    ends = (end for one in lab.client_endpoints for end in _rows(_text(one.netns, file)))
    of_clients = frozenset(local for local, remote in ends if remote == printed(asked, lab.origin_port))
    known = {printed(address, lab.origin_port): address for address in lab.origin_addresses}
    at_server = (known[local] for local, _ in _rows(_text(lab.server_ns, file)) if local in known)
    return OpenConnections(of_clients, Counter(at_server))


def _text(place: str, file: str) -> str:
    return netns.call_in(place, Path("/proc/thread-self/net", file).read_text)


def _rows(text: str) -> Iterator[tuple[str, str]]:
    """The two ends of each established connection in the text of /proc/net/tcp or tcp6."""
    rows = (row.split(maxsplit=4) for row in text.splitlines()[1:])
    return ((local, remote) for _, local, remote, state, *_ in rows if state == _ESTABLISHED)


def printed(address: str, port: int) -> str:
    """As /proc/net/tcp prints an end: words of four bytes, in the order of little-endian machines, and the port."""
    octets = packed(address)
    words = (octets[at : at + 4][::-1].hex() for at in range(0, len(octets), 4))
    return f"{''.join(words).upper()}:{port:04X}"
