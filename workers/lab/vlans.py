"""VLANs: with the condition ``vlan``, the devices of a lab are VLAN devices on its veths, at both ends of each link.

Addresses, routes, rules and programs are on the VLAN devices. A frame without the tag reaches none of them, as the
veths have no address. Offloads are those of the veths: a VLAN device takes them over, and refuses to set some.
"""

from typing import Any

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from workers.lab import sysctls
from workers.lab.spec import LabSpec

VLAN_ID = 93
"""The same on both links. Any will do, as nothing else uses the veths."""


def add(ip: IPRoute, device: str, mac: str, spec: LabSpec) -> None:
    """Put a VLAN device on its veth, in the calling thread's namespace. Raises ``OSError`` or ``NetlinkError``."""
    index = ip.link_lookup(ifname=spec.wire(device))[0]
    ip.link("set", index=index, **sysctls.SILENT, **spec.link_settings)
    try:
        ip.link("add", ifname=device, kind="vlan", link=index, vlan_id=VLAN_ID, address=mac)
    except NetlinkError as error:
        raise OSError(f"no VLAN device ({error.args[-1]}): this kernel may lack 802.1Q, its module 8021q") from error


def tag_of(link: Any) -> int | None:
    """The VLAN of a device as rtnetlink describes it; ``None`` if it is no VLAN device."""
    info = link.get_attr("IFLA_LINKINFO")
    if info is None or info.get_attr("IFLA_INFO_KIND") != "vlan":
        return None
    return int(info.get_attr("IFLA_INFO_DATA").get_attr("IFLA_VLAN_ID"))
