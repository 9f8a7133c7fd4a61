"""Programs of a lab run on the CPUs of their side, and everywhere where CPUs are shared."""

import os
from pathlib import Path

import pytest

from tests.kernel.bench import new_tag
from workers.datapaths.lib import haproxy
from workers.lab import cpus
from workers.lab.cleanup import CleanupRegister
from workers.lab.cpus import Placement
from workers.lab.lab import ROLES, built
from workers.lab.process import Process
from workers.lab.spec import LabSpec
from workers.origins.nginx import NginxOrigin

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

EVERY = frozenset(os.sched_getaffinity(0))
FIRST, *_, LAST = sorted(EVERY) * 2


def affinities(process: Process) -> set[frozenset[int]]:
    """The CPUs that each task of the program may use."""
    return {frozenset(os.sched_getaffinity(task)) for task in process.tasks()}


def test_programs_are_bound_where_cpus_are_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpus, "placement", lambda: Placement((FIRST,), (LAST,), (FIRST, LAST)))
    with built(LabSpec(new_tag(), "tproxy", 0), CleanupRegister(tmp_path)) as lab:
        found = {role: lab.spawn(role, ["sleep", "60"], task_role=None) for role in ROLES}
        for role, expected in (("client", {FIRST}), ("dut", {LAST}), ("server", {FIRST, LAST})):
            wait_for(found[role], "sleep")
            assert affinities(found[role]) == {frozenset(expected)}
        with haproxy.running(lab) as proxy:
            assert affinities(proxy.process) == {frozenset({LAST})}
            assert len(proxy.process.tasks()) == 1, "a thread per CPU of the DUT"
        NginxOrigin(lab, b"hello").start()
        wait_for(lab.processes[-1], "nginx")
        assert affinities(lab.processes[-1]) == {frozenset({FIRST, LAST})}


@pytest.mark.skipif(len(EVERY) >= cpus.FEWEST_CPUS, reason="this host has CPUs for each side")
def test_two_cpus_are_shared_and_the_fingerprint_says_so(tmp_path: Path) -> None:
    from workers.inventory.fingerprint import fingerprint

    with built(LabSpec(new_tag(), "tproxy", 0), CleanupRegister(tmp_path)) as lab:
        sleeping = lab.spawn("dut", ["sleep", "60"], task_role=None)
        wait_for(sleeping, "sleep")
        assert affinities(sleeping) == {EVERY}
    assert fingerprint()["cpu_placement"] == str(cpus.placement())
    assert fingerprint()["generator_priority"] == "real-time (SCHED_RR)", "root may have it"
    assert os.sched_getscheduler(0) == os.SCHED_OTHER, "only a thread that has ended asked for it"
    assert str(cpus.placement()).startswith("shared CPUs: generator, DUT and origin run on ")


def wait_for(process: Process, name: str) -> None:
    """Until nsenter, setpriv and taskset have become the program."""
    comm = Path(f"/proc/{process.pid}/comm")
    while comm.read_text().strip() != name:
        assert process.poll() is None
