"""The datapath gateway_tproxy: how it can be broken. Its other tests are those of test_datapath_gateway."""

from domain.trials.trial import Reason
from tests.kernel.datapaths.faults import (
    BY_DEVICES,
    BY_PROXY,
    NA,
    NO,
    STEERING_GONE,
    STEERING_GONE_FIRST,
    YES,
    Facts,
    Fault,
    Faults,
    Traits,
    flush_rules,
)

FAULTS: Faults = {
    **BY_PROXY,
    **BY_DEVICES,
    STEERING_GONE_FIRST: Fault(flush_rules, Reason.LEAKED),
    STEERING_GONE: Fault(flush_rules, Reason.LEAKED),
}
FACTS = Facts(keeps_client=False, delivers_locally_by_mark=True)
# It speaks HTTP, and connects to the origins itself.
TRAITS: Traits = {
    "client_address": NO,
    "original_destination": YES,
    "udp": NO,
    "half_close": NA,
    "large_bodies": YES,
    "proxy_restart": YES,
    "fails_closed": YES,
    "connection_state": YES,
    "l7_visible": YES,
    "ipv6": YES,
}
