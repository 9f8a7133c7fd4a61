"""The probes of one worker process, around the slices of its blocks."""

import os
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from domain.sample import (
    Point,
    StageHistogram,
    TrialTags,
    kernel_event_point,
    kernel_latency_point,
    kernel_work_point,
    telemetry_point,
)
from domain.watched import StageRole, Watched
from probes.base import LabView, Probe, ProbeError, Reading
from probes.stream import Stream
from probes.windows import Pace, Span, Windows, overlap_s, prompt

# Single events are for looking at; the histograms tell the distribution. This bounds what InfluxDB must keep.
MAX_EVENTS_PER_INTERVAL = 50


class ProbeSession:
    """Owns the started probes: compiled once, pointed at the lab of each slice, read once a second within it.

    Probes that can are watched in windows (probes/windows.py), the others, and without ``windowed`` all, for the whole
    slice. A probe that fails is
    left out from then on, and named in :attr:`failed`; the measurement goes on without it.
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
        self._spans: list[Span] = []
        self._slice_began_s = self._interval_began_s = 0.0
        self._lock = threading.Lock()
        self._stop_ticking = threading.Event()
        self._ticker: threading.Thread | None = None
        self._tags: TrialTags | None = None
        self._baseline: dict[str, Reading] = {}
        self._previous: dict[str, Reading] = {}
        self.failed: dict[str, str] = {}

    def start(self, names: Iterable[str]) -> dict[str, str]:
        """Run exactly these probes: start the new ones, stop the others. Returns why those that failed did."""
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

    def begin_slice(self, lab: LabView, tags: TrialTags) -> None:
        """Point the probes at the lab whose slice begins, and take the reading that its growth counts from."""
        self._halt()
        lab = replace(lab)  # another object for each slice: a probe's maximum is that since it was turned to a lab
        with self._lock:
            self._tags, self._spans = tags, []
            self._baseline.clear()
            for name, probe in list(self._running.items()):
                try:
                    if not probe.applies(lab):
                        continue
                    self._baseline[name] = self._previous[name] = probe.read()
                    if name not in self._windows:
                        probe.watch(lab)
                except Exception as error:
                    self._fail({name: error})
            windowed = self._windows.turn(lab)
            self._slice_began_s = self._interval_began_s = time.monotonic()
        self._stop_ticking.clear()
        work = self._watch_windows if windowed else self._tick
        self._ticker = threading.Thread(target=work, name="probes", daemon=True)
        self._ticker.start()

    def end_slice(self, traffic: Sequence[tuple[float, float]] = ()) -> Watched:
        """Watch nothing; the growth of the whole slice. Empty when no slice had begun.

        ``traffic`` tells when there was any, as (begin, end) in monotonic seconds: how often a stage happened in all is
        estimated from the share of it that was watched. Without, all of the time since ``begin_slice`` counts.
        """
        end_s = time.monotonic()
        self._halt()
        seen = Watched()
        with self._lock:
            if self._tags is None:
                return seen
            # All stop watching before any is read: reading takes time, and they should cover the same slice.
            self._watch_nothing()
            self._interval(self._tags)
            known = [Span(*span) for span in traffic] or [Span(self._slice_began_s, end_s)]
            for name in self._baseline.keys() & self._running.keys():
                scale = self._scale(name, self._spans, known)
                stage = self._running[name].stage
                seen = seen.plus(_watched(stage, self._previous[name], self._baseline[name], scale))
            self._tags = None
        return seen

    def close(self) -> None:
        """Stop every probe; harmless when repeated. The stream is its maker's to close."""
        self._halt()
        with self._lock:
            self._tags = None
            self._windows.close()
            for probe in self._running.values():
                probe.stop()
            self._running.clear()

    def _start(self, name: str) -> None:
        if name not in self._probes:
            raise ProbeError(f"this host knows no probe {name!r}")
        probe = self._probes[name]
        try:
            probe.start()
            probe.watch(None)
        except Exception as error:
            probe.stop()
            raise error if isinstance(error, ProbeError) else ProbeError(f"{name}: {error}") from error
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
        pace = Pace(os.cpu_count() or 1)
        pause_s = pace.first_pause_s()
        due_s = time.monotonic() + self._interval_s
        with prompt():
            while not self._stop_ticking.wait(pause_s):
                with self._lock:
                    span, begun = self._windows.watch(pace.window_s, self._stop_ticking)
                    self._spans.append(span)
                    if self._windows.failed:
                        self._fail(self._windows.failed)
                pause_s = pace.pause_s(begun, span.end_s - span.begin_s)
                if time.monotonic() >= due_s:
                    self._read_interval()
                    due_s = time.monotonic() + self._interval_s

    def _read_interval(self) -> None:
        with self._lock:
            if self._tags is not None:
                self._interval(self._tags)

    def _watch_nothing(self) -> None:
        for name, probe in list(self._running.items()):
            try:
                probe.watch(None)
            except Exception as error:
                self._fail({name: error})

    def _interval(self, tags: TrialTags) -> None:
        """Read every probe, and put the growth since the last reading and the sampled events into the stream."""
        now_ns, now_s = time.time_ns(), time.monotonic()
        passed, self._interval_began_s = Span(self._interval_began_s, now_s), now_s
        for name in [name for name in self._baseline if name in self._running]:
            try:
                reading = self._running[name].read()
            except Exception as error:
                self._fail({name: error})
                continue
            previous, self._previous[name] = self._previous[name], reading
            if self._stream is not None:
                scale = self._scale(name, self._spans, [passed])
                seen = _watched(self._running[name].stage, reading, previous, scale)
                self._publish(self._stream, tags, seen, now_ns)
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

    def _scale(self, name: str, windows: Sequence[Span], time_spans: Sequence[Span]) -> float | None:
        """How many times longer than its windows these spans are; ``None`` when no window was open in them."""
        if name not in self._windows:
            return 1.0
        watched_s = overlap_s(windows, time_spans)
        return sum(span.end_s - span.begin_s for span in time_spans) / watched_s if watched_s else None

    def _publish(self, stream: Stream, tags: TrialTags, seen: Watched, now_ns: int) -> None:
        for (stage, role), growth in seen.stages.items():
            if growth.count or growth.lost:
                stream.put(kernel_latency_point(tags, stage, growth, now_ns, role=role))
        if any(seen.work.values()):
            stream.put(kernel_work_point(tags, {kind: round(count) for kind, count in seen.work.items()}, now_ns))

    def _fail(self, errors: Mapping[str, Exception]) -> None:
        # Programs of one tracepoint lead to one another: those that are left are linked anew.
        self._windows.close()
        for name, error in errors.items():
            self.failed[name] = f"{name}: {error}"
            self._running.pop(name).stop()
        self._windows = self._windows.without(errors)


def _watched(stage: str, reading: Reading, earlier: Reading, scale: float | None) -> Watched:
    """What a probe saw between two of its readings; ``scale`` is how much more happened in all, if that is known."""
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
