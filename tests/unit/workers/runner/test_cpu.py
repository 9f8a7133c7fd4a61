"""CPU time from /proc: parsing, differences, and what is foreign."""

import os
import subprocess
import time

import pytest

from tests.host_noise import in_windows
from workers.lab.host_cpu import HostTicks, read_host_ticks
from workers.runner.cpu import CpuMeter, CpuSnapshot, read_process_ticks

STAT = """\
cpu  100 20 30 400 5 6 7 8 50 0
cpu0 50 10 15 200 2 3 3 4 25 0
cpu1 50 10 15 200 3 3 4 4 25 0
intr 12345
ctxt 678
"""


def test_the_host_line_is_read_with_guest_time_counted_once() -> None:
    assert read_host_ticks(STAT) == HostTicks(cpus=2, user=120, system=30, irq=6, softirq=7, steal=8, idle=405)


@pytest.mark.parametrize("text", ["", "cpu\n", "intr 1\n", "cpu  a b c d e f g h\n"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        read_host_ticks(text)


def test_a_process_line_is_read_whatever_its_command() -> None:
    tail = " S 7 42 42 0 -1 4194560 1 2 3 4 11 22 5 6 20 0 1 0 9876 1000 2000"
    process = read_process_ticks("42 (a) b (c) 1 2)" + tail)
    assert (process.pid, process.parent, process.start, process.ticks) == (42, 7, 9876, 33)
    assert not process.kernel_thread


def test_a_kernel_thread_is_known_by_its_flag() -> None:
    assert read_process_ticks(f"2 (kthreadd) S 0 0 0 0 -1 {0x00200000 | 0x40} " + "0 " * 20).kernel_thread


def test_a_broken_process_line_is_refused() -> None:
    with pytest.raises(ValueError):
        read_process_ticks("42 (cut off) S 1")


def test_the_difference_is_in_seconds() -> None:
    earlier = CpuSnapshot(1.0, HostTicks(2, 100, 50, 0, 10, 5, 1000), {(9, 1): 40})
    later = CpuSnapshot(3.5, HostTicks(2, 300, 80, 1, 30, 9, 1100), {(9, 1): 50, (10, 2): 7})
    cpu = later.since(earlier)
    assert (cpu.wall_s, cpu.cpus) == (2.5, 2)
    ticks_per_s = os.sysconf("SC_CLK_TCK")
    assert cpu.user_s * ticks_per_s == pytest.approx(200)
    assert cpu.system_s * ticks_per_s == pytest.approx(30)
    assert cpu.softirq_s * ticks_per_s == pytest.approx(20)
    assert cpu.steal_s * ticks_per_s == pytest.approx(4)
    assert cpu.foreign_s * ticks_per_s == pytest.approx(10 + 7)


def test_counters_that_run_backwards_count_nothing_and_ended_processes_do_not_matter() -> None:
    earlier = CpuSnapshot(1.0, HostTicks(1, 10, 10, 0, 0, 0, 100), {(9, 1): 40, (8, 8): 999})
    cpu = CpuSnapshot(2.0, HostTicks(1, 10, 10, 0, 0, 0, 90), {(9, 1): 30}).since(earlier)
    assert (cpu.idle_s, cpu.foreign_s) == (0.0, 0.0)


def test_a_reused_pid_is_another_process() -> None:
    earlier = CpuSnapshot(1.0, HostTicks(1, 0, 0, 0, 0, 0, 0), {(9, 1): 500})
    cpu = CpuSnapshot(2.0, HostTicks(1, 0, 0, 0, 0, 0, 0), {(9, 2): 3}).since(earlier)
    assert cpu.foreign_s * os.sysconf("SC_CLK_TCK") == pytest.approx(3)


def test_own_children_are_not_foreign_but_strangers_are() -> None:
    with subprocess.Popen(["sleep", "30"]) as child:
        own, stranger = CpuMeter(), CpuMeter(own_pids=())
        try:
            assert child.pid not in {pid for pid, _ in own.snapshot().foreign}
            assert child.pid in {pid for pid, _ in stranger.snapshot().foreign}
            assert os.getpid() in {pid for pid, _ in stranger.snapshot().foreign}
        finally:
            child.kill()


def test_processes_of_own_namespaces_are_not_foreign() -> None:
    meter = CpuMeter(own_netns={os.stat("/proc/self/ns/net").st_ino}, own_pids=())
    for _ in range(3):  # the third sight is from memory
        assert os.getpid() not in {pid for pid, _ in meter.snapshot().foreign}
    meter.own_netns = set()
    assert os.getpid() in {pid for pid, _ in meter.snapshot().foreign}


@in_windows
def test_a_snapshot_is_cheap_and_sees_work() -> None:
    meter = CpuMeter(own_netns={1})
    before = meter.snapshot()
    meter.snapshot()
    started = time.perf_counter()
    meter.snapshot()
    processes = sum(name.isdigit() for name in os.listdir("/proc"))
    assert time.perf_counter() - started < 0.02 + processes * 100e-6
    deadline = time.monotonic() + 5
    while (cpu := meter.snapshot().since(before)).busy_s < 0.03:
        sum(range(100_000))
        assert time.monotonic() < deadline
    assert cpu.busy_s <= cpu.wall_s * cpu.cpus * 1.2 + 0.05


def test_short_bursts_between_ticks_are_seen() -> None:
    meter = CpuMeter()
    before, worked = meter.snapshot(), time.process_time()
    deadline = time.monotonic() + 0.6
    while time.monotonic() < deadline:
        burst = time.perf_counter() + 200e-6
        while time.perf_counter() < burst:
            pass
        time.sleep(0.0005)
    worked = time.process_time() - worked
    cpu = meter.snapshot().since(before)
    # Ticks saw a tenth to two thirds of such work on an idle machine; a busy one has more to see than ours. What the
    # hypervisor took of our bursts is in our process's time, and listed separately in the host's.
    assert cpu.busy_s + cpu.steal_s > 0.85 * worked - 0.03
