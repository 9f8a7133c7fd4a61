"""The probes of one worker process, around the slices of its blocks."""

import threading
import time
from collections.abc import Iterable, Mapping

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

# Single events are for looking at; the histograms tell the distribution. This bounds what InfluxDB must keep.
MAX_EVENTS_PER_INTERVAL = 50


class ProbeSession:
    """Owns the started probes: compiled once, pointed at the lab of each slice, read once a second within it.

    A probe that fails is left out from then on, and named in :attr:`failed`; the measurement goes on without it.
    """

    def __init__(
        self, probes: Mapping[str, Probe], stream: Stream | None, host: str, *, interval_s: float = 1.0
    ) -> None:
        self._probes = probes
        self._stream = stream
        self._host = host
        self._interval_s = interval_s
        self._running: dict[str, Probe] = {}
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
            for name in [name for name in self._running if name not in wanted]:
                self._running.pop(name).stop()
            for name in wanted:
                if name in self._running:
                    continue
                try:
                    self._start(name)
                except ProbeError as error:
                    self.failed[name] = str(error)
        return dict(self.failed)

    def begin_slice(self, lab: LabView, tags: TrialTags) -> None:
        """Point the probes at the lab whose slice begins, and take the reading that its growth counts from."""
        self._halt()
        with self._lock:
            self._tags = tags
            for name, probe in list(self._running.items()):
                try:
                    self._baseline[name] = self._previous[name] = probe.read()
                    probe.watch(lab)
                except Exception as error:
                    self._fail(name, error)
        self._stop_ticking.clear()
        self._ticker = threading.Thread(target=self._tick, name="probes", daemon=True)
        self._ticker.start()

    def end_slice(self) -> Watched:
        """Watch nothing; the growth of the whole slice. Empty when no slice had begun."""
        self._halt()
        seen = Watched()
        with self._lock:
            if self._tags is None:
                return seen
            # All stop watching before any is read: reading takes time, and they should cover the same slice.
            self._watch_nothing()
            self._interval(self._tags)
            for name, probe in self._running.items():
                seen = seen.plus(_watched(probe.stage, self._previous[name], self._baseline[name]))
            self._tags = None
        return seen

    def close(self) -> None:
        """Stop every probe; harmless when repeated. The stream is its maker's to close."""
        self._halt()
        with self._lock:
            self._tags = None
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
            with self._lock:
                if self._tags is not None:
                    self._interval(self._tags)

    def _watch_nothing(self) -> None:
        for name, probe in list(self._running.items()):
            try:
                probe.watch(None)
            except Exception as error:
                self._fail(name, error)

    def _interval(self, tags: TrialTags) -> None:
        """Read every probe, and put the growth since the last reading and the sampled events into the stream."""
        now_ns = time.time_ns()
        for name, probe in list(self._running.items()):
            try:
                reading = probe.read()
            except Exception as error:
                self._fail(name, error)
                continue
            previous, self._previous[name] = self._previous[name], reading
            if self._stream is not None:
                self._publish(self._stream, tags, _watched(probe.stage, reading, previous), now_ns)
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

    def _publish(self, stream: Stream, tags: TrialTags, seen: Watched, now_ns: int) -> None:
        for (stage, role), growth in seen.stages.items():
            if growth.count or growth.lost:
                stream.put(kernel_latency_point(tags, stage, growth, now_ns, role=role))
        if any(seen.work.values()):
            stream.put(kernel_work_point(tags, {kind: round(count) for kind, count in seen.work.items()}, now_ns))

    def _fail(self, name: str, error: Exception) -> None:
        self.failed[name] = f"{name}: {error}"
        self._running.pop(name).stop()


def _watched(stage: str, reading: Reading, earlier: Reading) -> Watched:
    """What a probe saw between two of its readings."""
    empty = StageHistogram()
    stages = {
        StageRole(stage, role): histogram.minus(earlier.stages.get(role, empty))
        for role, histogram in reading.stages.items()
    }
    return Watched(
        stages=stages,
        events={key: float(histogram.count * reading.every) for key, histogram in stages.items()},
        work={kind: float(count - earlier.work.get(kind, 0)) for kind, count in reading.work.items()},
    )
