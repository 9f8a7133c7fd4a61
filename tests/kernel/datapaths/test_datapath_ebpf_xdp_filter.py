"""The datapath ebpf_xdp_filter broken on purpose; its other tests are those of test_datapath_filter."""

from tests.kernel.datapaths.faults import (
    BY_DEVICES,
    BY_PROGRAM,
    Facts,
    Faults,
)

FAULTS: Faults = {
    **BY_DEVICES,
    **BY_PROGRAM,
}
FACTS = Facts(routes=True)
