"""The spool on disk: what survives a crash, what is dropped, and what counts as damaged."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from probes.stream import spool as module
from probes.stream.segment import encode, records
from probes.stream.segment_files import spool_content
from probes.stream.spool import Spool, SpoolBusy


def drained(spool: Spool, limit: int = 1000) -> tuple[list[str], int]:
    """All lines in the spool, and the number of torn points."""
    lines, torn = [], 0
    while held := spool.read(limit):
        lines += held.lines
        torn += held.torn
        spool.release(held)
    return lines, torn


def segments(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.seg"))


def filled(directory: Path, records: int = 3, points: int = 2) -> list[str]:
    """A closed spool with its content."""
    spool = Spool(directory)
    lines = [f"m v={number}i {number}" for number in range(records * points)]
    for start in range(0, len(lines), points):
        spool.append(lines[start : start + points])
    spool.close()
    return lines


def test_lines_come_back_in_order_and_leave_nothing_behind(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(["a", "ü b"])
    spool.append(["c"])
    assert spool.points == 3
    held = spool.read(1)
    assert held is not None
    assert held.lines == ("a", "ü b")  # at least one record
    assert drained(spool) == (["a", "ü b", "c"], 0)
    assert (spool.points, spool.size_bytes, segments(tmp_path)) == (0, 0, [])
    spool.append(["d"])
    assert drained(spool) == (["d"], 0)


def test_the_next_worker_finds_what_was_not_released(tmp_path: Path) -> None:
    lines = filled(tmp_path)
    spool = Spool(tmp_path)
    held = spool.read(2)
    assert held is not None
    spool.release(held)
    spool.close()
    spool = Spool(tmp_path)
    assert (spool.points, spool.torn) == (4, 0)
    assert drained(spool) == (lines[2:], 0)


def test_two_workers_cannot_have_one_spool(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    with pytest.raises(SpoolBusy):
        Spool(tmp_path)
    spool.close()
    Spool(tmp_path).close()


@pytest.mark.parametrize("cut_bytes", range(1, 46, 4))
def test_a_torn_last_record_is_counted_and_hides_nothing(tmp_path: Path, cut_bytes: int) -> None:
    lines = filled(tmp_path)
    (path,) = segments(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut_bytes])
    spool = Spool(tmp_path)
    head_is_whole = len(list(records(whole[:-cut_bytes]))) == 3
    assert (spool.points, spool.torn) == (4, 2 if head_is_whole else 0)
    spool.close()
    spool = Spool(tmp_path)
    assert (spool.points, spool.torn) == (4, 0), "counted once"
    spool.append(["new"])
    assert drained(spool) == ([*lines[:4], "new"], 0)


def test_a_record_damaged_in_the_middle_is_counted_and_the_rest_is_read(tmp_path: Path) -> None:
    lines = filled(tmp_path)
    (path,) = segments(tmp_path)
    data = bytearray(path.read_bytes())
    second = list(records(bytes(data)))[1]
    data[second.end - 2] ^= 0xFF
    path.write_bytes(data)
    spool = Spool(tmp_path)
    assert spool.points == 6
    assert drained(spool) == (lines[:2] + lines[4:], 2)


def test_a_damaged_head_is_skipped(tmp_path: Path) -> None:
    lines = filled(tmp_path)
    (path,) = segments(tmp_path)
    data = bytearray(path.read_bytes())
    data[list(records(bytes(data)))[1].at + 5] ^= 0xFF
    path.write_bytes(data)
    assert drained(Spool(tmp_path)) == (lines[:2] + lines[4:], 0)


@pytest.mark.parametrize("vanish", [Path.unlink, lambda path: path.write_bytes(b"")], ids=["removed", "emptied"])
def test_a_file_that_vanishes_is_counted_and_the_next_is_read(tmp_path: Path, vanish: Callable[[Path], object]) -> None:
    spool = Spool(tmp_path)
    spool.append(["a", "b"], 1)
    spool.append(["c"], 2)  # another account gets a separate segment
    vanish(segments(tmp_path)[0])
    assert drained(spool) == (["c"], 2)


def test_the_oldest_give_way_at_the_cap_and_are_counted(tmp_path: Path) -> None:
    line = "x" * 100
    spool = Spool(tmp_path, cap_bytes=4096)
    dropped = 0
    for _ in range(200):
        spool.append([line])
        dropped += sum(one.points for one in spool.take_dropped())
        assert spool.size_bytes <= 4096
        assert sum(path.stat().st_size for path in segments(tmp_path)) == spool.size_bytes
        assert spool.points + dropped == _ + 1
    assert 15 < spool.points < 35
    with pytest.raises(ValueError, match="exceeds"):
        spool.append(["x" * 5000])


def test_a_full_disk_keeps_nothing_of_the_record_and_all_of_the_others(tmp_path: Path) -> None:
    full = False

    def half(descriptor: int, data: bytes, at: int) -> int:
        if not full:
            return os.pwrite(descriptor, data, at)
        if len(data) < 40:
            raise OSError(errno.ENOSPC, "No space left on device")
        return os.pwrite(descriptor, data[: len(data) // 2], at)

    spool = Spool(tmp_path, write=half)
    spool.append(["a"])
    full = True
    with pytest.raises(OSError, match="No space"):
        spool.append(["b" * 300])
    full = False
    assert segments(tmp_path)[0].stat().st_size == spool.size_bytes
    spool.append(["c"])
    assert drained(spool) == (["a", "c"], 0)


def test_a_segment_ends_with_its_era_and_is_synchronised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synchronised: list[int] = []
    monkeypatch.setattr(module.os, "fdatasync", synchronised.append)
    spool = Spool(tmp_path)
    spool.append(["a"], 1)
    spool.append(["b"], 1)
    assert (len(segments(tmp_path)), len(synchronised), spool.active_account) == (1, 0, 1)
    spool.append(["c"], 2)
    assert (len(segments(tmp_path)), len(synchronised), spool.active_account) == (2, 1, 2)
    first = spool.read(100)
    assert first is not None
    assert (first.account_number, first.lines) == (1, ("a", "b"))  # never lines of two accounts at once
    spool.close()
    assert len(synchronised) == 2


def test_doctor_looks_without_touching(tmp_path: Path) -> None:
    assert spool_content(tmp_path / "none") == (0, 0, None)
    spool = Spool(tmp_path, time_ns=lambda: 5_000_000_000)
    spool.append(["a", "b"])
    points, size, since_s = spool_content(tmp_path)
    assert (points, size, since_s) == (2, len(encode(["a", "b"], 0)), 5.0)
    assert spool.since_ns == 5_000_000_000
    assert drained(spool) == (["a", "b"], 0)
    assert spool_content(tmp_path) == (0, 0, None)
