"""What the eBPF load balancers share in user space: their configuration, who is up, and what they count.

The C side is bpf/include/balance.h. Whether an origin is up is for whoever runs the balancer to say (:meth:`mark`):
a datapath in a lab checks nobody's health by itself, as idle labs are silent.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from enum import IntEnum

from bpf.instance import Instance
from bpf.layout import Fields
from domain.counters import Counters
from workers.datapaths.lib import maglev
from workers.datapaths.lib.errors import raised_by
from workers.datapaths.lib.programs import Programs
from workers.lab import dut
from workers.lab.addresses import ORIGINS, packed
from workers.lab.endpoints import ClientEndpoint
from workers.lab.lab import Lab

CONNECTIONS_KEPT = 65_536
"""Entries of the table of connections, of which the least recently used makes room: as many as a client has ports."""

MAPS = ("maglev", "connections")
DEFINES: Mapping[str, int] = {
    "MAX_ORIGINS": ORIGINS,
    "MAGLEV_SLOTS": maglev.SLOTS,
    "CONNECTIONS_KEPT": CONNECTIONS_KEPT,
}

_COUNTS = 7  # enum count


class State(IntEnum):
    """enum state of bpf/include/balance.h: ``DOWN`` gets no new connection, ``GONE`` keeps no standing one either."""

    UP = 0
    DOWN = 1
    GONE = 2


def client_endpoint(lab: Lab) -> ClientEndpoint:
    """The client asks the virtual address; the origin sees the client."""
    return ClientEndpoint(lab.client_ns, lab.virtual_address, lab.origin_port, expected_source=lab.client_address)


def check(lab: Lab, address: str) -> None:
    """Raises ``ValueError`` for an address that is no origin's."""
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
    """An attachment: counts by the programs' own per-CPU map, and by what the DUT's ``devices`` sent.

    A redirection that fails is told to nobody, so packets are the smaller of both, and the rest was dropped. It is
    looked for both ways: a veth to which XDP redirects has room for 256 frames, and drops what comes then.
    """

    def __init__(self, name: str, lab: Lab, programs: Instance, path: dut.ClosedPath, devices: dut.Devices) -> None:
        self._name, self._lab, self._programs, self._path, self._devices = name, lab, programs, path, devices
        self._states: dict[str, State] = {}

    def counters(self) -> Counters:
        """See the contract. A SYN that is sent again is no connection more."""
        with raised_by(self._name):
            counted = self._programs.per_cpu_sums("counts")
            sent, sent_back = (self._devices.sent(role) for role in ("dut_server", "dut_client"))
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
        """Standing connections that were in no table, or whose origin had gone. Raises ``BpfError``."""
        return self._programs.per_cpu_sums("counts")[5]

    def mark(self, address: str, state: State) -> None:
        """Say of an origin whether it is up; in force for the next packet. Raises ``BpfError``, or ``ValueError``."""
        check(self._lab, address)
        self._states[address] = state
        # Who goes must leave the table before new connections are refused, who comes must be up before it is in it.
        self._programs.write("config", 0, **config(self._lab, self._states))
        self._programs.write("maglev", 0, **table(self._lab, self._states))

    def forget_connections(self) -> int:
        """Empty the table of connections; returns how many it had. Raises ``BpfError``."""
        return self._programs.empty("connections")


@contextmanager
def attached(name: str, lab: Lab, programs: Programs) -> Iterator[Balancing]:
    """The datapath ``name``, with every origin up. Raises ``DatapathError`` with nothing left behind."""
    with ExitStack() as stack:
        with raised_by(name):
            path = stack.enter_context(dut.closed_path(lab))
            devices = stack.enter_context(dut.devices_of(lab))
            instance = stack.enter_context(programs.attached(lab, config(lab, {}), maglev=table(lab, {})))
        yield Balancing(name, lab, instance, path, devices)
