"""The settings of every namespace and device of a lab."""

from collections.abc import Mapping
from pathlib import Path

from workers.lab import netns

# Set before any device comes, which inherits ``default``; a new namespace may start with the host's own values.
_EVERYWHERE = {
    "net/ipv4/conf/all/rp_filter": "0",
    "net/ipv4/conf/default/rp_filter": "0",
    "net/ipv4/conf/all/send_redirects": "0",
    "net/ipv4/ip_local_port_range": "1024 65535",
    "net/ipv4/tcp_tw_reuse": "1",
    "net/ipv4/tcp_max_syn_backlog": "65535",
    "net/core/somaxconn": "65535",
    # A slice must not start from what an earlier one taught the kernel about the path.
    "net/ipv4/tcp_no_metrics_save": "1",
}
_IPV6 = {
    "net/ipv6/conf/all/disable_ipv6": "0",
    "net/ipv6/conf/default/disable_ipv6": "0",
    # No address but those that a lab is given, and no link-local one (IN6_ADDR_GEN_MODE_NONE).
    "net/ipv6/conf/default/addr_gen_mode": "1",
    "net/ipv6/conf/default/accept_ra": "0",
    "net/ipv6/conf/default/accept_dad": "0",
}
_IFF_UP, _IFF_NOARP, _IFF_MULTICAST = 0x1, 0x80, 0x1000
SILENT = {"flags": _IFF_UP | _IFF_NOARP, "change": _IFF_UP | _IFF_NOARP | _IFF_MULTICAST}
"""How a device comes up, so that it never says anything of itself.

Without address resolution there is no duplicate address detection and no router solicitation, and no multicast group of
an address's own is joined; without multicast, none of all routers, either. So MLD has nothing to report.
"""

NODAD: Mapping[int, Mapping[str, int]] = {4: {}, 6: {"flags": 0x02}}
"""IFA_F_NODAD by IP version: an IPv6 address is there at once, and not tentative."""

_FORWARDING = {4: "net/ipv4/ip_forward", 6: "net/ipv6/conf/all/forwarding"}


def versions() -> tuple[int, ...]:
    """The IP versions that this kernel has."""
    return (4, 6) if Path("/proc/sys/net/ipv6").is_dir() else (4,)


def set_all() -> None:
    """Set them in the calling thread's namespace. Raises ``OSError`` where the kernel has one not."""
    netns.write_sysctls(_EVERYWHERE)
    if 6 in versions():
        netns.write_sysctls(_IPV6)


def set_forwarding(*, on: bool) -> None:
    """Switch it for both IP versions in the calling thread's namespace. Raises ``OSError``."""
    netns.write_sysctls({_FORWARDING[version]: str(int(on)) for version in versions()})
