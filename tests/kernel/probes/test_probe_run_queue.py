"""The run_queue probe on this kernel: it counts the waits of a lab's tasks and of the kernel's, and no others."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from probes.base import Probe
from probes.catalog.run_queue import RunQueue
from tests.host_noise import in_windows
from tests.kernel.probes.probe_lab import ASK, ECHO, SERVER, ProbeLab, growth, stage_of, started

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

BUSY = """
print("ready", flush=True)
while True:
    pass
"""
NAPS = """
import sys, time
print("ready", flush=True)
sys.stdin.readline()
for _ in range(int(sys.argv[1])):
    time.sleep(0.002)
print("done", flush=True)
sys.stdin.readline()
"""
# Both tasks have the same real-time priority on one CPU: one that is woken waits until the other sleeps.
REAL_TIME = """
import os, sys, time
os.sched_setaffinity(0, {0})
os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
"""
SLEEPER = (
    REAL_TIME
    + """
print("ready", flush=True)
while os.read(0, 1):
    pass
"""
)
NEIGHBOUR = (
    REAL_TIME
    + """
for _ in range(int(sys.argv[1])):
    time.sleep(0.02)
    os.write(1, b"x")
    until = time.monotonic() + float(sys.argv[2])
    while time.monotonic() < until:
        pass
"""
)


@pytest.fixture(scope="module")
def run_queue() -> Iterator[Probe]:
    yield from started(RunQueue())


@in_windows
def test_run_queue_counts_each_wakeup_of_the_labs_tasks(run_queue: Probe, lab: ProbeLab) -> None:
    naps = 200
    with napper(naps) as watched, napper(naps) as stranger:
        before = stage_of(run_queue, "proxy")
        run_queue.watch(lab.view(proxy=(watched.pid,)))
        nap(stranger)
        assert growth(run_queue, before, "proxy").count <= 2  # the watched one may still be on its way to sleep
        before, others = stage_of(run_queue, "proxy"), stage_of(run_queue, "origin")
        woken = run_queue.read().work.get("wakeups_proxy", 0)
        nap(watched)
        run_queue.watch(None)
        reading = run_queue.read()
        watched.communicate("\n")
        stranger.communicate("\n")
    histogram = reading.stages["proxy"].minus(before)
    wakeups = reading.work["wakeups_proxy"] - woken
    # If a task is preempted on its way to sleep, its timer may expire before it sleeps. Preemptions add waits.
    assert 0.9 * naps <= wakeups <= naps + 20
    assert wakeups - 10 <= histogram.count <= 3 * naps
    # A task that is woken while it still runs does not wait, and does not count as unmatched.
    assert abs(histogram.started - histogram.count) <= 1
    assert reading.stages["origin"] == others
    assert "wakeups_generator" not in reading.work


def napper(naps: int) -> subprocess.Popen[str]:
    """A process that has started up, and sleeps so many times when it is asked."""
    command = [sys.executable, "-c", NAPS, str(naps)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert said(process) == "ready\n"
    return process


def nap(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
    assert said(process) == "done\n"


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


@in_windows
def test_a_task_waits_5_ms_for_a_neighbour_that_is_busy_for_5_ms(run_queue: Probe, lab: ProbeLab) -> None:
    rounds, busy_s = 20, 0.005
    watched = subprocess.Popen([sys.executable, "-c", SLEEPER], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert watched.stdout is not None
        assert watched.stdout.readline() == b"ready\n"
        before = stage_of(run_queue, "proxy")
        run_queue.watch(lab.view(proxy=(watched.pid,)))
        neighbour = [sys.executable, "-c", NEIGHBOUR, str(rounds), str(busy_s)]
        subprocess.run(neighbour, stdout=watched.stdin, check=True, timeout=30)
        time.sleep(0.02)
        histogram = growth(run_queue, before, "proxy")
        run_queue.watch(None)
    finally:
        watched.kill()
        watched.communicate()
    # Deadline and stop tasks may still preempt it, which adds waits but shortens none.
    assert rounds <= histogram.count <= rounds + 5
    assert histogram.count == histogram.started
    assert rounds * busy_s < histogram.sum_ns / 1e9 < 2 * rounds * busy_s
    assert 4_500_000 < (histogram.percentile_ns(50) or 0) < 8_000_000


@in_windows
def test_run_queue_agrees_with_the_kernels_schedstat(run_queue: Probe, lab: ProbeLab) -> None:
    """/proc/<pid>/schedstat has the time that a task spent waiting on a run queue."""
    command = ["taskset", "-c", "0", sys.executable, "-c", BUSY]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watched,
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as neighbour,
    ):
        assert [said(process) for process in (watched, neighbour)] == ["ready\n"] * 2
        run_queue.watch(lab.view(origin=(watched.pid,)))
        before, waited_before_ns = stage_of(run_queue, "origin"), waited_ns(watched.pid)
        began_ns = time.monotonic_ns()
        time.sleep(0.6)
        histogram, waited = growth(run_queue, before, "origin"), waited_ns(watched.pid) - waited_before_ns
        wall_ns = time.monotonic_ns() - began_ns
        run_queue.watch(None)
        watched.kill()
        neighbour.kill()
    # Two tasks share a CPU: each waits about half of the time, in turns of milliseconds.
    assert histogram.count >= 10
    assert 0.35 * wall_ns < histogram.sum_ns < 1.05 * wall_ns
    assert histogram.sum_ns / histogram.count > 500_000
    # A wait that is in progress at the begin or end is in one of the two only.
    assert abs(histogram.sum_ns - waited) < 2 * histogram.max_ns


def waited_ns(pid: int) -> int:
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1])


def test_run_queue_follows_tasks_from_lab_to_lab(run_queue: Probe, lab: ProbeLab) -> None:
    processes = [napper(50) for _ in range(2)]
    first, second = (lab.view(proxy=(process.pid,)) for process in processes)
    for view, busy, watched in ((first, 0, False), (second, 1, True)):
        run_queue.watch(first)
        run_queue.watch(second)
        before = stage_of(run_queue, "proxy")
        nap(processes[busy])
        assert (growth(run_queue, before, "proxy").count >= 45) is watched, view
    run_queue.watch(None)
    for process in processes:
        process.communicate("\n")


@in_windows
def test_run_queue_has_kworkers_as_a_separate_role(run_queue: Probe, lab: ProbeLab) -> None:
    """A kworker carries data from one side of a terminal to the other."""
    lines = 50
    run_queue.watch(lab.view())
    before, woken = stage_of(run_queue, "kworker"), run_queue.read().work.get("wakeups_kworker", 0)
    master, terminal = os.openpty()
    try:
        for _ in range(lines):
            os.write(terminal, b"x")
            assert os.read(master, 10) == b"x"
            time.sleep(0.001)  # the kworker goes to sleep
    finally:
        os.close(master)
        os.close(terminal)
    reading = run_queue.read()
    run_queue.watch(None)
    histogram = reading.stages["kworker"].minus(before)
    # A kworker that is still awake takes the next line without a wakeup.
    assert histogram.count >= 0.9 * lines
    assert histogram.started - histogram.count <= 2
    assert reading.work["wakeups_kworker"] - woken >= 0.9 * lines


def test_run_queue_has_ksoftirqd_as_a_separate_role(run_queue: Probe, lab: ProbeLab) -> None:
    """The kernel leaves softirqs that are raised again and again to ksoftirqd."""
    run_queue.watch(lab.view())
    before, deadline = stage_of(run_queue, "ksoftirqd"), time.monotonic() + 20
    with lab.running("server", ECHO):
        while not growth(run_queue, before, "ksoftirqd").count and time.monotonic() < deadline:
            lab.run("client", ASK, SERVER, 1000)
    histogram = growth(run_queue, before, "ksoftirqd")
    run_queue.watch(None)
    assert histogram.count > 0
    assert histogram.started - histogram.count <= 2
