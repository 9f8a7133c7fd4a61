"""Seven kinds of failure that other tools' disk buffers had (Vector's, above all), each as a test of this one."""

import errno
import os
from contextlib import suppress
from pathlib import Path

import pytest
from celery.signals import worker_process_shutdown

from domain.probes.telemetry import LossCause
from probes._fake import FakeSink
from probes.stream.counters import COUNTERS_FILE, Counts, DeliveryCounters, read_counters
from probes.stream.segment_files import broken_files, segment_files
from probes.stream.sink import SinkError
from probes.stream.spool import Spool, SpoolBusy, SpooledBatch
from tests.audit import AuditedStream, unaccounted
from tests.failing_files import failing
from workers.agent import tasks

AWAY = SinkError("it is away", again=True)


def stream_over(spool: Spool, sink: FakeSink, directory: Path) -> AuditedStream:
    counters = DeliveryCounters(directory / COUNTERS_FILE)
    return AuditedStream(sink, 1000, spool=spool, counters=counters, batch_points=10, clock=lambda: 0, threaded=False)


def lines(count: int, start: int = 0) -> list[str]:
    return [f"m v=1i {number}" for number in range(start, start + count)]


class TestDropsAreCounted:
    def test_by_the_cap(self, tmp_path: Path) -> None:
        sink = FakeSink()
        sink.fail = AWAY
        stream = stream_over(Spool(tmp_path, cap_bytes=600, segment_bytes=200), sink, tmp_path)
        for start in range(0, 200, 10):
            stream.put_lines(lines(10, start))
            stream.step()
        account = stream.account()
        assert account.losses[LossCause.SPOOL_FULL] > 100
        assert unaccounted(account) == 0

    def test_a_segment_that_cannot_be_dropped_stays_counted(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        spool = Spool(tmp_path, cap_bytes=600, segment_bytes=200)
        spool.append(lines(10), 1)
        spool.append(lines(10, 10), 2)
        failing(monkeypatch, "unlink", "0000000001.seg", errno.EROFS)
        stored = 20
        with suppress(OSError):
            for start in range(20, 200, 10):
                spool.append(lines(10, start), 2)
                stored += 10
        assert stored < 200
        on_disk = sum(len(path.read_bytes()) for _, path in segment_files(tmp_path))
        assert spool.size_bytes == on_disk, "the file is still there, so its points are"
        assert sum(one.points for one in spool.take_dropped()) + spool.points == stored


class TestCountersDoNotWrap:
    def test_no_count_becomes_negative(self) -> None:
        counts = Counts(memoryview(bytearray(800)).cast("Q"))
        counts.add(spooled=2)
        counts.add(spooled=-5)
        assert counts.account().spooled == 0

    @pytest.mark.parametrize("word", range(1, 8))
    def test_a_count_that_no_host_reaches_begins_anew(self, tmp_path: Path, word: int) -> None:
        file = tmp_path / COUNTERS_FILE
        DeliveryCounters(file).close()
        data = bytearray(file.read_bytes())
        data[8 * word : 8 * word + 8] = b"\xff" * 8
        file.write_bytes(data)
        stream = stream_over(Spool(tmp_path), FakeSink(), tmp_path)
        stream.put_lines(lines(3))
        assert stream.totals().produced == 3
        stream.close()


class TestNothingIsDroppedWithoutAFlush:
    def test_a_stream_that_closes_has_delivered_or_spooled_or_counted_everything(self, tmp_path: Path) -> None:
        sink = FakeSink()
        sink.fail = AWAY
        stream = stream_over(Spool(tmp_path), sink, tmp_path)
        stream.put_lines(lines(25))
        account = stream.close(0.1)
        assert (account.spooled, account.queued, account.lost) == (25, 0, 0)

    def test_a_worker_process_that_ends_closes_its_stream(self, monkeypatch: pytest.MonkeyPatch) -> None:
        closed: list[float] = []

        class Known:
            class stream:
                close = staticmethod(closed.append)

        tasks.this_worker.cache_clear()
        worker_process_shutdown.send(sender=None, pid=1, exitcode=0)
        assert closed == [], "a process that never began has no stream"
        monkeypatch.setattr(tasks, "Worker", lambda settings: Known)
        monkeypatch.setenv("SHOWDOWN_HOST_TOKEN", "secret")
        tasks.this_worker()
        worker_process_shutdown.send(sender=None, pid=1, exitcode=0)
        tasks.this_worker.cache_clear()
        assert closed == [tasks.FLUSH_S]


class TestARejectedDeliveryIsNotAcknowledged:
    def test_refused_lines_of_the_spool_are_lost_and_not_delivered(self, tmp_path: Path) -> None:
        class Refusing(FakeSink):
            def write(self, text: str) -> None:
                if self.fail is not None:
                    raise self.fail
                if "bad" in text:
                    raise SinkError("no", again=False)
                super().write(text)

        sink = Refusing()
        sink.fail = AWAY
        now = 0.0
        stream = AuditedStream(sink, spool=Spool(tmp_path), clock=lambda: now, threaded=False)
        stream.put_lines([*lines(5), "bad v=1i 1", *lines(5, 10)])
        stream.step()
        assert stream.account().spooled == 11
        sink.fail, now = None, 60.0
        assert stream.flush(1)
        account = stream.close()
        assert (account.delivered, account.losses) == (10, {LossCause.REJECTED: 1})
        assert len(sink.lines) == 10


class TestFileNumbersDoNotRollOver:
    def test_numbers_grow_beyond_ten_digits(self, tmp_path: Path) -> None:
        spool = Spool(tmp_path)
        spool.append(["first"])
        spool.close()
        (old,) = tmp_path.glob("*.seg")
        old.rename(tmp_path / "9999999999.seg")
        spool = Spool(tmp_path)
        spool.append(["second"], 1)
        spool.close()
        assert [number for number, _ in segment_files(tmp_path)] == [9_999_999_999, 10_000_000_000]
        spool = Spool(tmp_path)
        assert spool.points == 2
        held = spool.read(1)
        assert held is not None
        assert held.lines == ("first",)
        spool.close()


class TestAFileIsSafeBeforeAnotherGoes:
    def test_a_segment_that_ends_is_synchronised_with_its_name(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        synchronised: list[str] = []
        for name in ("fsync", "fdatasync"):
            monkeypatch.setattr(os, name, lambda fd: synchronised.append(os.readlink(f"/proc/self/fd/{fd}")))
        spool = Spool(tmp_path)
        spool.append(["a"], 1)
        spool.append(["b"], 2)
        assert synchronised == [str(tmp_path / "0000000001.seg"), str(tmp_path)]
        spool.close()

    def test_a_delivered_segment_goes_only_after_it_was_counted(self, tmp_path: Path) -> None:
        """If the process is killed in between, the points are delivered twice and counted once."""
        seen: list[tuple[int, int]] = []

        class Watched(Spool):
            def release(self, held: SpooledBatch) -> None:
                seen.append((stream.account().delivered, len(segment_files(tmp_path))))
                super().release(held)

        sink, now = FakeSink(), 0.0
        sink.fail = AWAY
        stream = AuditedStream(sink, spool=Watched(tmp_path), clock=lambda: now, threaded=False)
        stream.put_lines(lines(3))
        stream.step()
        sink.fail, now = None, 60.0
        stream.step()
        assert seen == [(3, 1)]
        stream.close()


class TestNoFileKeepsAWorkerFromStarting:
    @pytest.mark.parametrize("number", [errno.EACCES, errno.EIO])
    def test_an_unreadable_segment_is_set_aside_and_the_others_are_delivered(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
    ) -> None:
        self.fill(tmp_path)
        failing(monkeypatch, "read_bytes", "0000000001.seg", number)
        for _ in range(2):  # and it is not tried again at the next start
            spool = Spool(tmp_path)
            assert (spool.points, broken_files(tmp_path)) == (1, ["0000000001.seg.bad"])
            spool.close()

    def test_a_directory_and_a_giant_in_a_segments_place(self, tmp_path: Path) -> None:
        self.fill(tmp_path)
        (tmp_path / "0000000003.seg").mkdir()
        with (tmp_path / "0000000004.seg").open("wb") as giant:
            giant.truncate(1 << 40)
        spool = Spool(tmp_path)
        assert spool.points == 3
        assert broken_files(tmp_path) == ["0000000003.seg.bad", "0000000004.seg.bad"]
        spool.append(["new"])
        spool.close()

    def test_a_segment_that_becomes_unreadable_does_not_hold_up_the_next(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.fill(tmp_path)
        sink = FakeSink()
        stream = stream_over(Spool(tmp_path), sink, tmp_path)
        failing(monkeypatch, "read_bytes", "0000000001.seg", errno.EACCES)
        assert stream.flush(1)
        assert sink.lines == ["c"]
        assert stream.totals().losses == {LossCause.TORN: 2}
        stream.close()

    def test_a_start_that_fails_leaves_the_spool_free(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.fill(tmp_path)
        with monkeypatch.context() as patch:
            failing(patch, "read_bytes", "0000000001.seg", errno.EMFILE)
            with pytest.raises(OSError, match="Too many open files"):
                Spool(tmp_path)
        try:
            Spool(tmp_path).close()
        except SpoolBusy:
            pytest.fail("the lock of the failed start is still held")

    @staticmethod
    def fill(directory: Path) -> None:
        spool = Spool(directory)
        spool.append(["a", "b"], 1)
        spool.append(["c"], 2)
        spool.close()


def test_a_segment_that_someone_removed_is_torn_and_not_killed(tmp_path: Path) -> None:
    sink = FakeSink()
    sink.fail = AWAY
    spool = Spool(tmp_path)
    stream = stream_over(spool, sink, tmp_path)
    stream.put_lines(lines(7))
    stream.step()
    stream.put_lines(lines(3, 7))  # in memory when the worker is killed
    spool.close()
    next(tmp_path.glob("*.seg")).unlink()
    heir = stream_over(Spool(tmp_path), sink, tmp_path)
    assert heir.totals().losses == {LossCause.TORN: 7, LossCause.KILLED: 3}
    assert heir.killed == 3
    heir.close()


def test_what_a_stuck_database_leaves_in_memory_is_not_the_disks_fault(tmp_path: Path) -> None:
    class Stuck(FakeSink):
        def write(self, text: str) -> None:
            raise SinkError("refused", again=False)

    stream = AuditedStream(Stuck(), spool=Spool(tmp_path), batch_points=4, threaded=False)
    stream.put_lines(lines(8))
    account = stream.close(0)  # no time to flush
    assert LossCause.DISK not in account.losses
    assert unaccounted(account) == 0
    assert read_counters(tmp_path / COUNTERS_FILE) is None
