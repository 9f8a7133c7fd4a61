"""The datapath ebpf_xdp_lb on the real kernel, broken on purpose; other tests are in test_datapath_balance*."""

from collections import Counter
from pathlib import Path

import pytest

from domain.trials.trial import Reason
from tests.kernel.bench import bench
from tests.kernel.datapaths.balance_rig import asked
from tests.kernel.datapaths.faults import (
    BY_DEVICES,
    MAP_EMPTIED,
    STEERING_GONE,
    Facts,
    Fault,
    Faults,
    clear_config,
    detach_program,
)
from workers.datapaths.ebpf_xdp_lb import EbpfXdpLb
from workers.datapaths.lib import xdp

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

FAULTS: Faults = {
    **BY_DEVICES,
    STEERING_GONE: Fault(detach_program, Reason.LEAKED),
    MAP_EMPTIED: Fault(clear_config, Reason.LEAKED),
}
FACTS = Facts(drops_bursts=True)


def test_it_balances_generically_too(tmp_path: Path) -> None:
    with bench(EbpfXdpLb(xdp.Mode.GENERIC), tmp_path) as b:
        assert asked(b, 60) == 60
        assert b.counters().origins == dict(Counter(address for address, _ in b.origins_seen(60)))
        assert [note for note in b.lab.notes if "generically" in note]
        assert (b.counters().leaked_packets, b.counters().dropped_packets) == (0, 0)
