"""From probes to InfluxDB: a bounded queue, a spool on disk and one writer thread. Measurements never wait for it.

Every point is accounted for at every moment: produced = delivered + spooled + queued + lost, each loss with its cause.
Delivery is at least once; a point's line contains its identity (measurement, tags, time), so duplicates do no harm.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from domain.probes.sample import Point
from domain.probes.telemetry import CAUSES, LossCause, TelemetryAccount
from domain.values.texts import error_text
from probes.stream.accounts import Accounts
from probes.stream.counters import DeliveryCounters
from probes.stream.delivery import FIRST_PAUSE_S, RetryBackoff
from probes.stream.influx import InfluxSink
from probes.stream.sink import Sink
from probes.stream.spool import Spool
from probes.stream.transport import SpoolState, Transport, open_spool

NO_SINK = CAUSES[LossCause.OFF]
SPILL_S = 3.0  # how long a closing account waits for memory to reach the disk: a sink's longest request and a margin
_LONGEST_HOLD_S = 1.0


class Stream:
    """A bounded queue of lines, and a thread that writes them in batches, or spools them while the sink is unavailable.

    The thread starts with the first point, or with :meth:`start`. ``sink=None`` switches telemetry off: every point
    counts as lost, visibly. Without a ``spool`` only the queue bridges an outage. ``threaded=False`` leaves the work to
    :meth:`flush` and :meth:`step`, for tests with their own clock.
    """

    def __init__(
        self,
        sink: Sink | None,
        capacity_points: int = 50_000,
        *,
        spool: Spool | None = None,
        counters: DeliveryCounters | None = None,
        batch_points: int = 5_000,
        interval_s: float = 1.0,
        pause_s: float = FIRST_PAUSE_S,
        clock: Callable[[], float] = time.monotonic,
        threaded: bool = True,
    ) -> None:
        self._counters = counters or DeliveryCounters()
        self.killed = self._counters.reconcile(spool.points if spool else 0, spool.torn if spool else 0)
        self._accounts = Accounts(self._counters)
        self._capacity = capacity_points
        self._batch_points = batch_points
        self._interval_s = interval_s
        self._clock = clock
        self._threaded = threaded
        self._transport = (
            Transport(sink, spool, RetryBackoff(clock, pause_s), self._record, lambda: self._spill)
            if sink is not None
            else None
        )
        self._has_spool = spool is not None
        self._lines: deque[str] = deque()
        self._writing = 0
        self._earlier = 0  # points in memory that belong to closed accounts; they come first
        self._changed = threading.Condition(threading.RLock())
        self._thread: threading.Thread | None = None
        self._urgent = self._spill = self._closed = False
        self._last_step_s = clock()
        self._hold_until_s = float("-inf")
        self._queued = self._removed = 0  # since the start: points put into the queue, and points that left it
        self._reported_error = ""

    @classmethod
    def to_influx(
        cls, url: str, token: str = "", org: str = "", bucket: str = "showdown", directory: Path | None = None
    ) -> Self:
        """A stream to the InfluxDB at ``url``, with a spool in ``directory``; an empty ``url`` switches telemetry off.

        Create it after the fork. If the directory cannot be used, the counters or the log say so, and only the queue
        bridges an outage.
        """
        spool, counters = open_spool(directory) if url and directory is not None else (None, None)
        return cls(InfluxSink(url, token, org, bucket) if url else None, spool=spool, counters=counters)

    def put(self, point: Point) -> None:
        """Queue a point; it counts as lost if the queue is full or there is no sink."""
        self.put_lines((point.line,))

    def put_lines(self, lines: Sequence[str]) -> None:
        """Queue finished lines, one point each; lines without room are lost."""
        with self._changed:
            self._accounts.produce(len(lines))
            open_ = self._transport is not None and not self._closed
            room = max(0, self._capacity - len(self._lines) - self._writing) if open_ else 0
            if room < len(lines):
                cause, reason = self._refusal()
                self._accounts.record(self._accounts.account_number, losses={cause: len(lines) - room}, reason=reason)
                lines = lines[:room]
                if not lines:
                    return
            idle = not self._lines  # the thread may be sleeping without a timeout
            self._lines.extend(lines)
            self._queued += len(lines)
            self._start()
            if idle or len(self._lines) >= self._batch_points:
                self._changed.notify_all()

    def lose(self, cause: LossCause, points: int) -> None:
        """Count points that were lost before they reached the stream."""
        with self._changed:
            self._accounts.produce(points)
            self._accounts.record(self._accounts.account_number, losses={cause: points}, reason=CAUSES[cause])

    def start(self) -> None:
        """Start to deliver what a former worker left in the spool."""
        with self._changed:
            if self.spool_state().points:
                self._start()

    def account(self) -> TelemetryAccount:
        """The present account of the points since the last :meth:`take_account`."""
        with self._changed:
            return self._accounts.account(self._in_memory - self._earlier, self._waiting_for)

    def spool_state(self) -> SpoolState:
        """The present content of the spool."""
        return self._transport.state if self._transport is not None else SpoolState()

    def take_account(self, timeout_s: float = 5.0) -> TelemetryAccount:
        """Flush, and open a new account. Undelivered points are spooled; if that fails, they stay queued."""
        self._flush_or_spool(timeout_s)
        with self._changed:
            account = self._accounts.close_account(self._in_memory - self._earlier, self._waiting_for)
            self._earlier = self._in_memory
        return account

    def flush(self, timeout_s: float) -> bool:
        """Wait until the points queued by now have left the memory, and the spool too if the sink is available.

        Returns ``False`` on a timeout.
        """
        deadline = time.monotonic() + timeout_s
        with self._changed:
            queued = self._queued
            while not self._flushed(queued):
                if not self._threaded:
                    if not self.step():
                        return self._flushed(queued)
                    continue
                # Repeat this each time: points that arrive meanwhile must not send the thread back to sleep.
                self._urgent = True
                self._changed.notify_all()
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    return self._flushed(queued)
            return True

    def close(self, timeout_s: float = 5.0) -> TelemetryAccount:
        """Flush, end the thread, close spool and sink, and return the last account. Harmless if repeated."""
        self._flush_or_spool(timeout_s)
        with self._changed:
            self._closed = True
            cause = LossCause.DISK if self._transport is not None and self._transport.disk else LossCause.AWAY
            writing, earlier = self._writing, min(len(self._lines), max(0, self._earlier - self._writing))
            for account_number, points in ((0, earlier), (self._accounts.account_number, len(self._lines) - earlier)):
                self._record(account_number, points, losses={cause: points}, reason=self._waiting_for or CAUSES[cause])
            self._lines.clear()
            self._writing = writing  # the sink still has these
            self._changed.notify_all()
        account = self.take_account(0)
        if self._thread is not None:
            self._thread.join(max(timeout_s, SPILL_S))
            if self._thread.is_alive():
                return account  # the sink is stuck: leave spool and counters open for it
            self._thread = None
        if self._transport is not None:
            self._transport.close()
        self._counters.close()
        return account

    def step(self) -> bool:
        """Move one batch from the queue to the sink or spool, and one from the spool to the sink. True if any moved."""
        transport = self._transport
        if transport is None:
            return False
        with self._changed:
            count = min(len(self._lines), self._batch_points, self._earlier or self._batch_points)
            account_number = 0 if self._earlier else self._accounts.account_number
            batch = [self._lines.popleft() for _ in range(count)]
            self._writing = count
        unplaced: Sequence[str] = ()
        moved = False
        try:
            unplaced = transport.forward(batch, account_number, spill=self._spill)
            moved = len(unplaced) < count
            # Fresh points first, so that old points do not delay them.
            if count < self._batch_points and not self._spill:
                moved = transport.drain(self._batch_points) or moved
            transport.sync_earlier(self._accounts.account_number)
            transport.look()
        except Exception as error:  # a bug must not end the thread and strand points
            failed = self._writing - len(unplaced)
            self._record(account_number, failed, losses={LossCause.FAILED: failed}, reason=error_text(error))
        self._finish_step(unplaced, moved)
        return moved

    def _finish_step(self, unplaced: Sequence[str], moved: bool) -> None:
        with self._changed:
            self._lines.extendleft(reversed(unplaced))
            self._writing = 0
            self._last_step_s = self._clock()
            if self._transport is None:
                return
            if not moved and (unplaced or self._transport.state.points):
                self._hold_until_s = self._last_step_s + min(_LONGEST_HOLD_S, max(0.01, self._transport.wait_s))
            if self._transport.last_error != self._reported_error:
                self._reported_error = self._transport.last_error
                self._counters.note_error(self._reported_error)
            self._changed.notify_all()

    @property
    def _in_memory(self) -> int:
        return len(self._lines) + self._writing

    @property
    def _waiting_for(self) -> str:
        return (self._transport.away or self._transport.disk) if self._transport is not None else ""

    def _refusal(self) -> tuple[LossCause, str]:
        if self._transport is None:
            return LossCause.OFF, NO_SINK
        if self._closed:
            return LossCause.CLOSED, "the stream was closed"
        cause = LossCause.DISK if self._transport.disk and self._transport.away else LossCause.QUEUE_FULL
        return cause, self._waiting_for or f"more than {self._capacity} points waited for InfluxDB"

    def _record(
        self, account_number: int, taken: int, *, delivered: int = 0, spooled: int = 0,
        losses: Mapping[LossCause, int], reason: str,
    ) -> None:  # fmt: skip
        with self._changed:
            self._accounts.record(account_number, delivered=delivered, spooled=spooled, losses=losses, reason=reason)
            self._removed += taken
            self._writing = max(0, self._writing - taken)
            if account_number != self._accounts.account_number:
                self._earlier -= taken

    def _flush_or_spool(self, timeout_s: float) -> None:
        self.flush(timeout_s)
        if timeout_s > 0 and self._has_spool and self._in_memory:
            self._spill = True
            self.flush(SPILL_S)
            self._spill = False

    def _flushed(self, queued: int) -> bool:
        if self._transport is None:
            return True
        drained = not self._transport.state.points or self._transport.wait_s > 0 or self._spill
        return self._removed >= queued and drained

    def _start(self) -> None:
        if self._thread is None and self._threaded and not self._closed:
            self._thread = threading.Thread(target=self._run, name="telemetry", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while self._await_work():
            self.step()

    def _await_work(self) -> bool:
        with self._changed:
            while not self._closed:
                pause_s = self._pause_s()
                if pause_s is not None and pause_s <= 0:
                    return True
                self._changed.wait(pause_s)
            return False

    def _pause_s(self) -> float | None:
        """How long the thread may sleep; ``None`` without work."""
        if self._transport is None:
            return None
        waiting = self._transport.state.points
        if not self._lines and not waiting:
            self._urgent = False
            return None
        now = self._clock()
        if self._hold_until_s > now:
            return self._hold_until_s - now
        if len(self._lines) >= self._batch_points or (self._lines and (self._urgent or self._spill)):
            return 0.0
        if not self._lines and self._transport.wait_s > 0:
            self._urgent = False
            return self._transport.wait_s
        # The spool is drained at one batch per interval, because others may be measuring.
        return 0.0 if self._urgent else self._last_step_s + self._interval_s - now
