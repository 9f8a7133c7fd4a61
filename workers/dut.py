"""What datapaths share in the device under test: closing the routed path, seeing what knocked there, local delivery."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from pyroute2 import IPRoute

from workers import netns
from workers.lab import Lab

MARK = 1  # of packets that the DUT delivers locally though they are addressed elsewhere
LOCAL_TABLE = 100

_ROUTED_PATH = "net/ipv4/ip_forward"


class ClosedPath:
    """The routed path of a DUT, shut. Every packet that would have taken it is dropped and counted by the kernel.

    It counts them in ``counter``, a pair of a line's name and a column's of the open file ``statistics``.
    """

    def __init__(self, statistics: int, counter: tuple[str, str]) -> None:
        self._statistics, self._counter = statistics, counter
        self._at_first = self._refused()

    def leaked_packets(self) -> int:
        """Packets that came to be routed, since the path was closed."""
        return self._refused() - self._at_first

    def _refused(self) -> int:
        return _counter(os.pread(self._statistics, 65536, 0).decode(), *self._counter)


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
        yield ClosedPath(snmp, ("Ip:", "InAddrErrors"))


@contextmanager
def unroutable(lab: Lab) -> Iterator[ClosedPath]:
    """Where forwarding must stay on: what has nobody's address as its destination finds no route, and is dropped.

    The kernel counts each such packet in ``IpExt: InNoRoutes`` and answers with ICMP.
    """
    netstat = netns.open_in(lab.dut_ns, "netstat")
    try:
        yield ClosedPath(netstat, ("IpExt:", "InNoRoutes"))
    finally:
        os.close(netstat)


@contextmanager
def arrivals_at(place: str) -> Iterator[Callable[[], int]]:
    """How many packets the IP layer of a namespace has received from elsewhere, from now on."""
    with ExitStack() as stack:
        snmp, devices = (netns.open_in(place, file) for file in ("snmp", "dev"))
        stack.callback(os.close, snmp)
        stack.callback(os.close, devices)

        def received() -> int:
            everything = _counter(os.pread(snmp, 65536, 0).decode(), "Ip:", "InReceives")
            return everything - _device_rows(devices)["lo"][1]

        at_first = received()
        yield lambda: received() - at_first


@contextmanager
def noted(lab: Lab, *notes: str) -> Iterator[None]:
    """Tell readers of the lab's figures, for as long as the context lasts."""
    lab.notes += notes
    try:
        yield
    finally:
        lab.notes = [note for note in lab.notes if note not in notes]


@contextmanager
def early_demux(lab: Lab) -> Iterator[None]:
    """Look for a packet's socket before routing, as hosts do by default; labs have it off for all alike."""
    on, off = ({"net/ipv4/tcp_early_demux": value} for value in "10")
    netns.call_in(lab.dut_ns, lambda: netns.write_sysctls(on))
    try:
        yield
    finally:
        netns.call_in(lab.dut_ns, lambda: netns.write_sysctls(off))


@contextmanager
def local_delivery(lab: Lab, *, devices: bool = False) -> Iterator[None]:
    """Deliver packets to the DUT's own sockets, whatever their address.

    Those that carry :data:`MARK`; with ``devices``, all that come in by either device, and no mark is needed.
    """
    keys: list[dict[str, object]] = [{"fwmark": MARK}]
    if devices:
        keys = [{"iifname": lab.devices[role]} for role in ("dut_client", "dut_server")]
    rules = [{**key, "table": LOCAL_TABLE, "priority": 100 + number} for number, key in enumerate(keys)]
    # pyroute2 takes dst="default" for a unicast route only (EOPNOTSUPP).
    route = {"dst": "0.0.0.0/0", "oif": 1, "table": LOCAL_TABLE, "type": "local", "scope": 254}

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
    """The DUT's device statistics, which the kernel keeps in any case."""

    def __init__(self, lab: Lab, fd: int) -> None:
        self._names, self._fd = lab.devices, fd
        self._at_first = self._rows()

    def received(self, role: str) -> int:
        """Packets that came in by a device since this was made. Raises ``OSError`` when it is gone."""
        return self._grown(role, 1)

    def sent(self, role: str) -> int:
        """Packets that left by it, likewise."""
        return self._grown(role, 9)

    def _grown(self, role: str, column: int) -> int:
        try:
            name = self._names[role]
            return self._rows()[name][column] - self._at_first[name][column]
        except KeyError as error:
            raise OSError(f"device {error} is gone") from error

    def _rows(self) -> dict[str, list[int]]:
        return _device_rows(self._fd)


@contextmanager
def devices_of(lab: Lab) -> Iterator[Devices]:
    """Count from now on."""
    fd = netns.open_in(lab.dut_ns, "dev")
    try:
        yield Devices(lab, fd)
    finally:
        os.close(fd)


def _counter(statistics: str, line: str, name: str) -> int:
    names, values = (found.split() for found in statistics.splitlines() if found.startswith(line))
    return int(values[names.index(name)])


def _device_rows(fd: int) -> dict[str, list[int]]:
    rows = {}
    for line in os.pread(fd, 65536, 0).decode().splitlines()[2:]:
        name, _, numbers = line.partition(":")
        # /proc/net/dev: eight receive columns (bytes, packets, …), then the same for transmit.
        rows[name.strip()] = [int(number) for number in numbers.split()]
    return rows
