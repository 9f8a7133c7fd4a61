"""The datapath gateway_sk_assign_tls: how it can be broken. Its other tests are those of test_datapath_gateway."""

from tests.kernel.datapaths.faults import (
    BY_DEVICES,
    BY_PROGRAM,
    BY_PROXY,
    Facts,
    Faults,
)

FAULTS: Faults = {
    **BY_PROXY,
    **BY_DEVICES,
    **BY_PROGRAM,
}
FACTS = Facts(keeps_client=False, delivers_locally_by_mark=True)
