"""The datapath nft_synproxy broken on purpose; its other tests are those of test_datapath_defend."""

from domain.trials.trial import Reason
from tests.kernel.datapaths.faults import (
    BY_DEVICES,
    PART_GONE,
    STEERING_GONE,
    STEERING_GONE_FIRST,
    Defence,
    Facts,
    Fault,
    Faults,
    Target,
    flush_rules,
)
from workers.lab import netns


def take_up_connections(target: Target) -> None:
    """Conntrack takes up connections in their middle, so that no segment with a cookie comes to the proxy."""
    netns.run_in(target.lab.dut_ns, ["sysctl", "-qw", "net.netfilter.nf_conntrack_tcp_loose=1"])


FAULTS: Faults = {
    **BY_DEVICES,
    STEERING_GONE_FIRST: Fault(flush_rules, Reason.LEAKED),
    STEERING_GONE: Fault(flush_rules, Reason.LEAKED),
    PART_GONE: Fault(take_up_connections, Reason.DATAPATH_FAILED),
}
FACTS = Facts(routes=True, defence=Defence(cookies_by="dut"))
