"""From probes to InfluxDB: a bounded queue and one writer thread. Nothing here ever blocks or fails a measurement.

Every point is accounted for: once the queue is flushed, produced = delivered + lost.
"""

import threading
import time
from collections import deque

from domain.sample import Point
from domain.trial import TelemetryAccount
from probes.influx import InfluxSink
from probes.sink import Sink, SinkError

NO_SINK = "no InfluxDB is configured"


class Stream:
    """A bounded queue of points and the thread that writes them in batches.

    The thread starts with the first point, so a stream may be made before a fork and used after it.
    ``sink=None`` counts every point as lost: that is telemetry switched off, and it is shown.
    """

    def __init__(
        self,
        sink: Sink | None,
        capacity_points: int = 50_000,
        *,
        batch_points: int = 5_000,
        interval_s: float = 1.0,
        attempts: int = 3,
        pause_s: float = 0.2,
    ) -> None:
        self._sink = sink
        self._capacity = capacity_points
        self._batch_points = batch_points
        self._interval_s = interval_s
        self._attempts = attempts
        self._pause_s = pause_s
        self._lines: deque[str] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._epoch = 0
        self._writing = 0
        self._urgent = False
        self._closed = False
        self._produced = self._delivered = self._lost = 0
        self._queued = self._settled = 0  # of all time: points that went into the queue, and out of it for good
        self._missing = ""

    @classmethod
    def to_influx(cls, url: str, token: str = "", org: str = "", bucket: str = "showdown") -> "Stream":
        """A stream to the InfluxDB at ``url``; an empty ``url`` switches telemetry off."""
        return cls(InfluxSink(url, token, org, bucket) if url else None)

    def put(self, point: Point) -> None:
        """Queue a point; a full queue, or a stream without a sink, counts it as lost."""
        with self._changed:
            self._produced += 1
            if self._sink is None:
                self._lose(1, NO_SINK)
            elif self._closed:
                self._lose(1, "the stream was closed")
            elif len(self._lines) >= self._capacity:
                self._lose(1, self._missing or f"more than {self._capacity} points waited for InfluxDB")
            else:
                self._lines.append(point.line)
                self._queued += 1
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="telemetry", daemon=True)
                    self._thread.start()
                if len(self._lines) >= self._batch_points:
                    self._changed.notify_all()

    def account(self) -> TelemetryAccount:
        """The points since the last :meth:`take_account`; those still waiting are only in ``produced``."""
        with self._changed:
            return TelemetryAccount(
                produced=self._produced, delivered=self._delivered, lost=self._lost, missing=self._missing[:500]
            )

    def take_account(self, timeout_s: float = 5.0) -> TelemetryAccount:
        """Flush, and begin a new account: the closed one holds produced = delivered + lost.

        What is not delivered in time is counted as lost, and dropped.
        """
        self.flush(timeout_s)
        with self._changed:
            waiting = len(self._lines) + self._writing
            if waiting:
                self._lose(waiting, self._missing or f"InfluxDB took nothing for {timeout_s:g} s")
                self._lines.clear()
                self._settled = self._queued
                self._epoch += 1  # the batch that is being written belongs to no account any more
                self._writing = 0
            account = self.account()
            self._produced = self._delivered = self._lost = 0
            self._missing = ""
        return account

    def flush(self, timeout_s: float) -> bool:
        """Wait until everything queued by now is delivered or lost; ``False`` when that took too long."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            queued = self._queued
            while self._settled < queued:
                # Said again each time: points that come meanwhile must not send the thread back to its pause.
                self._urgent = True
                self._changed.notify_all()
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    return self._settled >= queued
            return True

    def close(self, timeout_s: float = 5.0) -> TelemetryAccount:
        """Flush, end the thread, close the sink; the last account. Harmless when repeated."""
        account = self.take_account(timeout_s)
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(timeout_s)
            self._thread = None
        if self._sink is not None:
            self._sink.close()
        return account

    def _lose(self, points: int, reason: str) -> None:
        self._lost += points
        self._missing = self._missing or reason

    def _run(self) -> None:
        while True:
            with self._changed:
                self._await_batch()
                if self._closed and not self._lines:
                    return
                batch = [self._lines.popleft() for _ in range(min(len(self._lines), self._batch_points))]
                epoch, self._writing = self._epoch, len(batch)
            if not batch:
                continue
            lost, reason = self._write("\n".join(batch), len(batch))
            with self._changed:
                if epoch == self._epoch:
                    self._writing = 0
                    self._settled += len(batch)
                    self._delivered += len(batch) - lost
                    if lost:
                        self._lose(lost, reason)
                self._changed.notify_all()

    def _await_batch(self) -> None:
        due = time.monotonic() + self._interval_s
        while not self._closed and len(self._lines) < self._batch_points:
            if self._urgent and self._lines:
                return
            self._urgent = False
            left = due - time.monotonic()
            if left <= 0:
                return
            self._changed.wait(left)

    def _write(self, lines: str, points: int) -> tuple[int, str]:
        """How many points of the batch were lost, and why."""
        if self._sink is None:
            return points, NO_SINK
        for attempt in range(1, self._attempts + 1):
            try:
                self._sink.write(lines)
            except SinkError as error:
                if error.refused is not None:
                    return min(points, error.refused), str(error)
                if not error.again or attempt == self._attempts or self._closed:
                    return points, str(error)
                with self._changed:
                    self._changed.wait(self._pause_s)
            except Exception as error:  # a sink's bug must not end the thread and leave points waiting for ever
                return points, f"{type(error).__name__}: {error}"
            else:
                return 0, ""
        raise AssertionError("the last attempt returns")
