"""CPUs are divided by cores: siblings stay together, nothing overlaps, and too few are shared."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.lab import cpus, netns
from workers.lab.cpus import Placement, allocate, cores_of, list_text, missing


def topology(directory: Path, cores: Sequence[Sequence[int]], *, package_of: dict[int, int] | None = None) -> Path:
    """A /sys/devices/system/cpu with these cores; ``package_of`` says in which package a CPU is."""
    for core in cores:
        for cpu in core:
            folder = directory / f"cpu{cpu}" / "topology"
            folder.mkdir(parents=True)
            (folder / "core_cpus_list").write_text(list_text(core) + "\n")
            (folder / "physical_package_id").write_text(f"{(package_of or {}).get(cpu, 0)}\n")
    return directory


def test_four_cpus_of_four_cores(tmp_path: Path) -> None:
    cores = cores_of(range(4), topology(tmp_path, [[0], [1], [2], [3]]))
    assert allocate(cores) == Placement((0,), (1, 2), (3,))
    assert str(allocate(cores)) == "generator on 0; DUT on 1-2; origin on 3"
    assert missing(cores) == ""


def test_siblings_stay_together(tmp_path: Path) -> None:
    """The usual numbering of a machine with two threads per core: the siblings of 0 to 3 are 4 to 7."""
    cores = cores_of(range(8), topology(tmp_path, [[0, 4], [1, 5], [2, 6], [3, 7]]))
    assert allocate(cores) == Placement((0, 4), (1, 2, 5, 6), (3, 7))
    assert str(allocate(cores)) == "generator on 0,4; DUT on 1-2,5-6; origin on 3,7"


def test_four_cpus_of_two_cores_are_shared(tmp_path: Path) -> None:
    cores = cores_of(range(4), topology(tmp_path, [[0, 1], [2, 3]]))
    assert allocate(cores).is_shared
    assert missing(cores) == "generator, DUT and origin share 4 CPUs of 2 cores: each takes time from the others"


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_cpus_are_shared(count: int, tmp_path: Path) -> None:
    shared = allocate(cores_of(range(count), topology(tmp_path, [[cpu] for cpu in range(count)])))
    every = tuple(range(count))
    assert (shared, shared.is_shared) == (Placement(every, every, every), True)
    assert [shared.bound(role) for role in ("client", "dut", "server")] == [(), (), ()]
    assert str(shared) == f"shared CPUs: generator, DUT and origin run on {list_text(every)}"


def test_only_allowed_cpus_count(tmp_path: Path) -> None:
    """As in a container that may use four of eight CPUs; a core of which one thread is allowed is a core."""
    directory = topology(tmp_path, [[0, 4], [1, 5], [2, 6], [3, 7]])
    assert cores_of({0, 1, 2, 6}, directory) == [(0,), (1,), (2, 6)]
    assert allocate(cores_of({0, 1, 2, 6}, directory)) == Placement((0,), (1,), (2, 6))


def test_packages_are_not_mixed_more_than_needed(tmp_path: Path) -> None:
    """Every second CPU is in the other package."""
    directory = topology(tmp_path, [[cpu] for cpu in range(8)], package_of={cpu: cpu % 2 for cpu in range(8)})
    assert allocate(cores_of(range(8), directory)) == Placement((0, 2), (1, 3, 4, 6), (5, 7))


def test_older_kernels_and_unknown_topologies(tmp_path: Path) -> None:
    directory = topology(tmp_path, [[0, 1], [2, 3], [4, 5]])
    for cpu in range(6):
        folder = directory / f"cpu{cpu}" / "topology"
        (folder / "core_cpus_list").rename(folder / "thread_siblings_list")
    assert cores_of(range(6), directory) == [(0, 1), (2, 3), (4, 5)]
    assert cores_of(range(4), tmp_path / "absent") == [(0,), (1,), (2,), (3,)]


@given(st.lists(st.integers(1, 4), min_size=1, max_size=40))
def test_whatever_the_cores_nothing_overlaps_and_nothing_is_left(threads: list[int]) -> None:
    cores, first = [], 0
    for count in threads:
        cores.append(tuple(range(first, first + count)))
        first += count
    found = allocate(cores)
    parts = [set(found.client), set(found.dut), set(found.server)]
    assert set.union(*parts) == set(range(first))
    if not found.is_shared:
        assert sum(map(len, parts)) == first >= 4
        assert all(any(set(core) <= part for part in parts) for core in cores)
        assert len(found.dut) > 0
    assert found.is_shared == bool(missing(cores))


@pytest.mark.parametrize(("found", "text"), [((3, 1, 2, 5), "1-3,5"), ((0,), "0"), ((0, 2), "0,2"), ((0, 1), "0-1")])
def test_cpus_are_written_as_the_kernel_writes_them(found: tuple[int, ...], text: str) -> None:
    assert list_text(found) == text


def test_this_hosts_placement_is_of_the_cpus_that_it_may_use() -> None:
    found = cpus.placement()
    assert set(found.client + found.dut + found.server) == os.sched_getaffinity(0)


def test_a_program_is_bound_only_where_cpus_are_its_own() -> None:
    assert netns.entry("a", ["nginx"])[-2:] == ["KILL", "nginx"]
    assert netns.entry("a", ["nginx"], (2, 6))[-4:] == ["taskset", "--cpu-list", "2,6", "nginx"]
