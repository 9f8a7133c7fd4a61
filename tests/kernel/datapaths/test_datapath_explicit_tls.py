"""The datapath explicit_tls: how it can be broken. Its tests are those of test_datapath_terminating."""

from tests.kernel.datapaths.faults import BY_PROXY, Facts

FAULTS = BY_PROXY
FACTS = Facts(keeps_client=False, names_devices=False)
