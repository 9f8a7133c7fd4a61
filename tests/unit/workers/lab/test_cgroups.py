"""Which hierarchies account for CPU time, and what the cleanup register makes of groups."""

import json
from pathlib import Path

import pytest

from workers.lab import cgroups
from workers.lab.cgroups import Hierarchies, hierarchies, own_group, used_s
from workers.lab.cleanup import CleanupRegister, remove_cgroup, sweep

HYBRID = """\
tmpfs /sys/fs/cgroup tmpfs rw,mode=755 0 0
cgroup /sys/fs/cgroup/cpu cgroup rw,relatime,cpu 0 0
cgroup /sys/fs/cgroup/cpuacct cgroup rw,relatime,cpuacct 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0
"""


def test_hierarchies_are_found_by_their_mounts() -> None:
    unified, cpuacct = Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup/cpuacct")
    assert hierarchies(HYBRID) == Hierarchies(unified, cpuacct)
    assert hierarchies("cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n") == Hierarchies(Path("/sys/fs/cgroup"), None)
    assert hierarchies("cgroup /c cgroup rw,cpu,cpuacct 0 0\n") == Hierarchies(None, Path("/c"))
    assert hierarchies("cgroup /c cgroup rw,cpu 0 0\n") == Hierarchies(None, None)


def test_groups_are_made_where_a_generator_keeps_its_priority(tmp_path: Path) -> None:
    assert Hierarchies(tmp_path / "unified", tmp_path).of_groups == tmp_path / "unified"
    assert Hierarchies(None, tmp_path).of_groups == tmp_path
    (tmp_path / "cpu.rt_runtime_us").write_text("950000")
    assert Hierarchies(None, tmp_path).of_groups is None
    assert Hierarchies(None, None).of_groups is None


def test_both_versions_usage_is_in_seconds(tmp_path: Path) -> None:
    (tmp_path / "cpu.stat").write_text("nr_periods 0\nusage_usec 1500000\n")
    assert used_s(tmp_path) == 1.5
    (tmp_path / "cpuacct.usage").write_text("2500000000\n")
    assert used_s(tmp_path) == 2.5


def test_a_group_without_cpu_time_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cpu.stat").write_text("nr_periods 0\n")
    with pytest.raises(OSError, match="no CPU time"):
        used_s(tmp_path)


def test_a_host_without_groups_is_measured_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "hierarchies", lambda: Hierarchies(None, None))
    with own_group("abcdef", CleanupRegister(tmp_path)) as group:
        assert group is None


def test_a_host_that_allows_no_group_is_measured_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    where = tmp_path / "file"
    where.write_text("no directory")
    monkeypatch.setattr(cgroups, "hierarchies", lambda: Hierarchies(where, None))
    with own_group("abcdef", CleanupRegister(tmp_path / "register")) as group:
        assert group is None
    assert list((tmp_path / "register").iterdir()) == []


@pytest.mark.parametrize("path", ["/c/sd-ABCDEF", "/c/../sd-abcdef", "/c/sd-abcdef/x", "c/sd-abcdef", "/c/abcdef"])
def test_only_our_groups_are_registered(path: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no valid name"):
        CleanupRegister(tmp_path).add_cgroup("abcdef", path)
    assert remove_cgroup(path) == []


def test_a_registered_group_is_swept_and_a_foreign_path_is_not(tmp_path: Path) -> None:
    group, other = tmp_path / "sd-abcdef", tmp_path / "other"
    for one in (group, other):
        one.mkdir()
    register = CleanupRegister(tmp_path / "register")
    register.add_cgroup("abcdef", str(group))
    file = tmp_path / "register/abcdef.json"
    entry = json.loads(file.read_text())
    entry["cgroups"].append(str(other))
    file.write_text(json.dumps(entry))
    assert sweep(tmp_path / "register") == [f"cgroup {group}"]
    assert (group.exists(), other.exists()) == (False, True)


def test_a_register_of_an_earlier_version_is_swept(tmp_path: Path) -> None:
    register = CleanupRegister(tmp_path)
    register.add_run_dir("abcdef", "abcdef-0direct")
    file = tmp_path / "abcdef.json"
    entry = json.loads(file.read_text())
    del entry["cgroups"]
    file.write_text(json.dumps(entry))
    assert sweep(tmp_path) == []
    assert not file.exists()
