"""The datapath ebpf_lb on the real kernel, broken on purpose; other tests are in test_datapath_balance*."""

import random
from pathlib import Path

import pytest

from domain.trials.trial import Reason
from tests.kernel.bench import bench
from tests.kernel.datapaths.balance_rig import fetch_large
from tests.kernel.datapaths.faults import (
    BY_DEVICES,
    DATAGRAMS_UNSTEERED,
    MAP_EMPTIED,
    NA,
    NO,
    STEERING_GONE,
    YES,
    Fault,
    Faults,
    Traits,
    clear_config,
    detach_program,
)
from workers.datapaths.ebpf_lb import EbpfLb
from workers.datapaths.lib import xdp

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

FAULTS: Faults = {
    **BY_DEVICES,
    STEERING_GONE: Fault(detach_program, Reason.LEAKED),
    MAP_EMPTIED: Fault(clear_config, Reason.LEAKED),
    DATAGRAMS_UNSTEERED: Fault(detach_program, Reason.LEAKED),
}
TRAITS: Traits = {
    "client_address": YES,
    "original_destination": NO,
    "udp": YES,
    "proxy_restart": NA,
    "fails_closed": YES,
    "connection_state": YES,
    "l7_visible": NO,
}


def test_whole_checksums_are_translated_as_well(tmp_path: Path) -> None:
    """Without offloads the sender completes checksums itself; with them, it leaves that to the device."""

    class Without(EbpfLb):
        disabled_offloads = xdp.DISABLED_OFFLOADS

    body = random.Random(3).randbytes(2_000_000)
    with bench(Without(), tmp_path) as b:
        (b.lab.run_dir / "large").write_bytes(body)
        with b.connection() as one:
            assert b"".join(fetch_large(one)).endswith(body)
