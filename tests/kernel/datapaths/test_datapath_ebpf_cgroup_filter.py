"""The datapath ebpf_cgroup_filter on the real kernel, broken on purpose; see test_datapath_filter, too."""

from bpf.enums import AttachType
from domain.trials.trial import Reason
from tests.kernel.datapaths.faults import (
    MAP_EMPTIED,
    STEERING_GONE,
    STEERING_GONE_FIRST,
    Facts,
    Fault,
    Faults,
    clear_config,
    unlink,
)

FAULTS: Faults = {
    STEERING_GONE_FIRST: Fault(unlink(AttachType.CGROUP_INET_INGRESS), Reason.DATAPATH_FAILED),
    STEERING_GONE: Fault(unlink(AttachType.CGROUP_INET_INGRESS), Reason.DATAPATH_FAILED),
    MAP_EMPTIED: Fault(clear_config, Reason.BYPASSED),
}
FACTS = Facts(names_devices=False, routes=True)
