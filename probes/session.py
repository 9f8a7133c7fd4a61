"""The probes of one worker process, around the slices of its blocks."""

import threading
import time
from collections.abc import Iterable, Mapping

from domain.sample import (
    StageHistogram,
    TrialTags,
    kernel_event_point,
    kernel_latency_point,
    telemetry_point,
)
from probes.base import LabView, Probe, ProbeError
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
        self._baseline: dict[str, StageHistogram] = {}
        self._previous: dict[str, StageHistogram] = {}
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
                    reading, _ = probe.read()
                    self._baseline[name] = self._previous[name] = reading
                    probe.watch(lab)
                except Exception as error:
                    self._fail(name, error)
        self._stop_ticking.clear()
        self._ticker = threading.Thread(target=self._tick, name="probes", daemon=True)
        self._ticker.start()

    def end_slice(self) -> dict[str, StageHistogram]:
        """Watch nothing; the growth of the whole slice, by stage. Empty when no slice had begun."""
        self._halt()
        growth: dict[str, StageHistogram] = {}
        with self._lock:
            if self._tags is None:
                return growth
            # All stop watching before any is read: reading takes time, and they should cover the same slice.
            self._watch_nothing()
            self._interval(self._tags)
            for name, probe in self._running.items():
                growth[probe.stage] = self._previous[name].minus(self._baseline[name])
            self._tags = None
        return growth

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
                reading, samples = probe.read()
            except Exception as error:
                self._fail(name, error)
                continue
            growth = reading.minus(self._previous[name])
            self._previous[name] = reading
            if self._stream is None:
                continue
            if growth.count or growth.lost:
                self._stream.put(kernel_latency_point(tags, probe.stage, growth, now_ns))
            for sample in list(samples)[:MAX_EVENTS_PER_INTERVAL]:
                self._stream.put(kernel_event_point(tags, sample))
        if self._stream is not None:
            account = self._stream.account()
            self._stream.put(telemetry_point(tags.campaign, self._host, account, now_ns))

    def _fail(self, name: str, error: Exception) -> None:
        self.failed[name] = f"{name}: {error}"
        self._running.pop(name).stop()
