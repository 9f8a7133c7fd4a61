"""The addresses of a lab's blocklist, and those that an attack spoofs.

They lie in ranges that no network routes: class E (RFC 1112), and a network of the range for benchmarks (RFC 5180). No
two are next to each other, so that a list of intervals has as many entries as a list of addresses.
"""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address

import numpy as np
from numpy.typing import NDArray

from workers.lab.spec import LabSpec

NETWORKS = {4: "241.0.0.0/10", 6: "2001:2:0:ff00::/64"}
"""The network that all of them are in, by IP version. It has room for ``MAX_BLOCKLIST_ENTRIES``."""
STEP = 4
_FIRST = {4: int(IPv4Address("241.0.0.1")), 6: int(IPv6Address("2001:2:0:ff00::1"))}
WHOLE_NETWORK = 1_000_000
"""How many addresses an attack spoofs if there is no list."""


def address_at(version: int, number: int) -> str:
    """The entry with that number, from 0."""
    kind = IPv4Address if version == 4 else IPv6Address
    return str(kind(_FIRST[version] + STEP * number))


def entries(spec: LabSpec) -> Iterator[str]:
    """The addresses of the list, in ascending order."""
    return (address_at(spec.ip_version, number) for number in range(spec.blocklist_entries))


def packed_entries(spec: LabSpec) -> NDArray[np.uint8]:
    """The same in network order, one row for each."""
    first, size = _FIRST[spec.ip_version], 4 if spec.ip_version == 4 else 16
    rows = np.empty((spec.blocklist_entries, size), dtype=np.uint8)
    rows[:] = np.frombuffer(first.to_bytes(size, "big"), dtype=np.uint8)
    last = first % 2**32 + STEP * np.arange(spec.blocklist_entries, dtype=np.uint32)
    rows[:, size - 4 :] = last.astype(">u4").view(np.uint8).reshape(-1, 4)
    return rows


def one_more(spec: LabSpec) -> str:
    """An address that is not in the list, and that no attack spoofs: the one that is added and removed."""
    return str(ip_address(address_at(spec.ip_version, spec.blocklist_entries)) + 1)


def spoofed(spec: LabSpec) -> int:
    """How many addresses a flood or an attack spoofs; an attack those of the list, or as many without one."""
    return spec.flood_sources or spec.blocklist_entries or WHOLE_NETWORK
