"""The parts of an attached datapath, found from outside and removed, as by an operator's mistake.

No datapath is known by name: a part is a proxy, an nftables table that redirects packets, or an attached program.
"""

import json
import subprocess
from collections.abc import Callable, Mapping

from pyroute2 import IPRoute

from bpf import objects, sockmap
from workers.lab import netns
from workers.traits._rig import Rig

STEERING = frozenset(["tproxy", "redirect", "dnat", "snat", "masquerade", "fwd", "dup", "queue"])
"""nftables statements that redirect packets. A table without them only accepts or drops, and is not removed."""

_DUT_DEVICES = ("dut_client", "dut_server")


def parts_of(rig: Rig) -> Mapping[str, Callable[[], None]]:
    """Functions that remove a part, by the part's name in sentences; none if packets are just routed.

    Raises ``OSError``.
    """
    found: dict[str, Callable[[], None]] = {}
    if rig.proxies:
        found["the proxy"] = lambda: _kill_proxies(rig)
    if tables := _steering_tables(rig):
        found["the nftables rules"] = lambda: _delete(rig, tables)
    if rig.links:
        kinds = " and ".join(sorted({link.kind for link in rig.links}))
        found[f"the {kinds} programs"] = lambda: _detach_links(rig)
    if _xdp(rig):
        found["the XDP programs"] = lambda: _detach_xdp(rig)
    if _with_clsact(rig):
        found["the tc filters"] = lambda: _delete_clsact(rig)
    if [one for one in rig.maps if one.of_sockets and sockmap.has_programs(one.fd)]:
        found["the socket map's program"] = lambda: _strip_maps(rig)
    return found


def _kill_proxies(rig: Rig) -> None:
    for process in rig.proxies:
        process.kill()


def _detach_links(rig: Rig) -> None:
    for link in rig.links:
        objects.detach(link)


def _strip_maps(rig: Rig) -> None:
    for one in rig.maps:
        if one.of_sockets:
            sockmap.strip(one.fd)


def _steering_tables(rig: Rig) -> list[tuple[str, str]]:
    """(family, name) of each nftables table that steers."""
    try:
        listing = json.loads(netns.run_in(rig.lab.dut_ns, ["nft", "-j", "list", "ruleset"]))
    except FileNotFoundError:  # without nft no datapath can have rules
        return []
    except subprocess.SubprocessError as error:
        raise OSError(f"nft: {error}") from error
    rules = (item["rule"] for item in listing["nftables"] if "rule" in item)
    return sorted({(rule["family"], rule["table"]) for rule in rules if _steers(rule["expr"])})


def _steers(expressions: list[dict[str, object]]) -> bool:
    return any(STEERING & statement.keys() for statement in expressions)


def _delete(rig: Rig, tables: list[tuple[str, str]]) -> None:
    for family, name in tables:
        netns.run_in(rig.lab.dut_ns, ["nft", "delete", "table", family, name])


def _xdp(rig: Rig) -> dict[str, str]:
    """The XDP mode of each device of the DUT that runs XDP, as in ip(8): ``xdp`` or ``xdpgeneric``."""

    def look() -> dict[str, str]:
        found = {}
        with IPRoute() as ip:
            for role in _DUT_DEVICES:
                (link,) = ip.get_links(rig.lab.ifindex(role))
                xdp = link.get_attr("IFLA_XDP")
                if xdp and (mode := xdp.get_attr("IFLA_XDP_ATTACHED")):
                    found[rig.lab.devices[role]] = mode
        return found

    return netns.call_in(rig.lab.dut_ns, look)


def _detach_xdp(rig: Rig) -> None:
    for device, mode in _xdp(rig).items():
        netns.run_in(rig.lab.dut_ns, ["ip", "link", "set", "dev", device, mode, "off"])


def _with_clsact(rig: Rig) -> list[str]:
    def look() -> list[str]:
        with IPRoute() as ip:
            roles = {rig.lab.ifindex(role): role for role in _DUT_DEVICES}
            return [
                rig.lab.devices[roles[qdisc["index"]]]
                for qdisc in ip.get_qdiscs()
                if qdisc.get_attr("TCA_KIND") == "clsact" and qdisc["index"] in roles
            ]

    return netns.call_in(rig.lab.dut_ns, look)


def _delete_clsact(rig: Rig) -> None:
    for device in _with_clsact(rig):
        netns.run_in(rig.lab.dut_ns, ["tc", "qdisc", "del", "dev", device, "clsact"])
