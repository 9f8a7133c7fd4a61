"""What datapaths share in the device under test: closing the routed path, seeing what knocked there, local delivery."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from pyroute2 import IPRoute

from workers import netns
from workers.lab import Lab

MARK = 1  # of packets that the DUT delivers locally though they are addressed elsewhere
LOCAL_TABLE = 100

_ROUTED_PATH = "net/ipv4/ip_forward"


class ClosedPath:
    """The routed path of a DUT, shut. Every packet that would have taken it is dropped and counted by the kernel."""

    def __init__(self, snmp: int) -> None:
        self._snmp = snmp
        self._at_first = self._refused()

    def leaked_packets(self) -> int:
        """Packets that came to be routed, since the path was closed."""
        return self._refused() - self._at_first

    def _refused(self) -> int:
        return _ip_counter(os.pread(self._snmp, 65536, 0).decode(), "InAddrErrors")


@contextmanager
def closed_path(lab: Lab) -> Iterator[ClosedPath]:
    """Switch forwarding off in the DUT: what a datapath misses is dropped, and costs the honest path nothing.

    The kernel counts each such packet in ``Ip: InAddrErrors`` (net/ipv4/route.c, ip_error).
    """
    shut, open_again = ({_ROUTED_PATH: value} for value in "01")
    with ExitStack() as stack:
        snmp = netns.open_in(lab.dut_ns, "snmp")
        stack.callback(os.close, snmp)
        stack.callback(netns.call_in, lab.dut_ns, lambda: netns.write_sysctls(open_again))
        netns.call_in(lab.dut_ns, lambda: netns.write_sysctls(shut))
        yield ClosedPath(snmp)


@contextmanager
def local_delivery(lab: Lab) -> Iterator[None]:
    """Deliver packets that carry :data:`MARK` to the DUT's own sockets, whatever their address."""
    rule = {"fwmark": MARK, "table": LOCAL_TABLE, "priority": 100}
    # pyroute2 takes dst="default" for a unicast route only (EOPNOTSUPP).
    route = {"dst": "0.0.0.0/0", "oif": 1, "table": LOCAL_TABLE, "type": "local", "scope": 254}

    def change(command: str) -> None:
        with IPRoute() as ip:
            ip.rule(command, **rule)
            ip.route(command, **route)

    netns.call_in(lab.dut_ns, lambda: change("add"))
    try:
        yield
    finally:
        netns.call_in(lab.dut_ns, lambda: change("del"))


def _ip_counter(snmp: str, name: str) -> int:
    names, values = (line.split() for line in snmp.splitlines() if line.startswith("Ip:"))
    return int(values[names.index(name)])
