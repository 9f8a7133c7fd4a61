"""At all times: produced = delivered + spooled + queued + lost, and every delivered point arrived once."""

import errno
import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from domain.probes.telemetry import LossCause, TelemetryAccount
from probes._fake import FakeSink
from probes.stream.counters import COUNTERS_FILE, DeliveryCounters, read_counters
from probes.stream.sink import SinkError
from probes.stream.spool import Spool
from tests.audit import AuditedStream, unaccounted

CAPACITY = 40


class Faulty(FakeSink):
    """A database: keeps points by identity, refuses bad lines, and fails on request, perhaps after it accepted them."""

    def __init__(self) -> None:
        super().__init__()
        self.stored: dict[str, int] = {}
        self.mood = "well"
        self.calls_left = 0

    def write(self, lines: str) -> None:
        batch = lines.split("\n")
        if self.mood == "flaky":
            self.calls_left -= 1
        if self.mood == "away" or (self.mood == "flaky" and self.calls_left < 0):
            raise SinkError("it is away", again=True)
        for line in batch:
            if not line.startswith("bad"):
                self.stored[line] = self.stored.get(line, 0) + 1
        if self.mood == "deaf":
            raise SinkError("timed out", again=True)  # it accepted them, but the client cannot know
        bad = sum(line.startswith("bad") for line in batch)
        if bad:
            raise SinkError("partial write", again=False, refused=bad if self.mood == "well" else None)


class Pipeline(RuleBasedStateMachine):
    """The telemetry of one host through faults of all its parts, over several lives of its worker."""

    @initialize(cap=st.sampled_from([500, 1 << 20]), mood=st.sampled_from(["well", "away"]))
    def begin(self, cap: int, mood: str) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="showdown-spool-"))
        self.cap = cap
        self.sink = Faulty()
        self.sink.mood = mood
        self.now = 0.0
        self.number = 0
        self.made: list[str] = []
        self.accounts: list[TelemetryAccount] = []
        self.disk_full = False
        self.open()

    def open(self) -> None:
        self.spool = Spool(self.directory, self.cap, segment_bytes=400, write=self.write)
        self.stream = AuditedStream(
            self.sink, CAPACITY, spool=self.spool,
        counters=DeliveryCounters(self.directory / COUNTERS_FILE), batch_points=10,
            clock=lambda: self.now, threaded=False,
        )  # fmt: skip

    @rule(points=st.integers(1, 30), bad=st.booleans())
    def produce(self, points: int, bad: bool) -> None:
        lines = [f"{'bad' if bad and n % 4 == 1 else 'good'} v=1i {self.number + n}" for n in range(points)]
        self.number += points
        self.made += lines
        self.stream.put_lines(lines)

    @rule(times=st.integers(1, 4))
    def step(self, times: int) -> None:
        for _ in range(times):
            self.stream.step()

    @rule(mood=st.sampled_from(["well", "well", "away", "deaf", "flaky", "vague"]), calls=st.integers(0, 3))
    def change_mood(self, mood: str, calls: int) -> None:
        self.sink.mood, self.sink.calls_left = mood, calls

    @rule(seconds=st.sampled_from([0.1, 1.0, 360.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(full=st.booleans())
    def full_disk(self, full: bool) -> None:
        self.disk_full = full

    def write(self, descriptor: int, data: bytes, at: int) -> int:
        """A full disk takes the first few bytes of a record."""
        if not self.disk_full:
            return os.pwrite(descriptor, data, at)
        if len(data) > 30:
            return os.pwrite(descriptor, data[:7], at)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    @rule()
    def close_account(self) -> None:
        account = self.stream.take_account(0.1)
        assert unaccounted(account) == 0
        self.accounts.append(account)

    @rule()
    def killed(self) -> None:
        """Like SIGKILL: nothing is flushed, and the memory is lost."""
        queued = self.stream.totals().queued
        self.abandon()
        before = self.stream.totals().losses.get(LossCause.KILLED, 0)
        self.open()
        assert self.stream.killed == queued
        assert self.stream.totals().losses.get(LossCause.KILLED, 0) == before + queued

    @precondition(lambda self: self.stream.spool_state().points)
    @rule(cut=st.integers(1, 60))
    def torn(self, cut: int) -> None:
        """Killed by a power failure that lost the end of the last segment."""
        self.abandon()
        last = sorted(self.directory.glob("*.seg"))[-1]
        last.write_bytes(last.read_bytes()[:-cut])
        self.open()

    @rule()
    def restarted(self) -> None:
        self.accounts.append(self.stream.close(0.1))
        self.open()
        assert self.stream.killed == 0

    def abandon(self) -> None:
        self.spool.close()  # frees the lock, like the end of the process

    @invariant()
    def everything_is_accounted_for(self) -> None:
        account, totals = self.stream.account(), self.stream.totals()
        assert unaccounted(account) == unaccounted(totals) == 0
        assert totals.produced == len(self.made)
        assert totals.queued <= CAPACITY
        assert totals.spooled == self.spool.points == self.stream.spool_state().points
        noted = read_counters(self.directory / COUNTERS_FILE)
        assert noted is not None
        assert noted.life.model_copy(update={"missing": totals.missing}) == totals, "what doctor sees is the truth"

    @invariant()
    def no_point_is_called_delivered_that_is_not_there(self) -> None:
        assert len(self.sink.stored) >= self.stream.totals().delivered

    def teardown(self) -> None:
        """At the end all faults are gone, and every good line that is not counted as lost has arrived."""
        if not hasattr(self, "stream"):
            return
        try:
            self.end_well()
        finally:
            shutil.rmtree(self.directory)

    def end_well(self) -> None:
        """All faults end, and the rest is delivered."""
        self.sink.mood = "well"
        self.now += 3600
        self.full_disk(False)
        assert self.stream.flush(1)
        self.stream.close()
        totals = self.stream.totals()
        assert (totals.queued, totals.spooled, unaccounted(totals)) == (0, 0, 0)
        good = [line for line in self.made if line.startswith("good")]
        lost_good = totals.lost - totals.rejected
        assert set(self.sink.stored) <= set(good)
        assert len(good) - len(self.sink.stored) <= lost_good
        assert totals.delivered <= len(self.sink.stored)


TestPipeline = Pipeline.TestCase
TestPipeline.settings = settings(
    max_examples=150, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
