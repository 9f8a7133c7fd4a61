"""The kernel settings of every namespace and device of a lab."""

import os
from collections.abc import Mapping
from pathlib import Path

from workers.lab import netns
from workers.lab.sysctl_values import known

# A lab cannot do without these.
_EVERYWHERE = {
    "net/ipv4/ip_local_port_range": "1024 65535",
    "net/ipv4/tcp_tw_reuse": "1",
    "net/ipv4/tcp_max_syn_backlog": "65535",
    "net/core/somaxconn": "65535",
    # A slice must not start with path metrics that the kernel learned in an earlier one.
    "net/ipv4/tcp_no_metrics_save": "1",
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
    """Set them in the calling thread's namespace, and read them back.

    Call it before a device exists, because devices inherit ``default``. Raises ``OSError`` if a value is not kept.
    """
    netns.write_sysctls(_EVERYWHERE)
    for version in versions():
        set_known(known(version))


def set_known(values: Mapping[str, str]) -> None:
    """Set the values that this kernel has, in the calling thread's namespace. Raises ``OSError`` if one is not kept."""
    written = [key for key, value in values.items() if _differs(key, value) and _write(key, value)]
    if lost := [key for key in written if _differs(key, values[key])]:
        raise OSError(f"the kernel does not keep {lost[0].replace('/', '.')} = {values[lost[0]]}")


def set_forwarding(*, on: bool) -> None:
    """Switch forwarding for both IP versions in the calling thread's namespace. Raises ``OSError``."""
    netns.write_sysctls({_FORWARDING[version]: str(int(on)) for version in versions()})


def _differs(key: str, wanted: str) -> bool:
    """Whether a setting has another value; false if this kernel has no such setting."""
    try:
        fd = os.open(f"/proc/sys/{key}", os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        found = os.read(fd, 4096).decode("ascii", "replace").strip()
    finally:
        os.close(fd)
    # A mask of many CPUs is written as 00000000,00000000.
    return found != wanted and not (wanted == "0" and set(found) <= {"0", ","})


def _write(key: str, value: str) -> bool:
    netns.write_sysctls({key: value})
    return True
