"""A worker killed in the middle of a lab: its register is enough to remove everything."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT
from tests.kernel.bench import HeldNamespaces, assert_nothing_left, new_tag
from workers.lab import netns
from workers.lab.cleanup import CleanupRegister, foreign_leftovers, processes_in, remove_netns, sweep
from workers.lab.lab import built
from workers.lab.spec import LabSpec

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

WORKER = """
import subprocess, sys, time
from pathlib import Path
from tests.kernel.bench import start_origin
from workers.datapaths.tproxy import Tproxy
from workers.lab.spec import LabSpec
from workers.lab.lab import built
from workers.lab.cleanup import CleanupRegister

tag, register = sys.argv[1], CleanupRegister(Path(sys.argv[2]))
with built(LabSpec(tag, "direct", 0), register), built(LabSpec(tag, "tproxy", 1), register) as lab:
    start_origin(lab)
    with Tproxy().attached(lab):
        lab.spawn("dut", ["sh", "-c", "setsid sleep 300 & setsid sleep 300"], task_role=None)
        print("ready", flush=True)
        time.sleep(300)
"""


@pytest.fixture
def worker(tmp_path: Path):
    """A worker with two labs, a datapath, an origin and daemons; its tag and process."""
    tag = new_tag()
    argv = [sys.executable, "-W", "error", "-c", WORKER, tag, str(tmp_path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield tag, process
        process.kill()
    sweep(tmp_path)


def test_all_of_a_killed_workers_objects_are_swept(worker: tuple[str, subprocess.Popen[str]], tmp_path: Path) -> None:
    tag, process = worker
    held = HeldNamespaces(*netns.names(f"sd-{tag}"))
    assert len(held.inodes()) == 6
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    assert processes_in(held.inodes()), "nginx's workers and the daemons have survived, or this test shows nothing"
    assert foreign_leftovers(tmp_path / "other") != []
    removed = sweep(tmp_path)
    assert len([item for item in removed if item.startswith("namespace ")]) == 6
    assert len([item for item in removed if item.startswith("run directory ")]) == 2
    assert_nothing_left(tag, held, tmp_path)
    assert sweep(tmp_path) == []


def test_a_living_workers_objects_and_ones_of_no_ledger_stay(
    worker: tuple[str, subprocess.Popen[str]], tmp_path: Path
) -> None:
    tag, process = worker
    stray = f"sd-{new_tag()}-0direct-dut"
    netns.create(stray)
    try:
        assert sweep(tmp_path) == []
        assert process.poll() is None
        assert len(netns.names(f"sd-{tag}")) == 6
        assert stray in foreign_leftovers(tmp_path)
        assert not [name for name in foreign_leftovers(tmp_path) if name.startswith(f"sd-{tag}")]
    finally:
        assert remove_netns(stray) == [f"namespace {stray}"]
    assert remove_netns(stray) == []


def test_each_object_is_in_the_ledger_before_it_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tag, seen, create = new_tag(), [], netns.create

    def watched(name: str) -> None:
        seen.append(name in (tmp_path / f"{tag}.json").read_text())
        create(name)

    monkeypatch.setattr(netns, "create", watched)
    with built(LabSpec(tag, "direct", 0), CleanupRegister(tmp_path)) as lab:
        process = lab.spawn("dut", ["sleep", "60"], task_role=None)
        assert str(process.pid) in (tmp_path / f"{tag}.json").read_text()
    assert seen == [True, True, True]


def test_a_half_made_namespace_is_swept_too(tmp_path: Path) -> None:
    tag = new_tag()
    name = f"sd-{tag}-0direct-dut"
    pid = os.fork()
    if pid == 0:
        CleanupRegister(tmp_path).add_netns(tag, name)
        (netns.DIRECTORY / name).touch()  # killed between making the file and mounting on it
        os._exit(0)
    os.waitpid(pid, 0)
    assert sweep(tmp_path) == [f"namespace {name}"]
    assert netns.names(f"sd-{tag}") == []
