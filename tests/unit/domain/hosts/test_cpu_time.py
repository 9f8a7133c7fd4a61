"""CPU time beyond an idle host's, by the rule of the figure that every trial has."""

import pytest

from domain.hosts.cpu_time import CpuTime
from domain.trials.histogram import LatencyHistogram
from domain.trials.trial import TrialResult, Validity

QUIET = CpuTime(wall_s=1.0, cpus=2, user_s=0.02, idle_s=1.98)
BUSY = CpuTime(wall_s=1.0, cpus=2, user_s=1.2, softirq_s=0.6, idle_s=0.2)


@pytest.mark.parametrize("open_loop", [True, False])
@pytest.mark.parametrize("cpu", [QUIET, BUSY])
def test_it_is_that_of_cpu_per_request(cpu: CpuTime, open_loop: bool) -> None:
    trial = TrialResult(
        datapath="direct",
        function="forward",
        workload="w",
        level="l",
        duration_s=1.0,
        requests=1000,
        cpu=cpu,
        idle_cpu_s_per_s=0.05,
        latency=LatencyHistogram.of({1000: 1000}) if open_loop else None,
        validity=Validity(),
    )
    found = cpu.busy_beyond_s(0.05, open_loop=open_loop)
    assert found * 1e6 / 1000 == pytest.approx(trial.cpu_us_per_request)
    assert (found < 0) == (open_loop and cpu is QUIET), "noise stays in the mean"
