"""The datapath ebpf_xdp_syncookie broken on purpose; its other tests are those of test_datapath_defend."""

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
FACTS = Facts(
    routes=True,
    defence=Defence(
        cookies_by="dut",
        server_accepts_cookies=True,
        forgets_ended=True,
        wrong_setting="net.ipv4.tcp_timestamps=1",
    ),
)
