"""The host's CPU time: parsing, differences, and the slices of a recording."""

import os
import time
from pathlib import Path

import pytest

from tests.host_noise import in_windows
from workers.lab.cgroup_limits import own_limits
from workers.lab.host_cpu import HostTicks, read_host_ticks
from workers.runner.cpu import CpuMeter, CpuSnapshot, Recording, read_waited_s

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


def test_the_difference_is_in_seconds() -> None:
    earlier = CpuSnapshot(1.0, HostTicks(2, 100, 50, 0, 10, 5, 1000), 0.4)
    later = CpuSnapshot(3.5, HostTicks(2, 300, 80, 1, 30, 9, 1100), 0.57)
    cpu = later.since(earlier)
    assert (cpu.wall_s, cpu.cpus) == (2.5, 2)
    ticks_per_s = os.sysconf("SC_CLK_TCK")
    assert cpu.user_s * ticks_per_s == pytest.approx(200)
    assert cpu.system_s * ticks_per_s == pytest.approx(30)
    assert cpu.softirq_s * ticks_per_s == pytest.approx(20)
    assert cpu.steal_s * ticks_per_s == pytest.approx(4)
    assert cpu.foreign_s == pytest.approx(0.17)


def test_counters_that_run_backwards_count_nothing() -> None:
    earlier = CpuSnapshot(1.0, HostTicks(1, 10, 10, 0, 0, 0, 100), 0.4)
    cpu = CpuSnapshot(2.0, HostTicks(1, 10, 10, 0, 0, 0, 90), 0.3).since(earlier)
    assert (cpu.idle_s, cpu.foreign_s) == (0.0, 0.0)


def recorded(*snapshots: tuple[float, float, float | None]) -> Recording:
    idle = HostTicks(2, 0, 0, 0, 0, 0, 0)
    return Recording([CpuSnapshot(time_s, idle, foreign_s, waited_s) for time_s, foreign_s, waited_s in snapshots])


def test_each_slice_gets_what_others_used_in_its_own_time() -> None:
    recording = recorded((10.0, 0.0, 1.0), (10.5, 0.0, 1.1), (11.0, 0.4, 1.5), (11.5, 0.4, 1.5))
    spans = [(9.0, 10.5), (10.5, 11.0), (10.75, 11.25), (11.0, 11.5), (12.0, 13.0)]
    assert [recording.foreign_s(*span) for span in spans] == pytest.approx([0.0, 0.4, 0.2, 0.0, 0.0])
    assert [recording.waited_s(*span) for span in spans] == pytest.approx([0.1, 0.4, 0.2, 0.0, 0.0])


def test_without_readings_nothing_is_made_up() -> None:
    assert Recording().foreign_s(1.0, 2.0) == 0.0
    assert Recording().waited_s(1.0, 2.0) is None
    assert recorded((10.0, 0.0, None), (11.0, 0.4, None)).waited_s(10.0, 11.0) is None


def test_the_pressure_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "cpu"
    assert read_waited_s(file) is None
    file.write_text("some avg10=72.56 avg60=90.36 avg300=87.06 total=3677050455\nfull avg10=0.00 total=0\n")
    assert read_waited_s(file) == pytest.approx(3677.050455)
    file.write_text("anything\n")
    assert read_waited_s(file) is None


@in_windows
def test_a_recording_has_its_ends_and_looks_in_between() -> None:
    meter = CpuMeter()
    with meter.recording() as recording:
        time.sleep(1.2)
    times = [one.time_s for one in recording.snapshots]
    assert len(times) >= 4
    assert times == sorted(times)
    assert times[-1] - times[0] >= 1.2


@in_windows
def test_a_snapshot_is_cheap_and_sees_work() -> None:
    meter = CpuMeter(own_netns={1})
    before = meter.snapshot()
    meter.snapshot()
    started = time.perf_counter()
    meter.snapshot()
    processes = sum(name.isdigit() for name in os.listdir("/proc"))
    assert time.perf_counter() - started < 0.02 + processes * 100e-6
    deadline = time.monotonic() + 30
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


def test_what_a_cpu_limit_holds_back_belongs_to_its_slice(tmp_path: Path) -> None:
    """A group of version 2 with a quota of half a CPU, which is throttled between two looks."""
    top, process = tmp_path / "group", tmp_path / "proc"
    top.mkdir()
    process.mkdir()
    (process / "mountinfo").write_text(f"30 24 0:26 / {top} rw - cgroup2 cgroup2 rw\n")
    (process / "cgroup").write_text("0::/\n")
    (top / "cpu.max").write_text("50000 100000\n")
    (top / "cpu.stat").write_text("throttled_usec 1000000\n")
    meter = CpuMeter(own_pids=(), limits=own_limits(process))
    recording = Recording([meter.snapshot()])
    (top / "cpu.stat").write_text("throttled_usec 1250000\n")
    recording.snapshots.append(meter.snapshot())
    first, last = recording.snapshots
    assert last.since(first).throttled_s == pytest.approx(0.25)
    assert recording.others(first.time_s, last.time_s)["throttled_s"] == pytest.approx(0.25)
    middle = (first.time_s + last.time_s) / 2
    assert recording.others(middle, last.time_s)["throttled_s"] == pytest.approx(0.125, rel=0.01)
