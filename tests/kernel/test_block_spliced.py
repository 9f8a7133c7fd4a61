"""Real trials of the datapaths that splice: valid when whole, invalid with its reason when broken on the way."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest

from bpf.instance import emptied
from bpf.loader import BpfError
from bpf.sockmap import SocketAttach, detach_from_map
from domain.trial import Reason
from tests.kernel.test_block import flush_nft, kill_proxy, measure, reasons
from tests.kernel.test_datapath_ebpf_sk_lookup import descriptors
from workers.lab import Lab

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]
BY_RELAY = ("splice_proxy", "ebpf_sockmap")
SPLICED = (*BY_RELAY, "ebpf_sockops")
KEY_BYTES = 8  # of every map of sockets here
SOCKHASH = "map_type:\t18\n"


def empty_maps(lab: Lab) -> None:
    """Delete every socket from every map of ours."""
    for fd in list(descriptors(SOCKHASH)):
        emptied(fd, KEY_BYTES)


def detach_verdict(lab: Lab) -> None:
    """Take our verdict programs from their maps; sockets that are in already keep theirs."""
    for fd in list(descriptors(SOCKHASH)):
        for program in list(descriptors("prog_type:\t14\n")):
            with contextlib.suppress(BpfError):
                detach_from_map(program, fd, SocketAttach.SK_SKB_STREAM_VERDICT)


@pytest.mark.parametrize("workload", ["http_keepalive", "http_churn", "bulk_upload"])
def test_whole_trials_are_valid_with_proof(tmp_path: Path, workload: str) -> None:
    trials = measure(tmp_path, SPLICED, workload=workload)
    for label in SPLICED:
        trial = trials[label]
        assert reasons(trial) == set(), (label, trial.validity)
        assert trial.requests > 10
        assert trial.proof is not None
        assert trial.proof.accounted >= 0.99
        assert trial.proof.counters.bytes is not None
        assert trial.proof.counters.bytes >= trial.proof.bytes_received
        assert (trial.proof.counters.leaked_packets, trial.proof.counters.dropped_packets) == (0, 0)


BREAKS = [
    *((label, kill_proxy, 1, {Reason.DATAPATH_FAILED}) for label in SPLICED),
    *((label, kill_proxy, 2, {Reason.DATAPATH_FAILED}) for label in SPLICED),
    *((label, flush_nft, 2, {Reason.LEAKED, Reason.DATAPATH_FAILED, Reason.BYPASSED}) for label in BY_RELAY),
    ("ebpf_sockmap", empty_maps, 2, {Reason.BYPASSED, Reason.ERRORS, Reason.DROPS, Reason.NO_REQUESTS}),
    ("ebpf_sockops", empty_maps, 2, {Reason.LEAKED}),
    ("ebpf_sockmap", detach_verdict, 2, {Reason.DATAPATH_FAILED}),
]


@pytest.mark.parametrize(
    ("label", "fault", "at", "expected"), BREAKS, ids=[f"{b[0]}-{b[1].__name__}-{b[2]}" for b in BREAKS]
)
def test_a_broken_datapath_is_an_invalid_trial(
    tmp_path: Path, label: str, fault: Callable[[Lab], None], at: int, expected: set[Reason]
) -> None:
    """``at`` 1: before the traffic, 2: in the midst of it."""
    trials = measure(tmp_path, (label, "direct"), {label: fault}, at=at)
    assert reasons(trials[label]) & expected, trials[label].validity
    assert reasons(trials["direct"]) == set(), "the fault of one datapath is not its neighbour's"
