"""The datapath gateway_tproxy_tls: how it can be broken. Its other tests are those of test_datapath_gateway."""

from domain.trials.trial import Reason
from tests.kernel.datapaths.faults import (
    BY_DEVICES,
    BY_PROXY,
    STEERING_GONE,
    STEERING_GONE_FIRST,
    Facts,
    Fault,
    Faults,
    flush_rules,
)

FAULTS: Faults = {
    **BY_PROXY,
    **BY_DEVICES,
    STEERING_GONE_FIRST: Fault(flush_rules, Reason.LEAKED),
    STEERING_GONE: Fault(flush_rules, Reason.LEAKED),
}
FACTS = Facts(keeps_client=False, delivers_locally_by_mark=True)
