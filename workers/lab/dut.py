"""What datapaths share in the DUT: closing the routed path, counting packets that reach it, local delivery."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from pyroute2 import IPRoute

from workers.lab import netns, sysctls
from workers.lab.lab import Lab
from workers.lab.proc_net import DevicePackets, device_packets, ip_counter, ipv6_counters

MARK = 1  # of packets that the DUT delivers locally although their destination is elsewhere
LOCAL_TABLE = 100
FULL_HOP_LIMIT = 64  # Linux's default for both IP versions

FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


class ClosedPath:
    """The closed routed path of a DUT. The kernel drops every packet on it, and ``refused`` counts them."""

    def __init__(self, refused: Callable[[], int]) -> None:
        self._refused, self._at_first = refused, refused()

    def leaked_packets(self) -> int:
        """Packets of both IP versions that reached the routed path since it was closed."""
        return self._refused() - self._at_first


@contextmanager
def closed_path(lab: Lab) -> Iterator[ClosedPath]:
    """Switch IP forwarding off in the DUT, so that the kernel drops packets that a datapath misses.

    This covers both IP versions, and adds no cost to the datapath. The kernel counts each such packet in
    ``InAddrErrors`` (net/ipv4/route.c, ip_error; net/ipv6/ip6_output.c, ip6_forward), and IPv6 packets without a route
    in ``InNoRoutes``.
    """
    with ExitStack() as stack:
        ipv4, ipv6 = ("snmp", "Ip:", "InAddrErrors"), ("Ip6InAddrErrors", "Ip6InNoRoutes")
        refused = stack.enter_context(_counted(lab.dut_ns, ipv4, *ipv6))
        stack.callback(netns.call_in, lab.dut_ns, lambda: sysctls.set_forwarding(on=True))
        netns.call_in(lab.dut_ns, lambda: sysctls.set_forwarding(on=False))
        yield ClosedPath(refused)


@contextmanager
def unroutable(lab: Lab) -> Iterator[ClosedPath]:
    """For datapaths that need forwarding: the kernel drops packets whose destination has no route.

    That is the virtual address, which no host has. The kernel counts each such packet in ``InNoRoutes`` and answers
    with ICMP.
    """
    with _counted(lab.dut_ns, ("netstat", "IpExt:", "InNoRoutes"), "Ip6InNoRoutes") as refused:
        yield ClosedPath(refused)


@contextmanager
def arrivals_at(place: str) -> Iterator[Callable[[], int]]:
    """Count the packets that the IP layer of a namespace receives from now on, without those from lo."""
    with ExitStack() as stack:
        everything = stack.enter_context(_counted(place, ("snmp", "Ip:", "InReceives"), "Ip6InReceives"))
        devices = netns.open_in(place, "dev")
        stack.callback(os.close, devices)

        def received() -> int:
            return everything() - device_packets(_text(devices))["lo"].received

        at_first = received()
        yield lambda: received() - at_first


@contextmanager
def misaddressed_at(place: str) -> Iterator[Callable[[], int]]:
    """Count the packets that a namespace without forwarding receives for addresses that it does not have."""
    with _counted(place, ("snmp", "Ip:", "InAddrErrors"), "Ip6InAddrErrors", "Ip6InNoRoutes") as refused:
        at_first = refused()
        yield lambda: refused() - at_first


@contextmanager
def own_segments(lab: Lab) -> Iterator[Callable[[], int]]:
    """Count the TCP segments that the DUT itself sends from now on, such as those of health checks."""
    with _counted(lab.dut_ns, ("snmp", "Tcp:", "OutSegs")) as sent:
        at_first = sent()
        yield lambda: sent() - at_first


@contextmanager
def one_hop(lab: Lab) -> Iterator[ClosedPath]:
    """Give the client's packets one hop to live, so that the DUT forwards none which its datapath does not prolong.

    For datapaths that pass packets on to the kernel's routing. The kernel counts each packet that it drops for this in
    ``InHdrErrors``, and answers it with ICMP. Several clients are behind a router, which is one hop more.
    """
    with ExitStack() as stack:
        header = ("snmp", "Ip:", "InHdrErrors")
        refused = stack.enter_context(_counted(lab.dut_ns, header, "Ip6InHdrErrors"))
        for client in lab.clients:
            stack.callback(netns.call_in, client.netns, lambda: _set_hop_limit(FULL_HOP_LIMIT))
            netns.call_in(client.netns, lambda: _set_hop_limit(min(2, len(lab.clients))))
        yield ClosedPath(refused)


def _set_hop_limit(hops: int) -> None:
    """Of all packets that the sockets of the calling thread's namespace send."""
    values = {"net/ipv4/ip_default_ttl": str(hops)}
    if 6 in sysctls.versions():
        devices = os.listdir("/proc/sys/net/ipv6/conf")
        values |= {f"net/ipv6/conf/{device}/hop_limit": str(hops) for device in devices}
    netns.write_sysctls(values)


@contextmanager
def lab_notes(lab: Lab, *notes: str) -> Iterator[None]:
    """Add notes to the lab's figures while the context lasts."""
    lab.notes += notes
    try:
        yield
    finally:
        lab.notes = [note for note in lab.notes if note not in notes]


@contextmanager
def early_demux(lab: Lab) -> Iterator[None]:
    """Look up a packet's socket before routing (tcp_early_demux). Hosts do so by default, labs do not."""
    on, off = ({"net/ipv4/tcp_early_demux": value} for value in "10")
    netns.call_in(lab.dut_ns, lambda: netns.write_sysctls(on))
    try:
        yield
    finally:
        netns.call_in(lab.dut_ns, lambda: netns.write_sysctls(off))


@contextmanager
def local_delivery(lab: Lab, *, devices: bool = False) -> Iterator[None]:
    """Deliver packets of the lab's IP version to the DUT's sockets, whatever their destination.

    Applies to packets with :data:`MARK`; with ``devices``, to all packets that arrive on either device.
    """
    keys: list[dict[str, object]] = [{"fwmark": MARK}]
    if devices:
        keys = [{"iifname": lab.devices[role]} for role in ("dut_client", "dut_server")]
    version = lab.spec.ip_version
    both = {"family": FAMILIES[version], "table": LOCAL_TABLE}
    rules = [{**key, **both, "priority": 100 + number} for number, key in enumerate(keys)]
    route = {**both, "dst": lab.addresses[version].everything, "oif": 1, "type": "local", "scope": 254}

    def change(command: str) -> None:
        with IPRoute() as ip:
            for rule in rules:
                ip.rule(command, **rule)
            ip.route(command, **route)

    netns.call_in(lab.dut_ns, lambda: change("add"))
    try:
        yield
    finally:
        netns.call_in(lab.dut_ns, lambda: change("del"))


class Devices:
    """The DUT's device statistics, which the kernel always counts."""

    def __init__(self, lab: Lab, fd: int) -> None:
        self._names, self._fd = lab.devices, fd
        self._at_first = self._rows()

    def received(self, role: str) -> int:
        """Packets that a device has received since this object was made. Raises ``OSError`` if it is gone."""
        now, before = self._both(role)
        return now.received - before.received

    def sent(self, role: str) -> int:
        """Packets that a device has sent since this object was made. Raises ``OSError`` if it is gone."""
        now, before = self._both(role)
        return now.sent - before.sent

    def _both(self, role: str) -> tuple[DevicePackets, DevicePackets]:
        try:
            name = self._names[role]
            return self._rows()[name], self._at_first[name]
        except KeyError as error:
            raise OSError(f"device {error} is gone") from error

    def _rows(self) -> dict[str, DevicePackets]:
        return device_packets(_text(self._fd))


@contextmanager
def devices_of(lab: Lab) -> Iterator[Devices]:
    """The DUT's device statistics, counted from now on."""
    fd = netns.open_in(lab.dut_ns, "dev")
    try:
        yield Devices(lab, fd)
    finally:
        os.close(fd)


@contextmanager
def _counted(place: str, ipv4: tuple[str, str, str], *ipv6: str) -> Iterator[Callable[[], int]]:
    """The sum of kernel counters in the namespace ``place``, over both IP versions.

    ``ipv4`` is a counter's file, line and column; ``ipv6`` are names in snmp6.
    """
    file, line, column = ipv4
    with ExitStack() as stack:
        statistics = netns.open_in(place, file)
        stack.callback(os.close, statistics)
        statistics6 = netns.open_in(place, "snmp6") if 6 in sysctls.versions() else None
        if statistics6 is not None:
            stack.callback(os.close, statistics6)

        def value() -> int:
            count = ip_counter(_text(statistics), line, column)
            if statistics6 is None:
                return count
            of_ipv6 = ipv6_counters(_text(statistics6))
            return count + sum(of_ipv6[name] for name in ipv6)

        yield value


def _text(fd: int) -> str:
    return os.pread(fd, 65536, 0).decode()
