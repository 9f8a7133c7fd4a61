"""Counts of kernel work that costs time: packets, routing lookups, context switches, retransmissions, drops."""

from collections.abc import Mapping
from typing import ClassVar

from bpf.btf import enumerators, member_offset, tracepoint_arguments
from probes.base import LabView, Reading
from probes.tasks import TaskProbe
from probes.tracing import SIDES

# Reasons of the core. Those of its subsystems (Open vSwitch, Wi-Fi) have far greater numbers, and count as the last.
REASONS = 256
_BY_SIDE = ("packets", "packets_empty", "fib_lookups")
_PREFIX = "SKB_DROP_REASON_"


class Work(TaskProbe):
    """Counts events without pairing them, which makes it the most robust probe. Its counts help to explain a latency.

    - ``packets_<side>``: received packets (netif_receive_skb); packets that GRO merged count as one.
    - ``packets_empty_<side>``: those of them without payload: bare acknowledgements, SYN, FIN.
    - ``fib_lookups_<side>``: searches of a routing table (fib_table_lookup, fib6_table_lookup), each table counted.
    - ``context_switches_<role>``: switches to a task of that role.
    - ``retransmits``: TCP segments that were sent again in the whole lab.
    - ``drops_<reason>``: packets of the whole lab that the kernel freed undelivered (kfree_skb), by the kernel's name
      of the reason. Two kinds need not be losses: the unspecified ones, and packets that were freed with their socket.
    """

    name: ClassVar[str] = "work"
    stage: ClassVar[str] = "work"
    optional: ClassVar[frozenset[str]] = frozenset({"fib6_table_lookup"})  # of a kernel without IPv6
    summary: ClassVar[str] = "Counts: packets, routing lookups, context switches, retransmissions, drops by reason"

    def read(self) -> Reading:
        """Work only, no durations. A role or reason is listed once it was seen."""
        done = self.loaded_module().per_cpu("work", 0)

        def sums(field: str) -> list[int]:
            return [sum(column) for column in zip(*(getattr(one, field) for one in done), strict=True)]

        work = {f"{kind}_{side}": count for kind in _BY_SIDE for side, count in zip(SIDES, sums(kind), strict=True)}
        switches = zip(self.task_roles, sums("context_switches"), strict=True)
        work |= {f"context_switches_{role}": count for role, count in switches if count}
        work["retransmits"] = sum(one.retransmits for one in done)
        for reason, dropped in enumerate(sums("drops")):
            if dropped:
                kind = f"drops_{drop_reasons().get(reason, 'other')}"
                work[kind] = work.get(kind, 0) + dropped
        return Reading({}, work=work)

    def _roles(self, lab: LabView) -> tuple[str, ...]:
        return ("client", "dut_client", "dut_server", "server")

    def _defines(self) -> dict[str, int | str]:
        return {
            **super()._defines(),
            "REASONS": REASONS,
            "TASK_ROLES": len(self.task_roles),
            "KFREE_SKB_HAS_SOCKET": int(tracepoint_arguments("kfree_skb") > 3),
            "NET_DEVICE_NET": member_offset("net_device", "nd_net"),
            "SK_BUFF_SK": member_offset("sk_buff", "sk"),
            "HOP_DEVICE": member_offset("fib_nh_common", "nhc_dev"),
            "FLOW_DESTINATION": member_offset("flowi4", "daddr"),
        }


def drop_reasons() -> Mapping[int, str]:
    """The running kernel's drop reasons, by number, as field names."""
    return {
        number: name.removeprefix(_PREFIX).lower()
        for name, number in enumerators("skb_drop_reason").items()
        if name.startswith(_PREFIX)
    }
