"""What load balancers share: the client's endpoint, and of those in eBPF the configuration and the counters.

The C side is bpf/include/balance.h. The caller says which origins are up (:meth:`Balancing.mark`). Health checks run
beside traffic only (workers/lab/health_checker.py), because an idle lab must send no packets.
"""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from enum import IntEnum

from bpf import entries
from bpf.instance import Instance
from bpf.layout import Fields
from domain.trials.counters import Counters
from workers.datapaths.base import raised_by
from workers.datapaths.lib import maglev
from workers.datapaths.lib.programs import Programs
from workers.lab import dut
from workers.lab.addresses import packed
from workers.lab.endpoints import ClientEndpoint
from workers.lab.lab import Lab

CONNECTIONS_KEPT = 65_536
"""Entries of the connection table (LRU): as many as a client has ports."""

MAPS = ("maglev", "connections", "origins")

_COUNTS = 7  # enum count


class State(IntEnum):
    """enum state of bpf/include/balance.h: ``DOWN`` gets no new connection, ``GONE`` loses its established ones too."""

    UP = 0
    DOWN = 1
    GONE = 2


def defines(lab: Lab) -> Mapping[str, int]:
    """The numbers in the programs' text: a program has room for the lab's origins, and no more."""
    return {
        "MAX_ORIGINS": len(lab.origin_addresses),
        "MAGLEV_SLOTS": maglev.SLOTS,
        "CONNECTIONS_KEPT": CONNECTIONS_KEPT,
    }


def client_endpoint(lab: Lab) -> ClientEndpoint:
    """The client connects to the virtual address; the origin sees the client's address."""
    return ClientEndpoint(
        lab.client_ns, lab.virtual_address, lab.origin_port, expected_source=lab.client_endpoint.expected_source
    )


def check(lab: Lab, address: str) -> None:
    """Raises ``ValueError`` for an address that is not an origin's."""
    if address not in lab.origin_addresses:
        raise ValueError(f"{address} is none of the origins {', '.join(lab.origin_addresses)}")


def config(lab: Lab, states: Mapping[str, State]) -> Fields:
    """``struct config`` of bpf/include/balance.h. An origin that is not in ``states`` is up."""
    mac = {role: bytes.fromhex(lab.mac(role).replace(":", "")) for role in lab.devices}
    return {
        "virtual": packed(lab.virtual_address),
        "client_hop": packed(lab.client_address),
        "client_ifindex": lab.ifindex("dut_client"),
        "server_ifindex": lab.ifindex("dut_server"),
        "port": lab.origin_port.to_bytes(2, "big"),
        "origins": len(lab.origin_addresses),
        "client_macs": mac["client"] + mac["dut_client"],
        "server_macs": mac["server"] + mac["dut_server"],
        "origin": [
            {"address": packed(address), "state": states.get(address, State.UP)} for address in lab.origin_addresses
        ],
    }


def table(lab: Lab, states: Mapping[str, State]) -> Fields:
    """``struct maglev``: the slots of the origins that are up."""
    up = {address for address in lab.origin_addresses if states.get(address, State.UP) is State.UP}
    return {"origin": maglev.table(lab.origin_addresses, up)}


class Balancing:
    """An attachment: counts by the programs' per-CPU map, and by what the DUT's ``devices`` sent.

    The kernel does not report bpf_redirect() failures to the program. So ``packets`` is the smaller of both counts, and
    the difference counts as dropped, in both directions. What the DUT itself sends, for health checks, is no part of
    it. A veth that XDP redirects to queues 256 frames and drops more.
    """

    def __init__(
        self,
        name: str,
        lab: Lab,
        programs: Instance,
        path: dut.ClosedPath,
        devices: dut.Devices,
        own_segments: Callable[[], int],
    ) -> None:
        self._name, self._lab, self._programs, self._path, self._devices = name, lab, programs, path, devices
        self._own_segments = own_segments
        self._states: dict[str, State] = {}

    def counters(self) -> Counters:
        """A retransmitted SYN counts once."""
        with raised_by(self._name):
            counted = self._programs.per_cpu_sums("counts")
            own = self._own_segments()
            sent, sent_back = self._devices.sent("dut_server") - own, self._devices.sent("dut_client")
        packets, payload_bytes, connections, refused, expired, _, returned = counted[:_COUNTS]
        lost = max(0, packets - sent) + max(0, returned - sent_back)
        return Counters(
            packets=min(packets, sent),
            bytes=payload_bytes,
            connections=connections,
            leaked_packets=self._path.leaked_packets(),
            dropped_packets=refused + expired + lost,
            origins=dict(zip(self._lab.origin_addresses, counted[_COUNTS:], strict=True)),
        )

    def adopted(self) -> int:
        """Established connections that were in no table, or whose origin had gone. Raises ``BpfError``."""
        return self._programs.per_cpu_sums("counts")[5]

    def mark(self, address: str, state: State) -> None:
        """Set whether an origin is up, from the next packet on. Raises ``BpfError``, or ``ValueError``."""
        check(self._lab, address)
        self._states[address] = state
        # The states first: an origin that comes must be up before the table selects it.
        self._programs.write("config", 0, **config(self._lab, self._states))
        self._programs.write("maglev", 0, **table(self._lab, self._states))

    def mark_health(self, address: str, up: bool) -> None:
        """Set whether an origin gets new connections; established ones stay. Raises ``DatapathError``."""
        with raised_by(self._name):
            self.mark(address, State.UP if up else State.DOWN)

    def hash_moves(self, address: str) -> float:
        """The share of Maglev slots that get another origin when ``address`` joins the others."""
        return maglev.moved(self._lab.origin_addresses, set(self._lab.origin_addresses) - {address}, {address})

    def forget_connections(self) -> int:
        """Empty the connection table; returns how many entries it had. Raises ``DatapathError``."""
        with raised_by(self._name):
            return self._programs.empty("connections")


def attach(programs: Programs, lab: Lab, stack: ExitStack) -> Balancing:
    """A datapath's programs on a closed path, with every origin up."""
    path = stack.enter_context(dut.closed_path(lab))
    devices = stack.enter_context(dut.devices_of(lab))
    own_segments = stack.enter_context(dut.own_segments(lab))
    instance = stack.enter_context(programs.attached(lab, config(lab, {}), maglev=table(lab, {})))
    for address in lab.origin_addresses:
        entries.put(instance.map_fd("origins"), packed(address), bytes(4))
    return Balancing(programs.name, lab, instance, path, devices, own_segments)
