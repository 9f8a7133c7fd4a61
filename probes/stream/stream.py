"""From probes to InfluxDB: a bounded queue, a spool on disk and one writer thread. No measurement ever waits for it.

Every point is accounted for, at every moment: produced = delivered + spooled + queued + lost, each loss with its cause.
Delivery is at least once; a point's identity (measurement, tags, time) is in its line, so a replay does not double it.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from domain.sample import Point
from domain.telemetry import CAUSES, LossCause, TelemetryAccount
from probes.stream.accounts import Accounts
from probes.stream.counters import DeliveryCounters
from probes.stream.delivery import FIRST_PAUSE_S, Patience
from probes.stream.influx import InfluxSink
from probes.stream.sink import Sink
from probes.stream.spool import Spool
from probes.stream.transport import SpoolState, Transport, opened

NO_SINK = CAUSES[LossCause.OFF]
SPILL_S = 3.0  # how long a closing account waits for the memory to reach the disk: a sink's time-out and some more
_LONGEST_HOLD_S = 1.0


class Stream:
    """A bounded queue of lines, and the thread that writes them in batches, or spools them while the sink is away.

    The thread starts with the first point, or with :meth:`start`. ``sink=None`` counts every point as lost: that is
    telemetry switched off, and it is shown. Without a ``spool`` the queue alone bridges a gap. ``threaded=False``
    leaves the work to :meth:`flush` and :meth:`step`, for tests with a clock of their own.
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
        self._transport = Transport(sink, spool, Patience(clock, pause_s), self._settle) if sink is not None else None
        self._has_spool = spool is not None
        self._lines: deque[str] = deque()
        self._writing = 0
        self._earlier = 0  # of what is in memory, the points of accounts that are closed; they come first
        self._changed = threading.Condition(threading.RLock())
        self._thread: threading.Thread | None = None
        self._urgent = self._spill = self._closed = False
        self._stepped_s = clock()
        self._hold_until_s = float("-inf")
        self._queued = self._settled = 0  # of all time: points that went into the queue, and out of it for good
        self._noted = ""

    @classmethod
    def to_influx(
        cls, url: str, token: str = "", org: str = "", bucket: str = "showdown", directory: Path | None = None
    ) -> "Stream":
        """A stream to the InfluxDB at ``url``, with a spool in ``directory``; an empty ``url`` switches telemetry off.

        Make it after the fork. Where the directory cannot be used, its counters or the log say so, and only the queue
        bridges an outage.
        """
        spool, counters = opened(directory) if url and directory is not None else (None, None)
        return cls(InfluxSink(url, token, org, bucket) if url else None, spool=spool, counters=counters)

    def put(self, point: Point) -> None:
        """Queue a point; a full queue, or a stream without a sink, counts it as lost."""
        self.put_lines((point.line,))

    def put_lines(self, lines: Sequence[str]) -> None:
        """Queue finished lines, one point each; those that find no room are lost."""
        with self._changed:
            self._accounts.produced(len(lines))
            open_ = self._transport is not None and not self._closed
            room = max(0, self._capacity - len(self._lines) - self._writing) if open_ else 0
            if room < len(lines):
                cause, reason = self._refusal()
                self._accounts.settled(self._accounts.era, losses={cause: len(lines) - room}, reason=reason)
                lines = lines[:room]
                if not lines:
                    return
            idle = not self._lines  # the thread may sleep without an end
            self._lines.extend(lines)
            self._queued += len(lines)
            self._start()
            if idle or len(self._lines) >= self._batch_points:
                self._changed.notify_all()

    def lose(self, cause: LossCause, points: int) -> None:
        """Count points that were lost before they could be put here."""
        with self._changed:
            self._accounts.produced(points)
            self._accounts.settled(self._accounts.era, losses={cause: points}, reason=CAUSES[cause])

    def start(self) -> None:
        """Begin to deliver what a former worker left in the spool."""
        with self._changed:
            if self.spool_state().points:
                self._start()

    def account(self) -> TelemetryAccount:
        """What became so far of the points since the last :meth:`take_account`."""
        with self._changed:
            return self._accounts.account(self._in_memory - self._earlier, self._waiting_for)

    def totals(self) -> TelemetryAccount:
        """What became of all points since the counters began, those of former workers included."""
        with self._changed:
            return self._counters.life.account(self._in_memory, self._waiting_for)

    def spool_state(self) -> SpoolState:
        """What lies in the spool."""
        return self._transport.state if self._transport is not None else SpoolState()

    def take_account(self, timeout_s: float = 5.0) -> TelemetryAccount:
        """Flush, and begin a new account. What is not delivered in time is spooled; what cannot be, stays queued."""
        self._settle_down(timeout_s)
        with self._changed:
            account = self._accounts.close_account(self._in_memory - self._earlier, self._waiting_for)
            self._earlier = self._in_memory
        return account

    def flush(self, timeout_s: float) -> bool:
        """Wait until what is queued by now has left the memory, and the spool too while the sink is there.

        ``False`` when that took too long.
        """
        deadline = time.monotonic() + timeout_s
        with self._changed:
            queued = self._queued
            while not self._flushed(queued):
                if not self._threaded:
                    if not self.step():
                        return self._flushed(queued)
                    continue
                # Said again each time: points that come meanwhile must not send the thread back to its pause.
                self._urgent = True
                self._changed.notify_all()
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    return self._flushed(queued)
            return True

    def close(self, timeout_s: float = 5.0) -> TelemetryAccount:
        """Flush, end the thread, close spool and sink; the last account. Harmless when repeated."""
        self._settle_down(timeout_s)
        with self._changed:
            self._closed = True
            cause = LossCause.DISK if self._has_spool else LossCause.AWAY
            writing, earlier = self._writing, min(len(self._lines), max(0, self._earlier - self._writing))
            for era, points in ((0, earlier), (self._accounts.era, len(self._lines) - earlier)):
                self._settle(era, points, losses={cause: points}, reason=self._waiting_for or CAUSES[cause])
            self._lines.clear()
            self._writing = writing  # a sink still has these
            self._changed.notify_all()
        account = self.take_account(0)
        if self._thread is not None:
            self._thread.join(max(timeout_s, SPILL_S))
            if self._thread.is_alive():
                return account  # the sink holds it: spool and counters stay its own
            self._thread = None
        if self._transport is not None:
            self._transport.close()
        self._counters.close()
        return account

    def step(self) -> bool:
        """Move a batch out of the queue, to the sink or the spool, and one out of the spool. Whether any moved."""
        transport = self._transport
        if transport is None:
            return False
        with self._changed:
            count = min(len(self._lines), self._batch_points, self._earlier or self._batch_points)
            era = 0 if self._earlier else self._accounts.era
            batch = [self._lines.popleft() for _ in range(count)]
            self._writing = count
        homeless: Sequence[str] = ()
        moved = False
        try:
            homeless = transport.forward(batch, era, spill=self._spill)
            moved = len(homeless) < count
            # Fresh points first, and none is kept waiting by old ones.
            if count < self._batch_points and not self._spill:
                moved = transport.drain(self._batch_points) or moved
            transport.end_era(self._accounts.era)
            transport.look()
        except Exception as error:  # a bug must not end the thread, and leave points waiting for ever
            failed = self._writing - len(homeless)
            self._settle(era, failed, losses={LossCause.FAILED: failed}, reason=f"{type(error).__name__}: {error}")
        self._stepped(homeless, moved)
        return moved

    def _stepped(self, homeless: Sequence[str], moved: bool) -> None:
        with self._changed:
            self._lines.extendleft(reversed(homeless))
            self._writing = 0
            self._stepped_s = self._clock()
            if self._transport is None:
                return
            if not moved and (homeless or self._transport.state.points):
                self._hold_until_s = self._stepped_s + min(_LONGEST_HOLD_S, max(0.01, self._transport.wait_s))
            if self._transport.last_error != self._noted:
                self._noted = self._transport.last_error
                self._counters.note_error(self._noted)
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

    def _settle(
        self, era: int, taken: int, *, delivered: int = 0, spooled: int = 0,
        losses: Mapping[LossCause, int], reason: str,
    ) -> None:  # fmt: skip
        with self._changed:
            self._accounts.settled(era, delivered=delivered, spooled=spooled, losses=losses, reason=reason)
            self._settled += taken
            self._writing = max(0, self._writing - taken)
            if era != self._accounts.era:
                self._earlier -= taken

    def _settle_down(self, timeout_s: float) -> None:
        self.flush(timeout_s)
        if timeout_s > 0 and self._has_spool and self._in_memory:
            self._spill = True
            self.flush(SPILL_S)
            self._spill = False

    def _flushed(self, queued: int) -> bool:
        if self._transport is None:
            return True
        drained = not self._transport.state.points or self._transport.wait_s > 0 or self._spill
        return self._settled >= queued and drained

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
        """How long the thread may sleep; ``None`` when there is nothing to do."""
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
        # While others measure, the spool is emptied no faster than one batch in each interval.
        return 0.0 if self._urgent else self._stepped_s + self._interval_s - now
