"""The names behind interference: which foreign processes were the busiest."""

import os
import subprocess
import time
from collections.abc import Mapping

from domain.hosts.busy import MOST_BUSY, BusyProcess
from domain.hosts.cpu_time import CpuTime
from domain.trials.trial import Reason
from workers.runner.busiest import Look, busiest, look
from workers.runner.evidence import Evidence
from workers.runner.foreign import ProcessTicks
from workers.runner.validity import judge, prove


def process(pid: int, name: str, ticks: int, *, waited: int = 0, parent: int = 1) -> ProcessTicks:
    return ProcessTicks(pid, parent, 1, ticks, waited, kernel_thread=False, name=name)


def seen(time_s: float, *found: ProcessTicks) -> Look:
    return Look(time_s, {(one.pid, one.start): one for one in found})


def shares(found: tuple[BusyProcess, ...]) -> Mapping[str, float]:
    return {one.name: round(one.share, 3) for one in found}


def test_processes_of_one_name_are_one_and_only_the_busiest_are_named() -> None:
    before = seen(0, process(1, "cc1", 100), process(2, "cc1", 0), process(3, "sshd", 5), process(4, "idle", 7))
    after = seen(
        10, process(1, "cc1", 300), process(2, "cc1", 100), process(3, "sshd", 15), process(4, "idle", 7),
        process(5, "backup", 50), process(6, "cron", 20),
    )  # fmt: skip
    found = busiest(before, after, cpus=2)
    assert shares(found) == {"cc1": 0.15, "backup": 0.025, "cron": 0.01}
    assert len(found) == MOST_BUSY
    assert [str(one) for one in found] == ["cc1 15 %", "backup 2.5 %", "cron 1.0 %"]


def test_children_that_ended_count_as_their_parents_and_not_twice() -> None:
    before = seen(0, process(1, "make", 0), process(2, "cc1", 40, parent=1), process(3, "cc1", 10, parent=1))
    after = seen(10, process(1, "make", 0, waited=140), process(3, "cc1", 60, parent=1))
    assert shares(busiest(before, after, cpus=1)) == {"make": 0.1, "cc1": 0.05}


def test_no_time_and_no_work_name_nobody() -> None:
    quiet = seen(1, process(1, "sshd", 5))
    assert busiest(quiet, quiet, cpus=2) == ()
    assert busiest(quiet, seen(5, process(1, "sshd", 5)), cpus=2) == ()


def test_a_busy_process_of_this_host_is_named() -> None:
    with subprocess.Popen(
        ["sha256sum", "/dev/zero"], stdout=subprocess.DEVNULL, env={"PATH": os.environ["PATH"]}
    ) as child:
        try:
            before = look(0.0, lambda one, _: one.pid == child.pid)
            deadline = time.monotonic() + 20
            while not (found := busiest(before, look(1.0, lambda one, _: one.pid == child.pid), cpus=1)):
                assert time.monotonic() < deadline
                time.sleep(0.05)
        finally:
            child.kill()
    assert [one.name for one in found] == ["sha256sum"]


def test_interference_names_them_and_other_reasons_do_not() -> None:
    evidence = Evidence(busiest=(BusyProcess(name="python3", share=0.18),))
    evidence.add_slice_cpu(CpuTime(wall_s=1.0, cpus=2, idle_s=1.0, foreign_s=0.5))
    findings = {one.reason: one for one in judge(evidence, prove(evidence)).findings}
    assert findings[Reason.INTERFERENCE].processes == evidence.busiest
    assert findings[Reason.INTERFERENCE].detail == "other processes used 25.0 % of the CPUs; busiest: python3 18 %"
    assert findings[Reason.NO_REQUESTS].processes == ()
