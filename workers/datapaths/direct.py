"""Routed through the DUT with nothing in its way: the limit that every other datapath is a share of."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from domain.jobs import HostCapabilities
from domain.trial import Counters
from workers import netns
from workers.datapaths.base import Attachment, Datapath, DatapathError
from workers.lab import Lab


class Direct(Datapath):
    """The kernel forwards between the DUT's two devices."""

    name = "direct"
    function = "forward"
    summary = "Routed by the kernel, no interception: the limit."
    protocols = frozenset({"tcp", "udp"})

    def missing(self, capabilities: HostCapabilities) -> list[str]:
        """See the contract."""
        return capabilities.lacking("root", "netns", "veth")

    def attached(self, lab: Lab) -> AbstractContextManager[Attachment]:
        """See the contract; the lab routes from the start, so that only the counting is put in place."""
        return _attached(lab)


@contextmanager
def _attached(lab: Lab) -> Iterator[Attachment]:
    try:
        devices = netns.open_in(lab.dut_ns, "dev")
    except OSError as error:
        raise DatapathError(f"direct: {error}") from error
    try:
        yield DeviceCounting(devices, lab.devices["dut_client"], lab.devices["dut_server"])
    finally:
        os.close(devices)


class DeviceCounting:
    """Counts by the devices' own statistics, which the kernel keeps in any case.

    Connections and payload are not among them. Nothing can leak: this is the routed path.
    """

    def __init__(self, devices: int, ingress: str, egress: str) -> None:
        self._devices = devices
        self._ingress, self._egress = ingress, egress
        self._at_first = self._crossed()

    def counters(self) -> Counters:
        """Packets that came in on the client's side and left on the server's: the smaller of both."""
        return Counters(packets=min(now - then for now, then in zip(self._crossed(), self._at_first, strict=True)))

    def _crossed(self) -> tuple[int, int]:
        rows = {}
        for line in os.pread(self._devices, 65536, 0).decode().splitlines()[2:]:
            name, _, numbers = line.partition(":")
            rows[name.strip()] = [int(number) for number in numbers.split()]
        try:
            # /proc/net/dev: eight receive columns (bytes, packets, …), then the same for transmit.
            return rows[self._ingress][1], rows[self._egress][9]
        except KeyError as error:
            raise DatapathError(f"direct: device {error} is gone") from error
