"""Processes that die at every step of what they keep on disk: the short form of tests/faults/crash_points.py."""

import os
from pathlib import Path

import pytest

from tests.faults.crash_points import PARTS, SHORT, tried
from tests.faults.disk import Crash, Disk


@pytest.mark.parametrize("part", PARTS)
def test_a_successor_finds_what_was_acknowledged_wherever_its_predecessor_died(part: str) -> None:
    points, violations = tried(part, SHORT)
    assert violations == []
    assert points >= SHORT


def test_the_disk_of_these_tests_loses_what_was_not_synchronised(tmp_path: Path) -> None:
    """A test of the test: without an fsync a file, or its name, is gone after some power failures."""
    found = set()
    for seed in range(30):
        root = tmp_path / str(seed)
        root.mkdir()
        disk = Disk(root, seed)
        with disk.attached():
            descriptor = os.open(root / "draft", os.O_WRONLY | os.O_CREAT)
            os.write(descriptor, b"content")
            os.close(descriptor)
            os.replace(root / "draft", root / "file")
        disk.lose_power()
        found.add((root / "file").read_bytes() if (root / "file").exists() else None)
    assert {None, b"", b"content"} <= found


def test_a_dead_process_changes_nothing_any_more(tmp_path: Path) -> None:
    disk = Disk(tmp_path, crash_at=1)
    with disk.attached():
        with pytest.raises(Crash):
            os.open(tmp_path / "first", os.O_WRONLY | os.O_CREAT)
        with pytest.raises(Crash):
            os.mkdir(tmp_path / "second")
    assert list(tmp_path.iterdir()) == []
