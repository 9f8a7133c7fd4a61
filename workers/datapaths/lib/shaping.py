"""What datapaths that shape share: the rate, burst and queue of a client, and how they count.

All hold the same rate with the same burst, so that their figures are of the same question. They shape what the origin
sends to each client address; requests pass.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from pyroute2 import IPRoute

from bpf.instance import Instance
from bpf.layout import Fields
from domain.trials.counters import Counters
from workers.datapaths.base import DatapathError, raised_by
from workers.datapaths.lib import forwarding
from workers.datapaths.lib.programs import Programs
from workers.lab import dut, netns
from workers.lab.lab import Lab

UNASKED_MBIT = 1000
"""Of each client, where no condition asks for a rate."""

CLIENTS_KEPT = 1024
_BURST_S, _LEAST_BURST_BYTES = 0.01, 128 << 10  # two packets that segmentation offload made: 64 KiB each
_QUEUE_S = 0.1
_ETHERNET_BYTES, _TCP_BYTES = 14, 20 + 12  # with the option of timestamps, which every segment has but a SYN
_IP_BYTES = {4: 20, 6: 40}


@dataclass(frozen=True)
class Asked:
    """What each client may have."""

    mbit: int

    @property
    def bytes_per_s(self) -> int:
        """The rate."""
        return self.mbit * 1_000_000 // 8

    @property
    def burst_bytes(self) -> int:
        """What a client that was idle may have at once."""
        return max(_LEAST_BURST_BYTES, round(self.bytes_per_s * _BURST_S))

    @property
    def queue_bytes(self) -> int:
        """What may wait for a client."""
        return max(2 * _LEAST_BURST_BYTES, round(self.bytes_per_s * _QUEUE_S))


def asked(lab: Lab) -> Asked:
    """The rate that the lab's condition asks for."""
    return Asked(lab.spec.client_rate_mbit or UNASKED_MBIT)


def ip_header_bytes(lab: Lab, packets: int) -> int:
    """The headers of so many packets, from IP's on."""
    return packets * (_IP_BYTES[lab.spec.ip_version] + _TCP_BYTES)


def frame_header_bytes(lab: Lab, packets: int) -> int:
    """The headers of so many packets, Ethernet's included."""
    return packets * _ETHERNET_BYTES + ip_header_bytes(lab, packets)


# --- qdiscs -----------------------------------------------------------------------------------------------------------


@contextmanager
def root_qdisc(lab: Lab, *commands: str) -> Iterator[None]:
    """Run commands of tc(8) for the DUT's device on the client's side, ``{device}``; afterwards its root qdisc is gone.

    Raises ``OSError`` and leaves nothing behind.
    """
    device = lab.devices["dut_client"]
    try:
        _tc(lab, "".join(f"{command.format(device=device)}\n" for command in commands))
        yield
    finally:
        netns.call_in(lab.dut_ns, lambda: _remove_root(lab.ifindex("dut_client")))


def _tc(lab: Lab, batch: str) -> None:
    try:
        netns.run_in(lab.dut_ns, ["tc", "-batch", "-"], stdin=batch)
    except Exception as error:  # CalledProcessError, TimeoutExpired
        raise DatapathError(f"tc: {' '.join(netns.complaint(error).split())[:300]}") from error


def _remove_root(index: int) -> None:
    with IPRoute() as ip:
        # The device's own qdisc, which is back if another process has removed ours, has no handle.
        if any(one["parent"] == _ROOT and one["handle"] for one in ip.get_qdiscs(index)):
            ip.tc("del", index=index, root=True)


_ROOT = 0xFFFFFFFF


@dataclass(frozen=True)
class QueueCounts:
    """Statistics of a qdisc or class. ``packets`` and ``bytes`` count segments; ``drops`` packets as they came."""

    bytes: int = 0
    packets: int = 0
    drops: int = 0
    overlimits: int = 0

    def plus(self, other: "QueueCounts") -> "QueueCounts":
        """The sum of two."""
        return QueueCounts(
            *(a + b for a, b in zip(vars(self).values(), vars(other).values(), strict=True)),
        )


def queue_counts(message: Any) -> QueueCounts:
    """The statistics in a message of rtnetlink."""
    found = message.get_attr("TCA_STATS2")
    basic, queue = found.get_attr("TCA_STATS_BASIC"), found.get_attr("TCA_STATS_QUEUE")
    return QueueCounts(basic["bytes"], basic["packets"], queue["drops"], queue["overlimits"])


def root_counts(lab: Lab, kind: str) -> QueueCounts:
    """Those of the root qdisc. Raises ``DatapathError`` if it is gone, or another one."""

    def read() -> QueueCounts:
        with IPRoute() as ip:
            for one in ip.get_qdiscs(lab.ifindex("dut_client")):
                if one["parent"] == _ROOT and one.get_attr("TCA_KIND") == kind:
                    return queue_counts(one)
        raise DatapathError(f"the qdisc {kind} is gone: packets go on without it")

    return netns.call_in(lab.dut_ns, read)


def class_counts(lab: Lab) -> Mapping[int, QueueCounts]:
    """Those of the classes of the root qdisc, by the minor number of their handle."""

    def read() -> Mapping[int, QueueCounts]:
        with IPRoute() as ip:
            return {one["handle"] & 0xFFFF: queue_counts(one) for one in ip.get_classes(lab.ifindex("dut_client"))}

    return netns.call_in(lab.dut_ns, read)


class QdiscShaping:
    """Counts what left a qdisc, and what it dropped; requests by the devices. Its path is the routed path."""

    def __init__(
        self, name: str, lab: Lab, devices: dut.Devices, read: Callable[[], tuple[QueueCounts, QueueCounts, int]]
    ) -> None:
        """``read`` returns the counts of the clients' queues, those of the root, and packets of nobody else's."""
        self._name, self._lab, self._devices, self._read = name, lab, devices, read

    def counters(self) -> Counters:
        """Bytes are what left without headers. tc counts drops and waits in packets only."""
        with raised_by(self._name):
            passed, root, strangers = self._read()
            packets = min(self._devices.received("dut_client"), self._devices.sent("dut_server"))
        return Counters(
            packets=packets,
            bytes=max(0, passed.bytes - frame_header_bytes(self._lab, passed.packets)),
            leaked_packets=strangers,
            offered_packets=passed.packets + passed.drops,
            denied_packets=passed.drops,
            delayed_packets=root.overlimits,
        )


# --- programs ---------------------------------------------------------------------------------------------------------


def programs(lab: Lab) -> Fields:
    """``struct shape`` of bpf/include/shape.h."""
    wanted = asked(lab)
    return {
        "rate_bytes_per_s": wanted.bytes_per_s,
        "burst_ns": wanted.burst_bytes * 10**9 // wanted.bytes_per_s,
        "horizon_ns": round(_QUEUE_S * 1e9),
    }


class ProgramShaping:
    """Counts by the programs' per-CPU map, and by what the device on the server's side sent."""

    def __init__(self, name: str, programs: Instance, path: dut.ClosedPath, delivered: Callable[[], int]) -> None:
        self._name, self._programs, self._path, self._delivered = name, programs, path, delivered

    def counters(self) -> Counters:
        """A retransmitted SYN counts twice."""
        with raised_by(self._name):
            counted = self._programs.per_cpu_sums("counts")
            redirected, payload, connections, dropped, offered, offered_bytes, denied, denied_bytes, delayed = counted
            sent = min(redirected, self._delivered())
        return Counters(
            packets=sent,
            bytes=payload,
            connections=connections,
            leaked_packets=self._path.leaked_packets(),
            dropped_packets=dropped + redirected - sent,
            offered_packets=offered,
            offered_bytes=offered_bytes,
            denied_packets=denied,
            denied_bytes=denied_bytes,
            delayed_packets=delayed,
        )


def attach(of: Programs, lab: Lab, stack: ExitStack) -> ProgramShaping:
    """A datapath's programs on a closed path."""
    path = stack.enter_context(dut.closed_path(lab))
    delivered = stack.enter_context(forwarding.sent_to_server(lab))
    instance = stack.enter_context(of.attached(lab, forwarding.config(lab), shape=programs(lab)))
    return ProgramShaping(of.name, instance, path, delivered)
