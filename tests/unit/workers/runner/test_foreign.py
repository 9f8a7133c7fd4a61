"""The CPU time of foreign processes: parsing, gains between two looks, and what belongs to a block."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from workers.lab.cgroups import Group, Hierarchies
from workers.runner import foreign
from workers.runner.cpu import CpuMeter
from workers.runner.foreign import ByGroup, ByProcess, KernelThreads, ProcessTicks, gained_ticks, read_process_ticks


def test_a_process_line_is_read_whatever_its_command() -> None:
    tail = " S 7 42 42 0 -1 4194560 1 2 3 4 11 22 5 6 20 0 1 0 9876 1000 2000"
    process = read_process_ticks("42 (a) b (c) 1 2)" + tail)
    assert (process.pid, process.parent, process.start, process.ticks, process.waited) == (42, 7, 9876, 33, 11)
    assert not process.kernel_thread


def test_a_kernel_thread_is_known_by_its_flag() -> None:
    assert read_process_ticks(f"2 (kthreadd) S 0 0 0 0 -1 {0x00200000 | 0x40} " + "0 " * 20).kernel_thread


def test_a_broken_process_line_is_refused() -> None:
    with pytest.raises(ValueError):
        read_process_ticks("42 (cut off) S 1")


def looked(*processes: ProcessTicks) -> dict[tuple[int, int], ProcessTicks]:
    return {(one.pid, one.start): one for one in processes}


def process(pid: int, ticks: int, waited: int = 0, start: int = 1, parent: int = 1) -> ProcessTicks:
    return ProcessTicks(pid, parent, start, ticks, waited, kernel_thread=False)


@pytest.mark.parametrize(
    ("before", "now", "gained"),
    [
        ([process(9, 40)], [process(9, 50), process(10, 7)], 17),  # one that worked, and one that began
        ([process(9, 500)], [process(9, 3, start=2)], 3),  # a process id is used again
        ([process(9, 40), process(8, 999)], [process(9, 30)], 0),
        ([process(9, 1)], [process(9, 1, waited=60)], 60),  # many short children, none of which was seen
        ([process(9, 1), process(10, 50, parent=9)], [process(9, 1, waited=58)], 8),  # a child that was seen, and ended
        ([process(9, 1), process(10, 50, waited=5, parent=9)], [process(9, 1)], 0),  # nothing waited for it
    ],
)
def test_gains_count_once(before: list[ProcessTicks], now: list[ProcessTicks], gained: int) -> None:
    assert gained_ticks(looked(*before), looked(*now)) == gained


def burnt_s(account: foreign.Foreign, argv: list[str]) -> tuple[float, float]:
    """What an account makes of a command: CPU seconds, of which the command used so many."""
    before, children = account.used_s(), os.times()
    subprocess.run(argv, check=True)
    after = os.times()
    own = after.children_user + after.children_system - children.children_user - children.children_system
    return account.used_s() - before, own


SHORT_LIVES = ["sh", "-c", "i=0; while [ $i -lt 300 ]; do /bin/true; i=$((i+1)); done"]


def test_processes_that_end_between_two_looks_count_by_their_parents() -> None:
    account = ByProcess(lambda one, _: one.pid == os.getpid() or one.parent == os.getpid())
    seen_s, used_s = burnt_s(account, SHORT_LIVES)
    assert used_s > 0.1
    assert seen_s > 0.9 * used_s - 0.03


def test_own_children_are_not_foreign_but_strangers_are() -> None:
    own, stranger = CpuMeter(), CpuMeter(own_pids=())
    for meter in (own, stranger):
        meter.snapshot()
    with subprocess.Popen(["sh", "-c", "while :; do :; done"]) as child:
        try:
            deadline = time.monotonic() + 60
            while stranger.snapshot().foreign_s - own.snapshot().foreign_s < 0.1:
                assert time.monotonic() < deadline
                time.sleep(0.1)
        finally:
            child.kill()


def test_processes_of_own_namespaces_are_not_foreign() -> None:
    meter = CpuMeter(own_netns={os.stat("/proc/self/ns/net").st_ino}, own_pids=())
    own = process(os.getpid(), 1)
    assert [meter.is_foreign(own, {}) for _ in range(3)] == [False] * 3  # the third time from memory
    meter.own_netns = set()
    assert meter.is_foreign(own, {})


@pytest.fixture
def hierarchy(tmp_path: Path) -> Path:
    """A unified hierarchy of files: the block's group below another one, which is beside a third."""
    for name, used in (("", None), ("ours.slice", 5_000_000), ("ours.slice/sd-abcdef", 4_000_000), ("theirs", 1_000)):
        (tmp_path / name).mkdir(exist_ok=True)
        if used is not None:
            use(tmp_path / name, used)
    (tmp_path / "cgroup.procs").write_text("")
    return tmp_path


def use(group: Path, usage_usec: int) -> None:
    (group / "cpu.stat").write_text(f"usage_usec {usage_usec}\nuser_usec 0\n")


@pytest.fixture
def no_kernel_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KernelThreads, "used_s", lambda _: 0.0)


@pytest.mark.usefixtures("no_kernel_threads")
def test_in_the_unified_hierarchy_all_groups_but_the_blocks_are_foreign(hierarchy: Path) -> None:
    account = ByGroup(Group(hierarchy / "ours.slice/sd-abcdef", Hierarchies(hierarchy, None)))
    assert account.used_s() == 0.0
    use(hierarchy / "ours.slice", 8_100_000)  # three seconds of the block's, a tenth beside it
    use(hierarchy / "ours.slice/sd-abcdef", 7_000_000)
    assert account.used_s() == pytest.approx(0.1)
    (hierarchy / "new").mkdir()
    use(hierarchy / "new", 200_000)
    assert account.used_s() == pytest.approx(0.3)
    (hierarchy / "theirs/cpu.stat").unlink()  # a group that is removed takes nothing back
    (hierarchy / "theirs").rmdir()
    assert account.used_s() == pytest.approx(0.3)


@pytest.mark.usefixtures("no_kernel_threads")
def test_a_containers_root_counts_as_a_whole(hierarchy: Path) -> None:
    (hierarchy / "cgroup.type").write_text("domain")
    use(hierarchy, 6_000_000)
    account = ByGroup(Group(hierarchy / "ours.slice/sd-abcdef", Hierarchies(hierarchy, None)))
    account.used_s()
    use(hierarchy, 6_500_000)
    assert account.used_s() == pytest.approx(0.5)


@pytest.mark.usefixtures("no_kernel_threads")
def test_the_first_versions_root_is_the_total(hierarchy: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    v1 = tmp_path_factory.mktemp("cpuacct")
    (v1 / "cpuacct.usage").write_text("9000000000")
    account = ByGroup(Group(hierarchy / "ours.slice/sd-abcdef", Hierarchies(hierarchy, v1)))
    account.used_s()
    (v1 / "cpuacct.usage").write_text("9700000000")
    use(hierarchy / "ours.slice/sd-abcdef", 4_600_000)
    assert account.used_s() == pytest.approx(0.1)


def test_kernel_threads_are_no_processes() -> None:
    threads = KernelThreads()
    assert threads.used_s() == 0.0
    began = time.monotonic()
    sum(range(1_000_000))
    assert 0 <= threads.used_s() <= (time.monotonic() - began) * (os.cpu_count() or 1) + 0.05
    assert not {os.getpid(), os.getppid()} & threads.pids
