"""What else the host does while a block runs: short-lived processes count, a quiet block is no interference."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.trials.trial import Reason
from tests import ROOT
from tests.host_noise import Limits, between, in_windows, reading, windows
from tests.kernel.bench import new_tag
from tests.kernel.runner.test_block import measure
from workers.lab.cgroups import hierarchies, own_group
from workers.lab.cleanup import CleanupRegister, sweep
from workers.runner.cpu import CpuMeter

pytestmark = [pytest.mark.kernel, pytest.mark.alone, pytest.mark.usefixtures("kernel")]

QUIET = 0.02  # of the CPUs, used by others
OUTSIDE = f"echo $$ > {{group}}/cgroup.procs; while :; do {sys.executable} -S -c ''; /bin/true; done"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The group that this process is in, of the hierarchy in which blocks get theirs."""
    if hierarchies().of_groups is None:
        pytest.skip("no cgroup accounts for CPU time here")
    with own_group(new_tag(), CleanupRegister(tmp_path / "home")) as group:
        assert group is not None
        return group.path.parent


@pytest.fixture
def loops() -> Iterator[list["subprocess.Popen[bytes]"]]:
    """Shell loops that a test starts."""
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for loop in started:
        os.killpg(loop.pid, signal.SIGKILL)
        loop.wait()


@in_windows
def test_short_lived_foreign_processes_are_interference(
    tmp_path: Path, home: Path, loops: list["subprocess.Popen[bytes]"]
) -> None:
    def start(_: object) -> None:
        script = OUTSIDE.format(group=home)
        loops.append(subprocess.Popen(["sh", "-c", script], start_new_session=True))

    trials = measure(tmp_path, ("direct", "nft_dnat"), {"direct": start}, turns=3, slice_s=0.2, when=0.3)
    assert [label for label, one in trials.items() if Reason.INTERFERENCE in one.validity.reasons]
    details = [finding.detail for one in trials.values() for finding in one.validity.findings]
    assert any("other processes used" in detail and "of the CPUs" in detail for detail in details)
    foreign_s = sum(one.cpu.foreign_s for one in trials.values())
    assert foreign_s > 0.15 * sum(one.cpu.wall_s for one in trials.values())


def test_a_block_is_not_foreign_to_itself_and_leaves_no_group(tmp_path: Path, home: Path) -> None:
    groups = {path.name for path in home.glob("sd-*")}
    for window in windows(limits=Limits(foreign=QUIET)):
        with window:
            before = reading()
            trials = measure(tmp_path, ("direct", "tproxy"), turns=3, slice_s=0.2)
            others = between(before, reading()).foreign
            assert {path.name for path in home.glob("sd-*")} <= groups
            for one in trials.values():
                assert one.cpu.busy_s > 0.5 * one.cpu.wall_s  # the block itself was busy
                assert one.cpu.foreign_s / (one.cpu.wall_s * one.cpu.cpus) < others + 0.05
                assert others > QUIET or Reason.INTERFERENCE not in one.validity.reasons


@in_windows
def test_foreign_time_is_what_the_host_used_less_our_own(tmp_path: Path) -> None:
    """Against a second account, which adds up processes and those that they waited for."""
    with own_group(new_tag(), CleanupRegister(tmp_path)) as group:
        meter = CpuMeter(group=group)
        meter.snapshot()
        first, before = meter.snapshot(), reading()
        subprocess.run(["sh", "-c", "i=0; while [ $i -lt 500 ]; do /bin/true; i=$((i+1)); done"], check=True)
        seen, others = meter.snapshot().since(first), between(before, reading()).foreign
    assert seen.foreign_s / (seen.wall_s * seen.cpus) == pytest.approx(others, abs=0.08)


WORKER = """
import subprocess, sys, time
from pathlib import Path
from workers.lab.cgroups import own_group
from workers.lab.cleanup import CleanupRegister

with own_group(sys.argv[1], CleanupRegister(Path(sys.argv[2]))) as group:
    child = subprocess.Popen(["sleep", "30"], start_new_session=True)
    print(group.path, child.pid, flush=True)
    time.sleep(300)
"""


@pytest.mark.usefixtures("home")
def test_a_killed_workers_group_is_swept_and_what_lives_in_it_is_moved(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", WORKER, new_tag(), str(tmp_path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=ROOT) as worker:
        assert worker.stdout is not None
        path, child = worker.stdout.readline().split()
        group = Path(path)
        try:
            assert {str(worker.pid), child} <= set((group / "cgroup.procs").read_text().split())
            assert sweep(tmp_path) == []  # its worker lives
            worker.kill()
            worker.wait(30)
            assert f"cgroup {path}" in sweep(tmp_path)
            assert not group.exists()
            assert child in (group.parent / "cgroup.procs").read_text().split()
        finally:
            worker.kill()
            os.kill(int(child), signal.SIGKILL)
