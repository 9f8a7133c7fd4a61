"""The kernel settings of every namespace and device of a lab."""

from collections.abc import Mapping
from pathlib import Path

from workers.lab import netns

# Set before a device exists, because devices inherit ``default``. A new namespace may start with the host's values.
_EVERYWHERE = {
    "net/ipv4/conf/all/rp_filter": "0",
    "net/ipv4/conf/default/rp_filter": "0",
    "net/ipv4/conf/all/send_redirects": "0",
    "net/ipv4/ip_local_port_range": "1024 65535",
    "net/ipv4/tcp_tw_reuse": "1",
    "net/ipv4/tcp_max_syn_backlog": "65535",
    "net/core/somaxconn": "65535",
    # A slice must not start with path metrics that the kernel learned in an earlier one.
    "net/ipv4/tcp_no_metrics_save": "1",
}
_IPV6 = {
    "net/ipv6/conf/all/disable_ipv6": "0",
    "net/ipv6/conf/default/disable_ipv6": "0",
    # No addresses but those of the lab, and no link-local ones (IN6_ADDR_GEN_MODE_NONE).
    "net/ipv6/conf/default/addr_gen_mode": "1",
    "net/ipv6/conf/default/accept_ra": "0",
    "net/ipv6/conf/default/accept_dad": "0",
}
_IFF_UP, _IFF_NOARP, _IFF_MULTICAST = 0x1, 0x80, 0x1000
SILENT = {"flags": _IFF_UP | _IFF_NOARP, "change": _IFF_UP | _IFF_NOARP | _IFF_MULTICAST}
"""The flags with which a device comes up, so that it never sends packets by itself.

Without address resolution (IFF_NOARP) there is no duplicate address detection, no router solicitation, and no
solicited-node multicast group. Without multicast, a router does not join the group of all routers. So MLD sends no
reports.
"""

NUD_PERMANENT = 0x80
"""The state of every neighbour entry: an idle lab resolves no address (include/uapi/linux/neighbour.h)."""

NODAD: Mapping[int, Mapping[str, int]] = {4: {}, 6: {"flags": 0x02}}
"""IFA_F_NODAD by IP version: an IPv6 address is usable at once, and never tentative."""

_FORWARDING = {4: "net/ipv4/ip_forward", 6: "net/ipv6/conf/all/forwarding"}


def versions() -> tuple[int, ...]:
    """The IP versions that this kernel has."""
    return (4, 6) if Path("/proc/sys/net/ipv6").is_dir() else (4,)


def set_all() -> None:
    """Set them in the calling thread's namespace. Raises ``OSError`` if the kernel lacks one of them."""
    netns.write_sysctls(_EVERYWHERE)
    if 6 in versions():
        netns.write_sysctls(_IPV6)


def set_forwarding(*, on: bool) -> None:
    """Switch forwarding for both IP versions in the calling thread's namespace. Raises ``OSError``."""
    netns.write_sysctls({_FORWARDING[version]: str(int(on)) for version in versions()})
