"""The datapath splice_proxy: how it can be broken. Its tests are those of test_datapath_spliced."""

from domain.trials.trial import Reason
from tests.kernel.datapaths.faults import BY_DEVICES, BY_PROXY, STEERING_GONE, Facts, Fault, Faults, flush_rules

FAULTS: Faults = {
    **BY_PROXY,
    **BY_DEVICES,
    STEERING_GONE: Fault(flush_rules, Reason.LEAKED),
}
FACTS = Facts(delivers_locally_by_mark=True)
