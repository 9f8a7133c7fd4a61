"""Blocks of datapaths that forward: side by side on the same offloads."""

from pathlib import Path

import pytest

from tests.calm import calm_origins
from tests.host_noise import in_windows
from tests.kernel.runner.test_block import measure, reasons

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]


@calm_origins()
@in_windows
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


@calm_origins()
@in_windows
def test_a_block_without_xdp_keeps_its_offloads(tmp_path: Path) -> None:
    for trial in measure(tmp_path, ("direct", "ebpf_redirect_peer")).values():
        assert reasons(trial) == set()
        assert trial.offloads["tso"]
        assert trial.offloads["tx_checksum"]
