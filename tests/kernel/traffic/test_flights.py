"""Flights of datagrams, sent one by one and at once, through datapaths that carry them."""

from pathlib import Path

import pytest

from domain.loads.condition import PLAIN, Condition
from domain.loads.load import ClosedLoad
from tests.host_noise import in_windows
from tests.kernel.runner.test_block import reasons
from tests.kernel.traffic.test_workload_traffic import measure

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]
DATAGRAMS = 10
LABELS = ("direct", "tproxy", "ebpf_sk_assign", "ebpf_redirect", "nft_dnat", "ebpf_lb")


@pytest.mark.parametrize("condition", [PLAIN, Condition(udp_gso=True)], ids=["alone", "merged"])
@in_windows
def test_a_flight_is_one_request_and_with_gso_one_packet(condition: Condition, tmp_path: Path) -> None:
    trials = measure(
        tmp_path,
        "udp_rr",
        ClosedLoad(connections=4, condition=condition),
        LABELS,
        parameters={"datagrams": DATAGRAMS, "request_bytes": 1200},
    )
    for label, trial in trials.items():
        assert reasons(trial) == set(), (label, trial.validity)
        assert trial.errors == {}
        assert sum(one.bytes_received for one in trial.slices) == trial.requests * DATAGRAMS * 1200
        proof = trial.proof
        assert proof is not None
        assert proof.origin_requests == proof.requests
        assert proof.counters.packets is not None
        # The kernel keeps a flight merged through the DUT: it is segmented by the device that cannot take it whole.
        per_request = proof.counters.packets / proof.requests
        assert per_request < 2 if condition.udp_gso else per_request >= DATAGRAMS, label
