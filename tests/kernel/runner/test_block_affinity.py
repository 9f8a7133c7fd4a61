"""A proxy that leaves its CPUs while a block runs is found, and its trial is invalid."""

import os
from pathlib import Path

import pytest

from domain.loads.condition import parse_condition
from domain.loads.load import ClosedLoad
from domain.trials.trial import Reason
from tests.kernel.runner.test_block import measure, reasons
from workers.lab import affinity, cpus
from workers.lab.lab import Lab

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

OF_DUT = cpus.placement().dut
LOAD = ClosedLoad(connections=8, condition=parse_condition("proxy_cpus(1)"))


def move(lab: Lab) -> None:
    """As a program would that sets its affinity itself."""
    proxy = next(one for one in lab.processes if one.task_role == affinity.PROXY)
    for task in proxy.tasks():
        os.sched_setaffinity(task, OF_DUT[1:2])


@pytest.mark.skipif(len(OF_DUT) < 2, reason="this host has one CPU for the DUT")
@pytest.mark.parametrize("moved", [True, False])
def test_a_proxy_is_on_its_cpus_to_the_end_of_its_traffic(tmp_path: Path, moved: bool) -> None:
    trials = measure(tmp_path, ("tproxy", "ebpf_sk_assign"), {"tproxy": move} if moved else None, load=LOAD)
    assert reasons(trials["ebpf_sk_assign"]) == set()
    if not moved:
        assert reasons(trials["tproxy"]) == set()
        return
    assert Reason.DATAPATH_FAILED in reasons(trials["tproxy"])
    details = [one.detail for one in trials["tproxy"].validity.findings]
    assert any(f"may use the CPUs {OF_DUT[1]}, not {OF_DUT[0]}" in detail for detail in details), details
