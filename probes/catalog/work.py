"""How often the kernel did what costs time: packets, routing lookups, context switches, retransmissions, drops."""

from collections.abc import Mapping
from typing import ClassVar

from probes.base import LabView, Reading
from probes.kernel import arguments, enumerators, member_offset
from probes.tasks import TaskProbe
from probes.tracing import SIDES

# Reasons of the core; those of its subsystems (Open vSwitch, Wi-Fi) have numbers far above, and count as the last.
REASONS = 256
_BY_SIDE = ("packets", "packets_empty", "fib_lookups")
_PREFIX = "SKB_DROP_REASON_"


class Work(TaskProbe):
    """Counts without pairing: the most robust of all, and what a latency has to be explained by.

    ``packets_<side>`` are received (netif_receive_skb; merged ones are one), ``packets_empty_<side>`` those of them
    without payload: bare acknowledgements, SYN, FIN. ``fib_lookups_<side>`` are searches of a routing table
    (fib_table_lookup, of every table on the way), ``context_switches_<role>`` switches to a task of that role,
    ``retransmits`` of TCP in the whole lab. ``drops_<reason>`` are packets of the whole lab that were freed undelivered
    (kfree_skb), with the kernel's own name of the reason. What is unspecified there, and what ends with its socket, are
    not all losses.
    """

    name: ClassVar[str] = "work"
    stage: ClassVar[str] = "work"
    summary: ClassVar[str] = "Counts: packets, routing lookups, context switches, retransmissions, drops by reason"

    def read(self) -> Reading:
        """Only work: it times nothing. Roles and reasons are listed once they were seen."""
        columns = zip(*self._started().per_cpu_words("work", 0), strict=True)
        counts = iter([sum(column) for column in columns])
        work = {f"{kind}_{side}": next(counts) for kind in _BY_SIDE for side in SIDES}
        switches = {f"context_switches_{role}": next(counts) for role in self.task_roles}
        work |= {kind: count for kind, count in switches.items() if count}
        work["retransmits"] = next(counts)
        for reason, dropped in enumerate(counts):
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
            # The first argument is the tracepoint's own.
            "KFREE_SKB_TELLS_SOCKET": int(arguments("btf_trace_kfree_skb") - 1 > 3),
            "NET_DEVICE_NET": member_offset("net_device", "nd_net"),
            "SK_BUFF_SK": member_offset("sk_buff", "sk"),
            "HOP_DEVICE": member_offset("fib_nh_common", "nhc_dev"),
            "FLOW_DESTINATION": member_offset("flowi4", "daddr"),
        }


def drop_reasons() -> Mapping[int, str]:
    """The running kernel's reasons to drop a packet, by number, as field names."""
    return {
        number: name.removeprefix(_PREFIX).lower()
        for name, number in enumerators("skb_drop_reason").items()
        if name.startswith(_PREFIX)
    }
