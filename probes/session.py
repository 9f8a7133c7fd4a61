"""The probes of one worker process during the slices of its blocks."""

import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from domain.probes.sample import (
    Point,
    StageHistogram,
    TrialTags,
    kernel_event_point,
    kernel_latency_point,
    kernel_work_point,
    telemetry_point,
)
from domain.probes.telemetry import LossCause
from domain.probes.watched import Span, StageRole, Watched
from domain.values.texts import error_text
from probes.base import LabView, Probe, ProbeError, Reading
from probes.pace import Pace
from probes.stream.stream import Stream
from probes.windows import Window, Windows, passage_of, scale_of

# Single events are for inspection; the histograms have the distribution. This limits what InfluxDB must store.
MAX_EVENTS_PER_INTERVAL = 50
LOOK_S = 0.01  # interval of checks for the start of the traffic


class ProbeSession:
    """Owns the started probes: compiles each once, turns it to the lab of each slice, and reads it every second.

    Probes that support it watch in windows (probes/windows.py). The others, and all without ``windowed``, watch the
    whole slice. A probe that fails is removed and named in :attr:`failed`; the measurement continues without it.
    """

    def __init__(
        self,
        probes: Mapping[str, Probe],
        stream: Stream | None,
        host: str,
        *,
        interval_s: float = 1.0,
        windowed: bool = True,
    ) -> None:
        self._probes = probes
        self._windowed = windowed
        self._stream = stream
        self._host = host
        self._interval_s = interval_s
        self._running: dict[str, Probe] = {}
        self._windows = Windows({})
        self._pace = Pace(os.cpu_count() or 1)
        self._seen: list[Window] = []
        self._passed: Callable[[], float] = time.monotonic
        self._slice_from = self._interval_from = 0.0
        self._slice_began_s = self._warm_up_s = 0.0
        self._share = 1.0
        self._lock = threading.Lock()
        self._stop_ticking = threading.Event()
        self._ticker: threading.Thread | None = None
        self._tags: TrialTags | None = None
        self._absent: dict[str, str] = {}
        self._baseline: dict[str, Reading] = {}
        self._previous: dict[str, Reading] = {}
        self.failed: dict[str, str] = {}

    def start(self, names: Iterable[str]) -> dict[str, str]:
        """Run exactly these probes: start new ones, stop the others. Returns the errors of those that failed."""
        wanted = list(dict.fromkeys(names))
        self.failed = {}
        with self._lock:
            self._windows.close()
            for name in [name for name in self._running if name not in wanted]:
                self._running.pop(name).stop()
            for name in wanted:
                if name in self._running:
                    continue
                try:
                    self._start(name)
                except ProbeError as error:
                    self.failed[name] = str(error)
            self._windows = Windows(self._running if self._windowed else {})
        return dict(self.failed)

    def begin_slice(self, lab: LabView, tags: TrialTags, warm_up_s: float = 0.0) -> None:
        """Point the probes at the lab of the new slice, and take the first reading.

        ``warm_up_s`` is the uncounted part of its traffic: no window opens before its end.
        """
        self._halt()
        lab = replace(lab)  # a new object per slice: a probe resets its maximum when it is pointed at another lab
        with self._lock:
            self._tags, self._seen = tags, []
            self._baseline.clear()
            self._absent = {}
            for name, probe in list(self._running.items()):
                try:
                    if why := probe.absence(lab):
                        self._absent[probe.stage] = why
                        continue
                    self._baseline[name] = self._previous[name] = probe.read()
                    if name not in self._windows:
                        probe.watch(lab)
                except Exception as error:
                    self._fail({name: error})
            windowed = self._windows.turn(lab)
            if self._windows.failed:
                self._fail(self._windows.failed)
            self._passed = lab.packets or time.monotonic
            self._slice_from = self._interval_from = self._passed()
            self._slice_began_s = time.monotonic()
            self._warm_up_s, self._share = warm_up_s, 1.0
        self._stop_ticking.clear()
        work = self._watch_windows if windowed else self._tick
        self._ticker = threading.Thread(target=work, name="probes", daemon=True)
        self._ticker.start()

    def end_slice(
        self, traffic: Sequence[Span] = (), share: float = 1.0, sent: Callable[[Sequence[Span]], float] | None = None
    ) -> Watched:
        """Stop watching; returns the growth over the slice, or nothing if no slice had begun.

        ``traffic`` are the times of counted requests, (begin, end) in monotonic seconds; default: the whole slice.
        ``share`` is their share of all requests, warm-up included. ``sent`` gives the share of them that was sent
        within some spans. If it returns 0, the share is estimated from the packets in that time.
        """
        self._halt()
        with self._lock:
            if self._tags is None:
                return Watched()
            # All probes stop before any is read: reading takes time, and all should cover the same slice.
            self._watch_nothing()
            passed = self._passed()
            self._interval(self._tags)
            whole, self._share = (passed - share * (passed - self._slice_from), passed), share
            spans = traffic or [(self._slice_began_s, time.monotonic())]
            looked = tuple((one.begin_s, one.end_s) for one in self._seen)
            watched = sent(looked) if sent else 0.0
            seen = Watched(absent=self._absent, passage=passage_of(self._seen, whole, spans), windows=looked)
            for name in [name for name in self._baseline if name in self._running]:
                scale = self._scale(name, whole, traffic, watched)
                stage = self._running[name].stage
                seen = seen.plus(_watched_between(stage, self._previous[name], self._baseline[name], scale))
            self._tags = None
        return seen

    def close(self) -> None:
        """Stop every probe; harmless if repeated. The caller closes the stream."""
        self._halt()
        with self._lock:
            self._tags = None
            self._windows.close()
            for probe in self._running.values():
                probe.stop()
            self._running.clear()

    def _start(self, name: str) -> None:
        if name not in self._probes:
            raise ProbeError(f"this host has no probe {name!r}")
        probe = self._probes[name]
        try:
            probe.start()
            probe.watch(None)
        except Exception as error:
            probe.stop()
            raise error if isinstance(error, ProbeError) else ProbeError(f"{name}: {error_text(error)}") from error
        self._running[name] = probe

    def _halt(self) -> None:
        self._stop_ticking.set()
        if self._ticker is not None:
            self._ticker.join()
            self._ticker = None

    def _tick(self) -> None:
        while not self._stop_ticking.wait(self._interval_s):
            self._read_interval()

    def _watch_windows(self) -> None:
        pace = self._pace
        self._await_packets()
        began_s, passed = time.monotonic(), self._passed()
        pause_s, due_s = self._warm_up_s + pace.first_pause_s(), began_s + self._interval_s
        while not self._stop_ticking.wait(pause_s):
            if not self._seen:
                pace.expect((self._passed() - passed) / (time.monotonic() - began_s))
            with self._lock:
                seen = self._windows.watch(pace.window_s, self._stop_ticking, self._passed)
                self._seen.append(seen)
                if self._windows.failed:
                    self._fail(self._windows.failed)
            pause_s = pace.pause_s(seen.started, seen.end_s - seen.begin_s, seen.spent_s)
            if time.monotonic() >= due_s:
                self._read_interval()
                due_s = time.monotonic() + self._interval_s

    def _await_packets(self) -> None:
        while self._passed() == self._slice_from and not self._stop_ticking.wait(LOOK_S):
            pass

    def _read_interval(self) -> None:
        with self._lock:
            if self._tags is not None:
                self._interval(self._tags)

    def _watch_nothing(self) -> None:
        self._windows.rest()
        for name, probe in list(self._running.items()):
            try:
                probe.watch(None)
            except Exception as error:
                self._fail({name: error})

    def _interval(self, tags: TrialTags) -> None:
        """Read every probe; put the growth since the last reading, and the sampled events, into the stream."""
        now_ns = time.time_ns()
        interval = self._interval_from, self._passed()
        self._interval_from = interval[1]
        for name in [name for name in self._baseline if name in self._running]:
            try:
                reading = self._running[name].read()
            except Exception as error:
                self._fail({name: error})
                continue
            previous, self._previous[name] = self._previous[name], reading
            if self._stream is not None:
                scale = self._scale(name, interval)
                seen = _watched_between(self._running[name].stage, reading, previous, scale)
                self._publish(self._stream, tags, seen, now_ns)
                self._stream.lose(LossCause.RING_BUFFER, max(0, reading.samples_lost - previous.samples_lost))
                for sample in reading.samples[:MAX_EVENTS_PER_INTERVAL]:
                    self._stream.put(kernel_event_point(tags, sample))
        if self._stream is not None:
            self._stream.put(self._telemetry(self._stream, tags, now_ns))

    def _telemetry(self, stream: Stream, tags: TrialTags, now_ns: int) -> Point:
        state = stream.spool_state()
        return telemetry_point(
            tags.campaign, self._host, stream.account(), now_ns,
            spool_bytes=state.size_bytes, spool_age_s=state.age_s(now_ns),
        )  # fmt: skip

    def _scale(self, name: str, whole: Span, traffic: Sequence[Span] = (), watched: float = 0.0) -> float | None:
        """The factor from what a probe saw to the whole; ``watched`` is the probe's share of the requests, or 0."""
        if name not in self._windows:
            return self._share
        return 1 / watched if watched else scale_of(self._seen, whole, traffic)

    def _publish(self, stream: Stream, tags: TrialTags, seen: Watched, now_ns: int) -> None:
        for (stage, role), growth in seen.stages.items():
            if growth.count or growth.lost:
                stream.put(kernel_latency_point(tags, stage, growth, now_ns, role=role))
        if any(seen.work.values()):
            stream.put(kernel_work_point(tags, {kind: round(count) for kind, count in seen.work.items()}, now_ns))

    def _fail(self, errors: Mapping[str, Exception]) -> None:
        # Programs of one tracepoint are chained: the remaining ones are linked again.
        self._windows.close()
        for name, error in errors.items():
            self.failed[name] = f"{name}: {error}"
            self._running.pop(name).stop()
        self._windows = self._windows.without(errors)


def _watched_between(stage: str, reading: Reading, earlier: Reading, scale: float | None) -> Watched:
    """What a probe saw between two readings; ``scale`` is the factor to all events, if known."""
    empty = StageHistogram()
    stages = {
        StageRole(stage, role): histogram.minus(earlier.stages.get(role, empty))
        for role, histogram in reading.stages.items()
    }
    if scale is None:
        return Watched(stages=stages)
    return Watched(
        stages=stages,
        events={key: histogram.count * reading.every * scale for key, histogram in stages.items()},
        work={kind: (count - earlier.work.get(kind, 0)) * scale for kind, count in reading.work.items()},
    )
