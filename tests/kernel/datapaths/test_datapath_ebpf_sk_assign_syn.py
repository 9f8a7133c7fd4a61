"""The datapath ebpf_sk_assign_syn: how it can be broken. Its tests are those of test_datapath_proxied."""

from domain.trials.trial import Reason
from tests.kernel.datapaths.faults import (
    BY_DEVICES,
    BY_PROXY,
    MAP_EMPTIED_CHURN,
    STEERING_GONE,
    Facts,
    Fault,
    Faults,
    clear_config,
    detach_program,
)

FAULTS: Faults = {
    **BY_PROXY,
    **BY_DEVICES,
    # Early demultiplexing still finds the proxy's established sockets, uncounted.
    STEERING_GONE: Fault(detach_program, Reason.BYPASSED),
    MAP_EMPTIED_CHURN: Fault(clear_config, Reason.LEAKED),
}
FACTS = Facts(delivers_locally_by_mark=True, early_demux=True)
