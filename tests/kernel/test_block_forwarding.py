"""Blocks of datapaths that forward: side by side on the same offloads, and broken on purpose."""

from collections.abc import Callable
from pathlib import Path

import pytest

from domain.trial import Reason
from tests.kernel.test_block import detach_bpf, measure, reasons
from workers import netns
from workers.lab import Lab

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]


def detach_xdp(lab: Lab) -> None:
    """Remove the XDP program from the DUT's device on the client's side."""
    netns.run_in(lab.dut_ns, ["ip", "link", "set", "dev", lab.devices["dut_client"], "xdpdrv", "off"])


def refuse_frames(lab: Lab) -> None:
    """Take from the server's device what lets it receive redirected frames."""
    netns.run_in(lab.server_ns, ["ip", "link", "set", "dev", lab.devices["server"], "xdpdrv", "off"])


def change_offloads(lab: Lab) -> None:
    """One device of the lab gets GRO, as somebody's tuning script might."""
    netns.run_in(lab.dut_ns, ["ethtool", "-K", lab.devices["dut_client"], "gro", "on"])


def test_four_ways_to_forward_are_valid_and_have_the_same_offloads(tmp_path: Path) -> None:
    labels = ("direct", "ebpf_redirect", "ebpf_redirect_peer", "ebpf_xdp")
    trials = measure(tmp_path, labels)
    for label, trial in trials.items():
        assert reasons(trial) == set(), (label, trial.validity)
        assert trial.requests > 100
        assert trial.proof is not None
        assert trial.proof.accounted >= 0.99
        assert (trial.offloads["tso"], trial.offloads["tx_checksum"], trial.offloads["gso"]) == (False, False, True)
        assert any("natively" in note for note in trial.notes) == (label == "ebpf_xdp")


def test_a_block_without_xdp_keeps_its_offloads(tmp_path: Path) -> None:
    for trial in measure(tmp_path, ("direct", "ebpf_redirect_peer")).values():
        assert reasons(trial) == set()
        assert trial.offloads["tso"]
        assert trial.offloads["tx_checksum"]


GONE = {Reason.LEAKED, Reason.DATAPATH_FAILED, Reason.BYPASSED, Reason.DROPS}


@pytest.mark.parametrize("at", [1, 2], ids=["before traffic", "mid-run"])
@pytest.mark.parametrize(
    ("label", "fault"),
    [("ebpf_redirect_peer", detach_bpf), ("ebpf_xdp", detach_xdp), ("ebpf_xdp", refuse_frames)],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_broken_datapath_is_an_invalid_trial(
    tmp_path: Path, label: str, fault: Callable[[Lab], None], at: int
) -> None:
    trials = measure(tmp_path, (label, "direct"), {label: fault}, at=at)
    assert reasons(trials[label]) & GONE, trials[label].validity
    assert reasons(trials["direct"]) == set(), "the fault of one datapath is not its neighbour's"
