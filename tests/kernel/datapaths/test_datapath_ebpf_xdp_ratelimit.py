"""The datapath ebpf_xdp_ratelimit broken on purpose; its other tests are those of test_datapath_defend."""

from tests.kernel.datapaths.faults import (
    BY_DEVICES,
    BY_PROGRAM,
    Defence,
    Facts,
    Faults,
)

FAULTS: Faults = {
    **BY_DEVICES,
    **BY_PROGRAM,
}
FACTS = Facts(routes=True, defence=Defence(by_source=True))
