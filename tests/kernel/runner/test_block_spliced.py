"""Real trials of the datapaths that splice are valid with proof."""

from pathlib import Path

import pytest

from tests.calm import calm_origins
from tests.host_noise import in_windows
from tests.kernel.datapaths.declared import of_function
from tests.kernel.runner.test_block import measure, reasons
from tests.variants import RUNNABLE

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]
SPLICED = tuple(of_function("splice", RUNNABLE))


@pytest.mark.parametrize("workload", ["http_keepalive", "http_churn", "bulk_upload"])
@calm_origins()
@in_windows
def test_whole_trials_are_valid_with_proof(tmp_path: Path, workload: str) -> None:
    trials = measure(tmp_path, SPLICED, workload=workload)
    for label in SPLICED:
        trial = trials[label]
        assert reasons(trial) == set(), (label, trial.validity)
        assert trial.requests > 10
        assert trial.proof is not None
        assert trial.proof.accounted >= 0.99
        assert trial.proof.counters.bytes is not None
        # The relay moves the bytes that arrive before a socket is in the maps; those do not count.
        assert trial.proof.counters.bytes >= 0.99 * trial.proof.bytes_received
        assert (trial.proof.counters.leaked_packets, trial.proof.counters.dropped_packets) == (0, 0)
