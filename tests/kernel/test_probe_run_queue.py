"""The run_queue probe on this kernel: the waits of a lab's tasks, and of no others."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from probes.base import Probe
from probes.catalog.run_queue import RunQueue
from tests.kernel.probe_lab import ProbeLab, growth, probe_lab, stage_of, started

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

BUSY = "while True: pass"
NAPS = """
import sys, time
sys.stdin.readline()
for _ in range(int(sys.argv[1])):
    time.sleep(0.002)
print("done", flush=True)
sys.stdin.readline()
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[ProbeLab]:
    with probe_lab(os.getpid()) as lab:
        yield lab


@pytest.fixture(scope="module")
def run_queue() -> Iterator[Probe]:
    yield from started(RunQueue())


def test_run_queue_counts_each_wakeup_of_the_labs_tasks(run_queue: Probe, lab: ProbeLab) -> None:
    naps = 200
    command = [sys.executable, "-c", NAPS, str(naps)]
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as watched,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as stranger,
    ):
        before = stage_of(run_queue)
        run_queue.watch(lab.view(proxy=(watched.pid,)))
        nap(stranger)
        assert growth(run_queue, before).count <= 20  # the watched one may still be starting up
        before = stage_of(run_queue)
        nap(watched)
        run_queue.watch(None)
        histogram = growth(run_queue, before)
        watched.communicate("\n")
        stranger.communicate("\n")
    # Being preempted adds to the wakeups, and may let a nap's end pass before it begins; a busy machine preempts.
    assert 0.9 * naps <= histogram.count <= 3 * naps
    assert histogram.matched is not None
    assert histogram.matched > 0.95


def nap(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    assert process.stdout.readline() == "done\n"


def test_run_queue_shows_a_busy_neighbour(run_queue: Probe, lab: ProbeLab) -> None:
    command = ["taskset", "-c", "0", sys.executable, "-c", BUSY]
    with subprocess.Popen(command) as watched, subprocess.Popen(command) as neighbour:
        time.sleep(0.2)
        run_queue.watch(lab.view(origin=(watched.pid,)))
        before = stage_of(run_queue)
        began_ns = time.monotonic_ns()
        time.sleep(0.6)
        histogram = growth(run_queue, before)
        wall_ns = time.monotonic_ns() - began_ns
        run_queue.watch(None)
        watched.kill()
        neighbour.kill()
    # Two of them share a CPU: each waits at least about half of the time, in turns of milliseconds.
    assert histogram.count >= 10
    assert 0.35 * wall_ns < histogram.sum_ns < 1.05 * wall_ns
    assert histogram.sum_ns / histogram.count > 500_000


def test_run_queue_follows_tasks_from_lab_to_lab(run_queue: Probe, lab: ProbeLab) -> None:
    command = [sys.executable, "-c", NAPS, "50"]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    first, second = (lab.view(proxy=(process.pid,)) for process in processes)
    for view, busy, watched in ((first, 0, False), (second, 1, True)):
        run_queue.watch(first)
        run_queue.watch(second)
        before = stage_of(run_queue)
        nap(processes[busy])
        assert (growth(run_queue, before).count >= 45) is watched, view
    run_queue.watch(None)
    for process in processes:
        process.communicate("\n")
