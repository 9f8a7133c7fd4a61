"""What datapaths with bpf/include/forward.h share: their configuration, and how they count."""

import ipaddress
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from bpf.instance import Instance
from bpf.layout import Fields
from domain.trials.counters import Counters
from workers.datapaths.base import raised_by
from workers.datapaths.lib.programs import Programs
from workers.lab import dut
from workers.lab.addresses import packed
from workers.lab.lab import Lab


def config(lab: Lab) -> Fields:
    """``struct config`` of bpf/include/forward.h: the addresses of both sides, and the two links."""
    network = ipaddress.ip_network(lab.client_network)
    return {
        "client": network.network_address.packed,
        "client_mask": network.netmask.packed,
        "origin": packed(lab.server_address),
        "to_client": _neighbour(lab, "dut_client", "client", lab.client_address),
        "to_origin": _neighbour(lab, "dut_server", "server", lab.server_address),
        "port": lab.origin_port.to_bytes(2, "big"),
    }


def _neighbour(lab: Lab, ours: str, theirs: str, address: str) -> Fields:
    near, far = (bytes.fromhex(lab.mac(role).replace(":", "")) for role in (ours, theirs))
    ifindex = lab.ifindex(ours)
    return {"address": packed(address), "ifindex": ifindex, "source_mac": near, "destination_mac": far}


class Forwarding:
    """Counts by the programs' per-CPU map, and by what the kernel says was ``delivered`` towards the origin.

    The kernel does not report bpf_redirect() failures to the program. So ``packets`` is the smaller of both counts, and
    the difference counts as dropped.
    """

    def __init__(self, name: str, programs: Instance, path: dut.ClosedPath, delivered: Callable[[], int]) -> None:
        self._name, self._programs, self._path, self._delivered = name, programs, path, delivered

    def counters(self) -> Counters:
        """A connection is a SYN, so that a retransmitted one counts twice."""
        with raised_by(self._name):
            redirected, sent, connections, dropped = self._programs.per_cpu_sums("counts")
            delivered = min(redirected, self._delivered())
        return Counters(
            packets=delivered,
            bytes=sent,
            connections=connections,
            leaked_packets=self._path.leaked_packets(),
            dropped_packets=dropped + redirected - delivered,
        )


def attach(
    programs: Programs, lab: Lab, stack: ExitStack, delivered: AbstractContextManager[Callable[[], int]]
) -> Forwarding:
    """A datapath's programs on a closed path; ``delivered`` counts what reached the link to the origin."""
    path = stack.enter_context(dut.closed_path(lab))
    count = stack.enter_context(delivered)
    instance = stack.enter_context(programs.attached(lab, config(lab)))
    return Forwarding(programs.name, instance, path, count)


@contextmanager
def sent_to_server(lab: Lab) -> Iterator[Callable[[], int]]:
    """Count packets that the DUT's device on the server's side sends from now on. Raises ``OSError``."""
    with dut.devices_of(lab) as devices:
        yield lambda: devices.sent("dut_server")
