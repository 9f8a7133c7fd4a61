"""Telemetry: queue, spool and counters of a host, with a database that comes and goes."""

import mmap
import os
import random
from collections.abc import Callable, Sequence
from pathlib import Path

from probes.stream.counters import COUNTERS_FILE, FILE_BYTES, Counts, DeliveryCounters
from probes.stream.segment import records
from probes.stream.segment_files import segment_files
from probes.stream.sink import SinkError
from probes.stream.spool import Spool
from tests.audit import AuditedStream, unaccounted
from tests.faults.disk import Disk
from tests.faults.lives import Life


class _Sink:
    """A database: keeps lines by identity; it may be away, or lose its answer."""

    def __init__(self) -> None:
        self.stored: set[str] = set()
        self.mood = "well"
        self.disk: Disk | None = None
        self.meanwhile: Callable[[], None] = lambda: None  # what measuring threads do during a write

    def write(self, lines: str) -> None:
        assert self.disk is not None
        self.disk.point()
        self.meanwhile()
        if self.mood == "away":
            raise SinkError("it is away", again=True)
        self.stored.update(lines.split("\n"))
        self.disk.point()
        if self.mood == "deaf":
            raise SinkError("timed out", again=True)

    def close(self) -> None:
        """Nothing to free."""


class _Words:
    """The counters in their mapped file; each store is a point to die at."""

    def __init__(self, file: Path, disk: Disk) -> None:
        self._disk = disk
        with file.open("r+b") as opened:
            self._words = memoryview(mmap.mmap(opened.fileno(), FILE_BYTES)).cast("Q")

    def __getitem__(self, index: int) -> int:
        return self._words[index]

    def __setitem__(self, index: int, value: int) -> None:
        if self._words[index] != value:
            self._disk.point()
            self._words[index] = value


class _NotedSpool(Spool):
    """Notes each line that it acknowledged, and which of them were synchronised."""

    life: "TelemetryLife"

    def append(self, lines: Sequence[str], account_number: int = 0) -> None:
        super().append(lines, account_number)
        self.life.noted.update(lines)
        self.life.not_synchronised.update(lines)

    def cut(self) -> None:
        super().cut()
        self.life.synchronised.update(self.life.not_synchronised)


class TelemetryLife(Life):
    """Points that come while the database is well, away or deaf, over two blocks."""

    def __init__(self, root: Path, rng: random.Random) -> None:
        super().__init__(root, rng)
        self.directory = root / "telemetry"
        self.directory.mkdir()
        self.sink = _Sink()
        self.now = 0.0
        self.made: list[str] = []
        self.noted: set[str] = set()
        self.not_synchronised: set[str] = set()  # in this process
        self.synchronised: set[str] = set()

    def live(self, disk: Disk) -> None:
        stream = self._open(disk)
        self.sink.meanwhile = lambda: self._produce(stream, self.rng.choice((0, 0, 2)))
        for _ in range(8):
            self.sink.mood = self.rng.choice(("well", "away", "away", "deaf"))
            self._produce(stream, self.rng.randint(1, 8))
            for _ in range(self.rng.randint(1, 3)):
                self.now += self.rng.choice((0.1, 30.0))
                disk.full = self.rng.random() < 0.1
                stream.step()
                disk.full = False
            if self.rng.random() < 0.3:
                stream.take_account(0.1)
        self.sink.meanwhile = lambda: None
        stream.close(0.1)

    def recover(self, disk: Disk) -> None:
        self.sink.meanwhile = lambda: None
        self.sink.mood = self.rng.choice(("well", "away"))
        stream = self._open(disk)
        for _ in range(3):
            self.now += 30.0
            stream.step()
        stream.close(0.1)

    def died(self) -> None:
        self.not_synchronised.clear()

    def check(self, *, power: bool) -> None:
        self._nothing_acknowledged_is_lost(power=power)
        self.sink.mood, self.now = "well", self.now + 3600
        disk = Disk(self.root)
        with disk.attached():
            stream = self._open(disk)
            assert stream.flush(1)
            totals = stream.totals()
            stream.close(0.1)
        assert (unaccounted(totals), totals.queued, totals.spooled) == (0, 0, 0), totals
        assert self.sink.stored <= set(self.made), "a line that nothing produced"
        if not power:  # counters are not synchronised: a power failure may take the last seconds of them
            there = len(self.sink.stored)
            assert totals.delivered <= there, f"{totals.delivered} delivered, and {there} there"
            assert len(self.made) - len(self.sink.stored) <= totals.lost, "lost, and not counted"
        left = sorted(file.name for file in self.directory.iterdir())
        assert left == [COUNTERS_FILE, "lock"], left

    def _produce(self, stream: AuditedStream, points: int) -> None:
        lines = [f"m v=1i {len(self.made) + n}" for n in range(points)]
        stream.put_lines(lines)
        self.made += lines

    def _nothing_acknowledged_is_lost(self, *, power: bool) -> None:
        """Before the last start: what the spool took is there, or delivered."""
        there: set[str] = set(self.sink.stored)
        for _, path in segment_files(self.directory):
            data = path.read_bytes()
            there.update(line for record in records(data) if not record.done for line in record.lines(data) or ())
        missing = (self.synchronised if power else self.noted) - there
        assert not missing, f"the spool took {len(missing)} lines, and they are gone: {sorted(missing)[:3]}"

    def _open(self, disk: Disk) -> AuditedStream:
        self.sink.disk = disk
        spool = _NotedSpool(self.directory, segment_bytes=400, write=lambda *args: os.pwrite(*args))
        spool.life = self
        counters = DeliveryCounters(self.directory / COUNTERS_FILE)
        counters.life = Counts(_Words(self.directory / COUNTERS_FILE, disk))
        return AuditedStream(
            self.sink, 100, spool=spool, counters=counters, batch_points=5, clock=lambda: self.now, threaded=False
        )
