"""The specification of a lab."""

import hashlib
import re
from dataclasses import dataclass

from domain.loads.condition_terms import most
from domain.loads.load import MAX_CLIENTS
from domain.values.bounds import MAX_ORIGINS, MAX_TRIALS
from workers.lab.addresses import ORIGINS, VERSIONS, Addresses
from workers.lab.cleanup import TAG
from workers.lab.health import HealthCheck

MAX_POSITION = MAX_TRIALS - 1  # a block has a lab for each of its datapaths; addresses and names take 99
MAX_SOURCES = 128  # of the generator's target
FLOOD_SOURCES = 20
"""How many addresses a flood comes from: few, so that each sends more than a client, and accounting can find it."""
MAX_BLOCKLIST_ENTRIES = most("blocklist")

_LABEL = re.compile(r"^[a-z][a-z0-9_]{0,31}(#[2-9])?$")


@dataclass(frozen=True)
class LabSpec:
    """A lab to build. Each block attempt has its ``tag`` (six of 0-9a-z), and each lab in it its ``position``.

    With several ``clients``, the client's namespace is their router, and each client has a namespace behind it.
    A single client may have several ``sources``: addresses that its connections come from, in turn.
    ``disabled_offloads`` (workers/lab/offloads.py) are off on every device of the lab. Its traffic uses
    ``ip_version``, 4 or 6. ``client_rate_mbit`` is what a datapath that shapes must allow each client address.
    A datapath that filters has a list of ``blocklist_entries`` (workers/lab/blocklist.py).
    Beside its traffic may be a flood of ``syn_flood_per_s``.
    ``mtu``, ``gro`` and ``proxy_threads`` are those of a condition; without them the kernel's, off, and one per CPU.
    ``proxy_cpus``: a proxy runs on the first so many CPUs of the DUT. ``origins`` are behind the virtual address.
    ``health``: how balancers check their origins, if an origin dies amid the traffic.
    With ``vlan`` the devices between client, DUT and server are VLAN devices (workers/lab/vlans.py).
    """

    tag: str
    label: str
    position: int
    campaign_id: str = ""
    block_id: str = ""
    clients: int = 1
    disabled_offloads: frozenset[str] = frozenset()
    ip_version: int = 4
    sources: int = 1
    client_rate_mbit: int | None = None
    blocklist_entries: int = 0
    syn_flood_per_s: int = 0
    mtu: int | None = None
    gro: bool = False
    proxy_threads: int | None = None
    proxy_cpus: int | None = None
    origins: int = ORIGINS
    health: HealthCheck | None = None
    vlan: bool = False

    def __post_init__(self) -> None:
        if not TAG.match(self.tag):
            raise ValueError(f"tag {self.tag!r}: must be six of 0-9 and a-z")
        if not _LABEL.match(self.label):
            raise ValueError(f"label {self.label!r}: not a datapath's label")
        if not 0 <= self.position <= MAX_POSITION:
            raise ValueError(f"position {self.position}: must be 0 to {MAX_POSITION}")
        if not 1 <= self.clients <= MAX_CLIENTS:
            raise ValueError(f"clients {self.clients}: must be 1 to {MAX_CLIENTS}")
        if not 1 <= self.sources <= MAX_SOURCES:
            raise ValueError(f"sources {self.sources}: must be 1 to {MAX_SOURCES}")
        if self.sources > 1 and self.clients > 1:
            raise ValueError(
                f"{self.sources} addresses of {self.clients} clients: use several clients, or one with many"
            )
        if not 0 <= self.blocklist_entries <= MAX_BLOCKLIST_ENTRIES:
            raise ValueError(f"blocklist_entries {self.blocklist_entries}: must be 0 to {MAX_BLOCKLIST_ENTRIES}")
        if not 1 <= self.origins <= MAX_ORIGINS:
            raise ValueError(f"origins {self.origins}: must be 1 to {MAX_ORIGINS}")
        if self.ip_version not in (4, 6):
            raise ValueError(f"ip_version {self.ip_version}: must be 4 or 6")

    @property
    def addresses(self) -> dict[int, Addresses]:
        """Those of both IP versions, by version."""
        counts = (self.clients, self.sources, self.origins)
        return {version: Addresses(version, self.position, *counts) for version in VERSIONS}

    @property
    def flood_sources(self) -> int:
        """How many addresses a flood of SYNs comes from; 0 without one."""
        return FLOOD_SOURCES if self.syn_flood_per_s else 0

    @property
    def changed_offloads(self) -> dict[str, bool]:
        """The offloads that differ from a lab's defaults."""
        return ({"gro": True} if self.gro else {}) | dict.fromkeys(self.disabled_offloads, False)

    def wire(self, device: str) -> str:
        """The name of the veth that carries a device; without VLANs it is that device."""
        return f"{device}w" if self.vlan else device

    @property
    def link_settings(self) -> dict[str, int]:
        """What netlink sets on every device besides."""
        return {"mtu": self.mtu} if self.mtu else {}


def lab_tag(block_id: str, attempt: int) -> str:
    """Six characters for device names: a BLAKE2 hash of the attempt."""
    return hashlib.blake2s(f"{block_id}/{attempt}".encode(), digest_size=3).hexdigest()
