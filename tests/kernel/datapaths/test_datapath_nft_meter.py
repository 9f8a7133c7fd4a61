"""The datapath nft_meter broken on purpose; its other tests are those of test_datapath_defend."""

from domain.trials.trial import Reason
from tests.kernel.datapaths.faults import (
    BY_DEVICES,
    STEERING_GONE,
    STEERING_GONE_FIRST,
    Defence,
    Facts,
    Fault,
    Faults,
    flush_rules,
)

FAULTS: Faults = {
    **BY_DEVICES,
    STEERING_GONE_FIRST: Fault(flush_rules, Reason.LEAKED),
    STEERING_GONE: Fault(flush_rules, Reason.LEAKED),
}
FACTS = Facts(routes=True, defence=Defence(by_source=True))
