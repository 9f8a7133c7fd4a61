"""The datapath tproxy_syn: how it can be broken. Its tests are those of test_datapath_proxied."""

from domain.trials.trial import Reason
from tests.kernel.datapaths.faults import BY_DEVICES, BY_PROXY, STEERING_GONE, Facts, Fault, Faults, flush_rules

FAULTS: Faults = {
    **BY_PROXY,
    **BY_DEVICES,
    # Early demultiplexing still finds the proxy's established sockets, uncounted.
    STEERING_GONE: Fault(flush_rules, Reason.BYPASSED),
}
FACTS = Facts(delivers_locally_by_mark=True, early_demux=True)
