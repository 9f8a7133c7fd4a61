"""The register and its sweep, as far as no kernel object is needed."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from workers.lab import cleanup
from workers.lab.cleanup import CleanupRegister, Entry, ProcessId, kill_all, sweep


@pytest.fixture(autouse=True)
def _private_run_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cleanup, "RUN_ROOT", tmp_path / "run")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "register"


def test_objects_are_written_down_and_forgotten(directory: Path) -> None:
    register = CleanupRegister(directory)
    register.add_netns("abc123", "sd-abc123-0direct-dut")
    register.add_run_dir("abc123", "abc123-0direct")
    entry = Entry.from_json((directory / "abc123.json").read_text())
    assert entry.netns == ["sd-abc123-0direct-dut"]
    assert entry.run_dirs == ["abc123-0direct"]
    assert entry.owner == ProcessId.of(os.getpid())
    register.forget_netns("abc123", "sd-abc123-0direct-dut")
    register.forget_run_dir("abc123", "abc123-0direct")
    assert list(directory.iterdir()) == []


@pytest.mark.parametrize("name", ["host0", "sd-abc123-../x", "sd-ABC123-dut", "", "sd-abc123-a/b"])
def test_names_that_are_not_ours_cannot_be_owned(directory: Path, name: str) -> None:
    with pytest.raises(ValueError, match="is no valid name"):
        CleanupRegister(directory).add_netns("abc123", name)
    with pytest.raises(ValueError, match="is no valid name"):
        CleanupRegister(directory).add_run_dir("abc123", name)


def test_a_forged_ledger_cannot_reach_beyond_our_names(directory: Path, tmp_path: Path) -> None:
    directory.mkdir()
    precious = tmp_path / "precious"
    precious.mkdir()
    owner = {"pid": 2**22 + 1, "start": 1}
    forged = {"owner": owner, "netns": ["host", "../../etc"], "run_dirs": ["../precious"], "processes": []}
    (directory / "abc123.json").write_text(json.dumps(forged))
    assert sweep(directory) == []
    assert precious.is_dir()
    assert list(directory.iterdir()) == []


def test_a_dead_owners_objects_are_swept_once(directory: Path) -> None:
    owner = _ended_process()
    with subprocess.Popen(["sleep", "60"]) as orphan:
        run_dir = cleanup.RUN_ROOT / "abc123-0direct"
        run_dir.mkdir(parents=True)
        (run_dir / "nginx.conf").write_text("x")
        _write(directory, owner, run_dirs=["abc123-0direct"], processes=[ProcessId.of(orphan.pid)])
        assert sweep(directory) == [f"process {orphan.pid}", f"run directory {run_dir}"]
        assert orphan.wait(30) == -9
        assert list(cleanup.RUN_ROOT.iterdir()) == []
        assert sweep(directory) == []


def test_a_recycled_pid_is_left_alone(directory: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as stranger:
        real = ProcessId.of(stranger.pid)
        _write(directory, _ended_process(), processes=[ProcessId(real.pid, real.start - 1)])
        assert sweep(directory) == []
        assert stranger.poll() is None
        stranger.kill()


def test_a_living_owners_objects_are_kept_unless_live_is_given(directory: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as owner, subprocess.Popen(["sleep", "60"]) as its:
        _write(directory, ProcessId.of(owner.pid), processes=[ProcessId.of(its.pid)])
        assert sweep(directory) == []
        assert its.poll() is None
        assert sweep(directory, live=True) == [f"process {its.pid}"]
        assert its.wait(30) == -9
        assert owner.poll() is None, "the owner itself is not its own object"
        owner.kill()


def test_an_unreadable_entry_is_said_and_removed(directory: Path) -> None:
    directory.mkdir()
    (directory / "abc123.json").write_text('{"owner": 1}')
    assert "unreadable" in sweep(directory)[0]
    assert sweep(directory) == []


def test_a_missing_register_is_an_empty_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = ["sd-abc123-0direct-client", "sd-abc123-0direct-dut"]
    monkeypatch.setattr(cleanup.netns, "names", lambda _: there)
    assert sweep(tmp_path / "nowhere") == []
    assert cleanup.foreign_leftovers(tmp_path / "nowhere") == there


def test_this_process_is_never_killed() -> None:
    assert kill_all([ProcessId.of(os.getpid())]) == []


def test_a_zombie_is_not_alive() -> None:
    with subprocess.Popen(["true"]) as child:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert cleanup.start_of(child.pid) is None


def _ended_process() -> ProcessId:
    with subprocess.Popen(["sleep", "60"]) as process:
        identity = ProcessId.of(process.pid)
        process.kill()
    return identity


def _write(
    directory: Path, owner: ProcessId, *, run_dirs: list[str] | None = None, processes: list[ProcessId] | None = None
) -> None:
    directory.mkdir(exist_ok=True)
    entry = Entry(owner, run_dirs=run_dirs or [], processes=processes or [])
    (directory / "abc123.json").write_text(entry.as_json())
