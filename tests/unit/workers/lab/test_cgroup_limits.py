"""Limits of this process's own cgroups are found in both versions, in containers and out of them."""

from pathlib import Path

import pytest

from workers.inventory.features import without_limits
from workers.lab.cgroup_limits import Limits, own_limits

V2 = "30 24 0:26 {root} {top} rw shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = (
    "31 24 0:27 {root} {top}/cpu rw shared:5 - cgroup cgroup rw,cpu,cpuacct\n"
    "32 24 0:28 {root} {top}/memory rw shared:6 - cgroup cgroup rw,memory\n"
)


class Host:
    """A host's /proc/self and its groups, in a directory."""

    def __init__(self, tmp_path: Path) -> None:
        self.top, self.process = tmp_path / "cgroup", tmp_path / "proc"
        self.process.mkdir()

    def limits(self, mounts: str, groups: str, root: str = "/") -> Limits:
        self.process.joinpath("mountinfo").write_text(mounts.format(top=self.top, root=root))
        self.process.joinpath("cgroup").write_text(groups)
        return own_limits(self.process)

    def group(self, name: str, **files: str) -> None:
        place = self.top / name
        place.mkdir(parents=True, exist_ok=True)
        for file, text in files.items():
            (place / file.replace("__", ".")).write_text(text)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_version_2_takes_the_tightest_of_all_groups_above(host: Host) -> None:
    host.group("a", cpu__max="150000 100000\n", memory__max="536870912\n", cpu__stat="throttled_usec 2500000\n")
    host.group("a/b", cpu__max="max 100000\n", memory__max="max\n", cpu__stat="usage_usec 7\nthrottled_usec 500000\n")
    limits = host.limits(V2, "0::/a/b\n")
    assert (limits.cpus, limits.memory_bytes, limits.throttled_s()) == (1.5, 512 << 20, 3.0)
    assert (limits.cpu_text, limits.memory_text) == ("1.5 CPUs", "512 MiB")


def test_version_1_has_a_hierarchy_for_each(host: Host) -> None:
    host.group("cpu/x", cpu__cfs_quota_us="50000\n", cpu__cfs_period_us="100000\n",
               cpu__stat="nr_throttled 4\nthrottled_time 1500000000\n")  # fmt: skip
    host.group("cpu", cpu__cfs_quota_us="-1\n", cpu__cfs_period_us="100000\n")
    host.group("memory/y", memory__limit_in_bytes="9223372036854771712\n")
    limits = host.limits(V1, "4:cpu,cpuacct:/x\n5:memory:/y\n0::/elsewhere\n")
    assert (limits.cpus, limits.memory_bytes, limits.throttled_s()) == (0.5, None, 1.5)


def test_a_containers_own_group_is_the_mounts_root(host: Host) -> None:
    """With Docker's version 1, /proc/self/cgroup names the host's path, and the mount begins at that group."""
    host.group("cpu", cpu__cfs_quota_us="100000\n", cpu__cfs_period_us="100000\n")
    assert host.limits(V1, "4:cpu,cpuacct:/docker/abc\n", root="/docker/abc").cpus == 1.0
    host.group("", cpu__max="200000 100000\n")
    assert host.limits(V2, "0::/\n").cpus == 2.0
    assert host.limits(V2, "0::/../other\n").cpus == 2.0


def test_a_host_without_limits_or_groups_has_none(host: Host) -> None:
    host.group("a", cpu__stat="usage_usec 7\n")
    for limits in (host.limits(V2, "0::/a\n"), host.limits("", ""), own_limits(host.process / "gone")):
        assert (limits.cpus, limits.memory_bytes, limits.throttled_s()) == (None, None, 0.0)
        assert all(feature.present for feature in without_limits(limits))


def test_the_doctor_names_the_limit_and_who_set_it(host: Host) -> None:
    host.group("a", cpu__max="150000 100000\n", memory__max="536870912\n")
    cpu, memory = without_limits(host.limits(V2, "0::/a\n"))
    assert (cpu.name, cpu.present, memory.present) == ("cpu.unlimited", False, False)
    assert "1.5 CPUs" in cpu.reason
    assert "docker --cpus" in cpu.remedy
    assert "512 MiB" in memory.reason
