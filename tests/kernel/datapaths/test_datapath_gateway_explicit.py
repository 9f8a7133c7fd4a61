"""The datapath gateway_explicit: how it can be broken. Its other tests are those of test_datapath_gateway."""

from tests.kernel.datapaths.faults import BY_PROXY, Facts

FAULTS = BY_PROXY
FACTS = Facts(keeps_client=False, names_devices=False)
