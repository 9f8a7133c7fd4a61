"""On-CPU stacks on this kernel: which role used the CPU, in which functions, without processes of other labs."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from bpf.loader import UNKNOWN
from domain.probes.stacks import Stacks
from probes.base import ProbeError
from probes.profiler import Profiler
from tests.host_noise import in_windows
from tests.kernel.probes.probe_lab import DUT_CLIENT, FORWARDER, SERVER, SPRAY, ProbeLab

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

# Uses half a second of CPU time in one system call. CPU time does not depend on how busy the machine is.
BUSY = """
import os, sys, time
sys.stdin.readline()
begun = time.process_time()
while time.process_time() - begun < 0.5:
    for _ in range(1000):
        os.stat("/proc/self/cmdline")
print("done", flush=True)
sys.stdin.readline()
"""


@pytest.fixture(scope="module")
def profiler() -> Iterator[Profiler]:
    profiler = Profiler()
    profiler.start()
    profiler.start()  # harmless
    yield profiler
    profiler.stop()


def busy() -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def work(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    assert process.stdout.readline() == "done\n"


@in_windows
def test_samples_of_a_role_are_in_proportion_to_its_cpu_time(profiler: Profiler, lab: ProbeLab) -> None:
    with busy() as proxy, busy() as origin, busy() as generator:
        profiler.watch(lab.view(proxy=(proxy.pid,), origin=(origin.pid,)))
        for process in (proxy, origin, generator):
            work(process)
        seen = profiler.take()
        for process in (proxy, origin, generator):
            process.communicate("\n")
    for role in ("dut", "server", "client"):
        samples = sum(seen.counts[role].values())
        assert 0.5 * profiler.hertz * 0.7 < samples < 0.5 * profiler.hertz * 1.4
        calling = sum(n for stack, n in seen.counts[role].items() if "stat" in stack and stack.endswith("_[k]"))
        assert calling > 0.3 * samples
    frames = {frame for counts in seen.counts.values() for stack in counts for frame in stack.split(";")}
    assert "do_syscall_64_[k]" in frames
    assert len(frames - {UNKNOWN}) > 10
    assert seen.hertz == profiler.hertz


def test_receiving_packets_is_separate_from_the_interrupted_task(profiler: Profiler, lab: ProbeLab) -> None:
    packets = 40_000
    with lab.running("dut", FORWARDER, SERVER) as forwarder:
        profiler.watch(lab.view(proxy=(forwarder.pid,)))
        lab.run("client", SPRAY, DUT_CLIENT, packets)
        seen = profiler.take()
    softirq = seen.counts["softirq"]
    assert sum(softirq.values()) >= 5
    assert all(stack.split(";")[0] == "net_rx_action_[k]" for stack in softirq)
    assert any("ip_forward" in stack or "ip_rcv" in stack for stack in softirq)


def test_each_lab_has_separate_stacks_and_none_between_two_labs(profiler: Profiler, lab: ProbeLab) -> None:
    with busy() as proxy:
        profiler.watch(lab.view())
        profiler.take()
        work(proxy)
        profiler.watch(lab.view(proxy=(proxy.pid,)))
        seen = profiler.take()
        proxy.communicate("\n")
    assert sum(seen.counts.get("dut", {}).values()) <= 2
    assert seen.lost == 0 or seen.samples


def test_it_refuses_to_work_before_its_start_and_its_stop_closes_all(lab: ProbeLab) -> None:
    profiler = Profiler()
    with pytest.raises(ProbeError, match="not started"):
        profiler.take()
    before = descriptors()
    for _ in range(2):
        profiler.start()
        profiler.watch(lab.view())
        time.sleep(0.01)
        assert isinstance(profiler.take(), Stacks)
        profiler.stop()
    profiler.stop()
    assert descriptors() == before


def descriptors() -> int:
    """BPF and perf-event descriptors that this process holds."""
    held = 0
    for fd in os.listdir("/proc/self/fd"):
        try:
            name = os.readlink(f"/proc/self/fd/{fd}")
        except FileNotFoundError:
            continue
        held += "bpf" in name or "perf_event" in name
    return held
