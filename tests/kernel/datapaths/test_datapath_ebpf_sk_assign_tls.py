"""The datapath ebpf_sk_assign_tls: how it can be broken. Its tests are those of test_datapath_terminating."""

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
FACTS = Facts(delivers_locally_by_mark=True)
